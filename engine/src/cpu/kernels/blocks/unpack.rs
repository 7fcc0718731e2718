//! The numbers of a block out of their planes: eight units of four columns each, one byte per number.

#![expect(unsafe_code, reason = "loads go through pointers that kernels have checked")]

use crate::cpu::lanes::quads::{QUADS_BYTES, Quads};

/// Numbers of a fixed count of bits, in planes as [`format`](super::format) describes.
pub(super) trait Bits {
    /// Bytes of a block.
    const BLOCK_BYTES: usize;
    /// Whether no number is above 127.
    const SMALL: bool = true;
    /// All numbers of a block.
    ///
    /// # Safety
    /// The machine has the instruction set and the block can be read.
    unsafe fn unpack<Q: Quads>(from: *const u8) -> [Q; 8];
}

pub(super) struct Bits2;
pub(super) struct Bits3;
pub(super) struct Bits4;
pub(super) struct Bits5;
pub(super) struct Bits6;
pub(super) struct Bits8;

/// The byte in all four places.
const fn four(byte: u8) -> i32 {
    i32::from_le_bytes([byte; 4])
}

#[inline(always)]
unsafe fn plane8<Q: Quads>(from: *const u8) -> [Q; 8] {
    // SAFETY: eight units can be read.
    std::array::from_fn(|quad| unsafe { Q::load(from.add(quad * QUADS_BYTES)) })
}

#[inline(always)]
unsafe fn plane4<Q: Quads>(from: *const u8) -> [Q; 8] {
    // SAFETY: four units can be read.
    unsafe {
        let mask = Q::splat(four(15));
        let units: [Q; 4] = std::array::from_fn(|unit| Q::load(from.add(unit * QUADS_BYTES)));
        let low = |unit: Q| unit.and(mask);
        let high = |unit: Q| unit.shift_right::<4>().and(mask);
        let [a, b, c, d] = units;
        [low(a), high(a), low(b), high(b), low(c), high(c), low(d), high(d)]
    }
}

/// The two bits of each number, shifted up by `UP`.
#[inline(always)]
unsafe fn plane2<Q: Quads, const UP: u32>(from: *const u8) -> [Q; 8] {
    // SAFETY: two units can be read.
    unsafe {
        let mask = Q::splat(four(3));
        let pick = |unit: Q| {
            let quads = [unit, unit.shift_right::<2>(), unit.shift_right::<4>(), unit.shift_right::<6>()];
            quads.map(|quad| quad.and(mask).shift_left::<UP>())
        };
        let ([a, b, c, d], [e, f, g, h]) = (pick(Q::load(from)), pick(Q::load(from.add(QUADS_BYTES))));
        [a, b, c, d, e, f, g, h]
    }
}

/// The one bit of each number, shifted up by `UP`.
#[inline(always)]
unsafe fn plane1<Q: Quads, const UP: u32>(from: *const u8) -> [Q; 8] {
    // SAFETY: one unit can be read.
    unsafe {
        let (mask, unit) = (Q::splat(four(1)), Q::load(from));
        let quads = [
            unit,
            unit.shift_right::<1>(),
            unit.shift_right::<2>(),
            unit.shift_right::<3>(),
            unit.shift_right::<4>(),
            unit.shift_right::<5>(),
            unit.shift_right::<6>(),
            unit.shift_right::<7>(),
        ];
        quads.map(|quad| quad.and(mask).shift_left::<UP>())
    }
}

#[inline(always)]
fn join<Q: Quads>(low: [Q; 8], high: [Q; 8]) -> [Q; 8] {
    std::array::from_fn(|quad| low[quad].or(high[quad]))
}

/// Writes an implementation for one set of planes.
macro_rules! bits {
    ($name:ty, $bits:expr, $small:expr, $from:ident => $unpack:expr) => {
        impl Bits for $name {
            const BLOCK_BYTES: usize = $bits * QUADS_BYTES;
            const SMALL: bool = $small;

            #[inline(always)]
            unsafe fn unpack<Q: Quads>($from: *const u8) -> [Q; 8] {
                // SAFETY: the caller's promise; the second plane begins where the first ends.
                unsafe { $unpack }
            }
        }
    };
}

bits!(Bits2, 2, true, from => plane2::<Q, 0>(from));
bits!(Bits3, 3, true, from => join(plane2::<Q, 0>(from), plane1::<Q, 2>(from.add(2 * QUADS_BYTES))));
bits!(Bits4, 4, true, from => plane4::<Q>(from));
bits!(Bits5, 5, true, from => join(plane4::<Q>(from), plane1::<Q, 4>(from.add(4 * QUADS_BYTES))));
bits!(Bits6, 6, true, from => join(plane4::<Q>(from), plane2::<Q, 4>(from.add(4 * QUADS_BYTES))));
bits!(Bits8, 8, false, from => plane8::<Q>(from));

/// What the sixteen codes of mxfp4 stand for, twice as large (so that they are whole) and 16 more (so that they have
/// no sign): 0, 0.5, 1, 1.5, 2, 3, 4, 6, and the same below zero.
pub(crate) const FP4_TABLE: [u8; 16] = [16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4];
