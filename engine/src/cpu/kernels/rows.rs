//! Kernels that go row by row: RMS norm, the gate of the feed-forward part, and rotation with writing of KV.
#![expect(unsafe_code, reason = "inner loops over checked buffers without bounds checks")]

use std::ops::Range;

use crate::backend::BLOCK_TOKENS;
use crate::cpu::lanes::{LANES, Lanes, exp};

/// RMS norm of rows: `y = x / sqrt(mean(x²) + epsilon) * weight`.
///
/// Promises: `x` and `y` have `width` numbers in each row, strides apart; `weight` has `width`; rows of a call are
/// nobody else's.
pub(crate) struct NormJob {
    pub(crate) x: *const f32,
    pub(crate) x_stride: usize,
    pub(crate) y: *mut f32,
    pub(crate) y_stride: usize,
    pub(crate) weight: *const f32,
    pub(crate) width: usize,
    pub(crate) epsilon: f32,
}

// SAFETY: the pointers are used as the promises above say.
unsafe impl Sync for NormJob {}

/// Normalises some rows.
///
/// # Safety
/// The machine has the instruction set and the promises of the job hold.
#[inline(always)]
pub(crate) unsafe fn norm_rows<L: Lanes>(job: &NormJob, rows: Range<usize>) {
    for row in rows {
        // SAFETY: the row is within the job.
        unsafe {
            let (x, y) = (job.x.add(row * job.x_stride), job.y.add(row * job.y_stride));
            norm::<L>(x, job.weight, y, job.width, job.epsilon);
        }
    }
}

/// One row; `y` may be `x`.
#[inline(always)]
unsafe fn norm<L: Lanes>(x: *const f32, weight: *const f32, y: *mut f32, width: usize, epsilon: f32) {
    let whole = width / LANES * LANES;
    let rest = width - whole;
    // SAFETY: all accesses stay below `width`.
    unsafe {
        let mut squares = L::splat(0.0);
        for at in (0..whole).step_by(LANES) {
            let part = L::load(x.add(at));
            squares = part.mul_add(part, squares);
        }
        if rest > 0 {
            let part = L::load_part(x.add(whole), rest);
            squares = part.mul_add(part, squares);
        }
        let scale = L::splat(1.0 / (squares.sum() / width as f32 + epsilon).sqrt());
        for at in (0..whole).step_by(LANES) {
            L::load(x.add(at)).mul(scale).mul(L::load(weight.add(at))).store(y.add(at));
        }
        if rest > 0 {
            let part = L::load_part(x.add(whole), rest).mul(scale);
            part.mul(L::load_part(weight.add(whole), rest)).store_part(y.add(whole), rest);
        }
    }
}

/// The gated activation: `y = silu(gate) * up`.
///
/// Promises: each row of `gates` has `width` gates and behind them `width` ups; `y` has `width` places per row;
/// rows of a call are nobody else's.
pub(crate) struct GateJob {
    pub(crate) gates: *const f32,
    pub(crate) gates_stride: usize,
    pub(crate) y: *mut f32,
    pub(crate) y_stride: usize,
    pub(crate) width: usize,
}

// SAFETY: the pointers are used as the promises above say.
unsafe impl Sync for GateJob {}

/// Gates some rows.
///
/// # Safety
/// The machine has the instruction set and the promises of the job hold.
#[inline(always)]
pub(crate) unsafe fn gate_rows<L: Lanes>(job: &GateJob, rows: Range<usize>) {
    for row in rows {
        // SAFETY: the row is within the job; all accesses stay below `width` of gates, ups and results.
        unsafe {
            let gates = job.gates.add(row * job.gates_stride);
            let ups = gates.add(job.width);
            let y = job.y.add(row * job.y_stride);
            let whole = job.width / LANES * LANES;
            for at in (0..whole).step_by(LANES) {
                silu(L::load(gates.add(at))).mul(L::load(ups.add(at))).store(y.add(at));
            }
            let rest = job.width - whole;
            if rest > 0 {
                let gated = silu(L::load_part(gates.add(whole), rest));
                gated.mul(L::load_part(ups.add(whole), rest)).store_part(y.add(whole), rest);
            }
        }
    }
}

