//! Memory of keys and values: blocks as the engine names them, and the lines that steps work on.
//!
//! MLX reads keys fastest when those of a sequence lie in one piece, and the engine shares them in blocks. So every
//! sequence computes on a line of its own, and each block that gets full is copied to a store once. A sequence that
//! begins with blocks of others takes over the line of one that ended, or gets a new line made from the store.
//! Lines hold no more tokens than the store may; a step that needs more runs in parts.

use std::collections::{BTreeMap, HashMap};

use mlx_rs::error::Exception;
use mlx_rs::{Array, Dtype};
use pomona_engine::backend::{BLOCK_TOKENS, BackendError, BlockId};

use crate::lines::{Line, capacity_for};

/// How keys and values of a model are shaped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KvLayout {
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) width: usize,
    pub(crate) dtype: Dtype,
}

impl KvLayout {
    /// Shape of the keys of so many layers over so many tokens.
    pub(crate) fn shape(&self, layers: usize, tokens: usize) -> [i32; 4] {
        [layers as i32, self.heads as i32, tokens as i32, self.width as i32]
    }
}

/// A line that the running pass works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LineId(u64);

/// All keys and values.
#[derive(Debug)]
pub(crate) struct KvMemory {
    layout: KvLayout,
    blocks_max: usize,
    stored: HashMap<BlockId, Array>,
    lines: BTreeMap<LineId, Line>,
    next_line: u64,
    /// Counts passes; stands in for a clock.
    pass: u64,
}

impl KvMemory {
    pub(crate) fn new(layout: KvLayout, blocks_max: usize) -> KvMemory {
        KvMemory { layout, blocks_max, stored: HashMap::new(), lines: BTreeMap::new(), next_line: 0, pass: 0 }
    }

    /// Blocks that there may be.
    pub(crate) fn blocks_max(&self) -> usize {
        self.blocks_max
    }

    /// Tokens that all lines together may have memory for.
    pub(crate) fn line_tokens_max(&self) -> usize {
        self.blocks_max.saturating_mul(BLOCK_TOKENS)
    }

    /// Tokens that a line takes memory for when it must hold so many.
    pub(crate) fn capacity_for(&self, tokens: usize) -> usize {
        capacity_for(tokens, self.line_tokens_max())
    }

    /// Begins a pass: the lines that it acquires stay until the next one begins.
    pub(crate) fn begin_pass(&mut self) {
        self.pass += 1;
    }

    /// The line of a sequence that has `position` tokens in `blocks` and gets more, up to `end`. It holds all of
    /// them when [`KvMemory::complete`] is called.
    pub(crate) fn acquire(
        &mut self,
        blocks: &[BlockId],
        position: usize,
        end: usize,
    ) -> Result<LineId, BackendError> {
        let (held, new) = blocks[..end.div_ceil(BLOCK_TOKENS)].split_at(position.div_ceil(BLOCK_TOKENS));
        let found = match self.find(held, new.first(), position) {
            Some(id) => Some(id),
            None => self.take_over(held, position)?,
        };
        let id = match found {
            Some(id) => id,
            None => self.make(held, position, end)?,
        };
        self.line_mut(id).used = self.pass;
        self.overwrite(id, new);
        self.line_mut(id).ids.extend_from_slice(new);
        let (capacity, wanted) = (self.line_mut(id).capacity(), self.capacity_for(end));
        if capacity < end {
            self.make_room(wanted - capacity)?;
            let layout = self.layout;
            self.line_mut(id).grow(&layout, wanted).map_err(failed)?;
        }
        Ok(id)
    }

    /// A line that was acquired in this pass.
    pub(crate) fn line_mut(&mut self, id: LineId) -> &mut Line {
        self.lines.get_mut(&id).expect("invariant: a line in use is not dropped")
    }

    /// All arrays of some lines of this pass.
    pub(crate) fn arrays(&self, lines: &[LineId]) -> impl Iterator<Item = &Array> {
        lines.iter().filter_map(|id| self.lines.get(id)).flat_map(Line::arrays)
    }

