//! From the hidden states of a text's tokens to its one vector, in the way that the model was trained for.
//!
//! The settings are those of the `sentence-transformers` library: `modules.json` lists the stages, and the folder of
//! the pooling stage says how.

use std::path::Path;

use serde_json::Value;

use super::folder;
use crate::checkpoint::LoadError;

/// How a text's vector comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooling {
    take: Take,
    /// Whether vectors have length 1.
    is_normalised: bool,
    /// Tokens that the makers allow, if fewer than the model could take.
    pub(crate) tokens_max: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Take {
    First,
    Last,
    Mean,
    /// The greatest number in each place.
    Greatest,
}

/// The keys of `config.json` in a pooling folder, and what they mean.
const MODES: [(&str, Take); 4] = [
    ("pooling_mode_cls_token", Take::First),
    ("pooling_mode_lasttoken", Take::Last),
    ("pooling_mode_mean_tokens", Take::Mean),
    ("pooling_mode_max_tokens", Take::Greatest),
];
/// Modes that are known to exist and are not computed here.
const OTHER_MODES: [&str; 2] = ["pooling_mode_mean_sqrt_len_tokens", "pooling_mode_weightedmean_tokens"];
/// The same modes in the short form of newer folders.
const MODE_NAMES: [(&str, Take); 4] =
    [("cls", Take::First), ("lasttoken", Take::Last), ("mean", Take::Mean), ("max", Take::Greatest)];

impl Pooling {
    /// Mean of all tokens, of length 1: what most encoders without a word about it were trained for.
    pub(crate) const USUAL: Pooling = Pooling { take: Take::Mean, is_normalised: true, tokens_max: None };

    /// What the folder says; nothing if it does not speak of embeddings.
    pub fn of(folder: &Path) -> Result<Option<Pooling>, LoadError> {
        let Some(modules) = folder::read(&folder.join("modules.json"))? else { return Ok(None) };
        let bad = |found: String, expected: &str| LoadError::Value {
            file: "modules.json",
            key: "type".to_owned(),
            found,
            expected: expected.to_owned(),
        };
        let mut pooling = Pooling { take: Take::Mean, is_normalised: false, tokens_max: None };
        let mut is_pooled = false;
        for module in modules.as_array().into_iter().flatten() {
            let kind = module["type"].as_str().unwrap_or_default();
            match kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" => {}
                "Pooling" => {
                    let path = module["path"].as_str().unwrap_or_default();
                    pooling.take = take(&folder::inside(folder, path)?)?;
                    is_pooled = true;
                }
                "Normalize" => pooling.is_normalised = true,
                _ => return Err(bad(kind.to_owned(), "Transformer, Pooling or Normalize")),
            }
        }
        if !is_pooled {
            return Err(bad("no stage of type Pooling".to_owned(), "one"));
        }
        let settings = folder::read(&folder.join("sentence_bert_config.json"))?.unwrap_or(Value::Null);
        let tokens_max = settings["max_seq_length"].as_u64().filter(|tokens| *tokens > 0);
        pooling.tokens_max = tokens_max.and_then(|tokens| usize::try_from(tokens).ok());
        Ok(Some(pooling))
    }

    /// The vector of a text from its hidden states, `width` numbers per token; at least one token.
    pub(crate) fn pool(&self, hidden: &[f32], width: usize, dimensions: Option<usize>) -> Vec<f32> {
        let mut rows = hidden.chunks_exact(width);
        let mut vector = match self.take {
            Take::First => rows.next().unwrap_or_default().to_vec(),
            Take::Last => rows.next_back().unwrap_or_default().to_vec(),
            Take::Mean => {
                let count = rows.len().max(1) as f32;
                let mut sums = vec![0.0; width];
                rows.for_each(|row| sums.iter_mut().zip(row).for_each(|(sum, number)| *sum += number));
                sums.iter_mut().for_each(|sum| *sum /= count);
                sums
            }
            Take::Greatest => {
                let mut greatest = rows.next().unwrap_or_default().to_vec();
                rows.for_each(|row| {
                    greatest.iter_mut().zip(row).for_each(|(most, new)| *most = most.max(*new))
                });
                greatest
            }
        };
        if let Some(dimensions) = dimensions {
            vector.truncate(dimensions);
        }
        if self.is_normalised || dimensions.is_some() {
            let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
            if length > 0.0 {
                vector.iter_mut().for_each(|number| *number = (f64::from(*number) / length) as f32);
            }
        }
        vector
    }
}

