//! The families of models that can be served, as data: what each adds to the common decoder.
//!
//! A new family that differs by these properties alone is a new row of [`FAMILIES`]. Read by `config.rs`.

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
}

/// Where the biases of the attention come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttentionBias {
    /// None has one.
    None,
    /// q, k and v always have one, the output none.
    QueryKeyValue,
    /// All four have one if `attention_bias` says so.
    Configured,
}

/// Which layers look at a window of positions only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WindowRule {
    /// No layer.
    None,
    /// All layers if `sliding_window` is set.
    AllLayers,
    /// If `use_sliding_window` is set, the layers named by `layer_types`, or those from `max_window_layers` on.
    UpperLayers,
}

/// What a family adds to the common decoder.
#[derive(Clone, Copy, Debug)]
pub(super) struct FamilyTraits {
    pub(super) family: Family,
    pub(super) model_type: &'static str,
    pub(super) attention_bias: AttentionBias,
    /// Whether the feed-forward part has biases if `mlp_bias` says so.
    pub(super) feed_forward_bias: bool,
    /// Whether each head of q and k is normalised before rotation.
    pub(super) query_key_norm: bool,
    pub(super) window: WindowRule,
    /// Width of a head if `head_dim` is missing; none means hidden size by heads.
    pub(super) head_width: Option<usize>,
}

/// All families.
pub(super) const FAMILIES: [FamilyTraits; 4] = [
    FamilyTraits {
        family: Family::Llama,
        model_type: "llama",
        attention_bias: AttentionBias::Configured,
        feed_forward_bias: true,
        query_key_norm: false,
        window: WindowRule::None,
        head_width: None,
    },
    FamilyTraits {
        family: Family::Mistral,
        model_type: "mistral",
        attention_bias: AttentionBias::None,
        feed_forward_bias: false,
        query_key_norm: false,
        window: WindowRule::AllLayers,
        head_width: None,
    },
    FamilyTraits {
        family: Family::Qwen2,
        model_type: "qwen2",
        attention_bias: AttentionBias::QueryKeyValue,
        feed_forward_bias: false,
        query_key_norm: false,
        window: WindowRule::UpperLayers,
        head_width: None,
    },
    FamilyTraits {
        family: Family::Qwen3,
        model_type: "qwen3",
        attention_bias: AttentionBias::Configured,
        feed_forward_bias: false,
        query_key_norm: true,
        window: WindowRule::UpperLayers,
        head_width: Some(128),
    },
];

impl Family {
    /// Its `model_type` in `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Family::Llama => "llama",
            Family::Mistral => "mistral",
            Family::Qwen2 => "qwen2",
            Family::Qwen3 => "qwen3",
        }
    }
}
