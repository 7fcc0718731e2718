//! What of a repository is taken: what serving needs and nothing else. Pure.
//!
//! Weights are safetensors, or one quantisation as GGUF; a repository that has both is taken as safetensors. Beside
//! them go the small files that say how to build the model and how to speak with it.

use std::collections::BTreeMap;

use super::listing::HubFile;

/// Taken when a repository has several GGUF files and nobody says which: a quarter of the size at little loss.
const GGUF_DEFAULT: &str = "q4_k_m";
/// Names of choices that an error shows.
const CHOICES_SHOWN_MAX: usize = 24;

/// Beside the weights, in the repository's own folder.
const SIDECARS: &[&str] = &[
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "chat_template.json",
    "*.jinja",
    "preprocessor_config.json",
    "processor_config.json",
    "image_processor_config.json",
    "video_preprocessor_config.json",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "license*",
];
/// In folders of their own: further templates, and the heads of embedding models.
const FOLDERS: &[&str] = &[
    "additional_chat_templates/*.jinja",
    "?_pooling/config.json",
    "?_dense/config.json",
    "?_dense/*.safetensors",
];
/// Safetensors that are no part of the model, or the same weights in another layout.
const NOT_WEIGHTS: &[&str] = &["adapter_*", "consolidated*", "optimizer*", "training_*"];

/// Why nothing can be selected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// Nothing that we load.
    #[error("it has no weights that can be served: safetensors or GGUF are, it has {has}")]
    NoWeights {
        /// Endings of what it has.
        has: String,
    },
    /// The pattern fits no file.
    #[error("no file of it fits {pattern:?}; it has {has}")]
    NoMatch {
        /// The pattern.
        pattern: String,
        /// Names that it could have fitted.
        has: String,
    },
    /// Several models, and no rule says which.
    #[error("it has several models: {choices}; say which one with --file PATTERN")]
    Several {
        /// Their names.
        choices: String,
    },
    /// Some of a row of numbered files are not there.
    #[error("of `{name}` only {has} of {of} parts are in the repository")]
    Parts {
        /// Any of them.
        name: String,
        /// How many are there.
        has: usize,
        /// How many there are to be.
        of: usize,
    },
}

/// What is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    /// In order of their paths.
    pub(super) files: Vec<HubFile>,
    /// Name of the one GGUF model among them, without ending and number.
    pub(super) gguf: Option<String>,
}

/// Selects from the files of a repository. `pattern` has `*` and `?`, and ignores case.
pub(super) fn select(files: &[HubFile], pattern: Option<&str>) -> Result<Selection, SelectError> {
    let fits = |file: &&HubFile| pattern.is_none_or(|pattern| matches(pattern, &file.path));
    let weights: Vec<&HubFile> = files.iter().filter(|file| is_weights(&file.path)).filter(fits).collect();
    let (chosen, gguf) = if !weights.is_empty() && pattern.is_none() {
        (without_duplicates(weights), None)
    } else {
        let ggufs = files.iter().filter(|file| is_gguf(&file.path)).filter(fits).collect();
        match (choose_gguf(ggufs)?, weights.is_empty()) {
            (Some((name, parts)), _) => (parts, Some(name)),
            (None, false) => (without_duplicates(weights), None),
            (None, true) => return Err(nothing(files, pattern)),
        }
    };
    let is_taken = |file: &&HubFile| is_sidecar(&file.path, gguf.is_none()) || chosen.contains(file);
    let mut taken: Vec<HubFile> = files.iter().filter(is_taken).cloned().collect();
    taken.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Selection { files: taken, gguf })
}

fn nothing(files: &[HubFile], pattern: Option<&str>) -> SelectError {
    match pattern {
        Some(pattern) => {
            let candidates = files.iter().filter(|file| is_gguf(&file.path) || is_weights(&file.path));
            let has = shown(candidates.map(|file| file.path.clone()));
            SelectError::NoMatch { pattern: pattern.chars().take(100).collect(), has }
        }
        None => {
            let endings = files.iter().filter_map(|file| file.path.rsplit_once('.'));
            SelectError::NoWeights { has: shown(endings.map(|(_, ending)| format!(".{ending}"))) }
        }
    }
}

