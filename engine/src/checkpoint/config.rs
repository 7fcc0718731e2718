//! What `config.json` says of a decoder, typed and within sane ranges: the description that backends interpret.
//!
//! Built by [`Checkpoint::open`](super::Checkpoint::open) through the file of the model's family; read by every
//! backend and by `inventory.rs`. No backend asks for the family: whatever makes one differ from another is data
//! here. The limits are what makes later arithmetic on sizes safe.

use super::LoadError;
use super::family::{self, Family};
use super::inventory::Naming;
use super::json::Object;
use super::rotary::RotaryConfig;

/// A decoder: blocks of attention and gated feed-forward, each behind an RMS norm.
///
/// With `norm` the RMS norm of [`norm_epsilon`](Self::norm_epsilon) and [`norm_offset`](Self::norm_offset), a block
/// computes `x += after(attention(before(x)))`, then `x += after(feed_forward(before(x)))`, where `after` is a norm
/// if [`norms_after`](Self::norms_after) is set, and nothing else.
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
    /// Multiplies embeddings where they enter the residual stream (not where they are the head); mostly 1.
    pub embedding_scale: f32,
    /// Blocks, 1 to 1024.
    pub layers: Vec<LayerConfig>,
    /// Kinds of positions; each layer names one.
    pub rotary: Vec<RotaryConfig>,
    /// Heads of queries, 1 to 4096, a multiple of `kv_heads`.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Width of a head, 2 to 1024, even.
    pub head_width: usize,
    /// Multiplies scores of queries and keys.
    pub attention_scale: f32,
    /// Scaled scores `s` become `cap * tanh(s / cap)` before they are masked.
    pub attention_cap: Option<f32>,
    /// Whether each head has a learnt score that takes part in the softmax and has no value.
    pub attention_sinks: bool,
    /// Whether q, k and v have biases.
    pub query_key_value_bias: bool,
    /// Whether the output of the attention has a bias.
    pub attention_output_bias: bool,
    /// Whether each head of q and k has an RMS norm of its own, before it is turned.
    pub query_key_norm: bool,
    /// Added under the root of RMS norms, above 0, at most 1.
    pub norm_epsilon: f32,
    /// Added to the weights of all RMS norms: 0, or 1 where files hold the distance from 1.
    pub norm_offset: f32,
    /// Whether the outputs of attention and feed-forward are normed before they are added to the stream.
    pub norms_after: bool,
    /// How gate and up become the input of down, in dense layers and in experts.
    pub activation: Activation,
    /// Whether the embedding is the head too.
    pub tied_head: bool,
    /// Logits `l` become `cap * tanh(l / cap)`.
    pub logit_cap: Option<f32>,
    /// What the tensors are called.
    pub(super) naming: &'static Naming,
}

/// What differs from block to block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerConfig {
    /// Positions that a query sees, its own included, 1 to 2^27; none means all earlier ones.
    pub window: Option<usize>,
    /// Place in [`DecoderConfig::rotary`].
    pub rotary: usize,
    /// The feed-forward part.
    pub feed_forward: FeedForward,
}

/// The feed-forward part of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedForward {
    /// `down(activation(gate(x), up(x)))`.
    Dense(DenseConfig),
    /// A weighted sum of such for a few experts that a router chooses for each token.
    Experts(ExpertsConfig),
}

/// A feed-forward part that every token goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenseConfig {
    /// Width between up and down, 1 to 2^20.
    pub intermediate: usize,
    /// Whether the three matrices have biases.
    pub bias: bool,
}

/// A mixture of experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpertsConfig {
    /// Experts, 1 to 1024.
    pub experts: usize,
    /// Experts for each token, 1 to 64: those with the highest logits of the router, the lower number of equals.
    pub chosen: usize,
    /// Width between up and down of one expert, 1 to 2^20.
    pub intermediate: usize,
    /// How logits of the router become weights of experts.
    pub weighting: ExpertWeighting,
    /// Whether the router has a bias.
    pub router_bias: bool,
    /// Whether the three matrices of each expert have biases.
    pub bias: bool,
}

/// How logits of a router become weights of the chosen experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpertWeighting {
    /// The softmax over all experts; the chosen ones sum to less than 1.
    SoftmaxOfAll,
    /// The softmax over the chosen experts, which is that over all divided by the sum of the chosen ones.
    SoftmaxOfChosen,
}

/// How gate `g` and up `u` become one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// `silu(g) * u`, with `silu(g) = g / (1 + e^-g)`.
    Silu,
    /// `gelu(g) * u`, with `gelu(g) = g / 2 * (1 + tanh(sqrt(2 / pi) * (g + 0.044715 g^3)))`.
    GeluTanh,
    /// `g' / (1 + e^(-alpha g')) * (u' + 1)`, with `g' = min(g, limit)` and `u'` within `-limit..=limit`.
    ClampedSwiglu {
        /// 0.001 to 1000.
        alpha: f32,
        /// 0.001 to 1e6.
        limit: f32,
    },
}

impl DecoderConfig {
    /// Width of all query heads together.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_width
    }

    /// Width of all key heads together, and of all value heads.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_width
    }

    /// Reads the whole file; the family's own file knows its keys.
    pub(crate) fn from_json(json: &Object) -> Result<DecoderConfig, LoadError> {
        let model_type = json.text("model_type")?.ok_or_else(|| json.missing("model_type"))?;
        (family::find(model_type)?.read)(json)
    }
}

impl FeedForward {
    /// Width between up and down, of one expert if there are several.
    pub fn intermediate(&self) -> usize {
        match self {
            FeedForward::Dense(dense) => dense.intermediate,
            FeedForward::Experts(experts) => experts.intermediate,
        }
    }
}
