//! Products of quantised weights with quantised activations.
//!
//! The numbers of a block and the bytes of its activations give one whole number; `(weight scale * activation scale)
//! * that` is added to the total by fused multiply-add, block after block.
#![expect(unsafe_code, reason = "inner loops over checked buffers without bounds checks")]

use std::marker::PhantomData;
use std::ops::Range;

use super::unpack::{Bits, Bits4, Bits6, FP4_TABLE};
use super::{BLOCK_COLUMNS, BLOCK_ROWS, BlockJob, finish, rows_at_once, tile_height};
use crate::cpu::lanes::Lanes;
use crate::cpu::lanes::quads::Quads;

/// What scales the numbers of a block.
pub(super) struct Scales<L> {
    /// For the first sixteen columns, or all.
    low: L,
    /// For the other sixteen, where they differ.
    high: L,
    /// What is added for each activation, where it is not whole steps of the scale.
    minimum: L,
}

/// A format whose activations are quantised.
pub(super) trait IntegerFormat {
    type Numbers: Bits;
    /// Two to the power of this is taken off each number; none where numbers start at zero.
    const OFFSET: Option<u32>;
    /// Whether the two halves of a block have scales of their own.
    const HAS_HALVES: bool = false;
    const HAS_MINIMUM: bool = false;
    /// Bytes of a header, for sixteen rows, and blocks that share it.
    const HEADER_BYTES: usize;
    const SPAN_BLOCKS: usize = 1;

    /// The scales of a block, the `at`th of its header.
    ///
    /// # Safety
    /// The machine has the instruction set and the header can be read.
    unsafe fn scales<Q: Quads>(header: *const u8, at: usize) -> Scales<Q::Floats>;

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

/// One scale in half precision per block.
pub(super) struct Plain<B, const OFFSET: u32>(PhantomData<B>);

impl<B: Bits, const OFFSET: u32> IntegerFormat for Plain<B, OFFSET> {
    type Numbers = B;
    const OFFSET: Option<u32> = Some(OFFSET);
    const HEADER_BYTES: usize = 2 * BLOCK_ROWS;

    #[inline(always)]
    unsafe fn scales<Q: Quads>(header: *const u8, _at: usize) -> Scales<Q::Floats> {
        // SAFETY: a header is sixteen numbers of half precision.
        let scale = unsafe { Q::Floats::load_f16(header.cast()) };
        Scales { low: scale, high: scale, minimum: scale }
    }
}

/// Scale and minimum of six bits per block, times two numbers of half precision per eight blocks.
pub(super) struct WithMinimum<B>(PhantomData<B>);

impl<B: Bits> IntegerFormat for WithMinimum<B> {
    type Numbers = B;
    const OFFSET: Option<u32> = None;
    const HAS_MINIMUM: bool = true;
    const HEADER_BYTES: usize = 20 * BLOCK_ROWS;
    const SPAN_BLOCKS: usize = 8;

    #[inline(always)]
    unsafe fn scales<Q: Quads>(header: *const u8, at: usize) -> Scales<Q::Floats> {
        // SAFETY: a header is two rows of half precision, then eight of scales and eight of minima in bytes.
        unsafe {
            let step = Q::Floats::load_f16(header.cast());
            let lift = Q::Floats::load_f16(header.add(2 * BLOCK_ROWS).cast());
            let scale = Q::widen_unsigned(header.add((4 + at) * BLOCK_ROWS)).to_floats().mul(step);
            let minimum = Q::widen_unsigned(header.add((12 + at) * BLOCK_ROWS)).to_floats().mul(lift);
            Scales { low: scale, high: scale, minimum: Q::Floats::splat(0.0).sub(minimum) }
        }
    }
}

/// A scale of eight bits per sixteen columns, times a number of half precision per eight blocks.
pub(super) struct Halves;

impl IntegerFormat for Halves {
    type Numbers = Bits6;
    const OFFSET: Option<u32> = Some(5);
    const HAS_HALVES: bool = true;
    const HEADER_BYTES: usize = 18 * BLOCK_ROWS;
    const SPAN_BLOCKS: usize = 8;

    #[inline(always)]
    unsafe fn scales<Q: Quads>(header: *const u8, at: usize) -> Scales<Q::Floats> {
        // SAFETY: a header is one row of half precision, then sixteen of bytes.
        unsafe {
            let step = Q::Floats::load_f16(header.cast());
            let scale = |half: usize| {
                Q::widen_signed(header.add((2 + 2 * at + half) * BLOCK_ROWS)).to_floats().mul(step)
            };
            Scales { low: scale(0), high: scale(1), minimum: step }
        }
    }
}

/// Codes of four bits and a power of two per block.
pub(super) struct Power;

impl IntegerFormat for Power {
    type Numbers = Bits4;
    const OFFSET: Option<u32> = Some(4);
    const HEADER_BYTES: usize = BLOCK_ROWS;

