//! Llama 2, 3 and everything that calls itself so: the plain decoder, with biases where it asks for them.

use super::{Family, FamilyEntry, common};
use crate::checkpoint::LoadError;
use crate::checkpoint::config::{DecoderConfig, FeedForward};
use crate::checkpoint::inventory::naming;
use crate::checkpoint::json::Object;

pub(super) const ENTRY: FamilyEntry = FamilyEntry { family: Family::Llama, model_types: &["llama"], read };

fn read(json: &Object) -> Result<DecoderConfig, LoadError> {
    let mut config = common::decoder(json, Family::Llama, &naming::PLAIN)?;
    common::configured_attention_bias(&mut config, json)?;
    let has_bias = json.flag("mlp_bias")?.unwrap_or(false);
    for layer in &mut config.layers {
        if let FeedForward::Dense(dense) = &mut layer.feed_forward {
            dense.bias = has_bias;
        }
    }
    Ok(config)
}