/// The mode of a pooling folder.
fn take(folder: &Path) -> Result<Take, LoadError> {
    let path = folder.join("config.json");
    let missing = || LoadError::Unreadable { file: path.clone(), message: "no such file".to_owned() };
    let config = folder::read(&path)?.ok_or_else(missing)?;
    let bad = |found: String| LoadError::Value {
        file: "config.json of the pooling stage",
        key: "pooling_mode".to_owned(),
        found,
        expected: "exactly one of cls, lasttoken, mean or max".to_owned(),
    };
    if let Some(mode) = config["pooling_mode"].as_str() {
        let known = MODE_NAMES.iter().find(|(name, _)| *name == mode);
        return known.map(|(_, take)| *take).ok_or_else(|| bad(mode.to_owned()));
    }
    let is_on = |key: &str| config[key].as_bool() == Some(true);
    if let Some(other) = OTHER_MODES.into_iter().find(|key| is_on(key)) {
        return Err(bad(other.to_owned()));
    }
    let chosen: Vec<_> = MODES.iter().filter(|(key, _)| is_on(key)).collect();
    match chosen.as_slice() {
        [(_, take)] => Ok(*take),
        several => Err(bad(format!("{} modes at once", several.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(modules: &str, pooling: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("modules.json"), modules).unwrap();
        std::fs::create_dir(dir.path().join("1_Pooling")).unwrap();
        std::fs::write(dir.path().join("1_Pooling/config.json"), pooling).unwrap();
        dir
    }

    const STAGES: &str = r#"[
        {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]"#;

    #[test]
    fn a_folder_without_stages_is_no_embedding_model() {
        assert_eq!(Pooling::of(tempfile::tempdir().unwrap().path()).unwrap(), None);
    }

    #[test]
    fn each_mode_takes_what_it_says() {
        let hidden = [1.0, -2.0, 3.0, 0.0];
        let modes = [
            ("cls_token", vec![1.0, -2.0]),
            ("lasttoken", vec![3.0, 0.0]),
            ("mean_tokens", vec![2.0, -1.0]),
            ("max_tokens", vec![3.0, 0.0]),
        ];
        for (mode, expected) in modes {
            let plain = STAGES.replace(".Normalize", ".Transformer");
            let dir = folder(&plain, &format!(r#"{{"pooling_mode_{mode}": true}}"#));
            let pooling = Pooling::of(dir.path()).unwrap().unwrap();
            assert_eq!(pooling.pool(&hidden, 2, None), expected, "{mode}");
        }
    }

    #[test]
    fn vectors_of_fewer_dimensions_have_length_one_again() {
        let dir = folder(STAGES, r#"{"pooling_mode": "lasttoken"}"#);
        let pooling = Pooling::of(dir.path()).unwrap().unwrap();
        assert_eq!(pooling.pool(&[3.0, 4.0, 12.0], 3, Some(2)), [0.6, 0.8]);
        assert_eq!(pooling.pool(&[0.0, 0.0, 0.0], 3, None), [0.0, 0.0, 0.0]);
    }

    #[test]
    fn what_cannot_be_computed_is_refused_by_name() {
        let refused = |modules: &str, pooling: &str| {
            let dir = folder(modules, pooling);
            Pooling::of(dir.path()).unwrap_err().to_string()
        };
        assert!(refused(STAGES, r#"{"pooling_mode_weightedmean_tokens": true}"#).contains("weightedmean"));
        assert!(refused(STAGES, "{}").contains("0 modes at once"));
        assert!(
            refused(&STAGES.replace("Normalize", "Dense"), r#"{"pooling_mode": "cls"}"#).contains("Dense")
        );
        assert!(refused(&STAGES.replace("1_Pooling", "../1_Pooling"), "{}").contains("../1_Pooling"));
        assert!(refused("[]", "{}").contains("no stage of type Pooling"));
    }
}