    /// The line holds tokens up to `end` now. Appends the arrays that must be evaluated for that to be true.
    pub(crate) fn complete(
        &mut self,
        id: LineId,
        end: usize,
        wanted: &mut Vec<Array>,
    ) -> Result<(), Exception> {
        let line = self.lines.get_mut(&id).expect("invariant: a line in use is not dropped");
        for index in line.tokens / BLOCK_TOKENS..end / BLOCK_TOKENS {
            let block = line.block(index)?;
            wanted.push(block.clone());
            self.stored.insert(line.ids[index], block);
        }
        line.tokens = end;
        Ok(())
    }

    /// The line that computed this so far, or went on with tokens that were not kept; the next block tells, which is
    /// only this sequence's to write, and so does one that is held in part.
    fn find(&mut self, held: &[BlockId], next: Option<&BlockId>, position: usize) -> Option<LineId> {
        let is_it = |line: &Line| {
            line.used < self.pass
                && line.tokens >= position
                && line.ids.starts_with(held)
                && (line.tokens == position
                    || !position.is_multiple_of(BLOCK_TOKENS)
                    || line.ids.get(held.len()).is_some_and(|id| Some(id) == next))
        };
        let (&id, _) = self.lines.iter().find(|(_, line)| position > 0 && is_it(line))?;
        self.line_mut(id).truncate(held.len(), position);
        Some(id)
    }

    /// The line of a sequence that has ended, as far as one can tell, and began like this one.
    fn take_over(&mut self, held: &[BlockId], position: usize) -> Result<Option<LineId>, BackendError> {
        if position == 0 || !position.is_multiple_of(BLOCK_TOKENS) {
            return Ok(None);
        }
        let rests = |line: &Line| line.used + 1 < self.pass;
        let found = self.lines.iter().find(|(_, line)| rests(line) && line.ids.starts_with(held));
        let Some((&id, _)) = found else { return Ok(None) };
        self.store_tail(id)?;
        self.line_mut(id).truncate(held.len(), position);
        Ok(Some(id))
    }

    /// A new line with a copy of stored blocks.
    fn make(&mut self, held: &[BlockId], position: usize, end: usize) -> Result<LineId, BackendError> {
        let capacity = self.capacity_for(end);
        self.make_room(capacity)?;
        let blocks = held.iter().map(|id| self.stored.get(id).ok_or(id)).collect::<Result<Vec<_>, _>>();
        let blocks =
            blocks.map_err(|id| BackendError { message: format!("KV block {} was never written", id.0) })?;
        let line = Line::new(&self.layout, held, &blocks, position, capacity).map_err(failed)?;
        let id = LineId(self.next_line);
        self.next_line += 1;
        self.lines.insert(id, line);
        Ok(id)
    }

    /// Blocks that a line is about to begin: what they held before is gone.
    fn overwrite(&mut self, writer: LineId, blocks: &[BlockId]) {
        for block in blocks {
            self.stored.remove(block);
            for (_, line) in self.lines.iter_mut().filter(|(id, _)| **id != writer) {
                if let Some(index) = line.ids.iter().position(|id| id == block) {
                    line.truncate(index, index * BLOCK_TOKENS);
                }
            }
        }
        self.lines.retain(|id, line| *id == writer || !line.ids.is_empty());
    }

    /// Drops lines, the longest unused first, until there is room for so many tokens, or all others are in use.
    fn make_room(&mut self, tokens: usize) -> Result<(), BackendError> {
        let taken = |lines: &BTreeMap<_, Line>| lines.values().map(Line::capacity).sum::<usize>();
        while taken(&self.lines) + tokens > self.line_tokens_max() {
            let idle = self.lines.iter().filter(|(_, line)| line.used < self.pass);
            let Some((&id, _)) = idle.min_by_key(|(_, line)| line.used) else { break };
            self.store_tail(id)?;
            self.lines.remove(&id);
        }
        Ok(())
    }

    /// Stores the block that a line holds in part: it is nowhere else.
    fn store_tail(&mut self, id: LineId) -> Result<(), BackendError> {
        let line = &self.lines[&id];
        if let Some(&block) = line.ids.get(line.tokens / BLOCK_TOKENS) {
            let tail = line.block(line.tokens / BLOCK_TOKENS).map_err(failed)?;
            tail.eval().map_err(failed)?;
            self.stored.insert(block, tail);
        }
        Ok(())
    }
}

/// What MLX said, as the engine hears it.
pub(crate) fn failed(error: Exception) -> BackendError {
    BackendError { message: format!("mlx: {}", error.what()) }
}
