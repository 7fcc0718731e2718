//! Which tensors a model must have, of which shape, and where in the files they lie.
//!
//! Backends ask for a [`Role`] and never for a name: q may be a tensor of its own or the first rows of a larger one,
//! experts may be stacked, and the same model has other names after a conversion. `naming.rs` has the tables,
//! `names.rs` the choice; [`Checkpoint`](super::Checkpoint) checks the files against the inventory and reads by it.

mod names;
pub(super) mod naming;
mod place;

pub(super) use names::Names;
pub(super) use naming::Naming;
pub(super) use place::MXFP4_NUMBERS;
pub use place::{Encoding, TensorPlace};

use super::DecoderConfig;
use super::config::{DenseConfig, ExpertsConfig, FeedForward};

/// What a tensor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// One row per token.
    Embedding,
    /// The norm before the head.
    FinalNorm,
    /// One row per token; models with a tied head have none.
    Head,
    /// A norm of a block.
    Norm {
        /// Number of the block.
        layer: usize,
        /// Which.
        norm: Norm,
    },
    /// One score for each query head of a block.
    Sinks {
        /// Number of the block.
        layer: usize,
    },
    /// A matrix of a block: outputs by inputs.
    Weight {
        /// Number of the block.
        layer: usize,
        /// Which.
        projection: Projection,
    },
    /// The bias of a matrix: one number for each output.
    Bias {
        /// Number of the block.
        layer: usize,
        /// Of which.
        projection: Projection,
    },
}

/// The norms of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Norm {
    /// Of the attention's input.
    BeforeAttention,
    /// Of the attention's output.
    AfterAttention,
    /// Of the feed-forward part's input.
    BeforeFeedForward,
    /// Of the feed-forward part's output.
    AfterFeedForward,
    /// Of each head of q.
    Query,
    /// Of each head of k.
    Key,
}

/// The matrices of a block. Those of experts have the number of the expert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Projection {
    Query,
    Key,
    Value,
    AttentionOutput,
    Gate,
    Up,
    Down,
    Router,
    ExpertGate(usize),
    ExpertUp(usize),
    ExpertDown(usize),
}

/// A tensor that the model needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorNeed {
    /// What for.
    pub role: Role,
    /// One length for a vector; rows (outputs) and columns (inputs) for a matrix.
    pub shape: Vec<usize>,
    /// Where it lies.
    pub place: TensorPlace,
}

impl TensorNeed {
    /// Numbers in it. The limits of the configuration keep the product far below 2^64.
    pub fn elements(&self) -> u64 {
        self.shape.iter().map(|&length| length as u64).product()
    }

    /// Whether it is a matrix and not a norm, a bias or sinks.
    pub fn is_matrix(&self) -> bool {
        self.shape.len() == 2
    }
}

/// All tensors of one model, with the names that its files use.
#[derive(Clone, Debug)]
pub struct Inventory<'a> {
    config: &'a DecoderConfig,
    names: Names,
}

impl<'a> Inventory<'a> {
    /// With names that were picked before.
    pub(super) fn new(config: &'a DecoderConfig, names: Names) -> Inventory<'a> {
        Inventory { config, names }
    }

    /// All tensors: embedding, blocks in order, last norm, and the head if it has its own.
    pub fn needs(&self) -> impl Iterator<Item = TensorNeed> + '_ {
        let blocks = (0..self.config.layers.len()).flat_map(|layer| block(self.config, layer));
        let roles = [Role::Embedding].into_iter().chain(blocks).chain([Role::FinalNorm, Role::Head]);
        roles.filter_map(|role| self.need(role))
    }

    /// The tensor for a role; none if the model has none.
    pub fn need(&self, role: Role) -> Option<TensorNeed> {
        let shape = shape(self.config, role)?;
        let place = self.names.place(self.config, role, &shape)?;
        Some(TensorNeed { role, shape, place })
    }
}

