//! A decoder that is used as an encoder: the hidden states behind its last norm, without a head.
//!
//! Each text is read from its beginning into KV blocks of this model's own, chunk by chunk, and forgotten.

use crate::backend::{BLOCK_TOKENS, Backend, BackendError, BlockId, SequenceStep};
use crate::checkpoint::{Checkpoint, LoadError};
use crate::cpu::{CpuBackend, CpuOptions};
use crate::embedding::{Encoder, EncoderShape};

/// Tokens that are computed at once; more take more memory and are hardly faster.
const CHUNK_TOKENS: usize = 512;

/// A loaded decoder without its head.
#[derive(Debug)]
pub struct CpuHidden {
    backend: CpuBackend,
}

impl CpuHidden {
    /// KV blocks that the longest text takes.
    pub fn kv_blocks(checkpoint: &Checkpoint, tokens_max: Option<usize>) -> usize {
        let context = checkpoint.config.context_tokens;
        context.min(tokens_max.unwrap_or(usize::MAX)).div_ceil(BLOCK_TOKENS)
    }

    /// Loads it like a backend; `options.kv_blocks` decides how long a text may be.
    pub fn load(checkpoint: &Checkpoint, options: CpuOptions<'_>) -> Result<CpuHidden, LoadError> {
        Ok(CpuHidden { backend: CpuBackend::load(checkpoint, options)? })
    }
}

impl Encoder for CpuHidden {
    fn shape(&self) -> EncoderShape {
        let shape = self.backend.shape();
        let context_tokens = shape.context_tokens.min(shape.kv_blocks.saturating_mul(BLOCK_TOKENS));
        EncoderShape { vocabulary: shape.vocabulary, context_tokens, width: self.backend.hidden_width() }
    }

    fn encode(&mut self, texts: &[&[u32]], hidden: &mut Vec<f32>) -> Result<(), BackendError> {
        hidden.clear();
        for text in texts {
            let blocks: Vec<BlockId> = (0..text.len().div_ceil(BLOCK_TOKENS) as u32).map(BlockId).collect();
            for (number, tokens) in text.chunks(CHUNK_TOKENS).enumerate() {
                let position = number * CHUNK_TOKENS;
                let step = SequenceStep { tokens, position, blocks: &blocks, pictures: &[], logit_rows: 0 };
                self.backend.step_hidden(&[step], hidden)?;
            }
        }
        Ok(())
    }
}