    #[inline(always)]
    unsafe fn scales<Q: Quads>(header: *const u8, _at: usize) -> Scales<Q::Floats> {
        // SAFETY: a header is sixteen exponents as f32 has them.
        let scale = unsafe { Q::widen_unsigned(header) }.shift_left::<23>().as_floats();
        Scales { low: scale, high: scale, minimum: scale }
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
pub(super) unsafe fn product<Q: Quads, F: IntegerFormat>(job: &BlockJob, groups: Range<usize>) {
    let at_once = rows_at_once(job.blocks * BLOCK_COLUMNS, Q::TILE_ROWS);
    for start in (0..job.rows).step_by(at_once) {
        let end = (start + at_once).min(job.rows);
        for group in groups.clone() {
            let mut row = start;
            while row < end {
                let height = tile_height(end - row, Q::TILE_ROWS);
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
unsafe fn tile<Q: Quads, F: IntegerFormat, const ROWS: usize>(job: &BlockJob, group: usize, row: usize) {
    if ROWS > Q::TILE_ROWS {
        return;
    }
    // SAFETY: headers, numbers, bytes and facts of the group and the rows are within the job.
    unsafe {
        let headers = job.headers.add(group * (job.blocks / F::SPAN_BLOCKS) * F::HEADER_BYTES);
        let quants = job.quants.add(group * job.blocks * F::Numbers::BLOCK_BYTES);
        let mut totals = [Q::Floats::splat(0.0); ROWS];
        for block in 0..job.blocks {
            let header = headers.add(block / F::SPAN_BLOCKS * F::HEADER_BYTES);
            let scales = F::scales::<Q>(header, block % F::SPAN_BLOCKS);
            let weights = F::unpack::<Q>(quants.add(block * F::Numbers::BLOCK_BYTES));
            for (tile_row, total) in totals.iter_mut().enumerate() {
                let at = (row + tile_row) * job.blocks + block;
                *total = add_block::<Q, F>(job, at, &weights, &scales, *total);
            }
        }
        for (tile_row, total) in totals.into_iter().enumerate() {
            finish(job, group, row + tile_row, total);
        }
    }
}

/// Adds what one block and its activations give.
#[inline(always)]
unsafe fn add_block<Q: Quads, F: IntegerFormat>(
    job: &BlockJob,
    at: usize,
    weights: &[Q; 8],
    scales: &Scales<Q::Floats>,
    total: Q::Floats,
) -> Q::Floats {
    // SAFETY: the job has 32 bytes and an entry of facts for each block of each row.
    unsafe {
        let facts = &*job.facts.add(at);
        let bytes = job.bytes.add(at * BLOCK_COLUMNS).cast::<i32>();
        let start = |half: usize| match F::OFFSET {
            Some(3) => Q::splat(facts.minus_sums[half]).shift_left::<3>(),
            Some(4) => Q::splat(facts.minus_sums[half]).shift_left::<4>(),
            Some(5) => Q::splat(facts.minus_sums[half]).shift_left::<5>(),
            Some(_) => Q::splat(facts.minus_sums[half]).shift_left::<7>(),
            None => Q::splat(0),
        };
        let (mut low, mut high) = (start(0), start(1));
        for quad in 0..4 {
            if F::Numbers::SMALL {
                low = low.dot::<true>(weights[quad], Q::splat(bytes.add(quad).read_unaligned()));
                high = high.dot::<true>(weights[quad + 4], Q::splat(bytes.add(quad + 4).read_unaligned()));
            } else {
                low = low.dot::<false>(weights[quad], Q::splat(bytes.add(quad).read_unaligned()));
                high = high.dot::<false>(weights[quad + 4], Q::splat(bytes.add(quad + 4).read_unaligned()));
            }
        }
        let scale = Q::Floats::splat(facts.scale);
        let total = if F::HAS_HALVES {
            let total = low.to_floats().mul_add(scales.low.mul(scale), total);
            high.to_floats().mul_add(scales.high.mul(scale), total)
        } else {
            low.add(high).to_floats().mul_add(scales.low.mul(scale), total)
        };
        if F::HAS_MINIMUM { scales.minimum.mul_add(Q::Floats::splat(facts.scaled_sum), total) } else { total }
    }
}
