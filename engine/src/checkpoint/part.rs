//! Reading what a role asks for: from a place in the files to rows of numbers.
//!
//! The one reader for all backends, behind [`Checkpoint::part`](super::Checkpoint::part).

use std::borrow::Cow;

use super::inventory::{Encoding, MXFP4_NUMBERS, TensorNeed};
use super::source::Source;
use super::{Dtype, LoadError, RowOrder, Scales, TensorView};

/// The 4-bit numbers of the MX format by their bits.
const FP4: [f32; 16] =
    [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0];

/// The numbers of one need, row after row.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// Type of the numbers.
    pub dtype: Dtype,
    /// Outputs and inputs of a matrix, or the length of a vector.
    pub shape: Vec<u64>,
    /// Little-endian; borrowed from the mapped file where the rows lie together there.
    pub bytes: Cow<'a, [u8]>,
    /// For the types that keep scales apart.
    pub scales: Option<PartScales<'a>>,
    /// Order of the rows.
    pub order: RowOrder,
}

/// The scales of one need's rows, as [`Scales`] has them.
#[derive(Clone, Debug)]
pub struct PartScales<'a> {
    /// Type of both; bytes for [`Dtype::Mxfp4`].
    pub dtype: Dtype,
    /// One for each group, row after row.
    pub scales: Cow<'a, [u8]>,
    /// As many; empty for [`Dtype::Mxfp4`].
    pub biases: Cow<'a, [u8]>,
}

impl Part<'_> {
    /// As a tensor of its own.
    pub fn view(&self) -> TensorView<'_> {
        let scales = self.scales.as_ref().map(|scales| Scales {
            dtype: scales.dtype,
            scales: &scales.scales,
            biases: &scales.biases,
        });
        let (dtype, order) = (self.dtype, self.order);
        TensorView { dtype, shape: &self.shape, bytes: &self.bytes, scales, order }
    }
}

/// Checks that the files have what is needed.
pub(super) fn check(files: &Source, need: &TensorNeed) -> Result<(), LoadError> {
    let place = &need.place;
    files.check(&place.name, &place.shape)?;
    if let Encoding::Mxfp4 { scales } = &place.encoding {
        let [shape @ .., _] = place.shape.as_slice() else { return Ok(()) };
        files.check(scales, shape)?;
        files.raw_bytes(&place.name)?;
        files.raw_bytes(scales)?;
    } else {
        let tensor = files.tensor(&place.name)?;
        let is_vector = need.shape.len() == 1 || place.encoding == Encoding::Columns;
        if is_vector && !tensor.dtype.is_plain() {
            return Err(files.wrong_type(&place.name, tensor.dtype.name(), "F32, F16 or BF16"));
        }
    }
    Ok(())
}

/// Reads a need that was checked.
pub(super) fn read<'a>(files: &'a Source, need: &TensorNeed) -> Result<Part<'a>, LoadError> {
    let (place, rows) = (&need.place, need.shape[0]);
    let shape = need.shape.iter().map(|&length| length as u64).collect();
    if let Encoding::Mxfp4 { scales } = &place.encoding {
        let bytes = place.rows(files.raw_bytes(&place.name)?, rows);
        let scales = place.rows(files.raw_bytes(scales)?, rows);
        let dtype = dtype(files, need);
        if dtype == Dtype::Mxfp4 {
            let scales = Some(PartScales { dtype: Dtype::F32, scales, biases: Cow::Borrowed(&[]) });
            return Ok(Part { dtype, shape, bytes, scales, order: RowOrder::Plain });
        }
        let columns = need.shape.get(1).copied().unwrap_or(1);
        let bytes = Cow::Owned(bf16_of_mxfp4(&bytes, &scales, columns));
        return Ok(Part { dtype, shape, bytes, scales: None, order: RowOrder::Plain });
    }
    let TensorView { dtype, bytes, scales, order, .. } = files.tensor(&place.name)?;
    let bytes = match place.encoding {
        Encoding::Columns => Cow::Owned(place.columns(bytes, rows, dtype.block().1)),
        _ => place.rows(bytes, rows),
    };
    let scales = scales.map(|scales| PartScales {
        dtype: scales.dtype,
        scales: place.rows(scales.scales, rows),
        biases: place.rows(scales.biases, rows),
    });
    Ok(Part { dtype, shape, bytes, scales, order })
}

