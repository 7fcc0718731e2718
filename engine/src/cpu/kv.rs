//! Memory of keys and values, in blocks that the engine names.
//!
//! A block holds 32 tokens of one sequence over all layers. It takes memory from the first time that it is written,
//! so that memory follows use. Which block belongs to whom is the engine's business.

use std::cell::Cell;

use crate::backend::{BLOCK_TOKENS, BackendError, BlockId};
use crate::checkpoint::DecoderConfig;
use crate::cpu::matrix::padded;

/// How a block is laid out: for each layer the keys of all heads, transposed (`[head][number][slot]`, so that scores
/// of neighbouring slots are computed together), then the values (`[head][slot][number]`, rounded up to lanes).
#[derive(Clone, Copy, Debug)]
pub(crate) struct KvLayout {
    /// Numbers of one layer.
    pub(crate) layer_numbers: usize,
    /// Numbers of a block.
    pub(crate) block_numbers: usize,
    /// Numbers that a value takes.
    pub(crate) value_width: usize,
}

impl KvLayout {
    pub(crate) fn new(config: &DecoderConfig) -> KvLayout {
        let value_width = padded(config.head_width);
        let layer_numbers = config.kv_heads * BLOCK_TOKENS * (config.head_width + value_width);
        KvLayout { layer_numbers, block_numbers: layer_numbers * config.layers.len(), value_width }
    }
}

/// All blocks.
#[derive(Debug)]
pub(crate) struct KvBlocks {
    layout: KvLayout,
    /// Cells, because a step holds pointers to a block for each of its readers.
    blocks: Vec<Option<Box<[Cell<f32>]>>>,
}

impl KvBlocks {
    pub(crate) fn new(layout: KvLayout, count: usize) -> KvBlocks {
        KvBlocks { layout, blocks: (0..count).map(|_| None).collect() }
    }

    pub(crate) fn layout(&self) -> KvLayout {
        self.layout
    }

    pub(crate) fn count(&self) -> usize {
        self.blocks.len()
    }

    /// The numbers of a block to write to, which takes memory now if it had none.
    pub(crate) fn writable(&mut self, id: BlockId) -> Result<*mut f32, BackendError> {
        let count = self.blocks.len();
        let block = self.blocks.get_mut(id.0 as usize).ok_or_else(|| unknown(id, count))?;
        let numbers = self.layout.block_numbers;
        Ok(pointer(block.get_or_insert_with(|| vec![Cell::new(0.0); numbers].into_boxed_slice())))
    }

    /// The numbers of a block that was written before, as bytes.
    pub(crate) fn export(&self, id: BlockId) -> Result<Vec<u8>, BackendError> {
        self.readable(id)?;
        let numbers = self.blocks[id.0 as usize].as_deref().unwrap_or_default();
        let mut bytes = vec![0; size_of_val(numbers)];
        for (bytes, number) in bytes.chunks_exact_mut(size_of::<f32>()).zip(numbers) {
            bytes.copy_from_slice(&number.get().to_le_bytes());
        }
        Ok(bytes)
    }

    /// Puts exported numbers into a block.
    pub(crate) fn import(&mut self, id: BlockId, bytes: &[u8]) -> Result<(), BackendError> {
        let expected = self.layout.block_numbers * size_of::<f32>();
        if bytes.len() != expected {
            let message = format!("{} bytes for a KV block of {expected}", bytes.len());
            return Err(BackendError { message });
        }
        self.writable(id)?;
        let numbers = self.blocks[id.0 as usize].as_deref().unwrap_or_default();
        for (bytes, number) in bytes.as_chunks().0.iter().zip(numbers) {
            number.set(f32::from_le_bytes(*bytes));
        }
        Ok(())
    }

    /// The numbers of a block that was written before.
    pub(crate) fn readable(&self, id: BlockId) -> Result<*mut f32, BackendError> {
        let count = self.blocks.len();
        match self.blocks.get(id.0 as usize) {
            Some(Some(block)) => Ok(pointer(block)),
            Some(None) => Err(BackendError { message: format!("KV block {} was never written", id.0) }),
            None => Err(unknown(id, count)),
        }
    }
}

fn pointer(block: &[Cell<f32>]) -> *mut f32 {
    block.as_ptr().cast::<f32>().cast_mut()
}

fn unknown(id: BlockId, count: usize) -> BackendError {
    BackendError { message: format!("KV block {} does not exist; there are {count}", id.0) }
}
