//! [`Quads`] in two 256-bit registers.
#![expect(unsafe_code, reason = "vector instructions; a value exists only where they are available")]

use std::arch::x86_64::*;

use super::Quads;
use crate::cpu::lanes::avx2::Avx2;

/// Two registers of AVX2: lanes 0 to 7 and 8 to 15.
#[derive(Clone, Copy)]
pub(crate) struct Avx2Quads(__m256i, __m256i);

impl Avx2Quads {
    #[inline(always)]
    fn zip(self, other: Self, operation: impl Fn(__m256i, __m256i) -> __m256i) -> Self {
        Avx2Quads(operation(self.0, other.0), operation(self.1, other.1))
    }
}

/// Four products of each lane, added up. The instruction takes pairs to 16 bits and cuts off what does not fit: two
/// products of at most 127 * 127 fit; larger weights are split into magnitude and sign first, where at most
/// 128 * 127 is left, and the 128 that was added to the weight is added back by a second sum.
#[inline(always)]
unsafe fn dot_of_eight<const SMALL: bool>(sums: __m256i, weights: __m256i, activations: __m256i) -> __m256i {
    // SAFETY: the caller has AVX2.
    unsafe {
        let ones = _mm256_set1_epi16(1);
        let pairs = if SMALL {
            _mm256_maddubs_epi16(weights, activations)
        } else {
            let signed = _mm256_xor_si256(weights, _mm256_set1_epi8(-128));
            _mm256_maddubs_epi16(_mm256_abs_epi8(signed), _mm256_sign_epi8(activations, signed))
        };
        let sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, ones));
        if SMALL {
            return sums;
        }
        let added = _mm256_maddubs_epi16(_mm256_set1_epi8(1), activations);
        _mm256_add_epi32(sums, _mm256_madd_epi16(added, _mm256_set1_epi16(128)))
    }
}

// SAFETY of all blocks below: constructors promise AVX2 and FMA, and every other method has a value that a
// constructor made. Pointers are the caller's promise.
impl Quads for Avx2Quads {
    type Floats = Avx2;
    const TILE_ROWS: usize = 2;
    const FLOAT_TILE_ROWS: usize = 2;

    #[inline(always)]
    unsafe fn splat(number: i32) -> Self {
        // SAFETY: see the top of this block.
        let half = unsafe { _mm256_set1_epi32(number) };
        Avx2Quads(half, half)
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: see the top of this block.
        unsafe { Avx2Quads(_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast())) }
    }

    #[inline(always)]
    unsafe fn widen_unsigned(from: *const u8) -> Self {
        // SAFETY: see the top of this block.
        unsafe {
            let bytes = _mm_loadu_si128(from.cast());
            Avx2Quads(_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_srli_si128::<8>(bytes)))
        }
    }

    #[inline(always)]
    unsafe fn widen_signed(from: *const u8) -> Self {
        // SAFETY: see the top of this block.
        unsafe {
            let bytes = _mm_loadu_si128(from.cast());
            Avx2Quads(_mm256_cvtepi8_epi32(bytes), _mm256_cvtepi8_epi32(_mm_srli_si128::<8>(bytes)))
        }
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        self.zip(other, |a, b| unsafe { _mm256_and_si256(a, b) })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        self.zip(other, |a, b| unsafe { _mm256_or_si256(a, b) })
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        self.zip(other, |a, b| unsafe { _mm256_add_epi32(a, b) })
    }

    #[inline(always)]
    fn shift_left<const BITS: u32>(self) -> Self {
        // SAFETY: see the top of this block.
        unsafe {
            let count = _mm_cvtsi32_si128(BITS as i32);
            Avx2Quads(_mm256_sll_epi32(self.0, count), _mm256_sll_epi32(self.1, count))
        }
    }

    #[inline(always)]
    fn shift_right<const BITS: u32>(self) -> Self {
        // SAFETY: see the top of this block.
        unsafe {
            let count = _mm_cvtsi32_si128(BITS as i32);
            Avx2Quads(_mm256_srl_epi32(self.0, count), _mm256_srl_epi32(self.1, count))
        }
    }

    #[inline(always)]
    fn look_up(self, table: &[u8; 16]) -> Self {
        // SAFETY: see the top of this block; the table has sixteen bytes.
        unsafe {
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()));
            Avx2Quads(_mm256_shuffle_epi8(table, self.0), _mm256_shuffle_epi8(table, self.1))
        }
    }

    #[inline(always)]
    fn dot<const SMALL: bool>(self, weights: Self, activations: Self) -> Self {
        // SAFETY: see the top of this block.
        unsafe {
            Avx2Quads(
                dot_of_eight::<SMALL>(self.0, weights.0, activations.0),
                dot_of_eight::<SMALL>(self.1, weights.1, activations.1),
            )
        }
    }

    #[inline(always)]
    fn to_floats(self) -> Avx2 {
        // SAFETY: see the top of this block.
        unsafe { Avx2::from_registers(_mm256_cvtepi32_ps(self.0), _mm256_cvtepi32_ps(self.1)) }
    }

    #[inline(always)]
    fn as_floats(self) -> Avx2 {
        // SAFETY: see the top of this block.
        unsafe { Avx2::from_registers(_mm256_castsi256_ps(self.0), _mm256_castsi256_ps(self.1)) }
    }

    #[inline(always)]
    unsafe fn store_bytes(numbers: Avx2, to: *mut i8) {
        // SAFETY: see the top of this block.
        unsafe {
            let (low, high) = numbers.registers();
            let (low, high) = (_mm256_cvttps_epi32(low), _mm256_cvttps_epi32(high));
            let low = _mm_packs_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256::<1>(low));
            let high = _mm_packs_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256::<1>(high));
            _mm_storeu_si128(to.cast(), _mm_packs_epi16(low, high));
        }
    }
}
