//! A tensor as it lies in a file: the type of its numbers, its shape, and its bytes.
//!
//! Made by `weights.rs` and by `gguf`, which have checked that there are as many bytes as type and
//! shape say; packed by the backend.

/// How the numbers of a tensor are written.
///
/// Quantised types hold numbers along the last dimension in blocks, and every row is whole blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// The upper half of single precision.
    Bf16,
    /// MLX: whole numbers of so many bits, with scale and bias per group of columns.
    Affine {
        /// 2, 3, 4, 5, 6 or 8.
        bits: u8,
        /// Columns that share scale and bias: 32, 64 or 128.
        group: u8,
    },
    /// Codes of four bits, two to a byte, with a power of two per 32 columns, kept apart.
    Mxfp4,
    /// GGUF: the same in blocks of 17 bytes.
    Mxfp4Blocks,
    /// GGUF: 32 numbers of 4 bits and a scale.
    Q4_0,
    /// GGUF: 32 numbers of 5 bits and a scale.
    Q5_0,
    /// GGUF: 32 numbers of 8 bits and a scale.
    Q8_0,
    /// GGUF: 256 numbers of 4 bits, with scales and minima per 32.
    Q4K,
    /// GGUF: 256 numbers of 5 bits, with scales and minima per 32.
    Q5K,
    /// GGUF: 256 numbers of 6 bits, with scales per 16.
    Q6K,
}

impl Dtype {
    /// Columns of a block and its bytes; plain types have blocks of one.
    pub fn block(self) -> (usize, usize) {
        match self {
            Dtype::F32 => (1, 4),
            Dtype::F16 | Dtype::Bf16 => (1, 2),
            Dtype::Affine { bits, .. } => (32, 4 * usize::from(bits)),
            Dtype::Mxfp4 => (32, 16),
            Dtype::Mxfp4Blocks => (32, 17),
            Dtype::Q4_0 => (32, 18),
            Dtype::Q5_0 => (32, 22),
            Dtype::Q8_0 => (32, 34),
            Dtype::Q4K => (256, 144),
            Dtype::Q5K => (256, 176),
            Dtype::Q6K => (256, 210),
        }
    }

    /// Bytes of one row of so many columns, scales that are kept apart not counted; none if it is no whole blocks.
    pub fn row_bytes(self, columns: usize) -> Option<usize> {
        let (numbers, bytes) = self.block();
        if columns.is_multiple_of(numbers) { (columns / numbers).checked_mul(bytes) } else { None }
    }

    /// Whether each number stands for itself.
    pub fn is_plain(self) -> bool {
        matches!(self, Dtype::F32 | Dtype::F16 | Dtype::Bf16)
    }

    /// How people write it.
    pub fn name(self) -> String {
        match self {
            Dtype::F32 => "f32".to_owned(),
            Dtype::F16 => "f16".to_owned(),
            Dtype::Bf16 => "bf16".to_owned(),
            Dtype::Affine { bits, group } => format!("{bits}-bit, groups of {group}"),
            Dtype::Mxfp4 | Dtype::Mxfp4Blocks => "mxfp4".to_owned(),
            Dtype::Q4_0 => "q4_0".to_owned(),
            Dtype::Q5_0 => "q5_0".to_owned(),
            Dtype::Q8_0 => "q8_0".to_owned(),
            Dtype::Q4K => "q4_k".to_owned(),
            Dtype::Q5K => "q5_k".to_owned(),
            Dtype::Q6K => "q6_k".to_owned(),
        }
    }
}

/// Scales of groups of columns, where they are not beside the numbers.
#[derive(Clone, Copy, Debug)]
pub struct Scales<'a> {
    /// F32, F16 or Bf16; exponents of [`Dtype::Mxfp4`] are bytes instead.
    pub dtype: Dtype,
    /// One for each group, row after row.
    pub scales: &'a [u8],
    /// As many; empty for [`Dtype::Mxfp4`].
    pub biases: &'a [u8],
}

/// In which order the rows of a matrix lie in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowOrder {
    /// As the model numbers them.
    #[default]
    Plain,
    /// Within each head, the two numbers that rotate together are neighbours: `0, half, 1, half + 1`…
    RotaryPairs {
        /// Rows of a head.
        head_width: usize,
    },
}

/// A tensor in a mapped file.
#[derive(Clone, Copy, Debug)]
pub struct TensorView<'a> {
    /// Type of its numbers.
    pub dtype: Dtype,
    /// Lengths, outermost first.
    pub shape: &'a [u64],
    /// Its numbers, little-endian, row after row; as many as the shape says.
    pub bytes: &'a [u8],
    /// For the types that need them.
    pub scales: Option<Scales<'a>>,
    /// Order of the rows.
    pub order: RowOrder,
}

impl<'a> TensorView<'a> {
    /// A tensor whose bytes are all there is of it.
    pub fn new(dtype: Dtype, shape: &'a [u64], bytes: &'a [u8]) -> TensorView<'a> {
        TensorView { dtype, shape, bytes, scales: None, order: RowOrder::Plain }
    }

    /// Rows: the first length of a matrix, 1 for a vector.
    pub fn rows(&self) -> usize {
        if self.shape.len() < 2 { 1 } else { self.shape[0] as usize }
    }

    /// Where the row of the model lies in the file.
    pub(crate) fn place_of_row(&self, row: usize) -> usize {
        match self.order {
            RowOrder::Plain => row,
            RowOrder::RotaryPairs { head_width } => {
                let (head, at, half) = (row / head_width, row % head_width, head_width / 2);
                head * head_width + 2 * (at % half) + at / half
            }
        }
    }

    /// Bytes in the file, scales included.
    pub fn file_bytes(&self) -> u64 {
        let scales = self.scales.map_or(0, |scales| scales.scales.len() + scales.biases.len());
        (self.bytes.len() + scales) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_where_the_file_has_them() {
        let view = |order| TensorView { order, ..TensorView::new(Dtype::F32, &[8, 1], &[]) };
        let places = |order| (0..8).map(|row| view(order).place_of_row(row)).collect::<Vec<_>>();
        assert_eq!(places(RowOrder::RotaryPairs { head_width: 4 }), [0, 2, 1, 3, 4, 6, 5, 7]);
        assert_eq!(places(RowOrder::Plain), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
