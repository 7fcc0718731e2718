//! Gemma 2: norms before and after each part with weights stored as distances from 1, scaled embeddings, soft caps on
//! scores and logits, and a window in every second layer.

use super::{Family, FamilyEntry, common};
use crate::checkpoint::LoadError;
use crate::checkpoint::config::{Activation, DecoderConfig};
use crate::checkpoint::inventory::naming;
use crate::checkpoint::json::Object;

pub(super) const ENTRY: FamilyEntry = FamilyEntry { family: Family::Gemma2, model_types: &["gemma2"], read };

fn read(json: &Object) -> Result<DecoderConfig, LoadError> {
    let json = json.with_defaults([
        ("head_dim", 256.into()),
        ("query_pre_attn_scalar", 256.into()),
        ("sliding_window", 4096.into()),
        ("tie_word_embeddings", true.into()),
    ]);
    let mut config = gemma(&json, Family::Gemma2)?;
    let sliding = common::is_sliding(&json, config.layers.len(), |layer| layer.is_multiple_of(2))?;
    common::set_windows(&mut config, &sliding, common::window(&json)?);
    Ok(config)
}

/// What Gemma 2 and 3 have in common.
pub(super) fn gemma(json: &Object, family: Family) -> Result<DecoderConfig, LoadError> {
    if json.flag("use_bidirectional_attention")?.unwrap_or(false) {
        return Err(json.bad("use_bidirectional_attention", true, "false"));
    }
    // The activation has a key of its own; `hidden_act` of such files is a leftover.
    let mut config = common::decoder(&json.without("hidden_act"), family, &naming::GEMMA)?;
    common::configured_attention_bias(&mut config, json)?;
    config.activation = common::activation(json, "hidden_activation", Activation::GeluTanh)?;
    config.embedding_scale = (config.hidden as f64).sqrt() as f32;
    config.norm_offset = 1.0;
    config.norms_after = true;
    if let Some(scalar) = json.number("query_pre_attn_scalar", 1e-3..=1e6)? {
        config.attention_scale = (1.0 / scalar.sqrt()) as f32;
    }
    config.attention_cap = common::cap(json, "attn_logit_softcapping")?;
    config.logit_cap = common::cap(json, "final_logit_softcapping")?;
    Ok(config)
}
