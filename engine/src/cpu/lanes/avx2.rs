//! [`Lanes`] in two 256-bit registers.
#![expect(unsafe_code, reason = "vector instructions; a value exists only where they are available")]

use std::arch::x86_64::*;

use super::Lanes;

/// Two registers of AVX2: lanes 0 to 7 and 8 to 15.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256, __m256);

impl Avx2 {
    #[inline(always)]
    pub(super) fn from_registers(low: __m256, high: __m256) -> Self {
        Avx2(low, high)
    }

    #[inline(always)]
    pub(super) fn registers(self) -> (__m256, __m256) {
        (self.0, self.1)
    }
}

// SAFETY of all blocks below: constructors promise AVX2, FMA and F16C, and every other method has a value that a
// constructor made. Pointers are the caller's promise.
impl Lanes for Avx2 {
    // 12 sums and 2 halves of weights out of 16 registers; activations are operands in memory.
    const TILE_ROWS: usize = 3;
    const TILE_COLUMNS: usize = 2;
    const TILE_QUERIES: usize = 2;

    #[inline(always)]
    unsafe fn splat(number: f32) -> Self {
        // SAFETY: see the top of this block.
        let half = unsafe { _mm256_set1_ps(number) };
        Avx2(half, half)
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see the top of this block.
        unsafe { Avx2(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        // SAFETY: see the top of this block.
        let widen = |from: *const u16| unsafe {
            let bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits))
        };
        // SAFETY: the caller promises sixteen readable numbers.
        Avx2(widen(from), widen(unsafe { from.add(8) }))
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        // SAFETY: see the top of this block.
        unsafe {
            let widen = |from: *const u16| _mm256_cvtph_ps(_mm_loadu_si128(from.cast()));
            Avx2(widen(from), widen(from.add(8)))
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: see the top of this block.
        unsafe {
            _mm256_storeu_ps(to, self.0);
            _mm256_storeu_ps(to.add(8), self.1);
        }
    }

    #[inline(always)]
    fn prefetch<T>(address: *const T) {
        // SAFETY: a hint, which never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see the top of this block.
        unsafe {
            Avx2(_mm256_fmadd_ps(self.0, factor.0, addend.0), _mm256_fmadd_ps(self.1, factor.1, addend.1))
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        unsafe { Avx2(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        unsafe { Avx2(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        unsafe { Avx2(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: see the top of this block.
        unsafe { Avx2(_mm256_div_ps(self.0, other.0), _mm256_div_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: see the top of this block. The instruction gives the second operand unless the first is greater.
        unsafe { Avx2(_mm256_max_ps(self.0, other.0), _mm256_max_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: see the top of this block. The instruction gives the second operand unless the first is smaller.
        unsafe { Avx2(_mm256_min_ps(self.0, other.0), _mm256_min_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn round(self) -> Self {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        // SAFETY: see the top of this block.
        unsafe { Avx2(_mm256_round_ps::<NEAREST>(self.0), _mm256_round_ps::<NEAREST>(self.1)) }
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        // SAFETY: see the top of this block.
        let power = |half: __m256| unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvttps_epi32(half), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        };
        Avx2(power(self.0), power(self.1))
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: see the top of this block.
        unsafe { sum_of_eight(_mm256_add_ps(self.0, self.1)) }
    }
}

/// Lane `l` plus lane `l + 4`, of these `l` plus `l + 2`, then 1.
///
/// # Safety
/// The machine has AVX.
#[inline(always)]
pub(super) unsafe fn sum_of_eight(eight: __m256) -> f32 {
    // SAFETY: the caller's promise.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }
}
