//! Rows of quantised numbers, brought from the file's order into that of [`format`](crate::cpu::kernels::blocks::format).

use super::decode::{self, Span};
use super::plain::{f32_of, f32_of_f16, u16_of};
use crate::checkpoint::{Dtype, LoadError, TensorView};
use crate::cpu::kernels::blocks::format::BlockFormat;
use crate::cpu::kernels::blocks::{BLOCK_COLUMNS, BLOCK_ROWS, FP4_TABLE};
use crate::cpu::lanes::quads::QUADS_BYTES;
use crate::cpu::memory::{Arena, Slice};

/// The blocks of a segment, group after group, and their headers.
#[derive(Debug)]
pub(super) struct Blocks {
    pub(super) format: BlockFormat,
    pub(super) headers: Slice<u8>,
    pub(super) quants: Slice<u8>,
}

/// How a type of a file lies in memory; none for plain numbers.
pub(super) fn format_of(dtype: Dtype) -> Option<BlockFormat> {
    match dtype {
        Dtype::F32 | Dtype::F16 | Dtype::Bf16 => None,
        Dtype::Affine { bits, group } => {
            Some(BlockFormat::Affine { bits, group_blocks: group / BLOCK_COLUMNS as u8 })
        }
        Dtype::Mxfp4 => Some(BlockFormat::Mxfp4 { integers: false }),
        Dtype::Mxfp4Blocks => Some(BlockFormat::Mxfp4 { integers: true }),
        Dtype::Q4_0 => Some(BlockFormat::Q4_0),
        Dtype::Q5_0 => Some(BlockFormat::Q5_0),
        Dtype::Q8_0 => Some(BlockFormat::Q8_0),
        Dtype::Q4K => Some(BlockFormat::Q4K),
        Dtype::Q5K => Some(BlockFormat::Q5K),
        Dtype::Q6K => Some(BlockFormat::Q6K),
    }
}

