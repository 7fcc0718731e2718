//! Activations made ready for a product with quantised weights: bytes with a scale per 32 columns, and sums.
//!
//! Every row is prepared by itself, with IEEE operations in one order, so its bytes are the same in any batch.
#![expect(unsafe_code, reason = "inner loops over checked buffers without bounds checks")]

use std::ops::Range;

use super::BLOCK_COLUMNS;
use crate::cpu::lanes::quads::Quads;
use crate::cpu::lanes::{LANES, Lanes};

/// Greatest magnitude of a byte. -128 is left out, so that two products fit sixteen bits.
const BYTE_MAX: f32 = 127.0;
/// Blocks whose greatest magnitude is below this count as zeros: the inverse of their scale could not be told.
const MAGNITUDE_MIN: f32 = 1e-35;

/// What a product needs to know of 32 activations.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct BlockFacts {
    /// What one step of a byte stands for.
    pub(super) scale: f32,
    /// The sum of the activations, of quantised ones as they were rounded.
    pub(super) scaled_sum: f32,
    /// The sums of the first and of the other sixteen bytes, negative.
    pub(super) minus_sums: [i32; 2],
}

/// Prepares rows of activations.
///
/// Promises: `x` has `blocks * 32` numbers in each row, `x_stride` apart; `facts` has `blocks` places for each row;
/// `bytes` is null or has 32 for each of these; rows of a call are nobody else's.
pub(crate) struct PrepareJob {
    pub(crate) x: *const f32,
    pub(crate) x_stride: usize,
    pub(crate) blocks: usize,
    /// Null where activations are not quantised.
    pub(crate) bytes: *mut i8,
    pub(crate) facts: *mut BlockFacts,
}

// SAFETY: the pointers are used as the promises above say.
unsafe impl Sync for PrepareJob {}

/// Prepares some rows.
///
/// # Safety
/// The machine has the instruction set and the promises of the job hold.
#[inline(always)]
pub(crate) unsafe fn prepare<Q: Quads>(job: &PrepareJob, rows: Range<usize>) {
    for row in rows {
        for block in 0..job.blocks {
            let at = row * job.blocks + block;
            // SAFETY: row and block are within the job.
            unsafe {
                let x = job.x.add(row * job.x_stride + block * BLOCK_COLUMNS);
                let (low, high) = (Q::Floats::load(x), Q::Floats::load(x.add(LANES)));
                *job.facts.add(at) = if job.bytes.is_null() {
                    BlockFacts { scaled_sum: low.add(high).sum(), ..BlockFacts::default() }
                } else {
                    quantise::<Q>(low, high, job.bytes.add(at * BLOCK_COLUMNS))
                };
            }
        }
    }
}

/// Rounds 32 numbers to steps of a 127th of the greatest magnitude.
#[inline(always)]
unsafe fn quantise<Q: Quads>(low: Q::Floats, high: Q::Floats, bytes: *mut i8) -> BlockFacts {
    // SAFETY: the machine has the instruction set, and the caller promises 32 bytes.
    unsafe {
        let zero = Q::Floats::splat(0.0);
        let magnitude = |lanes: Q::Floats| lanes.max(zero.sub(lanes));
        let greatest = magnitude(low).max(magnitude(high)).greatest();
        let is_zero = greatest < MAGNITUDE_MIN;
        let scale = if is_zero { 0.0 } else { greatest / BYTE_MAX };
        let inverse = Q::Floats::splat(if is_zero { 0.0 } else { BYTE_MAX / greatest });
        let (low, high) = (low.mul(inverse).round(), high.mul(inverse).round());
        Q::store_bytes(low, bytes);
        Q::store_bytes(high, bytes.add(LANES));
        // Whole numbers this small are summed exactly.
        let sums = [low.sum(), high.sum()];
        BlockFacts {
            scale,
            scaled_sum: (sums[0] + sums[1]) * scale,
            minus_sums: sums.map(|sum| -(sum as i32)),
        }
    }
}
