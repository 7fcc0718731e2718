//! The numbers and scales of quantised weights as files have them.
//!
//! MLX: numbers of a row follow each other bit by bit, the lowest first. GGUF: blocks of fixed size, as its reference
//! implementation defines them (`ggml-common.h`, `ggml-quants.c`). What is read here are numbers without sign and the
//! bytes of a header, both in the order of [`format`](crate::cpu::kernels::blocks::format).

use super::plain::{f32_of, f32_of_bf16, f32_of_f16, u16_of};
use crate::checkpoint::{Dtype, Scales, TensorView};

/// Most columns that share a header.
const SPAN_COLUMNS_MAX: usize = 256;
/// Most bytes of a header, for one row.
const HEADER_BYTES_MAX: usize = 20;

/// The columns of one row that share a header.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) numbers: [u8; SPAN_COLUMNS_MAX],
    pub(super) header: [u8; HEADER_BYTES_MAX],
}

impl Default for Span {
    fn default() -> Span {
        Span { numbers: [0; SPAN_COLUMNS_MAX], header: [0; HEADER_BYTES_MAX] }
    }
}

/// Reads the `at`th span of the row that lies at `place` in the file.
pub(super) fn read_span(tensor: &TensorView<'_>, place: usize, columns: usize, at: usize, span: &mut Span) {
    let row_bytes = tensor.dtype.row_bytes(columns).expect("invariant: rows are whole blocks");
    let row = &tensor.bytes[place * row_bytes..][..row_bytes];
    let (block_columns, block_bytes) = tensor.dtype.block();
    let block = |index: usize| &row[index * block_bytes..][..block_bytes];
    match tensor.dtype {
        Dtype::F32 | Dtype::F16 | Dtype::Bf16 => {
            unreachable!("invariant: plain numbers are packed elsewhere")
        }
        Dtype::Affine { bits, group } => {
            let group = usize::from(group);
            let blocks = group / block_columns;
            for (index, numbers) in span.numbers.chunks_exact_mut(block_columns).take(blocks).enumerate() {
                unpack_bits(usize::from(bits), block(at * blocks + index), numbers);
            }
            let groups = tensor.scales.expect("invariant: this type comes with scales");
            let index = place * (columns / group) + at;
            span.header[..4].copy_from_slice(&group_number(&groups, groups.scales, index).to_le_bytes());
            span.header[4..8].copy_from_slice(&group_number(&groups, groups.biases, index).to_le_bytes());
        }
        Dtype::Mxfp4 => {
            for (pair, byte) in span.numbers.chunks_exact_mut(2).zip(block(at)) {
                pair.copy_from_slice(&[byte & 15, byte >> 4]);
            }
            let groups = tensor.scales.expect("invariant: this type comes with scales");
            span.header[0] = exponent(groups.scales[place * (columns / block_columns) + at]);
        }
        Dtype::Mxfp4Blocks => {
            nibbles(&block(at)[1..], &mut span.numbers);
            span.header[0] = exponent(block(at)[0]);
        }
        Dtype::Q4_0 => {
            nibbles(&block(at)[2..], &mut span.numbers);
            span.header[..2].copy_from_slice(&block(at)[..2]);
        }
        Dtype::Q5_0 => q5_0(block(at), span),
        Dtype::Q8_0 => {
            for (number, byte) in span.numbers.iter_mut().zip(&block(at)[2..]) {
                *number = byte ^ 0x80;
            }
            span.header[..2].copy_from_slice(&block(at)[..2]);
        }
        Dtype::Q4K => q4_k(block(at), span),
        Dtype::Q5K => q5_k(block(at), span),
        Dtype::Q6K => q6_k(block(at), span),
    }
}

fn group_number(groups: &Scales<'_>, bytes: &[u8], index: usize) -> f32 {
    match groups.dtype {
        Dtype::F16 => f32_of_f16(u16_of(&bytes[2 * index..])),
        Dtype::Bf16 => f32_of_bf16(u16_of(&bytes[2 * index..])),
        _ => f32_of(&bytes[4 * index..]),
    }
}

/// The exponent for numbers that are kept twice as large, as f32 has it; what is too small becomes zero.
fn exponent(byte: u8) -> u8 {
    byte.saturating_sub(1)
}

