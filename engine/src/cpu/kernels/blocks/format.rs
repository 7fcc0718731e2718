//! How quantised weights lie in memory: the same on every machine, whatever the file looked like.
//!
//! Sixteen rows form a group, 32 of their columns a block. A number of so many bits is cut into planes of 8, 4, 2 and
//! 1 bits; a plane of `p` bits takes `p` times 64 bytes per block. Lane `l` (a row) owns bytes `4l..4l+4` of each 64;
//! the quad `k` of columns `4k..4k+4` lies in unit `k * p / 8` of its plane, shifted by `k * p % 8` bits.
//! What scales the numbers are headers, one for so many blocks, each entry once for all sixteen rows.

use super::{BLOCK_COLUMNS, BLOCK_ROWS};
use crate::cpu::lanes::quads::QUADS_BYTES;

/// Blocks that share a header in the formats with 256 columns.
const SUPER_BLOCKS: usize = 8;

/// A way to store weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockFormat {
    /// `(q - 128) * d`.
    Q8_0,
    /// `(q - 8) * d`.
    Q4_0,
    /// `(q - 16) * d`.
    Q5_0,
    /// `d * s * q - e * m`, of 4 bits.
    Q4K,
    /// The same with 5 bits.
    Q5K,
    /// `d * s * (q - 32)`, a scale for each 16 columns.
    Q6K,
    /// A table of sixteen numbers times a power of two.
    Mxfp4 {
        /// Whether activations are quantised.
        integers: bool,
    },
    /// `scale * q + bias`, as MLX has it.
    Affine {
        /// 2, 3, 4, 5, 6 or 8.
        bits: u8,
        /// Blocks that share scale and bias: 1, 2 or 4.
        group_blocks: u8,
    },
}

impl BlockFormat {
    /// Whether activations are quantised before they are multiplied.
    pub(crate) fn has_integers(self) -> bool {
        !matches!(self, BlockFormat::Affine { .. } | BlockFormat::Mxfp4 { integers: false })
    }

    /// Bits of the planes, lowest first.
    pub(crate) fn planes(self) -> &'static [usize] {
        match self {
            BlockFormat::Q8_0 => &[8],
            BlockFormat::Q4_0 | BlockFormat::Q4K | BlockFormat::Mxfp4 { .. } => &[4],
            BlockFormat::Q5_0 | BlockFormat::Q5K => &[4, 1],
            BlockFormat::Q6K => &[4, 2],
            BlockFormat::Affine { bits: 2, .. } => &[2],
            BlockFormat::Affine { bits: 3, .. } => &[2, 1],
            BlockFormat::Affine { bits: 4, .. } => &[4],
            BlockFormat::Affine { bits: 5, .. } => &[4, 1],
            BlockFormat::Affine { bits: 6, .. } => &[4, 2],
            BlockFormat::Affine { .. } => &[8],
        }
    }

    /// Bytes of a block's numbers, for sixteen rows.
    pub(crate) fn quant_bytes(self) -> usize {
        self.planes().iter().sum::<usize>() * QUADS_BYTES
    }

    /// Blocks that share a header.
    pub(crate) fn span_blocks(self) -> usize {
        match self {
            BlockFormat::Q4K | BlockFormat::Q5K | BlockFormat::Q6K => SUPER_BLOCKS,
            BlockFormat::Affine { group_blocks, .. } => usize::from(group_blocks),
            _ => 1,
        }
    }

    /// Columns that share a header; rows are a multiple of it long.
    pub(crate) fn span_columns(self) -> usize {
        self.span_blocks() * BLOCK_COLUMNS
    }

    /// Bytes of each entry of a header, for one row.
    pub(crate) fn header_entries(self) -> &'static [usize] {
        match self {
            BlockFormat::Q8_0 | BlockFormat::Q4_0 | BlockFormat::Q5_0 => &[2],
            // d, e, eight scales, eight minima.
            BlockFormat::Q4K | BlockFormat::Q5K => &[2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
            // d, sixteen scales.
            BlockFormat::Q6K => &[2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
            BlockFormat::Mxfp4 { .. } => &[1],
            BlockFormat::Affine { .. } => &[4, 4],
        }
    }

    /// Bytes of a header for one row.
    pub(crate) fn row_header_bytes(self) -> usize {
        self.header_entries().iter().sum()
    }

    /// Bytes of a header for sixteen rows.
    pub(crate) fn header_bytes(self) -> usize {
        self.row_header_bytes() * BLOCK_ROWS
    }

    /// Bytes of headers and of numbers for a matrix.
    pub(crate) fn matrix_bytes(self, rows: usize, columns: usize) -> (usize, usize) {
        let groups = rows.div_ceil(BLOCK_ROWS);
        let spans = columns / self.span_columns();
        (groups * spans * self.header_bytes(), groups * spans * self.span_blocks() * self.quant_bytes())
    }
}
