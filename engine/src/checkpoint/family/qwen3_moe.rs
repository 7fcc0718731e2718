//! Qwen 3 with a mixture of experts in all layers but those that `mlp_only_layers` or `decoder_sparse_step` leave out.

use std::collections::BTreeSet;

use super::{Family, FamilyEntry, common};
use crate::checkpoint::LoadError;
use crate::checkpoint::config::{DecoderConfig, ExpertWeighting, FeedForward};
use crate::checkpoint::inventory::naming;
use crate::checkpoint::json::Object;

pub(super) const ENTRY: FamilyEntry =
    FamilyEntry { family: Family::Qwen3Moe, model_types: &["qwen3_moe"], read };

fn read(json: &Object) -> Result<DecoderConfig, LoadError> {
    let json = json.with_defaults([("head_dim", 128.into()), ("intermediate_size", 6144.into())]);
    let mut config = common::decoder(&json, Family::Qwen3Moe, &naming::QWEN3_MOE)?;
    common::configured_attention_bias(&mut config, &json)?;
    config.query_key_norm = true;
    if json.flag("use_sliding_window")?.unwrap_or(false) {
        let sliding = vec![true; config.layers.len()];
        common::set_windows(&mut config, &sliding, common::window(&json)?);
    }
    let weighting = match json.flag("norm_topk_prob")?.unwrap_or(false) {
        true => ExpertWeighting::SoftmaxOfChosen,
        false => ExpertWeighting::SoftmaxOfAll,
    };
    // Files of some versions say `num_local_experts`.
    let key = if json.value("num_experts").is_some() { "num_experts" } else { "num_local_experts" };
    let experts = common::experts(&json, key, "moe_intermediate_size", weighting)?;
    let step = json.count("decoder_sparse_step", 1..=1024)?.unwrap_or(1);
    let dense = dense_layers(&json)?;
    for (number, layer) in config.layers.iter_mut().enumerate() {
        if (number + 1).is_multiple_of(step) && !dense.contains(&number) {
            layer.feed_forward = FeedForward::Experts(experts);
        }
    }
    Ok(config)
}

fn dense_layers(json: &Object) -> Result<BTreeSet<usize>, LoadError> {
    const KEY: &str = "mlp_only_layers";
    let Some(value) = json.value(KEY) else { return Ok(BTreeSet::new()) };
    let numbers =
        value.as_array().map(|values| values.iter().map(|number| number.as_u64().map(|n| n as usize)));
    let numbers = numbers.and_then(|numbers| numbers.collect::<Option<BTreeSet<_>>>());
    numbers.ok_or_else(|| json.bad(KEY, value, "a list of numbers of layers"))
}
