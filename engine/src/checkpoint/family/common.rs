//! What the families share: the plain decoder, and rules that several of them follow.
//!
//! Called by the families' own files.

use serde_json::Value;

use super::Family;
use crate::checkpoint::config::{
    Activation, DecoderConfig, DenseConfig, ExpertWeighting, ExpertsConfig, FeedForward, LayerConfig,
};
use crate::checkpoint::inventory::Naming;
use crate::checkpoint::json::Object;
use crate::checkpoint::{LoadError, RotaryConfig};

/// Highest value of an intermediate width.
const INTERMEDIATE_MAX: usize = 1 << 20;
/// Widest window.
const WINDOW_MAX: usize = 1 << 27;

/// The plain decoder: no biases, no windows, no caps, dense layers with silu, one kind of positions.
pub(super) fn decoder(
    json: &Object,
    family: Family,
    naming: &'static Naming,
) -> Result<DecoderConfig, LoadError> {
    let hidden = needed(json, "hidden_size", 1 << 17)?;
    let heads = needed(json, "num_attention_heads", 4096)?;
    let kv_heads = json.count("num_key_value_heads", 1..=heads)?.unwrap_or(heads);
    if !heads.is_multiple_of(kv_heads) {
        let expected = format!("a divisor of num_attention_heads ({heads})");
        return Err(json.bad("num_key_value_heads", kv_heads, expected));
    }
    let head_width = head_width(json, hidden, heads)?;
    let dense =
        DenseConfig { intermediate: needed(json, "intermediate_size", INTERMEDIATE_MAX)?, bias: false };
    let layer = LayerConfig { window: None, rotary: 0, feed_forward: FeedForward::Dense(dense) };
    let context_tokens = needed(json, "max_position_embeddings", 1 << 27)?;
    Ok(DecoderConfig {
        family,
        vocabulary: needed(json, "vocab_size", 1 << 24)?,
        context_tokens,
        hidden,
        embedding_scale: 1.0,
        layers: vec![layer; needed(json, "num_hidden_layers", 1024)?],
        rotary: vec![RotaryConfig::from_json(json, head_width, context_tokens)?],
        heads,
        kv_heads,
        head_width,
        attention_scale: (1.0 / (head_width as f64).sqrt()) as f32,
        attention_cap: None,
        attention_sinks: false,
        query_key_value_bias: false,
        attention_output_bias: false,
        query_key_norm: false,
        norm_epsilon: json.number("rms_norm_eps", 1e-20..=1.0)?.unwrap_or(1e-6) as f32,
        norm_offset: 0.0,
        norms_after: false,
        activation: activation(json, "hidden_act", Activation::Silu)?,
        tied_head: json.flag("tie_word_embeddings")?.unwrap_or(false),
        logit_cap: None,
        naming,
    })
}

/// A number from 1 to `limit` that must be there.
pub(super) fn needed(json: &Object, key: &str, limit: usize) -> Result<usize, LoadError> {
    json.count(key, 1..=limit)?.ok_or_else(|| json.missing(key))
}

fn head_width(json: &Object, hidden: usize, heads: usize) -> Result<usize, LoadError> {
    let width = match json.count("head_dim", 2..=1024)? {
        Some(width) => width,
        None if hidden.is_multiple_of(heads) => hidden / heads,
        None => {
            let expected = format!("a divisor of hidden_size ({hidden})");
            return Err(json.bad("num_attention_heads", heads, expected));
        }
    };
    if !width.is_multiple_of(2) || !(2..=1024).contains(&width) {
        return Err(json.bad("head_dim", width, "an even number from 2 to 1024"));
    }
    Ok(width)
}

/// The activation that a key names.
pub(super) fn activation(json: &Object, key: &str, default: Activation) -> Result<Activation, LoadError> {
    match json.text(key)? {
        None => Ok(default),
        Some("silu" | "swish") => Ok(Activation::Silu),
        Some("gelu_pytorch_tanh") => Ok(Activation::GeluTanh),
        Some(other) => Err(json.bad(key, other, "silu or gelu_pytorch_tanh")),
    }
}

/// Biases on q, k, v and the output if `attention_bias` says so.
pub(super) fn configured_attention_bias(config: &mut DecoderConfig, json: &Object) -> Result<(), LoadError> {
    let bias = json.flag("attention_bias")?.unwrap_or(false);
    config.query_key_value_bias = bias;
    config.attention_output_bias = bias;
    Ok(())
}

/// A soft cap, if the key has a number.
pub(super) fn cap(json: &Object, key: &str) -> Result<Option<f32>, LoadError> {
    Ok(json.number(key, 1e-3..=1e6)?.map(|cap| cap as f32))
}

/// The window that `sliding_window` names.
pub(super) fn window(json: &Object) -> Result<Option<usize>, LoadError> {
    json.count("sliding_window", 1..=WINDOW_MAX)
}

/// Which layers have a window: those that `layer_types` names, or else those for which the rule holds.
pub(super) fn is_sliding(
    json: &Object,
    layers: usize,
    rule: impl Fn(usize) -> bool,
) -> Result<Vec<bool>, LoadError> {
    const KEY: &str = "layer_types";
    let Some(value) = json.value(KEY) else { return Ok((0..layers).map(rule).collect()) };
    let kinds = value.as_array().filter(|kinds| kinds.len() == layers);
    let kinds = kinds.ok_or_else(|| json.bad(KEY, value, format!("a list of {layers} names")))?;
    let kind_is_sliding = |kind: &Value| match kind.as_str() {
        Some("full_attention") => Ok(false),
        Some("sliding_attention") => Ok(true),
        _ => Err(json.bad(KEY, kind, "full_attention or sliding_attention")),
    };
    kinds.iter().map(kind_is_sliding).collect()
}

/// Gives a window to the layers that have one.
pub(super) fn set_windows(config: &mut DecoderConfig, sliding: &[bool], window: Option<usize>) {
    for (layer, &is_sliding) in config.layers.iter_mut().zip(sliding) {
        layer.window = window.filter(|_| is_sliding);
    }
}

/// The rule of Qwen: if `use_sliding_window` is set, the layers that `layer_types` names or those from
/// `max_window_layers` on.
pub(super) fn set_upper_windows(config: &mut DecoderConfig, json: &Object) -> Result<(), LoadError> {
    let enabled = json.flag("use_sliding_window")?.unwrap_or(false);
    let window = if enabled { window(json)? } else { None };
    if window.is_none() {
        return Ok(());
    }
    let layers = config.layers.len();
    let first = json.count("max_window_layers", 0..=1 << 20)?.unwrap_or(layers);
    let sliding = is_sliding(json, layers, |layer| layer >= first)?;
    set_windows(config, &sliding, window);
    Ok(())
}

/// A mixture without biases, with the number of experts and their width under the given keys.
pub(super) fn experts(
    json: &Object,
    experts_key: &str,
    intermediate_key: &str,
    weighting: ExpertWeighting,
) -> Result<ExpertsConfig, LoadError> {
    let experts = needed(json, experts_key, 1024)?;
    Ok(ExpertsConfig {
        experts,
        chosen: needed(json, "num_experts_per_tok", experts.min(64))?,
        intermediate: needed(json, intermediate_key, INTERMEDIATE_MAX)?,
        weighting,
        router_bias: false,
        bias: false,
    })
}
