//! Kernels that go row by row: RMS norm, the gate of the feed-forward part, rotation with writing of KV, soft caps.
#![expect(unsafe_code, reason = "inner loops over checked buffers without bounds checks")]

use std::ops::Range;

use super::functions::{capped, gelu, silu, swish};
use crate::backend::BLOCK_TOKENS;
use crate::checkpoint::Activation;
use crate::cpu::lanes::{LANES, Lanes};

/// RMS norm of rows: `y = x / sqrt(mean(x²) + epsilon) * weight`, or the same added to `y`.
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
    /// Whether the result is added to what `y` holds.
    pub(crate) accumulate: bool,
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
            match job.accumulate {
                false => norm::<L, false>(x, job.weight, y, job.width, job.epsilon),
                true => norm::<L, true>(x, job.weight, y, job.width, job.epsilon),
            }
        }
    }
}

/// One row; `y` may be `x`.
#[inline(always)]
unsafe fn norm<L: Lanes, const ACCUMULATE: bool>(
    x: *const f32,
    weight: *const f32,
    y: *mut f32,
    width: usize,
    epsilon: f32,
) {
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
            let part = L::load(x.add(at)).mul(scale).mul(L::load(weight.add(at)));
            let part = if ACCUMULATE { L::load(y.add(at)).add(part) } else { part };
            part.store(y.add(at));
        }
        if rest > 0 {
            let part = L::load_part(x.add(whole), rest).mul(scale);
            let part = part.mul(L::load_part(weight.add(whole), rest));
            let part = if ACCUMULATE { L::load_part(y.add(whole), rest).add(part) } else { part };
            part.store_part(y.add(whole), rest);
        }
    }
}

/// The gated activation of rows.
///
/// Promises: each row of `gates` has `width` gates and behind them `width` ups; `y` has `width` places per row, rounded
/// up to whole lanes, which receive zeros behind the width; rows of a call are nobody else's.
pub(crate) struct GateJob {
    pub(crate) gates: *const f32,
    pub(crate) gates_stride: usize,
    pub(crate) y: *mut f32,
    pub(crate) y_stride: usize,
    pub(crate) width: usize,
    pub(crate) activation: Activation,
}

// SAFETY: the pointers are used as the promises above say.
unsafe impl Sync for GateJob {}

/// Gates some rows.
///
/// # Safety
/// The machine has the instruction set and the promises of the job hold.
#[inline(always)]
pub(crate) unsafe fn gate_rows<L: Lanes>(job: &GateJob, rows: Range<usize>) {
    // SAFETY: the caller's promises; the lanes are used where they exist.
    unsafe {
        match job.activation {
            Activation::Silu => gate_by::<L, _>(job, rows, &SiluGate),
            Activation::GeluTanh => gate_by::<L, _>(job, rows, &GeluGate),
            Activation::ClampedSwiglu { alpha, limit } => {
                gate_by::<L, _>(job, rows, &ClampedSwigluGate { alpha, limit });
            }
        }
    }
}

/// How a gate opens. Types and no closures: those are compiled without the kernel's instruction set unless they are
/// inlined, which is not sure.
trait Gate {
    /// # Safety
    /// The machine has the instruction set.
    unsafe fn open<L: Lanes>(&self, gate: L, up: L) -> L;
}

struct SiluGate;

impl Gate for SiluGate {
    #[inline(always)]
    unsafe fn open<L: Lanes>(&self, gate: L, up: L) -> L {
        silu(gate).mul(up)
    }
}

struct GeluGate;

impl Gate for GeluGate {
    #[inline(always)]
    unsafe fn open<L: Lanes>(&self, gate: L, up: L) -> L {
        gelu(gate).mul(up)
    }
}

struct ClampedSwigluGate {
    alpha: f32,
    limit: f32,
}

impl Gate for ClampedSwigluGate {
    #[inline(always)]
    unsafe fn open<L: Lanes>(&self, gate: L, up: L) -> L {
        // SAFETY: the caller's promise.
        let (least, greatest, one) = unsafe { (L::splat(-self.limit), L::splat(self.limit), L::splat(1.0)) };
        let up = up.max(least).min(greatest).add(one);
        swish(gate.min(greatest), self.alpha).mul(up)
    }
}

/// All activations are 0 at 0, which fills the lanes behind the width.
#[inline(always)]
unsafe fn gate_by<L: Lanes, G: Gate>(job: &GateJob, rows: Range<usize>, kind: &G) {
    for row in rows {
        // SAFETY: the row is within the job; all accesses stay below `width` of gates and ups, and below the width
        // in whole lanes of results.
        unsafe {
            let gates = job.gates.add(row * job.gates_stride);
            let ups = gates.add(job.width);
            let y = job.y.add(row * job.y_stride);
            let whole = job.width / LANES * LANES;
            for at in (0..whole).step_by(LANES) {
                kind.open(L::load(gates.add(at)), L::load(ups.add(at))).store(y.add(at));
            }
            let rest = job.width - whole;
            if rest > 0 {
                let gate = L::load_part(gates.add(whole), rest);
                kind.open(gate, L::load_part(ups.add(whole), rest)).store(y.add(whole));
            }
        }
    }
}

/// Numbers that become `cap * tanh(number / cap)`, in pieces of [`CAP_PIECE`].
///
/// Promises: `count` numbers; pieces of a call are nobody else's.
pub(crate) struct CapJob {
    pub(crate) numbers: *mut f32,
    pub(crate) count: usize,
    pub(crate) cap: f32,
}

/// Numbers in a piece, whole lanes.
pub(crate) const CAP_PIECE: usize = 1024;

// SAFETY: the pointers are used as the promises above say.
unsafe impl Sync for CapJob {}

/// Caps some pieces.
///
/// # Safety
/// The machine has the instruction set and the promises of the job hold.
#[inline(always)]
pub(crate) unsafe fn cap_pieces<L: Lanes>(job: &CapJob, pieces: Range<usize>) {
    let end = (pieces.end * CAP_PIECE).min(job.count);
    for at in (pieces.start * CAP_PIECE..end).step_by(LANES) {
        let count = LANES.min(end - at);
        // SAFETY: the numbers from `at` on are `count` at least.
        unsafe {
            let place = job.numbers.add(at);
            capped(L::load_part(place, count), job.cap).store_part(place, count);
        }
    }
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
    /// Numbers at the start of a head that are turned.
    pub(crate) rotary_width: usize,
    /// Numbers before this layer's part of a row's angles.
    pub(crate) angles_offset: usize,
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
            let angles = place.angles.add(job.angles_offset);
            for head in 0..job.heads + job.kv_heads {
                let is_query = head < job.heads;
                let head = heads.add(head * width);
                let norm_weight = if is_query { job.query_norm } else { job.key_norm };
                if !norm_weight.is_null() {
                    norm::<L, false>(head, norm_weight, head, width, job.epsilon);
                }
                rotate(head, angles, job.rotary_width / 2);
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

/// Turns the pairs (`i`, `i + half`) at the start of a head.
#[inline(always)]
unsafe fn rotate(head: *mut f32, angles: *const f32, half: usize) {
    for pair in 0..half {
        // SAFETY: a head has at least `2 * half` numbers, and there are as many angles.
        unsafe {
            let (cosine, sine) = (*angles.add(2 * pair), *angles.add(2 * pair + 1));
            let (first, second) = (*head.add(pair), *head.add(pair + half));
            *head.add(pair) = first * cosine - second * sine;
            *head.add(pair + half) = second * cosine + first * sine;
        }
    }
}
