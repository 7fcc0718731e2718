//! Attention over KV blocks, with a running softmax.
//!
//! Each query (one head of one row) goes through the blocks of its own past in order, starting at the block where
//! its window begins. Within a block: all scores, their greatest, exponentials, their sum by the fixed tree, then
//! values in order. That order depends on the query's position alone, so cutting a prompt differently, or other
//! sequences beside it, change no bit. Queries that see a block whole are computed side by side for speed.
#![expect(unsafe_code, reason = "inner loops over checked buffers without bounds checks")]

use std::ops::Range;

use super::functions::capped;
use crate::backend::BLOCK_TOKENS;
use crate::cpu::lanes::{LANES, Lanes, exp};

/// Sixteen-wide pieces of a value that are summed in registers at once.
const PIECES: usize = 4;

/// What is the same for all units of a layer.
///
/// Promises: `queries` and `y` have `heads` heads of `head_width` in each row, strides apart; `sinks` is null or has
/// `heads` numbers; blocks have the layout
/// of [`KvLayout`](crate::cpu::kv::KvLayout) and hold the KV of all positions that a query sees.
pub(crate) struct AttentionJob {
    pub(crate) queries: *const f32,
    pub(crate) queries_stride: usize,
    pub(crate) y: *mut f32,
    pub(crate) y_stride: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_width: usize,
    /// Width of a value in a block: the head's, rounded up to whole lanes.
    pub(crate) value_width: usize,
    /// Positions that a query sees, its own included; none means all before.
    pub(crate) window: Option<usize>,
    /// Multiplies scores.
    pub(crate) scale: f32,
    /// Soft cap of scaled scores.
    pub(crate) cap: Option<f32>,
    /// Null, or a score for each head that takes part in the softmax without a value.
    pub(crate) sinks: *const f32,
    /// Numbers before this layer's part of a block.
    pub(crate) layer_offset: usize,
}

// SAFETY: the pointers are used as the promises above say; each unit writes places of its own.
unsafe impl Sync for AttentionJob {}

/// Some rows of one sequence and one KV head.
///
/// Promises: the rows exist; `blocks` has a pointer for each block up to the last row's position and the end of the
/// picture.
pub(crate) struct AttentionUnit {
    pub(crate) first_row: usize,
    pub(crate) rows: usize,
    /// Position of the first row.
    pub(crate) position: usize,
    pub(crate) kv_head: usize,
    pub(crate) blocks: *const *mut f32,
    /// Positions of the picture that all its rows belong to, and see.
    pub(crate) picture: Option<Range<usize>>,
}

// SAFETY: as for the job.
unsafe impl Sync for AttentionUnit {}

/// One query's progress: where it lies, and its running softmax.
struct Query {
    from: *const f32,
    greatest: f32,
    total: f32,
}

/// Keys and values of one head in one block, and what is read behind them.
#[derive(Clone, Copy)]
struct BlockHead {
    keys: *const f32,
    values: *const f32,
    /// Keys of the next block; any address where there is none.
    next: *const f32,
}