fn shown(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.dedup();
    let more = names.len().saturating_sub(CHOICES_SHOWN_MAX);
    names.truncate(CHOICES_SHOWN_MAX);
    match (names.is_empty(), more) {
        (true, _) => "no files".to_owned(),
        (false, 0) => names.join(", "),
        (false, more) => format!("{} and {more} more", names.join(", ")),
    }
}

/// Safetensors of the repository's own folder.
fn is_weights(path: &str) -> bool {
    !path.contains('/') && ends_with(path, ".safetensors")
}

/// The model's own file where there are adapters or copies in another layout.
fn without_duplicates(weights: Vec<&HubFile>) -> Vec<&HubFile> {
    let is_own = |file: &&HubFile| !NOT_WEIGHTS.iter().any(|pattern| matches(pattern, &file.path));
    let own: Vec<&HubFile> = weights.iter().copied().filter(is_own).collect();
    if own.is_empty() { weights } else { own }
}

/// A projector of images lies beside some GGUF models; it is none itself.
pub(super) fn is_gguf(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    ends_with(path, ".gguf") && !matches("*mmproj*", name) && !matches("*imatrix*", name)
}

/// One model of those that are there, all its parts.
fn choose_gguf(files: Vec<&HubFile>) -> Result<Option<(String, Vec<&HubFile>)>, SelectError> {
    let mut models: BTreeMap<String, Vec<&HubFile>> = BTreeMap::new();
    for file in files {
        models.entry(gguf_name(&file.path).to_owned()).or_default().push(file);
    }
    if models.len() > 1 {
        let usual = |name: &String| name.to_ascii_lowercase().ends_with(GGUF_DEFAULT);
        let names: Vec<String> = models.keys().filter(|name| usual(name)).cloned().collect();
        let [name] = names.as_slice() else {
            return Err(SelectError::Several { choices: shown(models.into_keys()) });
        };
        models.retain(|known, _| known == name);
    }
    let Some((name, parts)) = models.into_iter().next() else { return Ok(None) };
    if let Some(of) = parts.iter().find_map(|part| part_count(&part.path)).filter(|of| *of != parts.len()) {
        return Err(SelectError::Parts { name, has: parts.len(), of });
    }
    let stem = name.rsplit('/').next().unwrap_or(&name).to_owned();
    Ok(Some((stem, parts)))
}

/// `x/name-00001-of-00003.gguf` without ending and number.
pub(super) fn gguf_name(path: &str) -> &str {
    let stem = &path[..path.len() - ".gguf".len()];
    if part_count(path).is_some() { &stem[..stem.len() - "-00001-of-00003".len()] } else { stem }
}

/// How many parts a numbered file is of.
pub(super) fn part_count(path: &str) -> Option<usize> {
    let stem = path.get(..path.len().checked_sub(".gguf".len())?)?;
    let tail = stem.get(stem.len().checked_sub("-00001-of-00003".len())?..)?;
    matches("-?????-of-?????", tail).then(|| tail[tail.len() - 5..].parse().ok())?
}

/// The index of safetensors goes with them alone.
fn is_sidecar(path: &str, has_safetensors: bool) -> bool {
    let is_index = has_safetensors && !path.contains('/') && ends_with(path, ".safetensors.index.json");
    is_index && !NOT_WEIGHTS.iter().any(|pattern| matches(pattern, path))
        || (!path.contains('/') && SIDECARS.iter().any(|pattern| matches(pattern, path)))
        || FOLDERS.iter().any(|pattern| path.matches('/').count() == 1 && matches(pattern, path))
}

fn ends_with(path: &str, ending: &str) -> bool {
    path.len() > ending.len()
        && path.is_char_boundary(path.len() - ending.len())
        && path[path.len() - ending.len()..].eq_ignore_ascii_case(ending)
}

/// `*` is any text, `?` any character, case is nothing. Linear in the pattern's stars times the text.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where the last star stood, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, t) = (at + 1, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
