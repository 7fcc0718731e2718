//! The families of models that can be served: for each a file that turns its `config.json` into a [`DecoderConfig`].
//!
//! Most files start from the plain decoder of `common.rs` and change what is different. A new family is a new file
//! and a new row of [`FAMILIES`]; backends see nothing of it unless it needs a computation that no other has.

mod common;
mod gemma2;
mod gemma3;
mod gpt_oss;
mod llama;
mod mistral;
mod phi3;
mod qwen2;
mod qwen3;
mod qwen3_moe;
#[cfg(test)]
mod tests;

use super::LoadError;
use super::config::DecoderConfig;
use super::json::Object;

/// A family of decoders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Llama 2, 3 and everything that calls itself so.
    Llama,
    /// Mistral 7B and its kin: Llama with a sliding window.
    Mistral,
    /// Qwen 2 and 2.5: biases on q, k and v.
    Qwen2,
    /// Qwen 3: norms on q and k.
    Qwen3,
    /// Qwen 3 with a mixture of experts.
    Qwen3Moe,
    /// Gemma 2: norms on both sides, soft caps, a window in every second layer.
    Gemma2,
    /// Gemma 3, its text part: norms on q and k too, five layers with a window for each without.
    Gemma3,
    /// Phi 3, 3.5 and 4: matrices stored as one, partial and long rotary.
    Phi3,
    /// gpt-oss: a mixture of experts with biases, attention sinks, a window in every second layer.
    GptOss,
}

/// A family, what its models call themselves, and how their `config.json` is read.
pub(super) struct FamilyEntry {
    family: Family,
    /// Values of `model_type`, the usual one first.
    model_types: &'static [&'static str],
    pub(super) read: fn(&Object) -> Result<DecoderConfig, LoadError>,
}

/// All families.
const FAMILIES: [FamilyEntry; 9] = [
    llama::ENTRY,
    mistral::ENTRY,
    qwen2::ENTRY,
    qwen3::ENTRY,
    qwen3_moe::ENTRY,
    gemma2::ENTRY,
    gemma3::ENTRY,
    phi3::ENTRY,
    gpt_oss::ENTRY,
];

/// The family that a `model_type` belongs to.
pub(super) fn find(model_type: &str) -> Result<&'static FamilyEntry, LoadError> {
    FAMILIES.iter().find(|entry| entry.model_types.contains(&model_type)).ok_or_else(|| {
        LoadError::UnknownFamily {
            found: model_type.to_owned(),
            known: Family::known_model_types().collect(),
        }
    })
}

impl Family {
    /// Every `model_type` that can be served.
    pub fn known_model_types() -> impl Iterator<Item = &'static str> {
        FAMILIES.iter().flat_map(|entry| entry.model_types).copied()
    }

    /// Its usual `model_type` in `config.json`.
    pub fn model_type(self) -> &'static str {
        let entry = FAMILIES.iter().find(|entry| entry.family == self);
        entry.expect("invariant: every family has an entry").model_types[0]
    }
}
