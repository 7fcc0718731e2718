//! Where in the files a tensor lies: the whole of one, or some rows, or one matrix of a stack.
//!
//! Made by `naming.rs`; read by the reader of parts and by backends that load whole stacks at once.

use std::borrow::Cow;

/// Numbers that share a scale in [`Encoding::Mxfp4`].
pub(in crate::checkpoint) const MXFP4_NUMBERS: usize = 32;

/// The place of what a role asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorPlace {
    /// Name of the tensor in the files.
    pub name: String,
    /// Shape of that whole tensor, as the files have it if it is not quantised.
    pub shape: Vec<usize>,
    /// The number within the outermost length, if the tensor is a stack of matrices (or of biases).
    pub index: Option<usize>,
    /// First of the rows.
    pub first_row: usize,
    /// Distance from one row to the next: 1, or 2 where gate and up take turns.
    pub row_step: usize,
    /// How a matrix lies there.
    pub encoding: Encoding,
}

/// How the numbers of a matrix lie in the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Row after row, a row for each output; or quantised so, with `.scales` (and `.biases`) beside it.
    Rows,
    /// A row for each input: the rows of the place are columns there.
    Columns,
    /// As rows of blocks of 32 numbers in 16 bytes, low half first: 4 bits each (sign, two of exponent, one of
    /// mantissa), times two to the power of the block's scale minus 127 (the MX format of the Open Compute Project).
    Mxfp4 {
        /// Name of the tensor with one byte for each block.
        scales: String,
    },
}

impl TensorPlace {
    /// The rows of this place, `count` of them, out of the bytes of a tensor that has as many matrices and rows as
    /// [`shape`](Self::shape) says, whatever a row is made of: so it works for scales and quantised rows too.
    ///
    /// Borrowed where the rows are neighbours. Not for [`Encoding::Columns`].
    pub fn rows<'a>(&self, bytes: &'a [u8], count: usize) -> Cow<'a, [u8]> {
        let matrix = self.matrix(bytes);
        let all_rows = self.shape[usize::from(self.index.is_some())];
        let row_bytes = matrix.len() / all_rows.max(1);
        let row =
            |number: usize| &matrix[(self.first_row + number * self.row_step) * row_bytes..][..row_bytes];
        match self.row_step {
            1 => Cow::Borrowed(&matrix[self.first_row * row_bytes..][..count * row_bytes]),
            _ => Cow::Owned((0..count).flat_map(row).copied().collect()),
        }
    }

    /// The same for [`Encoding::Columns`] with numbers of so many bytes: rows that were columns.
    pub fn columns(&self, bytes: &[u8], count: usize, number_bytes: usize) -> Vec<u8> {
        let matrix = self.matrix(bytes);
        let [.., inputs, all_rows] = *self.shape else { return Vec::new() };
        let mut rows = Vec::with_capacity(count * inputs * number_bytes);
        for row in 0..count {
            let at = self.first_row + row * self.row_step;
            for input in 0..inputs {
                rows.extend_from_slice(&matrix[(input * all_rows + at) * number_bytes..][..number_bytes]);
            }
        }
        rows
    }

    /// The bytes of one matrix of a stack, or all.
    fn matrix<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        match self.index {
            None => bytes,
            Some(index) => {
                let matrix_bytes = bytes.len() / self.shape[0].max(1);
                &bytes[index * matrix_bytes..][..matrix_bytes]
            }
        }
    }
}