/// The type that [`read`] gives: mxfp4 stays where rows are whole blocks, and becomes bf16 elsewhere.
fn dtype(files: &Source, need: &TensorNeed) -> Dtype {
    let is_whole = need.shape.last().is_some_and(|columns| columns.is_multiple_of(MXFP4_NUMBERS));
    match need.place.encoding {
        Encoding::Mxfp4 { .. } if is_whole => Dtype::Mxfp4,
        Encoding::Mxfp4 { .. } => Dtype::Bf16,
        _ => files.tensor(&need.place.name).map_or(Dtype::F32, |tensor| tensor.dtype),
    }
}

/// Bytes of a need as it lies in the files.
pub(super) fn file_bytes(files: &Source, need: &TensorNeed) -> u64 {
    match &need.place.encoding {
        Encoding::Mxfp4 { .. } => need.elements() / 2 + need.elements() / MXFP4_NUMBERS as u64,
        _ => files.tensor(&need.place.name).map_or(0, |tensor| {
            let rows = tensor.shape.split_last().map_or(1, |(_, outer)| outer.iter().product::<u64>()).max(1);
            let needed = if need.is_matrix() { need.shape[0] as u64 } else { rows };
            tensor.file_bytes() / rows * needed
        }),
    }
}

/// Bytes that a need takes in the memory of the CPU backend.
pub(super) fn memory_bytes(files: &Source, need: &TensorNeed) -> u64 {
    match need.shape.as_slice() {
        &[rows, columns] => crate::cpu::matrix_bytes(dtype(files, need), rows, columns),
        _ => need.elements() * size_of::<f32>() as u64,
    }
}

/// Rows of so many columns, as bf16, which holds every such number exactly.
fn bf16_of_mxfp4(blocks: &[u8], scales: &[u8], columns: usize) -> Vec<u8> {
    let row_scales = columns.div_ceil(MXFP4_NUMBERS);
    let mut numbers = Vec::with_capacity(scales.len() * MXFP4_NUMBERS * 2);
    let rows = blocks.chunks_exact(row_scales * MXFP4_NUMBERS / 2).zip(scales.chunks_exact(row_scales));
    for (blocks, scales) in rows {
        for column in 0..columns {
            let byte = blocks[column / 2];
            let bits = if column % 2 == 0 { byte & 15 } else { byte >> 4 };
            let number = FP4[usize::from(bits)] * power_of_two(scales[column / MXFP4_NUMBERS]);
            numbers.extend_from_slice(&((number.to_bits() >> 16) as u16).to_le_bytes());
        }
    }
    numbers
}

/// Two to the power of `exponent - 127`.
fn power_of_two(exponent: u8) -> f32 {
    match exponent {
        0 => f32::MIN_POSITIVE / 2.0,
        exponent => f32::from_bits(u32::from(exponent) << 23),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widened(bytes: &[u8]) -> Vec<f32> {
        let bits = bytes.chunks_exact(2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
        bits.map(|bits| f32::from_bits(u32::from(bits) << 16)).collect()
    }

    #[test]
    fn four_bit_numbers_are_widened_low_half_first() {
        let mut blocks = vec![0; 16];
        blocks[..3].copy_from_slice(&[0x21, 0xf7, 0x98]);
        let numbers = widened(&bf16_of_mxfp4(&blocks, &[128], 32));
        assert_eq!(numbers[..6], [1.0, 2.0, 12.0, -12.0, -0.0, -1.0]);
        assert!(numbers[6..].iter().all(|&number| number == 0.0));
        let smallest = widened(&bf16_of_mxfp4(&[0x11; 16], &[0], 32));
        assert_eq!(smallest, [2f32.powi(-128); 32]);
    }

    #[test]
    fn numbers_behind_the_last_column_are_left_out() {
        let numbers = bf16_of_mxfp4(&[0x22; 64], &[127; 4], 33);
        assert_eq!(widened(&numbers), [1.0; 66]);
    }
}