/// Computes one unit.
///
/// # Safety
/// The machine has the instruction set, and the promises of job and unit hold.
#[inline(always)]
pub(crate) unsafe fn attend<L: Lanes>(job: &AttentionJob, unit: &AttentionUnit) {
    let group = job.heads / job.kv_heads;
    let first_head = unit.kv_head * group;
    let mut queries: Vec<Query> = (0..unit.rows * group)
        .map(|at| {
            let (row, head) = (unit.first_row + at / group, first_head + at % group);
            // SAFETY: the row is within the job, the head within the row.
            let from = unsafe { job.queries.add(row * job.queries_stride + head * job.head_width) };
            match job.sinks.is_null() {
                true => Query { from, greatest: f32::NEG_INFINITY, total: 0.0 },
                // SAFETY: there is a sink for each head.
                false => Query { from, greatest: unsafe { *job.sinks.add(head) }, total: 1.0 },
            }
        })
        .collect();
    let mut sums = vec![0.0f32; queries.len() * job.value_width];

    let first_seen = reach(job, unit, 0).start;
    let last_seen = reach(job, unit, unit.rows - 1).end - 1;
    for block in first_seen / BLOCK_TOKENS..=last_seen / BLOCK_TOKENS {
        // SAFETY: the unit has a pointer for this block, and the block has the layout.
        let mut block_head = unsafe { block_head(job, unit, block) };
        if block < last_seen / BLOCK_TOKENS {
            // SAFETY: the unit has a pointer for the next block too.
            block_head.next = unsafe { self::block_head(job, unit, block + 1).keys };
        }
        let whole = rows_that_see_all(job, unit, block);
        for row in 0..unit.rows {
            let seen = seen(reach(job, unit, row), block);
            if seen.is_empty() || (whole.contains(&row) && row != whole.start) {
                continue;
            }
            // Rows that see the whole block go together, the others one by one.
            let rows = if row == whole.start && !whole.is_empty() { whole.clone() } else { row..row + 1 };
            let at = rows.start * group..rows.end * group;
            let sums = &mut sums[at.start * job.value_width..at.end * job.value_width];
            // SAFETY: the queries, their sums and the block belong together.
            unsafe { pass_block::<L>(job, block_head, &mut queries[at], sums, seen) };
        }
    }
    for (at, query) in queries.iter().enumerate() {
        let (row, head) = (unit.first_row + at / group, first_head + at % group);
        let sums = &sums[at * job.value_width..][..job.head_width];
        // SAFETY: the row is within the job, the head within the row.
        let y = unsafe { job.y.add(row * job.y_stride + head * job.head_width) };
        let inverse = 1.0 / query.total;
        for (at, sum) in sums.iter().enumerate() {
            // SAFETY: a head has `head_width` places.
            unsafe { *y.add(at) = sum * inverse };
        }
    }
}

/// Positions that a row of a unit sees.
#[inline(always)]
fn reach(job: &AttentionJob, unit: &AttentionUnit, row: usize) -> Range<usize> {
    let end = unit.position + row + 1;
    let first = job.window.map_or(0, |window| end.saturating_sub(window));
    match &unit.picture {
        None => first..end,
        Some(picture) => first.min(picture.start)..end.max(picture.end),
    }
}

/// Slots of a block within a reach.
#[inline(always)]
fn seen(reach: Range<usize>, block: usize) -> Range<usize> {
    let slot = |position: usize| position.saturating_sub(block * BLOCK_TOKENS).min(BLOCK_TOKENS);
    let first = slot(reach.start);
    first..slot(reach.end).max(first)
}

/// The rows of a unit that see every slot of a block; they are neighbours. Those of a picture are never counted.
#[inline(always)]
fn rows_that_see_all(job: &AttentionJob, unit: &AttentionUnit, block: usize) -> Range<usize> {
    if unit.picture.is_some() {
        return 0..0;
    }
    let last_slot = block * BLOCK_TOKENS + BLOCK_TOKENS - 1;
    let from = last_slot.saturating_sub(unit.position).min(unit.rows);
    let window = job.window.unwrap_or(usize::MAX);
    // A row sees the block's first slot if position + 1 <= window + first slot.
    let positions = window.saturating_add(block * BLOCK_TOKENS);
    let to = positions.saturating_sub(unit.position).min(unit.rows);
    from..to.max(from)
}

#[inline(always)]
unsafe fn block_head(job: &AttentionJob, unit: &AttentionUnit, block: usize) -> BlockHead {
    // SAFETY: the caller's promises.
    unsafe {
        let layer = (*unit.blocks.add(block)).add(job.layer_offset).cast_const();
        let keys = layer.add(unit.kv_head * job.head_width * BLOCK_TOKENS);
        let values = layer.add(
            job.kv_heads * job.head_width * BLOCK_TOKENS + unit.kv_head * BLOCK_TOKENS * job.value_width,
        );
        BlockHead { keys, values, next: keys }
    }
}

