//! gpt-oss: a mixture of experts with biases and a clamped activation in all layers, biases in the attention, a sink
//! for each head, and a window in every second layer.

use super::{Family, FamilyEntry, common};
use crate::checkpoint::LoadError;
use crate::checkpoint::config::{Activation, DecoderConfig, ExpertWeighting, FeedForward};
use crate::checkpoint::inventory::naming;
use crate::checkpoint::json::Object;

pub(super) const ENTRY: FamilyEntry = FamilyEntry { family: Family::GptOss, model_types: &["gpt_oss"], read };

fn read(json: &Object) -> Result<DecoderConfig, LoadError> {
    let json = json.with_defaults([
        ("head_dim", 64.into()),
        ("attention_bias", true.into()),
        ("rope_theta", 150_000.into()),
        ("sliding_window", 128.into()),
    ]);
    let mut config = common::decoder(&json, Family::GptOss, &naming::GPT_OSS)?;
    common::configured_attention_bias(&mut config, &json)?;
    config.attention_sinks = true;
    let number = |key: &str, range| json.number(key, range).map(|number| number.map(|number| number as f32));
    config.activation = Activation::ClampedSwiglu {
        alpha: number("swiglu_alpha", 1e-3..=1e3)?.unwrap_or(1.702),
        limit: number("swiglu_limit", 1e-3..=1e6)?.unwrap_or(7.0),
    };
    let sliding = common::is_sliding(&json, config.layers.len(), |layer| layer.is_multiple_of(2))?;
    common::set_windows(&mut config, &sliding, common::window(&json)?);
    let weighting = ExpertWeighting::SoftmaxOfChosen;
    let mut experts = common::experts(&json, "num_local_experts", "intermediate_size", weighting)?;
    experts.router_bias = true;
    experts.bias = true;
    for layer in &mut config.layers {
        layer.feed_forward = FeedForward::Experts(experts);
    }
    Ok(config)
}
