//! What a model takes of the memory on MLX, counted before it is loaded.

use mlx_rs::Dtype;
use pomona_engine::backend::BLOCK_TOKENS;
use pomona_engine::checkpoint::{Checkpoint, DecoderConfig, Encoding, LoadError, TensorNeed};
use pomona_engine::cpu::MemoryBudget;

use crate::device;

/// KV lies in memory twice: in blocks, and in the lines that steps work on.
const KV_COPIES: u64 = 2;
/// Rows of activations that are counted: a full step of prefill and a full batch with the default configuration.
const WORKSPACE_ROWS: u64 = 1024;
/// Rows of logits that are counted: a full batch with the default configuration.
const LOGIT_ROWS: u64 = 64;
/// Positions that rows of a prompt are counted to see: where attention has no kernel of its own, all scores of a pass
/// are in memory at once.
const SEEN_TOKENS: u64 = 4096;

/// Bytes that one KV block takes.
pub(crate) fn kv_bytes_per_block(checkpoint: &Checkpoint) -> u64 {
    let config = &checkpoint.config;
    let numbers = 2 * config.layers.len() * config.kv_width() * BLOCK_TOKENS;
    KV_COPIES * numbers as u64 * number_bytes(checkpoint)
}

/// Counts what the model takes with so many KV blocks; an error if that is more than `memory_bytes`.
pub(crate) fn budget(
    checkpoint: &Checkpoint,
    kv_blocks: usize,
    memory_bytes: u64,
) -> Result<MemoryBudget, LoadError> {
    let weight_bytes = checkpoint.inventory().needs().map(|need| need_bytes(checkpoint, &need)).sum();
    let kv_bytes = kv_bytes_per_block(checkpoint).saturating_mul(kv_blocks as u64);
    let workspace_bytes = workspace_numbers(&checkpoint.config) * size_of::<f32>() as u64;
    let budget = MemoryBudget { weight_bytes, kv_bytes, workspace_bytes };
    if budget.total_bytes() <= memory_bytes {
        return Ok(budget);
    }
    Err(LoadError::Memory { weight_bytes, kv_bytes, workspace_bytes, memory_bytes })
}

/// Bytes of what one role asks for: plain numbers take the type that the model computes in, packed ones stay.
fn need_bytes(checkpoint: &Checkpoint, need: &TensorNeed) -> u64 {
    let is_packed = match need.place.encoding {
        Encoding::Mxfp4 { .. } => true,
        _ => checkpoint.tensor(&need.place.name).is_ok_and(|tensor| !tensor.dtype.is_plain()),
    };
    match is_packed {
        // Scales may be widened to twice their size; they are a small part.
        true => checkpoint.need_bytes(need) / 8 * 9,
        false => need.elements() * number_bytes(checkpoint),
    }
}

fn number_bytes(checkpoint: &Checkpoint) -> u64 {
    match device::compute_dtype(checkpoint) {
        Ok(Dtype::Float16 | Dtype::Bfloat16) => 2,
        _ => 4,
    }
}

fn workspace_numbers(config: &DecoderConfig) -> u64 {
    let widths = config.layers.iter().map(|layer| layer.feed_forward.intermediate());
    let row = 4 * config.hidden
        + 4 * config.query_width()
        + 2 * config.kv_width()
        + 4 * widths.max().unwrap_or(0)
        + config.heads * SEEN_TOKENS.min(config.context_tokens as u64) as usize;
    WORKSPACE_ROWS * row as u64 + LOGIT_ROWS * config.vocabulary as u64
}
