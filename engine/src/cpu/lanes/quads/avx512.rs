//! [`Quads`] in one 512-bit register, with the dot product of VNNI.
#![expect(unsafe_code, reason = "vector instructions; a value exists only where they are available")]

use std::arch::x86_64::*;

use super::Quads;
use crate::cpu::lanes::avx512::Avx512;

/// One register of AVX-512.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Quads(__m512i);

// SAFETY of all blocks below: constructors promise AVX-512F, BW, DQ, VL and VNNI, and every other method has a value
// that a constructor made. Pointers are the caller's promise.
impl Quads for Avx512Quads {
    type Floats = Avx512;
    // 8 totals, 8 units of weights, two scales, two running sums and an activation out of 32 registers.
    const TILE_ROWS: usize = 8;
    // 8 totals, 16 sums, a weight, two scales and an activation out of 32 registers.
    const FLOAT_TILE_ROWS: usize = 8;

    #[inline(always)]
    unsafe fn splat(number: i32) -> Self {
        // SAFETY: see the top of this block.
        Avx512Quads(unsafe { _mm512_set1_epi32(number) })
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: see the top of this block.
        Avx512Quads(unsafe { _mm512_loadu_si512(from.cast()) })
    }

    #[inline(always)]
    unsafe fn widen_unsigned(from: *const u8) -> Self {
        // SAFETY: see the top of this block.
        Avx512Quads(unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast())) })
    }

    #[inline(always)]
    unsafe fn widen_signed(from: *const u8) -> Self {
        // SAFETY: see the top of this block.
        Avx512Quads(unsafe { _mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast())) })
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        Avx512Quads(unsafe { _mm512_and_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        Avx512Quads(unsafe { _mm512_or_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        Avx512Quads(unsafe { _mm512_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn shift_left<const BITS: u32>(self) -> Self {
        // SAFETY: see the top of this block.
        Avx512Quads(unsafe { _mm512_slli_epi32::<BITS>(self.0) })
    }

    #[inline(always)]
    fn shift_right<const BITS: u32>(self) -> Self {
        // SAFETY: see the top of this block.
        Avx512Quads(unsafe { _mm512_srli_epi32::<BITS>(self.0) })
    }

    #[inline(always)]
    fn look_up(self, table: &[u8; 16]) -> Self {
        // SAFETY: see the top of this block; the table has sixteen bytes.
        Avx512Quads(unsafe {
            let table = _mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast()));
            _mm512_shuffle_epi8(table, self.0)
        })
    }

    #[inline(always)]
    fn dot<const SMALL: bool>(self, weights: Self, activations: Self) -> Self {
        // SAFETY: see the top of this block.
        Avx512Quads(unsafe { _mm512_dpbusd_epi32(self.0, weights.0, activations.0) })
    }

    #[inline(always)]
    fn to_floats(self) -> Avx512 {
        // SAFETY: see the top of this block.
        Avx512::from_register(unsafe { _mm512_cvtepi32_ps(self.0) })
    }

    #[inline(always)]
    fn as_floats(self) -> Avx512 {
        // SAFETY: see the top of this block.
        Avx512::from_register(unsafe { _mm512_castsi512_ps(self.0) })
    }

    #[inline(always)]
    unsafe fn store_bytes(numbers: Avx512, to: *mut i8) {
        // SAFETY: see the top of this block.
        unsafe {
            let bytes = _mm512_cvtsepi32_epi8(_mm512_cvttps_epi32(numbers.register()));
            _mm_storeu_si128(to.cast(), bytes);
        }
    }
}
