//! The weights of a decoder in memory, built from a checkpoint.
//!
//! Matrices that read the same input are stored below each other and computed as one product: q, k and v, and the
//! two halves of a gated feed-forward part. Where norms are stored as distances from 1, the 1 is added here.

use crate::checkpoint::{Checkpoint, FeedForward, LoadError, Norm, Part, Projection, Role, TensorView};
use crate::cpu::matrix::{Matrix, widened};
use crate::cpu::memory::Arena;

/// All weights.
#[derive(Debug)]
pub(crate) struct Decoder {
    pub(crate) embedding: Matrix,
    pub(crate) layers: Vec<Layer>,
    pub(crate) norm: Vec<f32>,
    /// None if the embedding is the head.
    pub(crate) head: Option<Matrix>,
}

/// One block of the model. Vectors that the model does not have are empty.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) attention_norm: Vec<f32>,
    pub(crate) query_key_value: Matrix,
    /// One number per number of a head.
    pub(crate) query_norm: Vec<f32>,
    pub(crate) key_norm: Vec<f32>,
    /// One number per head.
    pub(crate) sinks: Vec<f32>,
    pub(crate) attention_output: Matrix,
    /// Of the attention's output.
    pub(crate) attention_output_norm: Vec<f32>,
    pub(crate) feed_forward_norm: Vec<f32>,
    pub(crate) feed_forward: FeedForwardWeights,
    /// Of the feed-forward part's output.
    pub(crate) feed_forward_output_norm: Vec<f32>,
}

/// The feed-forward part of a block.
#[derive(Debug)]
pub(crate) enum FeedForwardWeights {
    Dense(Gated),
    Experts { router: Matrix, experts: Vec<Gated> },
}

/// A gated feed-forward part, or one expert.
#[derive(Debug)]
pub(crate) struct Gated {
    pub(crate) gate_up: Matrix,
    pub(crate) down: Matrix,
}

/// Told of bytes done and bytes in all while weights are read.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(u64, u64);

impl Decoder {
    pub(crate) fn load(checkpoint: &Checkpoint, progress: Progress<'_>) -> Result<Decoder, LoadError> {
        let config = &checkpoint.config;
        let total = checkpoint.tensors_bytes();
        let mut reader = Reader { checkpoint, arena: Arena::default(), progress, done: 0, total };
        let embedding = reader.stacked(&[Role::Embedding], Vec::new())?;
        let layers = (0..config.layers.len()).map(|layer| reader.layer(layer)).collect::<Result<_, _>>()?;
        let norm = reader.norm(Role::FinalNorm)?;
        let head = match config.tied_head {
            true => None,
            false => Some(reader.stacked(&[Role::Head], Vec::new())?),
        };
        Ok(Decoder { embedding, layers, norm, head })
    }

    /// The matrix that turns the last norm's output into logits.
    pub(crate) fn head(&self) -> &Matrix {
        self.head.as_ref().unwrap_or(&self.embedding)
    }
}

struct Reader<'a, 'p> {
    checkpoint: &'a Checkpoint,
    arena: Arena,
    progress: Progress<'p>,
    done: u64,
    total: u64,
}

impl<'a> Reader<'a, '_> {
    fn layer(&mut self, layer: usize) -> Result<Layer, LoadError> {
        use Projection::*;
        let norm = |reader: &mut Self, norm: Norm| reader.norm(Role::Norm { layer, norm });
        Ok(Layer {
            attention_norm: norm(self, Norm::BeforeAttention)?,
            query_key_value: self.matrix(layer, &[Query, Key, Value])?,
            query_norm: norm(self, Norm::Query)?,
            key_norm: norm(self, Norm::Key)?,
            sinks: self.vector(Role::Sinks { layer })?,
            attention_output: self.matrix(layer, &[AttentionOutput])?,
            attention_output_norm: norm(self, Norm::AfterAttention)?,
            feed_forward_norm: norm(self, Norm::BeforeFeedForward)?,
            feed_forward: self.feed_forward(layer)?,
            feed_forward_output_norm: norm(self, Norm::AfterFeedForward)?,
        })
    }

    fn feed_forward(&mut self, layer: usize) -> Result<FeedForwardWeights, LoadError> {
        use Projection::*;
        let FeedForward::Experts(config) = self.checkpoint.config.layers[layer].feed_forward else {
            return Ok(FeedForwardWeights::Dense(self.gated(layer, [Gate, Up, Down])?));
        };
        let router = self.matrix(layer, &[Router])?;
        let experts = (0..config.experts)
            .map(|expert| self.gated(layer, [ExpertGate(expert), ExpertUp(expert), ExpertDown(expert)]));
        Ok(FeedForwardWeights::Experts { router, experts: experts.collect::<Result<_, _>>()? })
    }

    fn gated(&mut self, layer: usize, [gate, up, down]: [Projection; 3]) -> Result<Gated, LoadError> {
        Ok(Gated { gate_up: self.matrix(layer, &[gate, up])?, down: self.matrix(layer, &[down])? })
    }

    /// Matrices of the same width below each other, with their biases.
    fn matrix(&mut self, layer: usize, projections: &[Projection]) -> Result<Matrix, LoadError> {
        let weights: Vec<_> =
            projections.iter().map(|&projection| Role::Weight { layer, projection }).collect();
        let mut bias = Vec::new();
        for &projection in projections {
            bias.extend(self.vector(Role::Bias { layer, projection })?);
        }
        self.stacked(&weights, bias)
    }

    /// The matrices of some roles below each other.
    fn stacked(&mut self, roles: &[Role], bias: Vec<f32>) -> Result<Matrix, LoadError> {
        let mut parts = Vec::new();
        for &role in roles {
            parts.extend(self.part(role)?);
        }
        let views: Vec<TensorView<'_>> = parts.iter().map(Part::view).collect();
        let columns = views.first().map_or(0, |view| view.shape[1] as usize);
        Matrix::pack(&mut self.arena, &views, columns, bias)
    }

    /// What a norm multiplies by; empty if the model has no such.
    fn norm(&mut self, role: Role) -> Result<Vec<f32>, LoadError> {
        let mut weights = self.vector(role)?;
        weights.iter_mut().for_each(|weight| *weight += self.checkpoint.config.norm_offset);
        Ok(weights)
    }

    /// The numbers of a vector; empty if the model has no such.
    fn vector(&mut self, role: Role) -> Result<Vec<f32>, LoadError> {
        Ok(self.part(role)?.map(|part| widened(part.view())).unwrap_or_default())
    }

    fn part(&mut self, role: Role) -> Result<Option<Part<'a>>, LoadError> {
        let Some(need) = self.checkpoint.inventory().need(role) else { return Ok(None) };
        let part = self.checkpoint.part(role)?;
        self.done += self.checkpoint.need_bytes(&need);
        (self.progress)(self.done, self.total);
        Ok(part)
    }
}
