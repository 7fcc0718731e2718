//! Sixteen lanes of four bytes each: the unit that quantised weights are unpacked and multiplied in.
//!
//! A lane belongs to one row of weights, its four bytes to four columns. Whole numbers add up to the same sum in any
//! order, so instruction sets may differ in how they multiply: the results are equal to the last bit. Kernels in
//! [`blocks`](crate::cpu::kernels::blocks) are written once against [`Quads`].
#![expect(unsafe_code, reason = "loads go through pointers that kernels have checked")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2Quads;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512Quads;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::NeonQuads;
pub(crate) use portable::PortableQuads;

use super::Lanes;

/// Bytes that a unit takes in memory.
pub(crate) const QUADS_BYTES: usize = 64;

/// Sixteen lanes of 32 bits, seen as whole numbers or as four bytes, the first lowest.
///
/// As for [`Lanes`], a value exists only where its instruction set is available.
pub(crate) trait Quads: Copy {
    /// The f32 lanes of the same machine.
    type Floats: Lanes;
    /// Most rows of activations that a tile of [`Quads::dot`] holds: a power of two up to 8.
    const TILE_ROWS: usize;
    /// The same for tiles that multiply in f32.
    const FLOAT_TILE_ROWS: usize;

    /// All lanes the same number.
    ///
    /// # Safety
    /// The machine has the instruction set.
    unsafe fn splat(number: i32) -> Self;
    /// 64 bytes from memory, four for each lane in turn.
    ///
    /// # Safety
    /// The machine has the instruction set; 64 bytes can be read; no alignment is needed.
    unsafe fn load(from: *const u8) -> Self;
    /// Sixteen bytes from memory, one for each lane, widened without sign.
    ///
    /// # Safety
    /// As for `load`, with 16 bytes.
    unsafe fn widen_unsigned(from: *const u8) -> Self;
    /// Sixteen bytes from memory, one for each lane, widened with their sign.
    ///
    /// # Safety
    /// As for `load`, with 16 bytes.
    unsafe fn widen_signed(from: *const u8) -> Self;

    /// Bits that both have.
    fn and(self, other: Self) -> Self;
    /// Bits that one has.
    fn or(self, other: Self) -> Self;
    /// Sum per lane, wrapping.
    fn add(self, other: Self) -> Self;
    /// Each lane shifted up.
    fn shift_left<const BITS: u32>(self) -> Self;
    /// Each lane shifted down, zeros from above.
    fn shift_right<const BITS: u32>(self) -> Self;
    /// Each byte, below 16, replaced by the table's number at its place.
    fn look_up(self, table: &[u8; 16]) -> Self;

    /// `self + weights · activations` per lane: bytes of `weights` without sign, of `activations` with sign, none of
    /// them -128. With `SMALL` the caller promises that no weight is above 127.
    fn dot<const SMALL: bool>(self, weights: Self, activations: Self) -> Self;

    /// Whole numbers to f32; exact up to 2^24.
    fn to_floats(self) -> Self::Floats;
    /// The bits as f32 numbers.
    fn as_floats(self) -> Self::Floats;
    /// Whole f32 numbers from -127 to 127 to bytes in memory.
    ///
    /// # Safety
    /// Sixteen bytes can be written.
    unsafe fn store_bytes(numbers: Self::Floats, to: *mut i8);
}

#[cfg(test)]
mod tests;