/// Numbers of so many bits each, the lowest bits first; at most eight bits each, so a number spans two bytes at most.
fn unpack_bits(bits: usize, bytes: &[u8], numbers: &mut [u8]) {
    let mask = 0xff_u16 >> (8 - bits);
    for (index, number) in numbers.iter_mut().enumerate() {
        let (byte, shift) = (index * bits / 8, index * bits % 8);
        let high = bytes.get(byte + 1).copied().unwrap_or(0);
        *number = (u16::from_le_bytes([bytes[byte], high]) >> shift & mask) as u8;
    }
}

/// Sixteen bytes: their low halves are the first sixteen numbers, their high halves the others.
fn nibbles(bytes: &[u8], numbers: &mut [u8]) {
    for (index, byte) in bytes.iter().enumerate() {
        numbers[index] = byte & 15;
        numbers[index + bytes.len()] = byte >> 4;
    }
}

/// Half-precision scale, 32 fifth bits, 32 halves of bytes.
fn q5_0(block: &[u8], span: &mut Span) {
    span.header[..2].copy_from_slice(&block[..2]);
    nibbles(&block[6..], &mut span.numbers);
    let high = u32::from_le_bytes([block[2], block[3], block[4], block[5]]);
    for (index, number) in span.numbers[..32].iter_mut().enumerate() {
        *number |= ((high >> index & 1) as u8) << 4;
    }
}

/// Two numbers in half precision, twelve bytes of scales and minima, 256 halves of bytes.
fn q4_k(block: &[u8], span: &mut Span) {
    k_header(block, span);
    for (numbers, bytes) in span.numbers.chunks_exact_mut(64).zip(block[16..].chunks_exact(32)) {
        nibbles(bytes, numbers);
    }
}

/// The same, with 256 fifth bits in 32 bytes: bit `s` of byte `l` belongs to number `32 s + l`.
fn q5_k(block: &[u8], span: &mut Span) {
    k_header(block, span);
    for (numbers, bytes) in span.numbers.chunks_exact_mut(64).zip(block[48..].chunks_exact(32)) {
        nibbles(bytes, numbers);
    }
    let high = &block[16..48];
    for (part, numbers) in span.numbers.chunks_exact_mut(32).enumerate() {
        for (number, byte) in numbers.iter_mut().zip(high) {
            *number |= (byte >> part & 1) << 4;
        }
    }
}

/// Eight scales and eight minima of six bits: the first four of each in the low bits of bytes 0 to 7, the others
/// with four bits in bytes 8 to 11 and two in what is left of the first eight.
fn k_header(block: &[u8], span: &mut Span) {
    span.header[..4].copy_from_slice(&block[..4]);
    let packed = &block[4..16];
    for part in 0..4 {
        span.header[4 + part] = packed[part] & 63;
        span.header[12 + part] = packed[part + 4] & 63;
        span.header[8 + part] = packed[part + 8] & 15 | packed[part] >> 6 << 4;
        span.header[16 + part] = packed[part + 8] >> 4 | packed[part + 4] >> 6 << 4;
    }
}

/// Two halves of 128 numbers: 64 bytes of low bits and 32 of high bits each; then sixteen scales, and one number in
/// half precision.
fn q6_k(block: &[u8], span: &mut Span) {
    let (low, rest) = block.split_at(128);
    let (high, rest) = rest.split_at(64);
    let (scales, step) = rest.split_at(16);
    for (half, numbers) in span.numbers.chunks_exact_mut(128).enumerate() {
        let (low, high) = (&low[64 * half..][..64], &high[32 * half..][..32]);
        for index in 0..32 {
            let top = high[index];
            numbers[index] = low[index] & 15 | (top & 3) << 4;
            numbers[index + 32] = low[index + 32] & 15 | (top >> 2 & 3) << 4;
            numbers[index + 64] = low[index] >> 4 | (top >> 4 & 3) << 4;
            numbers[index + 96] = low[index + 32] >> 4 | (top >> 6) << 4;
        }
    }
    span.header[..2].copy_from_slice(step);
    span.header[2..18].copy_from_slice(scales);
}