/// Every role that a block may have.
fn block(config: &DecoderConfig, layer: usize) -> impl Iterator<Item = Role> + use<> {
    use Projection::*;
    let norms = [
        Norm::BeforeAttention,
        Norm::AfterAttention,
        Norm::BeforeFeedForward,
        Norm::AfterFeedForward,
        Norm::Query,
        Norm::Key,
    ];
    let experts = match config.layers[layer].feed_forward {
        FeedForward::Dense(_) => 0,
        FeedForward::Experts(experts) => experts.experts,
    };
    let experts = (0..experts).flat_map(|expert| [ExpertGate(expert), ExpertUp(expert), ExpertDown(expert)]);
    let projections = [Query, Key, Value, AttentionOutput, Gate, Up, Down, Router].into_iter().chain(experts);
    let matrices = projections
        .flat_map(move |projection| [Role::Weight { layer, projection }, Role::Bias { layer, projection }]);
    let norms = norms.into_iter().map(move |norm| Role::Norm { layer, norm });
    norms.chain([Role::Sinks { layer }]).chain(matrices)
}

/// The shape of what a role asks for; none if the model has no such thing.
fn shape(config: &DecoderConfig, role: Role) -> Option<Vec<usize>> {
    let exists = |exists: bool, shape: &[usize]| exists.then(|| shape.to_vec());
    let layer_exists = |layer: usize| layer < config.layers.len();
    match role {
        Role::Embedding => Some(vec![config.vocabulary, config.hidden]),
        Role::FinalNorm => Some(vec![config.hidden]),
        Role::Head => exists(!config.tied_head, &[config.vocabulary, config.hidden]),
        Role::Norm { layer, .. } | Role::Sinks { layer } if !layer_exists(layer) => None,
        Role::Norm { norm: Norm::Query | Norm::Key, .. } => {
            exists(config.query_key_norm, &[config.head_width])
        }
        Role::Norm { norm: Norm::AfterAttention | Norm::AfterFeedForward, .. } => {
            exists(config.norms_after, &[config.hidden])
        }
        Role::Norm { .. } => Some(vec![config.hidden]),
        Role::Sinks { .. } => exists(config.attention_sinks, &[config.heads]),
        Role::Weight { layer, projection } => {
            matrix(config, layer, projection).map(|[rows, columns, _]| vec![rows, columns])
        }
        Role::Bias { layer, projection } => {
            matrix(config, layer, projection).filter(|matrix| matrix[2] == 1).map(|[rows, ..]| vec![rows])
        }
    }
}

/// Rows, columns, and 1 if there is a bias.
fn matrix(config: &DecoderConfig, layer: usize, projection: Projection) -> Option<[usize; 3]> {
    use Projection::*;
    let (hidden, query, kv) = (config.hidden, config.query_width(), config.kv_width());
    let feed_forward = config.layers.get(layer)?.feed_forward;
    let input_bias = usize::from(config.query_key_value_bias);
    match (projection, feed_forward) {
        (Query, _) => Some([query, hidden, input_bias]),
        (Key | Value, _) => Some([kv, hidden, input_bias]),
        (AttentionOutput, _) => Some([hidden, query, usize::from(config.attention_output_bias)]),
        (Gate | Up, FeedForward::Dense(DenseConfig { intermediate, bias })) => {
            Some([intermediate, hidden, usize::from(bias)])
        }
        (Down, FeedForward::Dense(DenseConfig { intermediate, bias })) => {
            Some([hidden, intermediate, usize::from(bias)])
        }
        (Router, FeedForward::Experts(ExpertsConfig { experts, router_bias, .. })) => {
            Some([experts, hidden, usize::from(router_bias)])
        }
        (ExpertGate(expert) | ExpertUp(expert), FeedForward::Experts(mixture)) => {
            (expert < mixture.experts).then_some([mixture.intermediate, hidden, usize::from(mixture.bias)])
        }
        (ExpertDown(expert), FeedForward::Experts(mixture)) => {
            (expert < mixture.experts).then_some([hidden, mixture.intermediate, usize::from(mixture.bias)])
        }
        _ => None,
    }
}
