//! Prefixes that come from disk: a turn waits for its blocks, which enter the tree one after another.
//!
//! The turn then finds them there on entry like any others. Whatever goes wrong on the way only makes the rest of its
//! prompt be computed.

use super::{Scheduler, SequenceId};
use crate::backend::{BLOCK_TOKENS, BlockId};
use crate::prefix::{BlockTable, PrefixKey};

/// A prefix that is being completed. Holds what the tree has of it.
#[derive(Debug)]
pub struct Restore {
    tokens: Vec<u32>,
    table: BlockTable,
}

impl Restore {
    /// Blocks that the tree has.
    pub fn blocks(&self) -> usize {
        self.table.published_tokens() / BLOCK_TOKENS
    }

    /// The keys of the blocks that it has not.
    pub fn missing(&self) -> Vec<PrefixKey> {
        PrefixKey::chain(&self.tokens).split_off(self.blocks())
    }
}

impl Scheduler {
    /// Keeps a waiting turn from entering while its prefix is completed. Nothing when it does not wait.
    pub fn begin_restore(&mut self, id: SequenceId) -> Option<Restore> {
        let waiting = self.waiting.get_mut(&id)?;
        let table = BlockTable::begin(&mut self.pool, &waiting.tokens, 0, 0)?;
        waiting.is_restoring = true;
        Some(Restore { tokens: waiting.tokens.clone(), table })
    }

    /// A block for the next part of the prefix; nothing when memory is short.
    pub fn restore_place(&mut self, restore: &mut Restore) -> Option<BlockId> {
        let blocks = restore.blocks();
        // One block per running sequence is left to answers.
        let has_plenty = self.pool.available() > self.running.len();
        if !has_plenty || !restore.table.grow(&mut self.pool, (blocks + 1) * BLOCK_TOKENS) {
            return None;
        }
        restore.table.blocks().get(blocks).copied()
    }

    /// The block that was given holds its KV.
    pub fn restored(&mut self, restore: &mut Restore) {
        let tokens = (restore.blocks() + 1) * BLOCK_TOKENS;
        restore.table.publish(&mut self.pool, &restore.tokens[..tokens]);
    }

    /// Nothing more comes; the turn may enter.
    pub fn end_restore(&mut self, id: SequenceId, restore: Restore) {
        restore.table.release(&mut self.pool);
        if let Some(waiting) = self.waiting.get_mut(&id) {
            waiting.is_restoring = false;
        }
    }

    /// Microseconds that computing so many prompt tokens takes, when that is known.
    pub fn prefill_micros(&self, tokens: usize) -> Option<u64> {
        self.pace.prefill_row_micros().map(|row| (row * tokens as f32) as u64)
    }
}
