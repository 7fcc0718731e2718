//! The matrix product: rows of activations times rows of weights.
//!
//! Each element of the result is one dot product in one order: lane `l` sums the products at `l`, `l + 16`,
//! `l + 32`… by fused multiply-add, then the lanes are summed by the fixed tree. How many rows are computed side
//! by side, and by whom, changes nothing in it. Weights come packed by [`Matrix`](crate::cpu::matrix::Matrix).
#![expect(unsafe_code, reason = "inner loops over checked buffers without bounds checks")]

use std::ops::Range;

use crate::cpu::lanes::{LANES, Lanes, Weight};

/// Weight rows that lie interleaved in memory: sixteen numbers of each in turn.
pub(crate) const GROUP: usize = 4;

/// Bytes of activations that are kept in a core's own cache while all weights pass by. Half of a small second-level
/// cache; doubled, such machines fetch activations from afar, halved, weights pass by twice as often.
const ACTIVATION_BYTES: usize = 256 * 1024;

/// How far ahead weights are asked for. The processor's own guess is enough when it does nothing but read, but falls
/// behind when several rows are computed with each weight; half of this was measured to be too late.
const AHEAD_BYTES: usize = 3072;
/// Fewest rows in a tile for which that pays.
const AHEAD_ROWS_MIN: usize = 3;

/// What one product computes: `y[row][column] = x[row] · weights[column] (+ bias[column]) (+ y[row][column])`.
///
/// Promises to the kernel: `weights` holds `chunks * 16` numbers for each of `columns` rows, rounded up to whole
/// groups; `x` holds `rows` rows of `chunks * 16` numbers, `x_stride` apart; `y` has `columns` places in each of
/// `rows` rows, `y_stride` apart; `bias` is null or has `columns` numbers; nobody else touches the columns of `y`
/// that belong to the groups of a call.
pub(crate) struct ProductJob<W> {
    pub(crate) weights: *const W,
    pub(crate) chunks: usize,
    pub(crate) columns: usize,
    pub(crate) bias: *const f32,
    pub(crate) x: *const f32,
    pub(crate) x_stride: usize,
    pub(crate) rows: usize,
    pub(crate) y: *mut f32,
    pub(crate) y_stride: usize,
    /// Whether the result is added to what `y` holds.
    pub(crate) accumulate: bool,
}

// SAFETY: the pointers are used as the promises above say, which leave no place to two threads.
unsafe impl<W: Sync> Sync for ProductJob<W> {}

/// Computes the columns of some groups.
///
/// # Safety
/// The machine has the instruction set, the promises of the job hold, and the groups exist.
#[inline(always)]
pub(crate) unsafe fn product<L: Lanes, W: Weight>(job: &ProductJob<W>, groups: Range<usize>) {
    let block = (ACTIVATION_BYTES / (job.chunks * LANES * size_of::<f32>())).max(L::TILE_ROWS);
    let block = block / L::TILE_ROWS * L::TILE_ROWS;
    for start in (0..job.rows).step_by(block) {
        let end = (start + block).min(job.rows);
        for group in groups.clone() {
            for row in (start..end).step_by(L::TILE_ROWS) {
                // SAFETY: rows and groups are within the job.
                unsafe { tile_of_height::<L, W>(job, group, row, (end - row).min(L::TILE_ROWS)) };
            }
        }
    }
}

/// Picks the tile compiled for a number of rows.
#[inline(always)]
unsafe fn tile_of_height<L: Lanes, W: Weight>(job: &ProductJob<W>, group: usize, row: usize, height: usize) {
    // SAFETY: the caller's promises.
    unsafe {
        match height {
            1 => tile_columns::<L, W, 1>(job, group, row),
            2 => tile_columns::<L, W, 2>(job, group, row),
            3 => tile_columns::<L, W, 3>(job, group, row),
            4 => tile_columns::<L, W, 4>(job, group, row),
            5 => tile_columns::<L, W, 5>(job, group, row),
            _ => tile_columns::<L, W, 6>(job, group, row),
        }
    }
}

/// Covers the group by tiles as wide as the registers allow; a single row always takes the whole group at once.
#[inline(always)]
unsafe fn tile_columns<L: Lanes, W: Weight, const ROWS: usize>(
    job: &ProductJob<W>,
    group: usize,
    row: usize,
) {
    if ROWS > L::TILE_ROWS {
        return;
    }
    // SAFETY: the caller's promises; first columns stay within the group.
    unsafe {
        if L::TILE_COLUMNS == 4 || (ROWS == 1 && L::TILE_COLUMNS > 1) {
            tile::<L, W, ROWS, 4>(job, group, 0, row);
        } else if L::TILE_COLUMNS == 2 {
            tile::<L, W, ROWS, 2>(job, group, 0, row);
            tile::<L, W, ROWS, 2>(job, group, 2, row);
        } else {
            for first in 0..GROUP {
                tile::<L, W, ROWS, 1>(job, group, first, row);
            }
        }
    }
}

/// `ROWS` activations by `COLUMNS` weight rows, all sums in registers.
#[inline(always)]
unsafe fn tile<L: Lanes, W: Weight, const ROWS: usize, const COLUMNS: usize>(
    job: &ProductJob<W>,
    group: usize,
    first: usize,
    row: usize,
) {
    // SAFETY: the group holds `chunks` times four times sixteen weights, each row `chunks` times sixteen numbers;
    // only columns below `columns` are written.
    unsafe {
        let weights = job.weights.add(group * job.chunks * GROUP * LANES + first * LANES);
        let x = job.x.add(row * job.x_stride);
        let mut sums = [[L::splat(0.0); COLUMNS]; ROWS];
        for chunk in 0..job.chunks {
            let weights = weights.add(chunk * GROUP * LANES);
            if ROWS >= AHEAD_ROWS_MIN {
                prefetch::<L, W>(weights);
            }
            let mut columns = [L::splat(0.0); COLUMNS];
            for (column, weight) in columns.iter_mut().enumerate() {
                *weight = W::load::<L>(weights.add(column * LANES));
            }
            for (tile_row, sums) in sums.iter_mut().enumerate() {
                let activations = L::load(x.add(tile_row * job.x_stride + chunk * LANES));
                for (sum, weight) in sums.iter_mut().zip(columns) {
                    *sum = activations.mul_add(weight, *sum);
                }
            }
        }
        let column = group * GROUP + first;
        for (tile_row, sums) in sums.into_iter().enumerate() {
            let y = job.y.add((row + tile_row) * job.y_stride);
            for (offset, sum) in sums.into_iter().enumerate() {
                if column + offset < job.columns {
                    finish(job, y, column + offset, sum.sum());
                }
            }
        }
    }
}

/// Asks for the weights of a whole group's chunk, some chunks ahead.
#[inline(always)]
fn prefetch<L: Lanes, W: Weight>(weights: *const W) {
    const LINE_BYTES: usize = 64;
    for line in 0..GROUP * LANES * size_of::<W>() / LINE_BYTES {
        L::prefetch(weights.cast::<u8>().wrapping_add(AHEAD_BYTES + line * LINE_BYTES));
    }
}

/// Adds what is to be added and writes one element.
#[inline(always)]
unsafe fn finish<W>(job: &ProductJob<W>, y: *mut f32, column: usize, sum: f32) {
    // SAFETY: the column exists in bias and result.
    unsafe {
        let biased = if job.bias.is_null() { sum } else { sum + *job.bias.add(column) };
        let place = y.add(column);
        *place = if job.accumulate { *place + biased } else { biased };
    }
}
