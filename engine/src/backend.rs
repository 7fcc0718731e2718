//! The one thing a backend does: run a step over a batch of sequences and return logits.
//!
//! The engine above owns everything else (queue, chunked prefill, batching, prefix tree, sampling, text).
//! KV lives in the backend in blocks of [`BLOCK_TOKENS`] tokens, named by numbers that the engine hands out;
//! a block may be part of several sequences once it is full, and is never written again then.

/// Tokens per KV block. Halved, tables and prefix nodes double; doubled, a shared prefix loses up to a
/// block's worth of prefill at its end.
pub const BLOCK_TOKENS: usize = 32;

/// A place for the KV of [`BLOCK_TOKENS`] tokens of one sequence, over all layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(pub u32);

/// The next tokens of one sequence.
#[derive(Clone, Copy, Debug)]
pub struct SequenceStep<'a> {
    /// Tokens to compute, at least one, each below the vocabulary's size.
    pub tokens: &'a [u32],
    /// Position of the first of them; the KV of all earlier positions is in `blocks`.
    pub position: usize,
    /// Block table: block `i` holds positions `i * BLOCK_TOKENS ..`; long enough for the new tokens too.
    pub blocks: &'a [BlockId],
    /// Whether the logits behind the last token are wanted (a prefill chunk in the middle wants none).
    pub wants_logits: bool,
}

/// What a backend says of the model that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendShape {
    /// Size of a row of logits.
    pub vocabulary: usize,
    /// Highest number of tokens in a sequence.
    pub context_tokens: usize,
    /// KV blocks that were budgeted.
    pub kv_blocks: usize,
}

/// A step failed; the state of its sequences is undefined.
#[derive(Debug, thiserror::Error)]
#[error("the backend failed: {message}")]
pub struct BackendError {
    /// What was seen.
    pub message: String,
}

/// Runs steps. Lives on one thread, which may use others.
pub trait Backend {
    /// Fixed facts about model and memory.
    fn shape(&self) -> BackendShape;

    /// Computes one step. `logits` is cleared and receives one row per sequence that wants it, in order.
    ///
    /// The same bits come out for a sequence whatever else is in the batch and however its prefill was cut.
    fn step(&mut self, sequences: &[SequenceStep<'_>], logits: &mut Vec<f32>) -> Result<(), BackendError>;
}
