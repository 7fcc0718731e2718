//! What a step was asked to do, checked and laid out row by row.
//!
//! The rows of all sequences are put below each other. Everything that later code relies on without looking again
//! (tokens, positions, blocks, no two rows writing to one place) is checked here.

use crate::backend::{BLOCK_TOKENS, BackendError, BackendShape, SequenceStep};
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
}

/// A checked step.
pub(crate) struct Plan {
    pub(crate) segments: Vec<Segment>,
    /// The token of each row.
    pub(crate) tokens: Vec<u32>,
    /// Where each row's KV goes, and its angles.
    pub(crate) places: Vec<RotateRow>,
    /// For each segment, a pointer for each block up to its last row.
    pub(crate) blocks: Vec<*mut f32>,
    /// Rows behind which logits are wanted, in order.
    pub(crate) logit_rows: Vec<usize>,
}

impl Plan {
    pub(crate) fn new(
        sequences: &[SequenceStep<'_>],
        shape: BackendShape,
        kv: &mut KvBlocks,
        angles: &mut Angles,
    ) -> Result<Plan, BackendError> {
        let mut plan = Plan {
            segments: Vec::with_capacity(sequences.len()),
            tokens: Vec::new(),
            places: Vec::new(),
            blocks: Vec::new(),
            logit_rows: Vec::new(),
        };
        check_writers(sequences)?;
        for sequence in sequences {
            check_sequence(sequence, shape)?;
            let end = sequence.position + sequence.tokens.len();
            angles.prepare(sequence.position..end);
            let first_block = plan.blocks.len();
            for (index, &id) in sequence.blocks[..end.div_ceil(BLOCK_TOKENS)].iter().enumerate() {
                let is_new = index * BLOCK_TOKENS >= sequence.position;
                plan.blocks.push(if is_new { kv.writable(id)? } else { kv.readable(id)? });
            }
            let first_row = plan.tokens.len();
            plan.tokens.extend_from_slice(sequence.tokens);
            if sequence.wants_logits {
                plan.logit_rows.push(plan.tokens.len() - 1);
            }
            let (rows, position) = (sequence.tokens.len(), sequence.position);
            plan.segments.push(Segment { first_row, rows, position, first_block });
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

fn check_sequence(sequence: &SequenceStep<'_>, shape: BackendShape) -> Result<(), BackendError> {
    let refuse = |message: String| Err(BackendError { message });
    if sequence.tokens.is_empty() {
        return refuse("a sequence without tokens".to_owned());
    }
    let end = sequence.position.saturating_add(sequence.tokens.len());
    if end > shape.context_tokens {
        return refuse(format!("{end} tokens in a sequence; the context holds {}", shape.context_tokens));
    }
    let needed = end.div_ceil(BLOCK_TOKENS);
    if sequence.blocks.len() < needed {
        return refuse(format!("{} KV blocks for {end} tokens, expected {needed}", sequence.blocks.len()));
    }
    match sequence.tokens.iter().find(|&&token| token as usize >= shape.vocabulary) {
        Some(token) => refuse(format!("token {token} is not below the vocabulary's {}", shape.vocabulary)),
        None => Ok(()),
    }
}

/// Two sequences that write to the same block would race.
fn check_writers(sequences: &[SequenceStep<'_>]) -> Result<(), BackendError> {
    let mut written: Vec<_> = sequences.iter().flat_map(written_blocks).collect();
    written.sort_unstable();
    match written.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(BackendError { message: format!("KV block {} has two writers", pair[0].0) }),
        None => Ok(()),
    }
}

fn written_blocks<'a>(sequence: &SequenceStep<'a>) -> &'a [crate::backend::BlockId] {
    let end = sequence.position.saturating_add(sequence.tokens.len()).div_ceil(BLOCK_TOKENS);
    let end = end.min(sequence.blocks.len());
    &sequence.blocks[(sequence.position / BLOCK_TOKENS).min(end)..end]
}
