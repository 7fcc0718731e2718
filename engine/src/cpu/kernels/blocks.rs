//! The matrix product with quantised weights: sixteen rows of weights side by side, one per lane.
//!
//! Weights lie in blocks of 32 columns by sixteen rows ([`mod@format`]). Two ways to multiply:
//! - [`integers`]: activations are quantised to bytes with one scale per 32 columns, products are summed as whole
//!   numbers, which gives one result in any order, and each block's sum is scaled and added in the order of columns.
//! - [`floats`]: weights are widened in registers and multiplied by activations in f32, in the order of columns.
//!
//! Each element of a result depends on its row of weights and its row of activations alone.
#![expect(unsafe_code, reason = "inner loops over checked buffers without bounds checks")]

pub(crate) mod activations;
mod floats;
pub(crate) mod format;
mod integers;
mod unpack;

use std::ops::Range;

use crate::cpu::lanes::quads::Quads;
use crate::cpu::lanes::{LANES, Lanes};
use activations::BlockFacts;
use format::BlockFormat;
pub(crate) use unpack::FP4_TABLE;

/// Rows of weights that lie interleaved.
pub(crate) const BLOCK_ROWS: usize = LANES;
/// Columns of a block.
pub(crate) const BLOCK_COLUMNS: usize = 32;

/// Bytes of activations that are kept in a core's own cache while all weights pass by, as in
/// [`product`](super::product).
const ACTIVATION_BYTES: usize = 256 * 1024;

/// What one product computes: `y[row][column] = x[row] · weights[column] (+ bias[column]) (+ y[row][column])`.
///
/// Promises to the kernel: `headers` and `quants` hold what `format` says for `blocks` blocks of each group of
/// sixteen rows, `columns` rows rounded up; `x` holds `rows` rows of `blocks * 32` numbers, `x_stride` apart, if the
/// format multiplies in f32, else `bytes` does, without gaps; `facts` has `blocks` entries for each row; `y` has
/// `columns` places in each of `rows` rows, `y_stride` apart; `bias` is null or has `columns` numbers; nobody else
/// touches the columns of `y` that belong to the groups of a call.
pub(crate) struct BlockJob {
    pub(crate) format: BlockFormat,
    pub(crate) headers: *const u8,
    pub(crate) quants: *const u8,
    pub(crate) blocks: usize,
    pub(crate) columns: usize,
    pub(crate) bias: *const f32,
    pub(crate) x: *const f32,
    pub(crate) x_stride: usize,
    pub(crate) bytes: *const i8,
    pub(crate) facts: *const BlockFacts,
    pub(crate) rows: usize,
    pub(crate) y: *mut f32,
    pub(crate) y_stride: usize,
    /// Whether the result is added to what `y` holds.
    pub(crate) accumulate: bool,
}

// SAFETY: the pointers are used as the promises above say, which leave no place to two threads.
unsafe impl Sync for BlockJob {}

/// Computes the columns of some groups.
///
/// # Safety
/// The machine has the instruction set, the promises of the job hold, and the groups exist.
#[inline(always)]
pub(crate) unsafe fn product<Q: Quads>(job: &BlockJob, groups: Range<usize>) {
    use unpack::{Bits2, Bits3, Bits4, Bits5, Bits6, Bits8};
    // SAFETY: the caller's promises.
    unsafe {
        match job.format {
            BlockFormat::Q8_0 => integers::product::<Q, integers::Plain<Bits8, 7>>(job, groups),
            BlockFormat::Q4_0 => integers::product::<Q, integers::Plain<Bits4, 3>>(job, groups),
            BlockFormat::Q5_0 => integers::product::<Q, integers::Plain<Bits5, 4>>(job, groups),
            BlockFormat::Q4K => integers::product::<Q, integers::WithMinimum<Bits4>>(job, groups),
            BlockFormat::Q5K => integers::product::<Q, integers::WithMinimum<Bits5>>(job, groups),
            BlockFormat::Q6K => integers::product::<Q, integers::Halves>(job, groups),
            BlockFormat::Mxfp4 { integers: true } => integers::product::<Q, integers::Power>(job, groups),
            BlockFormat::Mxfp4 { integers: false } => floats::product::<Q, floats::Power>(job, groups),
            BlockFormat::Affine { bits: 2, .. } => floats::product::<Q, floats::Affine<Bits2>>(job, groups),
            BlockFormat::Affine { bits: 3, .. } => floats::product::<Q, floats::Affine<Bits3>>(job, groups),
            BlockFormat::Affine { bits: 4, .. } => floats::product::<Q, floats::Affine<Bits4>>(job, groups),
            BlockFormat::Affine { bits: 5, .. } => floats::product::<Q, floats::Affine<Bits5>>(job, groups),
            BlockFormat::Affine { bits: 6, .. } => floats::product::<Q, floats::Affine<Bits6>>(job, groups),
            BlockFormat::Affine { .. } => floats::product::<Q, floats::Affine<Bits8>>(job, groups),
        }
    }
}

/// Rows of activations that go through all groups together: what fits the cache, in whole tiles.
fn rows_at_once(row_bytes: usize, tile_rows: usize) -> usize {
    (ACTIVATION_BYTES / row_bytes.max(1) / tile_rows * tile_rows).max(tile_rows)
}

/// The largest power of two that is at most both numbers.
fn tile_height(rows: usize, most: usize) -> usize {
    let rows = rows.min(most);
    1 << rows.ilog2()
}

/// Adds what is to be added to the sixteen columns of a group and writes those that exist.
#[inline(always)]
unsafe fn finish<L: Lanes>(job: &BlockJob, group: usize, row: usize, total: L) {
    let column = group * BLOCK_ROWS;
    let count = (job.columns - column).min(BLOCK_ROWS);
    // SAFETY: the columns exist in bias and result.
    unsafe {
        let y = job.y.add(row * job.y_stride + column);
        if count == BLOCK_ROWS {
            let biased = if job.bias.is_null() { total } else { total.add(L::load(job.bias.add(column))) };
            if job.accumulate { L::load(y).add(biased) } else { biased }.store(y);
        } else {
            let biased =
                if job.bias.is_null() { total } else { total.add(L::load_part(job.bias.add(column), count)) };
            let result = if job.accumulate { L::load_part(y, count).add(biased) } else { biased };
            result.store_part(y, count);
        }
    }
}
