//! What a model takes of the memory, counted before it is loaded.
//!
//! The node asks before it starts an engine; what does not fit is refused with the numbers.

use crate::checkpoint::{Checkpoint, DecoderConfig, LoadError};
use crate::cpu::kv::KvLayout;
use crate::cpu::matrix::prepared_bytes;
use crate::cpu::step::RowWidths;

/// Rows of activations that are counted: a full step of prefill and a full batch with the default configuration.
const WORKSPACE_ROWS: u64 = 1024;
/// Rows of logits that are counted: a full batch with the default configuration.
const LOGIT_ROWS: u64 = 64;

/// Bytes by purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Weights.
    pub weight_bytes: u64,
    /// All KV blocks, if all are in use.
    pub kv_bytes: u64,
    /// What a step needs besides.
    pub workspace_bytes: u64,
}

impl MemoryBudget {
    /// All together.
    pub fn total_bytes(&self) -> u64 {
        self.weight_bytes.saturating_add(self.kv_bytes).saturating_add(self.workspace_bytes)
    }
}

/// Bytes that one KV block takes.
pub fn kv_bytes_per_block(config: &DecoderConfig) -> u64 {
    KvLayout::new(config).block_numbers as u64 * size_of::<f32>() as u64
}

/// Counts what the model takes with so many KV blocks; an error if that is more than `memory_bytes`.
pub fn budget(
    checkpoint: &Checkpoint,
    kv_blocks: usize,
    memory_bytes: u64,
) -> Result<MemoryBudget, LoadError> {
    let config = &checkpoint.config;
    let budget = MemoryBudget {
        weight_bytes: checkpoint.weight_bytes(),
        kv_bytes: kv_bytes_per_block(config).saturating_mul(kv_blocks as u64),
        workspace_bytes: workspace_bytes(config),
    };
    if budget.total_bytes() <= memory_bytes {
        return Ok(budget);
    }
    let MemoryBudget { weight_bytes, kv_bytes, workspace_bytes } = budget;
    Err(LoadError::Memory { weight_bytes, kv_bytes, workspace_bytes, memory_bytes })
}

fn workspace_bytes(config: &DecoderConfig) -> u64 {
    let intermediate = config.layers.iter().map(|layer| layer.feed_forward.intermediate()).max().unwrap_or(0);
    let row = RowWidths::new(config).total();
    let widest = config.hidden.max(config.query_width()).max(intermediate);
    let prepared = WORKSPACE_ROWS * prepared_bytes(widest);
    prepared + (WORKSPACE_ROWS * row as u64 + LOGIT_ROWS * config.vocabulary as u64) * size_of::<f32>() as u64
}
