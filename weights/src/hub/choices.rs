//! What of a repository a person may choose: each model in it with what a pull of it would take. Pure; asked by `ask`.
//! The selection is the pull's own, so what is chosen is what comes.

use std::collections::BTreeMap;

use super::listing::HubFile;
use super::select::{Selection, gguf_name, is_gguf, part_count, select};

/// Choices of one repository; the largest collections of quantisations have some thirty.
const CHOICES_MAX: usize = 64;
/// Ways to store weights that a name may state whole.
const FORMS: &[&str] = &["F32", "FP32", "F16", "FP16", "BF16", "FP8", "MXFP4", "NVFP4", "AWQ", "GPTQ"];

/// A model of a repository.
pub(super) struct Choice {
    /// What a pull takes it by; `None` for what the repository is for.
    pub(super) pattern: Option<String>,
    /// What a pull takes.
    pub(super) selection: Selection,
}

/// The models among these files, and which of them a pull without a pattern takes.
pub(super) fn choices(files: &[HubFile]) -> (Vec<Choice>, Option<usize>) {
    let usual = select(files, None).ok();
    let mut choices = Vec::new();
    if let Some(selection) = usual.clone().filter(|selection| selection.gguf.is_none()) {
        choices.push(Choice { pattern: None, selection });
    }
    let mut patterns: BTreeMap<&str, String> = BTreeMap::new();
    for file in files.iter().filter(|file| is_gguf(&file.path)) {
        patterns.entry(gguf_name(&file.path)).or_insert_with(|| pattern(&file.path));
    }
    let ggufs = patterns.into_values().take(CHOICES_MAX).filter_map(|pattern| {
        // One with parts that are missing cannot be taken, so it is no choice.
        let selection = select(files, Some(&pattern)).ok()?;
        Some(Choice { pattern: Some(pattern), selection })
    });
    choices.extend(ggufs);
    let default = choices.iter().position(|choice| usual.as_ref() == Some(&choice.selection));
    (choices, default)
}

/// What fits this file and the other parts of the same model.
fn pattern(path: &str) -> String {
    match part_count(path) {
        // The end of `-00001-of-00003.gguf` is the same for all.
        Some(_) => format!("{}-?????{}", gguf_name(path), &path[path.len() - "-of-00003.gguf".len()..]),
        None => path.to_owned(),
    }
}

/// How a name says its weights are stored: `Q4_K_M`, `4 bit`, `BF16`; empty when it does not.
pub(super) fn quantisation(name: &str) -> String {
    name.split(['-', '.', ' ']).rev().find_map(form).unwrap_or_default()
}

fn form(word: &str) -> Option<String> {
    let word = word.to_ascii_uppercase();
    let bits = word.strip_suffix("BIT").filter(|bits| is_number(bits));
    if let Some(bits) = bits {
        return Some(format!("{bits} bit"));
    }
    let packed = ["IQ", "TQ", "Q"].iter().find_map(|kind| word.strip_prefix(kind));
    let is_packed = packed.is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit())
            && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    (is_packed || FORMS.contains(&word.as_str())).then_some(word)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::FileHash;

    fn files(names: &[&str]) -> Vec<HubFile> {
        let file = |name: &&str| HubFile {
            path: (*name).to_owned(),
            bytes: name.len() as u64,
            hash: FileHash::Sha256(crate::Digest::of(name.as_bytes())),
        };
        names.iter().map(file).collect()
    }

    /// Each as `pattern: name (files)`, with a star before the default.
    fn words(names: &[&str]) -> Vec<String> {
        let (choices, default) = choices(&files(names));
        let word = |(at, choice): (usize, &Choice)| {
            let star = if default == Some(at) { "*" } else { "" };
            let name = choice.selection.gguf.as_deref().unwrap_or("-");
            let pattern = choice.pattern.as_deref().unwrap_or("-");
            format!("{star}{pattern}: {name} ({})", choice.selection.files.len())
        };
        choices.iter().enumerate().map(word).collect()
    }

    #[test]
    fn every_model_of_a_repository_is_a_choice() {
        assert_eq!(words(&["config.json", "model.safetensors", "README.md"]), ["*-: - (2)"]);
        assert_eq!(
            words(&["m-Q4_K_M.gguf", "m-Q8_0.gguf", "mmproj-F16.gguf", "config.json"]),
            ["*m-Q4_K_M.gguf: m-Q4_K_M (2)", "m-Q8_0.gguf: m-Q8_0 (2)"]
        );
        assert_eq!(
            words(&["config.json", "model.safetensors", "m-Q8_0.gguf"]),
            ["*-: - (2)", "m-Q8_0.gguf: m-Q8_0 (2)"]
        );
        assert_eq!(words(&["a-Q8_0.gguf", "b-Q8_0.gguf"]).len(), 2, "nobody knows which");
        assert!(words(&["README.md", "model.bin"]).is_empty());
    }

    #[test]
    fn a_model_in_parts_is_one_choice_and_one_with_a_gap_is_none() {
        let parts = ["x/m-Q8_0-00001-of-00002.gguf", "x/m-Q8_0-00002-of-00002.gguf"];
        assert_eq!(words(&parts), ["*x/m-Q8_0-?????-of-00002.gguf: m-Q8_0 (2)"]);
        assert!(words(&parts[..1]).is_empty());
    }

    #[test]
    fn what_is_shown_is_what_a_pull_takes() {
        let files = files(&["m-Q4_K_M.gguf", "m-Q8_0.gguf", "config.json", "model.safetensors"]);
        for choice in choices(&files).0 {
            assert_eq!(select(&files, choice.pattern.as_deref()), Ok(choice.selection));
        }
    }

    #[test]
    fn a_name_says_how_its_weights_are_stored() {
        for (name, says) in [
            ("m-Q4_K_M", "Q4_K_M"),
            ("m.q8_0", "Q8_0"),
            ("m-UD-IQ2_XXS", "IQ2_XXS"),
            ("Qwen3-0.6B-4bit", "4 bit"),
            ("m-7b-bf16", "BF16"),
            ("Qwen2.5-0.5B-Instruct-AWQ", "AWQ"),
            ("Qwen2.5-0.5B-Instruct", ""),
            ("", ""),
        ] {
            assert_eq!(quantisation(name), says, "{name}");
        }
    }
}