/// `x / (1 + e^-x)`.
#[inline(always)]
fn silu<L: Lanes>(x: L) -> L {
    // SAFETY: `x` exists, so the machine has its instruction set.
    let splat = |number: f32| unsafe { L::splat(number) };
    x.div(splat(1.0).add(exp(splat(0.0).sub(x))))
}

/// Where the KV of a row goes, and how it is turned.
#[derive(Clone, Copy)]
pub(crate) struct RotateRow {
    /// The block, at the layer's part: keys of all heads, transposed, then values.
    pub(crate) block: *mut f32,
    /// Place of the row in the block.
    pub(crate) slot: usize,
    /// Cosine and sine by turns, for each pair of a head.
    pub(crate) angles: *const f32,
}

/// Normalises (if the model does) and turns q in place; the same for k, which then goes to its block with v.
///
/// Promises: each row of `qkv` has `heads + 2 * kv_heads` heads of `head_width`; norms are null or have
/// `head_width` numbers; `rows` has an entry for each row, whose block has the layout of [`KvLayout`](crate::cpu::kv::KvLayout); no two
/// rows have the same block and slot; rows of a call are nobody else's.
pub(crate) struct RotateJob {
    pub(crate) qkv: *mut f32,
    pub(crate) stride: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_width: usize,
    /// Width of a value in a block: the head's, rounded up to whole lanes.
    pub(crate) value_width: usize,
    pub(crate) query_norm: *const f32,
    pub(crate) key_norm: *const f32,
    pub(crate) epsilon: f32,
    pub(crate) rows: *const RotateRow,
    /// Numbers before this layer's part of a block.
    pub(crate) layer_offset: usize,
}

// SAFETY: the pointers are used as the promises above say.
unsafe impl Sync for RotateJob {}

/// Handles some rows.
///
/// # Safety
/// The machine has the instruction set and the promises of the job hold.
#[inline(always)]
pub(crate) unsafe fn rotate_rows<L: Lanes>(job: &RotateJob, rows: Range<usize>) {
    let width = job.head_width;
    for row in rows {
        // SAFETY: the row is within the job, heads within the row, and the slot within the block.
        unsafe {
            let place = *job.rows.add(row);
            let heads = job.qkv.add(row * job.stride);
            for head in 0..job.heads + job.kv_heads {
                let is_query = head < job.heads;
                let head = heads.add(head * width);
                let norm_weight = if is_query { job.query_norm } else { job.key_norm };
                if !norm_weight.is_null() {
                    norm::<L>(head, norm_weight, head, width, job.epsilon);
                }
                rotate(head, place.angles, width / 2);
            }
            let block = place.block.add(job.layer_offset);
            let keys = heads.add(job.heads * width);
            for at in 0..job.kv_heads * width {
                *block.add(at * BLOCK_TOKENS + place.slot) = *keys.add(at);
            }
            let values = keys.add(job.kv_heads * width);
            let block_values = block.add(job.kv_heads * width * BLOCK_TOKENS);
            for head in 0..job.kv_heads {
                let to = block_values.add((head * BLOCK_TOKENS + place.slot) * job.value_width);
                std::ptr::copy_nonoverlapping(values.add(head * width), to, width);
            }
        }
    }
}

/// Turns the pairs (`i`, `i + half`) of a head.
#[inline(always)]
unsafe fn rotate(head: *mut f32, angles: *const f32, half: usize) {
    for pair in 0..half {
        // SAFETY: a head has `2 * half` numbers, and as many angles.
        unsafe {
            let (cosine, sine) = (*angles.add(2 * pair), *angles.add(2 * pair + 1));
            let (first, second) = (*head.add(pair), *head.add(pair + half));
            *head.add(pair) = first * cosine - second * sine;
            *head.add(pair + half) = second * cosine + first * sine;
        }
    }
}
