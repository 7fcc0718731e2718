//! Rows of plain numbers: four rows lie interleaved, sixteen numbers of each in turn, so that a core reads one stream.
//!
//! Rows and columns are filled up with zeros to whole groups. Every type stays as it is in the file.

use crate::checkpoint::{Dtype, LoadError, RowOrder, TensorView};
use crate::cpu::kernels::product::GROUP;
use crate::cpu::lanes::{Half, LANES};
use crate::cpu::matrix::padded;
use crate::cpu::memory::{Arena, Number, Slice};

/// The numbers of a segment.
#[derive(Debug)]
pub(super) enum Plain {
    F32(Slice<f32>),
    Bf16(Slice<u16>),
    F16(Slice<Half>),
}

/// The f32 numbers of a tensor of plain numbers.
pub(crate) fn widened(tensor: TensorView<'_>) -> Vec<f32> {
    let numbers: Vec<f32> = match tensor.dtype {
        Dtype::F32 => tensor.bytes.chunks_exact(4).map(f32_of).collect(),
        Dtype::F16 => tensor.bytes.chunks_exact(2).map(|bytes| f32_of_f16(u16_of(bytes))).collect(),
        Dtype::Bf16 => tensor.bytes.chunks_exact(2).map(|bytes| f32_of_bf16(u16_of(bytes))).collect(),
        other => unreachable!(
            "invariant: vectors of type {} are refused when a checkpoint is opened",
            other.name()
        ),
    };
    match tensor.order {
        RowOrder::Plain => numbers,
        _ => (0..numbers.len()).map(|index| numbers[tensor.place_of_row(index)]).collect(),
    }
}

pub(super) fn f32_of(bytes: &[u8]) -> f32 {
    f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

pub(super) fn u16_of(bytes: &[u8]) -> u16 {
    u16::from_le_bytes([bytes[0], bytes[1]])
}

pub(super) fn f32_of_f16(bits: u16) -> f32 {
    half::f16::from_bits(bits).to_f32()
}

pub(super) fn f32_of_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

impl Plain {
    /// Packs tensors of one type below each other.
    pub(super) fn pack(
        arena: &mut Arena,
        parts: &[TensorView<'_>],
        rows: usize,
        columns: usize,
    ) -> Result<Plain, LoadError> {
        let length = rows.next_multiple_of(GROUP) * padded(columns);
        Ok(match parts[0].dtype {
            Dtype::Bf16 => Plain::Bf16(packed(arena, parts, length, columns, u16_of)?),
            Dtype::F16 => Plain::F16(packed(arena, parts, length, columns, |bytes| Half(u16_of(bytes)))?),
            _ => Plain::F32(packed(arena, parts, length, columns, f32_of)?),
        })
    }

    /// Copies one row, widened.
    pub(super) fn copy_row(&self, row: usize, to: &mut [f32]) {
        let chunks = to.len().div_ceil(LANES);
        for (chunk, to) in to.chunks_mut(LANES).enumerate() {
            let start = place(row, chunk, chunks);
            let numbers = to.iter_mut();
            match self {
                Plain::F32(from) => numbers.zip(&from[start..]).for_each(|(to, &number)| *to = number),
                Plain::Bf16(from) => {
                    numbers.zip(&from[start..]).for_each(|(to, &bits)| *to = f32_of_bf16(bits))
                }
                Plain::F16(from) => {
                    numbers.zip(&from[start..]).for_each(|(to, bits)| *to = f32_of_f16(bits.0))
                }
            }
        }
    }
}

/// Where sixteen numbers of a row begin.
fn place(row: usize, chunk: usize, chunks: usize) -> usize {
    ((row / GROUP * chunks + chunk) * GROUP + row % GROUP) * LANES
}

fn packed<W: Number>(
    arena: &mut Arena,
    parts: &[TensorView<'_>],
    length: usize,
    columns: usize,
    number: impl Fn(&[u8]) -> W,
) -> Result<Slice<W>, LoadError> {
    let mut numbers = arena.take(length)?;
    let chunks = columns.div_ceil(LANES);
    let mut first = 0;
    for part in parts {
        let size = part.dtype.block().1;
        for row in 0..part.rows() {
            let start = part.place_of_row(row) * columns * size;
            let row_bytes = &part.bytes[start..start + columns * size];
            for (chunk, bytes) in row_bytes.chunks(LANES * size).enumerate() {
                let to = &mut numbers[place(first + row, chunk, chunks)..][..bytes.len() / size];
                for (to, bytes) in to.iter_mut().zip(bytes.chunks_exact(size)) {
                    *to = number(bytes);
                }
            }
        }
        first += part.rows();
    }
    Ok(numbers)
}
