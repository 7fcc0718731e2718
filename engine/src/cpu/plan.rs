//! What a step was asked to do, checked and laid out row by row.
//!
//! The rows of all sequences are put below each other. Everything that later code relies on without looking again
//! (tokens, positions, blocks, no two rows writing to one place) is checked here.

use std::ops::Range;

use crate::backend::{BLOCK_TOKENS, BackendError, BackendShape, SequenceStep, check_batch};
use crate::cpu::angles::Angles;
use crate::cpu::kernels::rows::RotateRow;
use crate::cpu::kv::KvBlocks;

/// The rows of one sequence.
pub(crate) struct Segment {
    pub(crate) first_row: usize,
    pub(crate) rows: usize,
    /// Position of the first row.
    pub(crate) position: usize,
    /// Where its pointers begin in [`Plan::blocks`].
    pub(crate) first_block: usize,
    /// Positions of its pictures, in order.
    pub(crate) pictures: Vec<Range<usize>>,
}

/// A checked step.
pub(crate) struct Plan<'a> {
    pub(crate) segments: Vec<Segment>,
    /// The token of each row.
    pub(crate) tokens: Vec<u32>,
    /// Rows that are no token's: what stands in the stream for them.
    pub(crate) given: Vec<(usize, &'a [f32])>,
    /// Where each row's KV goes, and its angles.
    pub(crate) places: Vec<RotateRow>,
    /// For each segment, a pointer for each block up to its last row.
    pub(crate) blocks: Vec<*mut f32>,
    /// Rows behind which logits are wanted, in order.
    pub(crate) logit_rows: Vec<usize>,
}

impl<'a> Plan<'a> {
    /// `width` is that of the stream.
    pub(crate) fn new(
        sequences: &[SequenceStep<'a>],
        shape: BackendShape,
        width: usize,
        kv: &mut KvBlocks,
        angles: &mut Angles,
    ) -> Result<Plan<'a>, BackendError> {
        let mut plan = Plan {
            segments: Vec::with_capacity(sequences.len()),
            tokens: Vec::new(),
            given: Vec::new(),
            places: Vec::new(),
            blocks: Vec::new(),
            logit_rows: Vec::new(),
        };
        check_batch(sequences, shape)?;
        for sequence in sequences {
            let pictures = sequence.pictures.iter().map(|picture| picture.positions()).collect();
            let end = sequence.position + sequence.tokens.len();
            angles.prepare(sequence.position..end);
            let first_block = plan.blocks.len();
            for (index, &id) in sequence.blocks[..end.div_ceil(BLOCK_TOKENS)].iter().enumerate() {
                let is_new = index * BLOCK_TOKENS >= sequence.position;
                plan.blocks.push(if is_new { kv.writable(id)? } else { kv.readable(id)? });
            }
            let first_row = plan.tokens.len();
            plan.tokens.extend_from_slice(sequence.tokens);
            plan.logit_rows.extend(plan.tokens.len() - sequence.logit_rows..plan.tokens.len());
            let (rows, position) = (sequence.tokens.len(), sequence.position);
            for picture in sequence.pictures {
                for (at, numbers) in picture.positions().zip(picture.rows.chunks_exact(width)) {
                    plan.given.extend(at.checked_sub(position).map(|row| (first_row + row, numbers)));
                }
            }
            plan.segments.push(Segment { first_row, rows, position, first_block, pictures });
        }
        plan.place_rows(angles);
        Ok(plan)
    }

    /// Called when all angles are there, so that pointers to them stay valid.
    fn place_rows(&mut self, angles: &Angles) {
        for segment in &self.segments {
            for position in segment.position..segment.position + segment.rows {
                self.places.push(RotateRow {
                    block: self.blocks[segment.first_block + position / BLOCK_TOKENS],
                    slot: position % BLOCK_TOKENS,
                    angles: angles.at(position).as_ptr(),
                });
            }
        }
    }
}
