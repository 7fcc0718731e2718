//! [`Quads`] in plain Rust: the meaning of all others.

use super::{QUADS_BYTES, Quads};
use crate::cpu::lanes::portable::Portable;
use crate::cpu::lanes::{LANES, Lanes};

/// Sixteen numbers in an array.
#[derive(Clone, Copy)]
pub(crate) struct PortableQuads([u32; LANES]);

impl PortableQuads {
    #[inline(always)]
    fn zip(self, other: Self, operation: impl Fn(u32, u32) -> u32) -> Self {
        PortableQuads(std::array::from_fn(|lane| operation(self.0[lane], other.0[lane])))
    }
}

#[expect(unsafe_code, reason = "loads and stores go through pointers that kernels have checked")]
impl Quads for PortableQuads {
    type Floats = Portable;
    const TILE_ROWS: usize = 1;
    const FLOAT_TILE_ROWS: usize = 1;

    #[inline(always)]
    unsafe fn splat(number: i32) -> Self {
        PortableQuads([number as u32; LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller promises 64 readable bytes.
        let bytes = unsafe { from.cast::<[[u8; 4]; QUADS_BYTES / 4]>().read_unaligned() };
        PortableQuads(bytes.map(u32::from_le_bytes))
    }

    #[inline(always)]
    unsafe fn widen_unsigned(from: *const u8) -> Self {
        // SAFETY: the caller promises 16 readable bytes.
        PortableQuads(unsafe { from.cast::<[u8; LANES]>().read_unaligned() }.map(u32::from))
    }

    #[inline(always)]
    unsafe fn widen_signed(from: *const u8) -> Self {
        // SAFETY: the caller promises 16 readable bytes.
        let bytes = unsafe { from.cast::<[i8; LANES]>().read_unaligned() };
        PortableQuads(bytes.map(|byte| i32::from(byte) as u32))
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, u32::wrapping_add)
    }

    #[inline(always)]
    fn shift_left<const BITS: u32>(self) -> Self {
        PortableQuads(self.0.map(|lane| lane << BITS))
    }

    #[inline(always)]
    fn shift_right<const BITS: u32>(self) -> Self {
        PortableQuads(self.0.map(|lane| lane >> BITS))
    }

    #[inline(always)]
    fn look_up(self, table: &[u8; 16]) -> Self {
        let bytes = |lane: u32| lane.to_le_bytes().map(|byte| table[usize::from(byte & 15)]);
        PortableQuads(self.0.map(|lane| u32::from_le_bytes(bytes(lane))))
    }

    #[inline(always)]
    fn dot<const SMALL: bool>(self, weights: Self, activations: Self) -> Self {
        let products = weights.zip(activations, |weights, activations| {
            let pairs = weights.to_le_bytes().into_iter().zip(activations.to_le_bytes());
            pairs.map(|(weight, activation)| i32::from(weight) * i32::from(activation as i8)).sum::<i32>()
                as u32
        });
        self.add(products)
    }

    #[inline(always)]
    fn to_floats(self) -> Portable {
        Portable::from_array(self.0.map(|lane| lane as i32 as f32))
    }

    #[inline(always)]
    fn as_floats(self) -> Portable {
        Portable::from_array(self.0.map(f32::from_bits))
    }

    #[inline(always)]
    unsafe fn store_bytes(numbers: Portable, to: *mut i8) {
        let mut lanes = [0.0f32; LANES];
        // SAFETY: the array has sixteen places, and the caller promises as many bytes.
        unsafe {
            numbers.store(lanes.as_mut_ptr());
            to.cast::<[i8; LANES]>().write_unaligned(lanes.map(|number| number as i8));
        }
    }
}
