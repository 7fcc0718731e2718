//! Gemma 3: as Gemma 2, with norms on q and k, other positions in layers with a window, and no caps by default.
//!
//! Models that see images (`gemma3`) keep their text part under `text_config`, with all keys left out that have the
//! family's usual value. Images are read elsewhere.

use super::{Family, FamilyEntry, common, gemma2};
use crate::checkpoint::config::DecoderConfig;
use crate::checkpoint::json::Object;
use crate::checkpoint::{LoadError, RotaryConfig};

pub(super) const ENTRY: FamilyEntry =
    FamilyEntry { family: Family::Gemma3, model_types: &["gemma3_text", "gemma3"], read };

/// Places of the two kinds of positions.
const GLOBAL: usize = 0;
const LOCAL: usize = 1;

fn read(json: &Object) -> Result<DecoderConfig, LoadError> {
    let text = json.object("text_config")?;
    let tied = json.flag("tie_word_embeddings")?.unwrap_or(true);
    let json = text.as_ref().unwrap_or(json).with_defaults([
        ("vocab_size", 262_208.into()),
        ("max_position_embeddings", 131_072.into()),
        ("num_attention_heads", 8.into()),
        ("num_key_value_heads", 4.into()),
        ("head_dim", 256.into()),
        ("query_pre_attn_scalar", 256.into()),
        ("sliding_window", 4096.into()),
        ("rope_theta", 1e6.into()),
        ("tie_word_embeddings", tied.into()),
    ]);
    let mut config = gemma2::gemma(&json, Family::Gemma3)?;
    config.query_key_norm = true;
    let pattern = json.count("sliding_window_pattern", 1..=1024)?.unwrap_or(6);
    let layers = config.layers.len();
    let sliding = common::is_sliding(&json, layers, |layer| !(layer + 1).is_multiple_of(pattern))?;
    common::set_windows(&mut config, &sliding, common::window(&json)?);
    config.rotary = rotary(&json, &config)?;
    for (layer, is_sliding) in config.layers.iter_mut().zip(sliding) {
        layer.rotary = if is_sliding { LOCAL } else { GLOBAL };
    }
    Ok(config)
}

/// Newer files have settings for each kind of layer, older ones a base of its own for layers with a window.
fn rotary(json: &Object, config: &DecoderConfig) -> Result<Vec<RotaryConfig>, LoadError> {
    let parameters = json.object("rope_parameters")?;
    let of_kind = |kind: &str, old: Object| -> Result<RotaryConfig, LoadError> {
        let settings = match &parameters {
            Some(parameters) => parameters.object(kind)?,
            None => None,
        };
        let json = match settings {
            Some(settings) => old.with("rope_parameters", settings.map.into()),
            None => old.without("rope_parameters"),
        };
        RotaryConfig::from_json(&json, config.head_width, config.context_tokens)
    };
    let local_theta = json.number("rope_local_base_freq", 1.0..=1e12)?.unwrap_or(10_000.0);
    let local = json.without("rope_scaling").with("rope_theta", local_theta.into());
    Ok(vec![of_kind("full_attention", json.clone())?, of_kind("sliding_attention", local)?])
}