impl Blocks {
    /// Packs tensors of one type below each other.
    pub(super) fn pack(
        arena: &mut Arena,
        format: BlockFormat,
        parts: &[TensorView<'_>],
        rows: usize,
        columns: usize,
    ) -> Result<Blocks, LoadError> {
        let (header_bytes, quant_bytes) = format.matrix_bytes(rows, columns);
        let mut blocks =
            Blocks { format, headers: arena.take(header_bytes)?, quants: arena.take(quant_bytes)? };
        let spans = columns / format.span_columns();
        let mut span = Span::default();
        let mut first = 0;
        for part in parts {
            for row in 0..part.rows() {
                let place = part.place_of_row(row);
                for at in 0..spans {
                    decode::read_span(part, place, columns, at, &mut span);
                    blocks.write_span(first + row, at, spans, &span);
                }
            }
            first += part.rows();
        }
        Ok(blocks)
    }

    fn write_span(&mut self, row: usize, at: usize, spans: usize, span: &Span) {
        let (format, lane) = (self.format, row % BLOCK_ROWS);
        let span_at = row / BLOCK_ROWS * spans + at;
        let header = &mut self.headers[span_at * format.header_bytes()..][..format.header_bytes()];
        let mut done = 0;
        for &bytes in format.header_entries() {
            let to = &mut header[done * BLOCK_ROWS + lane * bytes..][..bytes];
            to.copy_from_slice(&span.header[done..done + bytes]);
            done += bytes;
        }
        let quant_bytes = format.quant_bytes();
        for (block, numbers) in
            span.numbers.chunks_exact(BLOCK_COLUMNS).take(format.span_blocks()).enumerate()
        {
            let at = (span_at * format.span_blocks() + block) * quant_bytes;
            write_block(format, lane, numbers, &mut self.quants[at..at + quant_bytes]);
        }
    }

    /// Copies one row, widened.
    pub(super) fn copy_row(&self, row: usize, to: &mut [f32]) {
        let (format, lane) = (self.format, row % BLOCK_ROWS);
        let spans = to.len() / format.span_columns();
        for (at, to) in to.chunks_exact_mut(format.span_columns()).enumerate() {
            let span_at = row / BLOCK_ROWS * spans + at;
            let header = &self.headers[span_at * format.header_bytes()..][..format.header_bytes()];
            let entry = |done: usize, bytes: usize| &header[done * BLOCK_ROWS + lane * bytes..][..bytes];
            for (block, to) in to.chunks_exact_mut(BLOCK_COLUMNS).enumerate() {
                let at = (span_at * format.span_blocks() + block) * format.quant_bytes();
                let numbers = read_block(format, lane, &self.quants[at..at + format.quant_bytes()]);
                widen(format, block, entry, numbers, to);
            }
        }
    }
}

/// Writes the numbers of one row into the planes of a block that is zero there.
fn write_block(format: BlockFormat, lane: usize, numbers: &[u8], block: &mut [u8]) {
    let (mut start, mut below) = (0, 0);
    for &bits in format.planes() {
        let mask = u32::from_le_bytes([0xff_u8 >> (8 - bits); 4]);
        for (quad, numbers) in numbers.chunks_exact(4).enumerate() {
            let word = u32::from_le_bytes([numbers[0], numbers[1], numbers[2], numbers[3]]);
            let word = (word >> below & mask) << (quad * bits % 8);
            let to = &mut block[start + quad * bits / 8 * QUADS_BYTES + 4 * lane..][..4];
            for (to, byte) in to.iter_mut().zip(word.to_le_bytes()) {
                *to |= byte;
            }
        }
        start += bits * QUADS_BYTES;
        below += bits;
    }
}

/// The numbers of one row out of the planes of a block.
fn read_block(format: BlockFormat, lane: usize, block: &[u8]) -> [u8; BLOCK_COLUMNS] {
    let mut numbers = [0; BLOCK_COLUMNS];
    let (mut start, mut below) = (0, 0);
    for &bits in format.planes() {
        for (quad, numbers) in numbers.chunks_exact_mut(4).enumerate() {
            let from = &block[start + quad * bits / 8 * QUADS_BYTES + 4 * lane..][..4];
            for (number, byte) in numbers.iter_mut().zip(from) {
                *number |= (byte >> (quad * bits % 8) & (0xff_u8 >> (8 - bits))) << below;
            }
        }
        start += bits * QUADS_BYTES;
        below += bits;
    }
    numbers
}

/// Scales the numbers of the `block`th block of a header; `entry` gives an entry of it by the bytes before it.
fn widen<'a>(
    format: BlockFormat,
    block: usize,
    entry: impl Fn(usize, usize) -> &'a [u8],
    numbers: [u8; BLOCK_COLUMNS],
    to: &mut [f32],
) {
    let half = |done: usize| f32_of_f16(u16_of(entry(done, 2)));
    let byte = |done: usize| entry(done, 1)[0];
    let pairs = to.iter_mut().zip(numbers);
    let centred = |offset: i32, scale: f32| move |number: u8| (i32::from(number) - offset) as f32 * scale;
    match format {
        BlockFormat::Q8_0 => pairs.for_each(|(to, number)| *to = centred(128, half(0))(number)),
        BlockFormat::Q4_0 => pairs.for_each(|(to, number)| *to = centred(8, half(0))(number)),
        BlockFormat::Q5_0 => pairs.for_each(|(to, number)| *to = centred(16, half(0))(number)),
        BlockFormat::Q4K | BlockFormat::Q5K => {
            let scale = f32::from(byte(4 + block)) * half(0);
            let minimum = f32::from(byte(12 + block)) * half(2);
            pairs.for_each(|(to, number)| *to = scale * f32::from(number) - minimum);
        }
        BlockFormat::Q6K => {
            let scales = [0, 1].map(|part| f32::from(byte(2 + 2 * block + part) as i8) * half(0));
            let (low, high) = to.split_at_mut(BLOCK_COLUMNS / 2);
            for (part, scale) in [low, high].into_iter().zip(scales).enumerate() {
                let (to, scale) = scale;
                let numbers = &numbers[part * BLOCK_COLUMNS / 2..];
                to.iter_mut().zip(numbers).for_each(|(to, &number)| *to = centred(32, scale)(number));
            }
        }
        BlockFormat::Mxfp4 { .. } => {
            let scale = f32::from_bits(u32::from(byte(0)) << 23);
            pairs.for_each(|(to, code)| *to = centred(16, scale)(FP4_TABLE[usize::from(code)]));
        }
        BlockFormat::Affine { .. } => {
            let (scale, bias) = (f32_of(entry(0, 4)), f32_of(entry(4, 4)));
            pairs.for_each(|(to, number)| *to = scale.mul_add(f32::from(number), bias));
        }
    }
}