/// Takes queries that see the same slots through one block, in tiles that fit the registers.
#[inline(always)]
unsafe fn pass_block<L: Lanes>(
    job: &AttentionJob,
    block: BlockHead,
    queries: &mut [Query],
    sums: &mut [f32],
    seen: Range<usize>,
) {
    let tiles = queries.chunks_mut(L::TILE_QUERIES);
    for (queries, sums) in tiles.zip(sums.chunks_mut(L::TILE_QUERIES * job.value_width)) {
        let seen = seen.clone();
        // SAFETY: the caller's promises; a tile has as many queries as its constant says.
        unsafe {
            match queries.len() {
                1 => pass_tile::<L, 1>(job, block, queries, sums, seen),
                2 => pass_tile::<L, 2>(job, block, queries, sums, seen),
                3 => pass_tile::<L, 3>(job, block, queries, sums, seen),
                _ => pass_tile::<L, 4>(job, block, queries, sums, seen),
            }
        }
    }
}

#[inline(always)]
unsafe fn pass_tile<L: Lanes, const N: usize>(
    job: &AttentionJob,
    block: BlockHead,
    queries: &mut [Query],
    sums: &mut [f32],
    seen: Range<usize>,
) {
    if N > L::TILE_QUERIES {
        return;
    }
    // SAFETY: the caller's promises.
    unsafe {
        let mut scores = score::<L, N>(job, block, queries);
        for (at, (query, scores)) in queries.iter_mut().zip(&mut scores).enumerate() {
            let sums = &mut sums[at * job.value_width..][..job.value_width];
            weigh::<L>(query, scores, sums, &seen);
        }
        for first in (0..job.value_width).step_by(PIECES * LANES) {
            let sums = sums.as_mut_ptr().add(first);
            let values = block.values.add(first);
            // Each piece of the head asks for its share of the next keys.
            let next = block.next.wrapping_add(first * BLOCK_TOKENS);
            match (job.value_width - first) / LANES {
                1 => add_values::<L, N, 1>(job, &scores, values, next, sums, seen.clone()),
                2 => add_values::<L, N, 2>(job, &scores, values, next, sums, seen.clone()),
                3 => add_values::<L, N, 3>(job, &scores, values, next, sums, seen.clone()),
                _ => add_values::<L, N, PIECES>(job, &scores, values, next, sums, seen.clone()),
            }
        }
    }
}

/// Asks for numbers that the pass reads next: the processor's own guess ends with each page, and a block's part of one
/// head is four of them.
#[inline(always)]
fn prefetch<L: Lanes>(from: *const f32, count: usize) {
    for at in (0..count).step_by(LANES) {
        L::prefetch(from.wrapping_add(at));
    }
}

/// Scaled and capped scores of all slots: each the sum over the head in order.
#[inline(always)]
unsafe fn score<L: Lanes, const N: usize>(
    job: &AttentionJob,
    block: BlockHead,
    queries: &[Query],
) -> [[f32; BLOCK_TOKENS]; N] {
    // SAFETY: the block has `head_width` rows of keys of 32 slots each, a query `head_width` numbers.
    unsafe {
        // Loops where closures would read better: a closure is compiled without the kernel's instruction set unless it is
        // inlined, which is not sure.
        let mut from = [std::ptr::null::<f32>(); N];
        for (from, query) in from.iter_mut().zip(queries) {
            *from = query.from;
        }
        let mut sums = [[L::splat(0.0); 2]; N];
        for at in 0..job.head_width {
            let low = L::load(block.keys.add(at * BLOCK_TOKENS));
            let high = L::load(block.keys.add(at * BLOCK_TOKENS + LANES));
            prefetch::<L>(block.values.wrapping_add(at * BLOCK_TOKENS), BLOCK_TOKENS);
            for (sums, from) in sums.iter_mut().zip(from) {
                let query = L::splat(*from.add(at));
                sums[0] = query.mul_add(low, sums[0]);
                sums[1] = query.mul_add(high, sums[1]);
            }
        }
        let scale = L::splat(job.scale);
        let mut scores = [[0.0; BLOCK_TOKENS]; N];
        for (scores, [low, high]) in scores.iter_mut().zip(sums) {
            let (mut low, mut high) = (low.mul(scale), high.mul(scale));
            if let Some(cap) = job.cap {
                (low, high) = (capped(low, cap), capped(high, cap));
            }
            low.store(scores.as_mut_ptr());
            high.store(scores.as_mut_ptr().add(LANES));
        }
        scores
    }
}

