//! What `config.json` says of a decoder, typed and within sane ranges.
//!
//! Built by [`Checkpoint::open`](super::Checkpoint::open); read by the backend and by `inventory.rs`. The limits here
//! are what makes later arithmetic on sizes safe.

use serde_json::Value;

use super::LoadError;
use super::family::{AttentionBias, FAMILIES, Family, FamilyTraits, WindowRule};
use super::json::Object;
use super::rotary::RotaryConfig;

/// The common decoder: blocks of attention and gated feed-forward, each behind an RMS norm.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderConfig {
    /// Family of the model.
    pub family: Family,
    /// Tokens that there are, 1 to 2^24.
    pub vocabulary: usize,
    /// Longest sequence, 1 to 2^27.
    pub context_tokens: usize,
    /// Width of the residual stream, 1 to 2^17.
    pub hidden: usize,
    /// Width inside the feed-forward part, 1 to 2^20.
    pub intermediate: usize,
    /// Blocks, 1 to 1024; one window for each, where none means all earlier positions are seen.
    pub windows: Vec<Option<usize>>,
    /// Heads of queries, 1 to 4096, a multiple of `kv_heads`.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Width of a head, 2 to 1024, even.
    pub head_width: usize,
    /// Added under the root of RMS norms, above 0, at most 1.
    pub norm_epsilon: f32,
    /// Positions.
    pub rotary: RotaryConfig,
    /// Whether q, k and v have biases.
    pub query_key_value_bias: bool,
    /// Whether the output of the attention has a bias.
    pub attention_output_bias: bool,
    /// Whether the three matrices of the feed-forward part have biases.
    pub feed_forward_bias: bool,
    /// Whether each head of q and k has an RMS norm of its own.
    pub query_key_norm: bool,
    /// Whether the embedding is the head too.
    pub tied_head: bool,
}

impl DecoderConfig {
    /// Blocks.
    pub fn layers(&self) -> usize {
        self.windows.len()
    }

    /// Width of all query heads together.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_width
    }

    /// Width of all key heads together, and of all value heads.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_width
    }

    pub(super) fn from_json(json: &Object) -> Result<DecoderConfig, LoadError> {
        let family = family(json)?;
        let needed = |key: &str, limit: usize| json.count(key, 1..=limit)?.ok_or_else(|| json.missing(key));
        let hidden = needed("hidden_size", 1 << 17)?;
        let heads = needed("num_attention_heads", 4096)?;
        let kv_heads = json.count("num_key_value_heads", 1..=heads)?.unwrap_or(heads);
        if !heads.is_multiple_of(kv_heads) {
            let expected = format!("a divisor of num_attention_heads ({heads})");
            return Err(json.bad("num_key_value_heads", kv_heads, expected));
        }
        let attention_bias = json.flag("attention_bias")?.unwrap_or(false);
        let mlp_bias = json.flag("mlp_bias")?.unwrap_or(false);
        check_activation(json)?;
        Ok(DecoderConfig {
            family: family.family,
            vocabulary: needed("vocab_size", 1 << 24)?,
            context_tokens: needed("max_position_embeddings", 1 << 27)?,
            hidden,
            intermediate: needed("intermediate_size", 1 << 20)?,
            windows: windows(json, family.window, needed("num_hidden_layers", 1024)?)?,
            heads,
            kv_heads,
            head_width: head_width(json, family, hidden, heads)?,
            norm_epsilon: json.number("rms_norm_eps", 1e-20..=1.0)?.unwrap_or(1e-6) as f32,
            rotary: RotaryConfig::from_json(json)?,
            query_key_value_bias: match family.attention_bias {
                AttentionBias::None => false,
                AttentionBias::QueryKeyValue => true,
                AttentionBias::Configured => attention_bias,
            },
            attention_output_bias: family.attention_bias == AttentionBias::Configured && attention_bias,
            feed_forward_bias: family.feed_forward_bias && mlp_bias,
            query_key_norm: family.query_key_norm,
            tied_head: json.flag("tie_word_embeddings")?.unwrap_or(false),
        })
    }
}

fn family(json: &Object) -> Result<&'static FamilyTraits, LoadError> {
    let found = json.text("model_type")?.ok_or_else(|| json.missing("model_type"))?;
    FAMILIES.iter().find(|traits| traits.model_type == found).ok_or_else(|| LoadError::UnknownFamily {
        found: found.to_owned(),
        known: FAMILIES.iter().map(|traits| traits.model_type).collect(),
    })
}

fn head_width(json: &Object, family: &FamilyTraits, hidden: usize, heads: usize) -> Result<usize, LoadError> {
    let width = match (json.count("head_dim", 2..=1024)?, family.head_width) {
        (Some(width), _) | (None, Some(width)) => width,
        (None, None) if hidden.is_multiple_of(heads) => hidden / heads,
        (None, None) => {
            return Err(json.bad(
                "num_attention_heads",
                heads,
                format!("a divisor of hidden_size ({hidden})"),
            ));
        }
    };
    if !width.is_multiple_of(2) || !(2..=1024).contains(&width) {
        return Err(json.bad("head_dim", width, "an even number from 2 to 1024"));
    }
    Ok(width)
}

fn check_activation(json: &Object) -> Result<(), LoadError> {
    match json.text("hidden_act")? {
        None | Some("silu" | "swish") => Ok(()),
        Some(other) => Err(json.bad("hidden_act", other, "silu")),
    }
}

/// The window of each layer.
fn windows(json: &Object, rule: WindowRule, layers: usize) -> Result<Vec<Option<usize>>, LoadError> {
    let enabled = match rule {
        WindowRule::None => false,
        WindowRule::AllLayers => true,
        WindowRule::UpperLayers => json.flag("use_sliding_window")?.unwrap_or(false),
    };
    let window = if enabled { json.count("sliding_window", 1..=1 << 27)? } else { None };
    if window.is_none() || rule == WindowRule::AllLayers {
        return Ok(vec![window; layers]);
    }
    if let Some(value) = json.value("layer_types") {
        let kinds = value.as_array().filter(|kinds| kinds.len() == layers);
        let kinds =
            kinds.ok_or_else(|| json.bad("layer_types", value, format!("a list of {layers} names")))?;
        return kinds.iter().map(|kind| window_of_kind(json, kind, window)).collect();
    }
    let first = json.count("max_window_layers", 0..=1 << 20)?.unwrap_or(layers);
    Ok((0..layers).map(|layer| window.filter(|_| layer >= first)).collect())
}

fn window_of_kind(json: &Object, kind: &Value, window: Option<usize>) -> Result<Option<usize>, LoadError> {
    match kind.as_str() {
        Some("full_attention") => Ok(None),
        Some("sliding_attention") => Ok(window),
        _ => Err(json.bad("layer_types", kind, "full_attention or sliding_attention")),
    }
}
