//! Products of quantised weights with activations in f32.
//!
//! The numbers `q` of a block times the activations are summed in two halves, those of even and of odd columns, each
//! by fused multiply-add in the order of columns; then `scale * (even + odd)` and `bias * (sum of the activations)`
//! are added to the total, block after block.
#![expect(unsafe_code, reason = "inner loops over checked buffers without bounds checks")]

use std::marker::PhantomData;
use std::ops::Range;

use super::unpack::{Bits, Bits4, FP4_TABLE};
use super::{BLOCK_COLUMNS, BLOCK_ROWS, BlockJob, finish, rows_at_once, tile_height};
use crate::cpu::lanes::Lanes;
use crate::cpu::lanes::quads::Quads;

/// A format whose activations stay in f32.
pub(super) trait FloatFormat {
    type Numbers: Bits;
    /// Bytes of a header, for sixteen rows.
    const HEADER_BYTES: usize;

    /// Scale and bias.
    ///
    /// # Safety
    /// The machine has the instruction set and the header can be read.
    unsafe fn scales<Q: Quads>(header: *const u8) -> (Q::Floats, Q::Floats);

    /// The numbers of a block.
    ///
    /// # Safety
    /// The machine has the instruction set and the block can be read.
    #[inline(always)]
    unsafe fn unpack<Q: Quads>(from: *const u8) -> [Q; 8] {
        // SAFETY: the caller's promise.
        unsafe { Self::Numbers::unpack::<Q>(from) }
    }
}

/// Scale and bias in f32.
pub(super) struct Affine<B>(PhantomData<B>);

impl<B: Bits> FloatFormat for Affine<B> {
    type Numbers = B;
    const HEADER_BYTES: usize = 8 * BLOCK_ROWS;

    #[inline(always)]
    unsafe fn scales<Q: Quads>(header: *const u8) -> (Q::Floats, Q::Floats) {
        let header = header.cast::<f32>();
        // SAFETY: a header is sixteen scales and sixteen biases.
        unsafe { (Q::Floats::load(header), Q::Floats::load(header.add(BLOCK_ROWS))) }
    }
}

/// Codes of four bits and a power of two per block.
pub(super) struct Power;

impl FloatFormat for Power {
    type Numbers = Bits4;
    const HEADER_BYTES: usize = BLOCK_ROWS;

    #[inline(always)]
    unsafe fn scales<Q: Quads>(header: *const u8) -> (Q::Floats, Q::Floats) {
        // SAFETY: a header is sixteen exponents as f32 has them.
        unsafe {
            let scale = Q::widen_unsigned(header).shift_left::<23>().as_floats();
            (scale, scale.mul(Q::Floats::splat(-16.0)))
        }
    }

    #[inline(always)]
    unsafe fn unpack<Q: Quads>(from: *const u8) -> [Q; 8] {
        // SAFETY: the caller's promise.
        unsafe { Bits4::unpack::<Q>(from) }.map(|codes| codes.look_up(&FP4_TABLE))
    }
}

/// Computes the columns of some groups.
///
/// # Safety
/// As for [`super::product`].
#[inline(always)]
pub(super) unsafe fn product<Q: Quads, F: FloatFormat>(job: &BlockJob, groups: Range<usize>) {
    let row_bytes = job.blocks * BLOCK_COLUMNS * size_of::<f32>();
    let at_once = rows_at_once(row_bytes, Q::FLOAT_TILE_ROWS);
    for start in (0..job.rows).step_by(at_once) {
        let end = (start + at_once).min(job.rows);
        for group in groups.clone() {
            let mut row = start;
            while row < end {
                let height = tile_height(end - row, Q::FLOAT_TILE_ROWS);
                // SAFETY: rows and groups are within the job.
                unsafe {
                    match height {
                        1 => tile::<Q, F, 1>(job, group, row),
                        2 => tile::<Q, F, 2>(job, group, row),
                        4 => tile::<Q, F, 4>(job, group, row),
                        _ => tile::<Q, F, 8>(job, group, row),
                    }
                }
                row += height;
            }
        }
    }
}

/// Sixteen rows of weights by `ROWS` rows of activations.
#[inline(always)]
unsafe fn tile<Q: Quads, F: FloatFormat, const ROWS: usize>(job: &BlockJob, group: usize, row: usize) {
    if ROWS > Q::FLOAT_TILE_ROWS {
        return;
    }
    let span_blocks = job.format.span_blocks();
    // SAFETY: headers, numbers, activations and facts of the group and the rows are within the job.
    unsafe {
        let headers = job.headers.add(group * (job.blocks / span_blocks) * F::HEADER_BYTES);
        let quants = job.quants.add(group * job.blocks * F::Numbers::BLOCK_BYTES);
        let mut totals = [Q::Floats::splat(0.0); ROWS];
        for block in 0..job.blocks {
            let (scale, bias) = F::scales::<Q>(headers.add(block / span_blocks * F::HEADER_BYTES));
            let weights = F::unpack::<Q>(quants.add(block * F::Numbers::BLOCK_BYTES));
            let x = job.x.add(row * job.x_stride + block * BLOCK_COLUMNS);
            let sums = sums_of_block::<Q, ROWS>(&weights, x, job.x_stride);
            for (tile_row, (total, sum)) in totals.iter_mut().zip(sums).enumerate() {
                let facts = &*job.facts.add((row + tile_row) * job.blocks + block);
                let scaled = sum.mul_add(scale, *total);
                *total = bias.mul_add(Q::Floats::splat(facts.scaled_sum), scaled);
            }
        }
        for (tile_row, total) in totals.into_iter().enumerate() {
            finish(job, group, row + tile_row, total);
        }
    }
}

/// The numbers of a block times the activations of each row.
#[inline(always)]
unsafe fn sums_of_block<Q: Quads, const ROWS: usize>(
    weights: &[Q; 8],
    x: *const f32,
    x_stride: usize,
) -> [Q::Floats; ROWS] {
    // SAFETY: the caller promises 32 numbers in each row.
    unsafe {
        let mask = Q::splat(255);
        let mut even = [Q::Floats::splat(0.0); ROWS];
        let mut odd = even;
        for (quad, &bytes) in weights.iter().enumerate() {
            let columns = [
                bytes.and(mask).to_floats(),
                bytes.shift_right::<8>().and(mask).to_floats(),
                bytes.shift_right::<16>().and(mask).to_floats(),
                bytes.shift_right::<24>().to_floats(),
            ];
            for row in 0..ROWS {
                let x = x.add(row * x_stride + 4 * quad);
                even[row] = columns[0].mul_add(Q::Floats::splat(*x), even[row]);
                odd[row] = columns[1].mul_add(Q::Floats::splat(*x.add(1)), odd[row]);
                even[row] = columns[2].mul_add(Q::Floats::splat(*x.add(2)), even[row]);
                odd[row] = columns[3].mul_add(Q::Floats::splat(*x.add(3)), odd[row]);
            }
        }
        std::array::from_fn(|row| even[row].add(odd[row]))
    }
}
