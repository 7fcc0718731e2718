//! [`Quads`] in four 128-bit registers.
#![expect(unsafe_code, reason = "vector instructions; every machine of this architecture has them")]

use std::arch::aarch64::*;

use super::Quads;
use crate::cpu::lanes::neon::Neon;

/// Four registers of NEON: lanes 0 to 3, 4 to 7, 8 to 11 and 12 to 15.
#[derive(Clone, Copy)]
pub(crate) struct NeonQuads([uint32x4_t; 4]);

impl NeonQuads {
    #[inline(always)]
    fn zip(self, other: Self, operation: impl Fn(uint32x4_t, uint32x4_t) -> uint32x4_t) -> Self {
        NeonQuads(std::array::from_fn(|part| operation(self.0[part], other.0[part])))
    }

    #[inline(always)]
    fn map(self, operation: impl Fn(uint32x4_t) -> uint32x4_t) -> Self {
        NeonQuads(self.0.map(operation))
    }
}

/// Four products of each lane, added up. Weights are taken as signed; those above 127 have 128 taken off first, and
/// 128 times the activations is added back. A product of two signed bytes fits 16 bits.
#[inline(always)]
unsafe fn dot_of_four<const SMALL: bool>(
    sums: uint32x4_t,
    weights: uint32x4_t,
    activations: uint32x4_t,
) -> uint32x4_t {
    // SAFETY: NEON is part of the architecture.
    unsafe {
        let activations = vreinterpretq_s8_u32(activations);
        let weights = vreinterpretq_u8_u32(weights);
        let signed = if SMALL { weights } else { veorq_u8(weights, vdupq_n_u8(128)) };
        let signed = vreinterpretq_s8_u8(signed);
        let low = vpaddlq_s16(vmull_s8(vget_low_s8(signed), vget_low_s8(activations)));
        let high = vpaddlq_s16(vmull_s8(vget_high_s8(signed), vget_high_s8(activations)));
        let mut sums = vaddq_s32(vreinterpretq_s32_u32(sums), vpaddq_s32(low, high));
        if !SMALL {
            sums = vaddq_s32(sums, vshlq_n_s32::<7>(vpaddlq_s16(vpaddlq_s8(activations))));
        }
        vreinterpretq_u32_s32(sums)
    }
}

// SAFETY of all blocks below: NEON is part of the architecture. Pointers are the caller's promise.
impl Quads for NeonQuads {
    type Floats = Neon;
    const TILE_ROWS: usize = 1;
    const FLOAT_TILE_ROWS: usize = 1;

    #[inline(always)]
    unsafe fn splat(number: i32) -> Self {
        // SAFETY: see the top of this block.
        NeonQuads([unsafe { vdupq_n_u32(number as u32) }; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: see the top of this block.
        NeonQuads(std::array::from_fn(|part| unsafe { vreinterpretq_u32_u8(vld1q_u8(from.add(16 * part))) }))
    }

    #[inline(always)]
    unsafe fn widen_unsigned(from: *const u8) -> Self {
        // SAFETY: see the top of this block.
        unsafe {
            let bytes = vld1q_u8(from);
            let (low, high) = (vmovl_u8(vget_low_u8(bytes)), vmovl_u8(vget_high_u8(bytes)));
            NeonQuads([
                vmovl_u16(vget_low_u16(low)),
                vmovl_u16(vget_high_u16(low)),
                vmovl_u16(vget_low_u16(high)),
                vmovl_u16(vget_high_u16(high)),
            ])
        }
    }

    #[inline(always)]
    unsafe fn widen_signed(from: *const u8) -> Self {
        // SAFETY: see the top of this block.
        unsafe {
            let bytes = vld1q_s8(from.cast());
            let (low, high) = (vmovl_s8(vget_low_s8(bytes)), vmovl_s8(vget_high_s8(bytes)));
            let widen = |half: int16x4_t| vreinterpretq_u32_s32(vmovl_s16(half));
            NeonQuads([
                widen(vget_low_s16(low)),
                widen(vget_high_s16(low)),
                widen(vget_low_s16(high)),
                widen(vget_high_s16(high)),
            ])
        }
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        self.zip(other, |a, b| unsafe { vandq_u32(a, b) })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        self.zip(other, |a, b| unsafe { vorrq_u32(a, b) })
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        self.zip(other, |a, b| unsafe { vaddq_u32(a, b) })
    }

    #[inline(always)]
    fn shift_left<const BITS: u32>(self) -> Self {
        // SAFETY: see the top of this block.
        self.map(|four| unsafe { vshlq_u32(four, vdupq_n_s32(BITS as i32)) })
    }

    #[inline(always)]
    fn shift_right<const BITS: u32>(self) -> Self {
        // SAFETY: see the top of this block. A shift by a negative count goes down.
        self.map(|four| unsafe { vshlq_u32(four, vdupq_n_s32(-(BITS as i32))) })
    }

    #[inline(always)]
    fn look_up(self, table: &[u8; 16]) -> Self {
        // SAFETY: see the top of this block; the table has sixteen bytes.
        self.map(|four| unsafe {
            vreinterpretq_u32_u8(vqtbl1q_u8(vld1q_u8(table.as_ptr()), vreinterpretq_u8_u32(four)))
        })
    }

    #[inline(always)]
    fn dot<const SMALL: bool>(self, weights: Self, activations: Self) -> Self {
        NeonQuads(std::array::from_fn(|part| {
            // SAFETY: see the top of this block.
            unsafe { dot_of_four::<SMALL>(self.0[part], weights.0[part], activations.0[part]) }
        }))
    }

    #[inline(always)]
    fn to_floats(self) -> Neon {
        // SAFETY: see the top of this block.
        Neon::from_registers(self.0.map(|four| unsafe { vcvtq_f32_s32(vreinterpretq_s32_u32(four)) }))
    }

    #[inline(always)]
    fn as_floats(self) -> Neon {
        // SAFETY: see the top of this block.
        Neon::from_registers(self.0.map(|four| unsafe { vreinterpretq_f32_u32(four) }))
    }

    #[inline(always)]
    unsafe fn store_bytes(numbers: Neon, to: *mut i8) {
        // SAFETY: see the top of this block.
        unsafe {
            let [a, b, c, d] = numbers.registers().map(|four| vmovn_s32(vcvtq_s32_f32(four)));
            let (low, high) = (vmovn_s16(vcombine_s16(a, b)), vmovn_s16(vcombine_s16(c, d)));
            vst1q_s8(to, vcombine_s8(low, high));
        }
    }
}
