//! The block table of one sequence, and how far it is part of the tree.

use super::BlockPool;
use crate::backend::{BLOCK_TOKENS, BlockId};

/// Blocks of one sequence in order of position. The first `published` of them are a chain of nodes.
#[derive(Debug, Default)]
pub struct BlockTable {
    blocks: Vec<BlockId>,
    published: usize,
}

impl BlockTable {
    /// A table for `tokens` with room for `capacity` tokens: what the tree has of them, then fresh blocks.
    /// `None` when that would leave fewer than `spare` blocks; then nothing is held and nothing evicted.
    pub fn begin(pool: &mut BlockPool, tokens: &[u32], capacity: usize, spare: usize) -> Option<Self> {
        let mut blocks = pool.hold_prefix(tokens);
        let published = blocks.len();
        let wanted = capacity.div_ceil(BLOCK_TOKENS).saturating_sub(published);
        let fresh = if pool.available() < wanted + spare { None } else { pool.allocate(wanted) };
        match fresh {
            Some(fresh) => {
                blocks.extend(fresh);
                Some(Self { blocks, published })
            }
            None => {
                Self { blocks, published }.release(pool);
                None
            }
        }
    }

    /// The blocks, in order of position.
    pub fn blocks(&self) -> &[BlockId] {
        &self.blocks
    }

    /// Tokens of the prefix that was found in the tree or has become part of it.
    pub fn published_tokens(&self) -> usize {
        self.published * BLOCK_TOKENS
    }

    /// Makes room for `capacity` tokens; false when the memory is not there.
    pub fn grow(&mut self, pool: &mut BlockPool, capacity: usize) -> bool {
        let wanted = capacity.div_ceil(BLOCK_TOKENS).saturating_sub(self.blocks.len());
        match pool.allocate(wanted) {
            Some(fresh) => {
                self.blocks.extend(fresh);
                true
            }
            None => false,
        }
    }

    /// Adds to the tree every block that `computed`, the tokens whose KV is complete, fills.
    pub fn publish(&mut self, pool: &mut BlockPool, computed: &[u32]) {
        for piece in computed.chunks_exact(BLOCK_TOKENS).skip(self.published) {
            let parent = self.published.checked_sub(1).map(|last| self.blocks[last]);
            let block = &mut self.blocks[self.published];
            *block = pool.publish(parent, piece, *block);
            self.published += 1;
        }
    }

    /// Lets go of all blocks, the last first, so that the tail of a prefix is older than its beginning.
    pub fn release(self, pool: &mut BlockPool) {
        for block in self.blocks.into_iter().rev() {
            pool.release(block);
        }
    }
}