/// Turns scores into weights relative to the greatest score so far, and rescales what was summed before.
#[inline(always)]
unsafe fn weigh<L: Lanes>(
    query: &mut Query,
    scores: &mut [f32; BLOCK_TOKENS],
    sums: &mut [f32],
    seen: &Range<usize>,
) {
    let hide = |scores: &mut [f32; BLOCK_TOKENS], with: f32| {
        scores[..seen.start].fill(with);
        scores[seen.end..].fill(with);
    };
    hide(scores, f32::NEG_INFINITY);
    // SAFETY: the scores are two times sixteen numbers, the sums whole lanes.
    unsafe {
        let [low, high] = [L::load(scores.as_ptr()), L::load(scores.as_ptr().add(LANES))];
        let block_greatest = low.max(high).greatest();
        let greatest = if block_greatest > query.greatest { block_greatest } else { query.greatest };
        let mut correction = [0.0; LANES];
        exp(L::splat(query.greatest - greatest)).store(correction.as_mut_ptr());
        let correction = correction[0];
        exp(low.sub(L::splat(greatest))).store(scores.as_mut_ptr());
        exp(high.sub(L::splat(greatest))).store(scores.as_mut_ptr().add(LANES));
        hide(scores, 0.0);
        let total = L::load(scores.as_ptr()).add(L::load(scores.as_ptr().add(LANES))).sum();
        query.total = query.total * correction + total;
        query.greatest = greatest;
        if correction != 1.0 {
            for sums in sums.chunks_exact_mut(LANES) {
                L::load(sums.as_ptr()).mul(L::splat(correction)).store(sums.as_mut_ptr());
            }
        }
    }
}

/// Adds weighted values, slot after slot, to `P` pieces of each query's sums.
#[inline(always)]
unsafe fn add_values<L: Lanes, const N: usize, const P: usize>(
    job: &AttentionJob,
    weights: &[[f32; BLOCK_TOKENS]; N],
    values: *const f32,
    next: *const f32,
    sums: *mut f32,
    seen: Range<usize>,
) {
    // SAFETY: `P` pieces from here lie within the value's width, and slots within the block.
    unsafe {
        let place = |at: usize, piece: usize| sums.add(at * job.value_width + piece * LANES);
        let mut registers = [[L::splat(0.0); P]; N];
        for (at, registers) in registers.iter_mut().enumerate() {
            for (piece, register) in registers.iter_mut().enumerate() {
                *register = L::load(place(at, piece));
            }
        }
        for slot in seen {
            let value = values.add(slot * job.value_width);
            prefetch::<L>(next.wrapping_add(slot * P * LANES), P * LANES);
            let mut pieces = [L::splat(0.0); P];
            for (piece, number) in pieces.iter_mut().enumerate() {
                *number = L::load(value.add(piece * LANES));
            }
            for (registers, weights) in registers.iter_mut().zip(weights) {
                let weight = L::splat(weights[slot]);
                for (register, piece) in registers.iter_mut().zip(pieces) {
                    *register = weight.mul_add(piece, *register);
                }
            }
        }
        for (at, registers) in registers.into_iter().enumerate() {
            for (piece, register) in registers.into_iter().enumerate() {
                register.store(place(at, piece));
            }
        }
    }
}
