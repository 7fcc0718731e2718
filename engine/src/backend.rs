//! The one thing a backend does: run a step over a batch of sequences and return logits.
//!
//! The engine above owns everything else (queue, chunked prefill, batching, prefix tree, sampling, text).
//! KV lives in the backend in blocks of [`BLOCK_TOKENS`] tokens, named by numbers that the engine hands out;
//! a block may be part of several sequences once it is full, and is never written again then.

mod accelerator;
mod check;

use crate::vision::{Picture, VisionShape};
pub use accelerator::{Accelerator, AcceleratorLoad};
pub use check::check_batch;

/// Tokens per KV block. Halved, tables and prefix nodes double; doubled, a shared prefix loses up to a
/// block's worth of prefill at its end.
pub const BLOCK_TOKENS: usize = 32;

/// A place for the KV of [`BLOCK_TOKENS`] tokens of one sequence, over all layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(pub u32);

/// The next tokens of one sequence.
#[derive(Clone, Copy, Debug)]
pub struct SequenceStep<'a> {
    /// Tokens to compute, at least one, each below the vocabulary's size or a place of a picture.
    pub tokens: &'a [u32],
    /// Position of the first of them; the KV of all earlier positions is in `blocks`.
    pub position: usize,
    /// Block table: block `i` holds positions `i * BLOCK_TOKENS ..`; long enough for the new tokens too.
    pub blocks: &'a [BlockId],
    /// Pictures that have places among `tokens`; their last places are among them too.
    pub pictures: &'a [PictureRows<'a>],
    /// Behind how many of the last tokens logits are wanted, 0 to all: none in the middle of a prefill, one to go on,
    /// several to check guesses.
    pub logit_rows: usize,
}

/// A picture in a sequence, as the model's eyes see it. Its places see each other, whichever comes first.
#[derive(Clone, Copy, Debug)]
pub struct PictureRows<'a> {
    /// Position of its first place.
    pub position: usize,
    /// Places in a row.
    pub places: usize,
    /// The stream's numbers for each place, which stand for a token's embedding.
    pub rows: &'a [f32],
}

impl PictureRows<'_> {
    /// Its positions.
    pub fn positions(&self) -> std::ops::Range<usize> {
        self.position..self.position + self.places
    }
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
    /// What it does with pictures, if it has eyes.
    pub vision: Option<VisionShape>,
}

/// What the KV of a block looks like outside of its backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockFormat {
    /// Backend, numbers and layout: two that are named alike understand each other's blocks.
    pub name: String,
    /// Bytes of a block.
    pub bytes: usize,
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

    /// How blocks can leave this backend and return; none where they cannot.
    fn block_format(&self) -> Option<BlockFormat> {
        None
    }

    /// The KV of a block that is full.
    fn export_block(&self, id: BlockId) -> Result<Vec<u8>, BackendError> {
        Err(BackendError { message: format!("KV block {} cannot leave this backend", id.0) })
    }

    /// Puts exported KV into a block.
    fn import_block(&mut self, id: BlockId, _bytes: &[u8]) -> Result<(), BackendError> {
        Err(BackendError { message: format!("KV block {} cannot return to this backend", id.0) })
    }

    /// Computes one step. `logits` is cleared and receives the rows that are wanted, in the order of sequences and tokens.
    ///
    /// The same bits come out for a sequence whatever else is in the batch and however its prefill was cut.
    fn step(&mut self, sequences: &[SequenceStep<'_>], logits: &mut Vec<f32>) -> Result<(), BackendError>;

    /// The rows of a picture, which stand for its places in a step; a failure without eyes.
    fn look(&mut self, picture: &Picture) -> Result<Vec<f32>, BackendError> {
        let message = format!("a picture of {} pixels a side for a model without eyes", picture.side());
        Err(BackendError { message })
    }
}
