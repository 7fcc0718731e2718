//! Lines: the KV of running sequences, each contiguous, so that attention reads it where it lies.
//!
//! A line belongs to nobody. It remembers which blocks of which sequence it holds and is found again by them; who
//! finds none makes one out of the block store (`kv.rs`). Arrays of a line have no other owner, because only then
//! does MLX write into them in place.

use mlx_rs::Array;
use mlx_rs::error::Exception;
use mlx_rs::ops::indexing::{TryIndexOp, TryIndexUpdateOp, UpdateMode};
use mlx_rs::ops::{concatenate, zeros_dtype};
use pomona_engine::backend::{BLOCK_TOKENS, BlockId};

use crate::kv::KvLayout;

/// Tokens by which a line grows at least. Growing copies it, so twice as much means half as many copies and up to
/// that many tokens of unused memory for each sequence.
const GROWTH_TOKENS_MIN: usize = 256;
/// Long lines grow by this share of their length, so that copies stay few.
const GROWTH_SHARE: usize = 8;

/// Axis of the tokens in an array of keys or values.
const TOKEN_AXIS: i32 = 2;

/// The KV of one sequence.
#[derive(Debug)]
pub(crate) struct Line {
    /// The blocks that it holds, the last one perhaps in part.
    pub(crate) ids: Vec<BlockId>,
    /// Tokens that it holds.
    pub(crate) tokens: usize,
    /// Step in which it was last used.
    pub(crate) used: u64,
    capacity: usize,
    /// For each layer keys and values, both `[1, heads, capacity, width]`.
    layers: Vec<[Array; 2]>,
}

impl Line {
    /// A line that holds the first `tokens` of what `blocks` hold, each `[2 * layers, heads, 32, width]`.
    pub(crate) fn new(
        layout: &KvLayout,
        ids: &[BlockId],
        blocks: &[&Array],
        tokens: usize,
        capacity: usize,
    ) -> Result<Line, Exception> {
        let rest = zeros_dtype(&layout.shape(1, capacity - blocks.len() * BLOCK_TOKENS), layout.dtype)?;
        let mut layers = Vec::with_capacity(layout.layers);
        let held = match blocks {
            [] => None,
            blocks => Some(concatenate(blocks, TOKEN_AXIS)?),
        };
        for layer in 0..layout.layers as i32 {
            let part = |index: i32| match &held {
                None => zeros_dtype(&layout.shape(1, capacity), layout.dtype),
                Some(held) => concatenate(&[&held.try_index(index..index + 1)?, &rest], TOKEN_AXIS),
            };
            layers.push([part(2 * layer)?, part(2 * layer + 1)?]);
        }
        mlx_rs::transforms::eval(layers.iter().flatten())?;
        Ok(Line { ids: ids.to_vec(), tokens, used: 0, capacity, layers })
    }

    /// Tokens that it has memory for.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// All its arrays, which a step evaluates: one that is never evaluated keeps every earlier state of it alive.
    pub(crate) fn arrays(&self) -> impl Iterator<Item = &Array> {
        self.layers.iter().flatten()
    }

    /// Keeps only what its first blocks hold, and of that so many tokens.
    pub(crate) fn truncate(&mut self, blocks: usize, tokens: usize) {
        self.ids.truncate(blocks);
        self.tokens = self.tokens.min(tokens);
    }

    /// Copies the line into arrays with room for `capacity` tokens.
    pub(crate) fn grow(&mut self, layout: &KvLayout, capacity: usize) -> Result<(), Exception> {
        let added = zeros_dtype(&layout.shape(1, capacity - self.capacity), layout.dtype)?;
        for array in self.layers.iter_mut().flatten() {
            *array = concatenate(&[&*array, &added], TOKEN_AXIS)?;
        }
        self.capacity = capacity;
        mlx_rs::transforms::eval(self.layers.iter().flatten())
    }

    /// Writes keys and values `[1, heads, tokens, width]` of one layer from a position on.
    pub(crate) fn write(
        &mut self,
        layer: usize,
        position: usize,
        keys: &Array,
        values: &Array,
    ) -> Result<(), Exception> {
        let place = position as i32..position as i32 + keys.dim(TOKEN_AXIS);
        for (array, new) in self.layers[layer].iter_mut().zip([keys, values]) {
            let update = array.try_index_update((.., .., place.clone()), new, UpdateMode::Replace);
            // The older state loses its handle here, so that evaluation finds it unshared and writes in place.
            *array = update.map_err(|error| Exception::custom(error.to_string()))?;
        }
        Ok(())
    }

    /// Keys and values of one layer, as views.
    pub(crate) fn read(
        &self,
        layer: usize,
        positions: std::ops::Range<usize>,
    ) -> Result<[Array; 2], Exception> {
        let place = positions.start as i32..positions.end as i32;
        let [keys, values] = &self.layers[layer];
        Ok([keys.try_index((.., .., place.clone()))?, values.try_index((.., .., place))?])
    }

    /// A copy of block `index`, over all layers: `[2 * layers, heads, 32, width]`, not evaluated.
    pub(crate) fn block(&self, index: usize) -> Result<Array, Exception> {
        let start = (index * BLOCK_TOKENS) as i32;
        let place = start..start + BLOCK_TOKENS as i32;
        let slices = self.layers.iter().flatten().map(|array| array.try_index((.., .., place.clone())));
        concatenate(&slices.collect::<Result<Vec<_>, _>>()?, 0)
    }
}

/// The capacity of a line that must hold `tokens`, if lines may have up to `limit`: whole blocks, so that the last
/// one can be copied as a whole.
pub(crate) fn capacity_for(tokens: usize, limit: usize) -> usize {
    let wanted = (tokens + tokens / GROWTH_SHARE).next_multiple_of(GROWTH_TOKENS_MIN);
    wanted.min(limit.max(tokens)).next_multiple_of(BLOCK_TOKENS)
}
