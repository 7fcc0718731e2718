//! Sixteen f32 lanes: the one unit that all kernels compute in, on every machine.
//!
//! A kernel is written once against [`Lanes`] and compiled once per instruction set. Every operation has one exact
//! meaning (IEEE single operations, fused multiply-add, a fixed tree for sums), so all instruction sets give the
//! same bits: a machine with AVX-512 and one with none continue the same conversation identically.
#![expect(unsafe_code, reason = "loads and stores go through pointers that kernels have checked")]

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod portable;
pub(crate) mod quads;

/// Lanes in a unit. Fixed for ever: it is part of what the bits of a result depend on.
pub(crate) const LANES: usize = 16;

/// Sixteen f32 numbers.
///
/// A value exists only in code that runs under the instruction set it belongs to: constructors are unsafe and
/// promise that; arithmetic on values that exist is safe.
pub(crate) trait Lanes: Copy {
    /// Rows of activations that a tile of a matrix product holds in registers.
    const TILE_ROWS: usize;
    /// Rows of weights (of the four in a group) that go through such a tile at once: 1, 2 or 4.
    const TILE_COLUMNS: usize;
    /// Queries that a tile of the attention holds in registers: 1, 2 or 4.
    const TILE_QUERIES: usize;

    /// All lanes the same number.
    ///
    /// # Safety
    /// The machine has the instruction set.
    unsafe fn splat(number: f32) -> Self;
    /// Sixteen numbers from memory.
    ///
    /// # Safety
    /// The machine has the instruction set; sixteen numbers can be read; no alignment is needed.
    unsafe fn load(from: *const f32) -> Self;
    /// Sixteen bf16 numbers from memory, widened exactly.
    ///
    /// # Safety
    /// As for `load`.
    unsafe fn load_bf16(from: *const u16) -> Self;
    /// Sixteen numbers of half precision from memory, widened exactly.
    ///
    /// # Safety
    /// As for `load`.
    unsafe fn load_f16(from: *const u16) -> Self;
    /// Sixteen numbers to memory.
    ///
    /// # Safety
    /// Sixteen numbers can be written; no alignment is needed.
    unsafe fn store(self, to: *mut f32);

    /// `self * factor + addend`, rounded once.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// Sum per lane.
    fn add(self, other: Self) -> Self;
    /// Difference per lane.
    fn sub(self, other: Self) -> Self;
    /// Product per lane.
    fn mul(self, other: Self) -> Self;
    /// Quotient per lane.
    fn div(self, other: Self) -> Self;
    /// `self` where it is greater, else `other`.
    fn max(self, other: Self) -> Self;
    /// `self` where it is smaller, else `other`.
    fn min(self, other: Self) -> Self;
    /// Nearest whole number, ties to even; for magnitudes below 2^22.
    fn round(self) -> Self;
    /// Two to the power of whole numbers from -126 to 127.
    fn power_of_two(self) -> Self;
    /// Lane `l` plus lane `l + 8`, of these `l` plus `l + 4`, then 2, then 1.
    fn sum(self) -> f32;

    /// Asks for the memory at an address to be brought near; any address will do.
    #[inline(always)]
    fn prefetch<T>(_address: *const T) {}

    /// The greatest lane.
    #[inline(always)]
    fn greatest(self) -> f32 {
        let mut lanes = [0.0f32; LANES];
        // SAFETY: the array has sixteen places.
        unsafe { self.store(lanes.as_mut_ptr()) };
        lanes
            .into_iter()
            .fold(f32::NEG_INFINITY, |greatest, lane| if lane > greatest { lane } else { greatest })
    }

    /// The first `count` numbers from memory, zeros behind them.
    ///
    /// # Safety
    /// The machine has the instruction set; `count` numbers, at most sixteen, can be read.
    #[inline(always)]
    unsafe fn load_part(from: *const f32, count: usize) -> Self {
        let mut lanes = [0.0f32; LANES];
        // SAFETY: the caller promises `count` readable numbers; the array has sixteen places.
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count);
            Self::load(lanes.as_ptr())
        }
    }

    /// The first `count` lanes to memory.
    ///
    /// # Safety
    /// `count` numbers, at most sixteen, can be written.
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, count: usize) {
        let mut lanes = [0.0f32; LANES];
        // SAFETY: the caller promises `count` writable places; the array has sixteen.
        unsafe {
            self.store(lanes.as_mut_ptr());
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count);
        }
    }
}

/// A number as it lies in weights: read sixteen at a time.
pub(crate) trait Weight: Copy + Send + Sync + 'static {
    /// Sixteen weights, widened.
    ///
    /// # Safety
    /// As for [`Lanes::load`].
    unsafe fn load<L: Lanes>(from: *const Self) -> L;
}

impl Weight for f32 {
    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const f32) -> L {
        // SAFETY: the caller's promise.
        unsafe { L::load(from) }
    }
}

/// The bits of a bf16 number.
impl Weight for u16 {
    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const u16) -> L {
        // SAFETY: the caller's promise.
        unsafe { L::load_bf16(from) }
    }
}

/// The bits of a number of half precision.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Half(pub(crate) u16);

impl Weight for Half {
    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const Half) -> L {
        // SAFETY: the caller's promise; the wrapper is transparent.
        unsafe { L::load_f16(from.cast()) }
    }
}

/// The same number in all lanes of a kind that exists, so that the machine has its instruction set.
#[inline(always)]
pub(crate) fn splat<L: Lanes>(_exists: L, number: f32) -> L {
    // SAFETY: the first argument exists, so the machine has its instruction set.
    unsafe { L::splat(number) }
}

/// e to the power of each lane; relative error below 3e-7. Below -87 it gives what -87 gives, above 88 what 88 gives.
#[inline(always)]
pub(crate) fn exp<L: Lanes>(x: L) -> L {
    let x = x.max(splat(x, -87.0)).min(splat(x, 88.0));
    let whole = x.mul(splat(x, std::f32::consts::LOG2_E)).round();
    // Subtract whole * ln 2 in two parts, the first exactly representable times small integers.
    let rest = whole.mul_add(splat(x, -0.693_359_4), x);
    let rest = whole.mul_add(splat(x, 2.121_944_4e-4), rest);
    let mut polynomial = splat(x, 1.987_569_1e-4);
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        polynomial = polynomial.mul_add(rest, splat(x, coefficient));
    }
    let exponential = polynomial.mul_add(rest.mul(rest), rest.add(splat(x, 1.0)));
    exponential.mul(whole.power_of_two())
}
