//! What the makers of a model recommend for sampling, and which tokens end an answer.
//!
//! Read out of `generation_config.json`, which may be missing. `do_sample` is ignored on purpose: it says how a
//! library shall behave by default, while our default is decided by the request.

use serde_json::Value;

use super::LoadError;
use super::json::Object;

/// Sampling settings recommended for the model; none where it recommends nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GenerationDefaults {
    /// 0 to 100.
    pub temperature: Option<f32>,
    /// Above 0, at most 1.
    pub top_p: Option<f32>,
    /// Best tokens that are kept; 0 keeps all.
    pub top_k: Option<u32>,
    /// 0 to 1.
    pub min_p: Option<f32>,
    /// Above 0, at most 100; 1 changes nothing.
    pub repetition_penalty: Option<f32>,
}

impl GenerationDefaults {
    pub(super) fn from_json(json: Option<&Object>) -> Result<GenerationDefaults, LoadError> {
        let Some(json) = json else { return Ok(GenerationDefaults::default()) };
        let number = |key: &str, range| Ok(json.number(key, range)?.map(|number| number as f32));
        Ok(GenerationDefaults {
            temperature: number("temperature", 0.0..=100.0)?,
            top_p: number("top_p", f64::MIN_POSITIVE..=1.0)?,
            top_k: json.count("top_k", 0..=u32::MAX as usize)?.map(|count| count as u32),
            min_p: number("min_p", 0.0..=1.0)?,
            repetition_penalty: number("repetition_penalty", 1e-3..=100.0)?,
        })
    }
}

/// The tokens that end an answer: those of `generation_config.json`, or else of `config.json`.
pub(super) fn eos_token_ids(
    config: &Object,
    generation: Option<&Object>,
    vocabulary: usize,
) -> Result<Vec<u32>, LoadError> {
    const KEY: &str = "eos_token_id";
    let source = generation.filter(|json| json.value(KEY).is_some()).unwrap_or(config);
    let values = match source.value(KEY) {
        None => return Ok(Vec::new()),
        Some(Value::Array(values)) => values.as_slice(),
        Some(value) => std::slice::from_ref(value),
    };
    let id = |value: &Value| {
        let id = value.as_u64().filter(|&id| id < vocabulary as u64);
        id.map(|id| id as u32).ok_or_else(|| source.bad(KEY, value, format!("0 to {}", vocabulary - 1)))
    };
    values.iter().map(id).collect()
}
