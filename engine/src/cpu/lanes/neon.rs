//! [`Lanes`] in four 128-bit registers.
#![expect(unsafe_code, reason = "vector instructions; every machine of this architecture has them")]

use std::arch::aarch64::*;

use super::Lanes;

/// Four registers of NEON: lanes 0 to 3, 4 to 7, 8 to 11 and 12 to 15.
#[derive(Clone, Copy)]
pub(crate) struct Neon([float32x4_t; 4]);

impl Neon {
    #[inline(always)]
    pub(super) fn from_registers(registers: [float32x4_t; 4]) -> Self {
        Neon(registers)
    }

    #[inline(always)]
    pub(super) fn registers(self) -> [float32x4_t; 4] {
        self.0
    }

    #[inline(always)]
    fn zip(self, other: Self, operation: impl Fn(float32x4_t, float32x4_t) -> float32x4_t) -> Self {
        Neon(std::array::from_fn(|part| operation(self.0[part], other.0[part])))
    }
}

// SAFETY of all blocks below: NEON is part of the architecture. Pointers are the caller's promise.
impl Lanes for Neon {
    // 16 sums, 8 weights and 4 activations out of 32 registers.
    const TILE_ROWS: usize = 2;
    const TILE_COLUMNS: usize = 2;
    const TILE_QUERIES: usize = 2;

    #[inline(always)]
    unsafe fn splat(number: f32) -> Self {
        // SAFETY: see the top of this block.
        Neon([unsafe { vdupq_n_f32(number) }; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see the top of this block.
        Neon(std::array::from_fn(|part| unsafe { vld1q_f32(from.add(4 * part)) }))
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        // SAFETY: see the top of this block.
        Neon(std::array::from_fn(|part| unsafe {
            vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(from.add(4 * part))))
        }))
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        // The exponent moves to its place and is corrected by a multiplication by 2^112, which is exact.
        // SAFETY: see the top of this block.
        Neon(std::array::from_fn(|part| unsafe {
            let bits = vmovl_u16(vld1_u16(from.add(4 * part)));
            let magnitude = vshlq_n_u32::<13>(vandq_u32(bits, vdupq_n_u32(0x7fff)));
            let scaled = vmulq_f32(vreinterpretq_f32_u32(magnitude), vdupq_n_f32(f32::from_bits(239 << 23)));
            let sign = vshlq_n_u32::<16>(vandq_u32(bits, vdupq_n_u32(0x8000)));
            vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(scaled), sign))
        }))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        for (part, four) in self.0.into_iter().enumerate() {
            // SAFETY: see the top of this block.
            unsafe { vst1q_f32(to.add(4 * part), four) };
        }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see the top of this block.
        Neon(std::array::from_fn(|part| unsafe { vfmaq_f32(addend.0[part], self.0[part], factor.0[part]) }))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        self.zip(other, |a, b| unsafe { vaddq_f32(a, b) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        self.zip(other, |a, b| unsafe { vsubq_f32(a, b) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        self.zip(other, |a, b| unsafe { vmulq_f32(a, b) })
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        self.zip(other, |a, b| unsafe { vdivq_f32(a, b) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: see the top of this block. A comparison and a choice, because the instruction treats zeros and
        // numbers that are none differently from the other machines.
        self.zip(other, |a, b| unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        self.zip(other, |a, b| unsafe { vbslq_f32(vcltq_f32(a, b), a, b) })
    }

    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: see the top of this block.
        Neon(self.0.map(|four| unsafe { vrndnq_f32(four) }))
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        // SAFETY: see the top of this block.
        Neon(self.0.map(|four| unsafe {
            let exponent = vaddq_s32(vcvtq_s32_f32(four), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent))
        }))
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let [a, b, c, d] = self.0;
        // SAFETY: see the top of this block.
        unsafe {
            let four = vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d));
            let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
            vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
        }
    }
}
