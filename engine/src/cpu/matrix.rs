//! A weight matrix in memory, packed for the product kernel.
//!
//! Four rows lie interleaved, sixteen numbers of each in turn, so that a core reads one stream; rows and columns are
//! filled up with zeros to whole groups. bf16 stays bf16; half precision is widened to f32 when it is loaded.
#![expect(unsafe_code, reason = "calls the product kernel with checked buffers")]

use crate::checkpoint::{Dtype, LoadError, TensorView};
use crate::cpu::kernels::Kernels;
use crate::cpu::kernels::product::{GROUP, ProductJob};
use crate::cpu::lanes::LANES;
use crate::cpu::memory::{Arena, Number, Slice};
use crate::cpu::pool::Pool;

/// Multiplications that are worth waking a thread for: some microseconds of one core.
const PART_PRODUCTS: usize = 64 * 1024;

/// A matrix of `rows` outputs by `columns` inputs.
#[derive(Debug)]
pub(crate) struct Matrix {
    rows: usize,
    columns: usize,
    numbers: Numbers,
    /// One per row, or empty.
    bias: Vec<f32>,
}

#[derive(Debug)]
enum Numbers {
    F32(Slice<f32>),
    Bf16(Slice<u16>),
}

/// Rows of activations: `count` rows, `stride` numbers apart.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) numbers: &'a [f32],
    pub(crate) stride: usize,
    pub(crate) count: usize,
}

/// A length rounded up to whole lanes.
pub(crate) fn padded(length: usize) -> usize {
    length.next_multiple_of(LANES)
}

/// The f32 numbers of a tensor.
pub(crate) fn widened(tensor: TensorView<'_>) -> Vec<f32> {
    match tensor.dtype {
        Dtype::F32 => tensor.bytes.chunks_exact(4).map(f32_of).collect(),
        Dtype::F16 => tensor.bytes.chunks_exact(2).map(f32_of_f16).collect(),
        Dtype::Bf16 => tensor.bytes.chunks_exact(2).map(f32_of_bf16).collect(),
    }
}

fn f32_of(bytes: &[u8]) -> f32 {
    f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn u16_of(bytes: &[u8]) -> u16 {
    u16::from_le_bytes([bytes[0], bytes[1]])
}

fn f32_of_f16(bytes: &[u8]) -> f32 {
    half::f16::from_bits(u16_of(bytes)).to_f32()
}

fn f32_of_bf16(bytes: &[u8]) -> f32 {
    f32::from_bits(u32::from(u16_of(bytes)) << 16)
}

impl Matrix {
    /// The given matrices below each other, as one. All have `columns` columns; biases are none or one per row.
    pub(crate) fn pack(
        arena: &mut Arena,
        parts: &[TensorView<'_>],
        columns: usize,
        bias: Vec<f32>,
    ) -> Result<Matrix, LoadError> {
        let rows = parts.iter().map(|part| part.shape[0] as usize).sum::<usize>();
        let length = rows.next_multiple_of(GROUP) * padded(columns);
        let numbers = if parts.iter().all(|part| part.dtype == Dtype::Bf16) {
            let mut numbers = arena.take(length)?;
            pack_numbers(&mut numbers, parts, columns, |_, bytes| u16_of(bytes));
            Numbers::Bf16(numbers)
        } else {
            let mut numbers = arena.take(length)?;
            pack_numbers(&mut numbers, parts, columns, |dtype, bytes| match dtype {
                Dtype::F32 => f32_of(bytes),
                Dtype::F16 => f32_of_f16(bytes),
                Dtype::Bf16 => f32_of_bf16(bytes),
            });
            Numbers::F32(numbers)
        };
        Ok(Matrix { rows, columns, numbers, bias })
    }
    /// Copies one row of weights, widened.
    pub(crate) fn copy_row(&self, row: usize, to: &mut [f32]) {
        let chunks = self.columns.div_ceil(LANES);
        for (chunk, to) in to[..self.columns].chunks_mut(LANES).enumerate() {
            let start = place(row, chunk, chunks);
            match &self.numbers {
                Numbers::F32(numbers) => to.copy_from_slice(&numbers[start..start + to.len()]),
                Numbers::Bf16(numbers) => {
                    for (to, &bits) in to.iter_mut().zip(&numbers[start..]) {
                        *to = f32::from_bits(u32::from(bits) << 16);
                    }
                }
            }
        }
    }

    /// `y = x · selfᵀ + bias`, or the same added to `y`. Rows of `x` hold whole lanes, zeros behind the columns.
    pub(crate) fn multiply(
        &self,
        pool: &mut Pool,
        kernels: &Kernels,
        x: Rows<'_>,
        y: &mut [f32],
        y_stride: usize,
        accumulate: bool,
    ) {
        if x.count == 0 {
            return;
        }
        let depth = padded(self.columns);
        assert!(x.stride >= depth && x.numbers.len() >= (x.count - 1) * x.stride + depth);
        assert!(y_stride >= self.rows && y.len() >= (x.count - 1) * y_stride + self.rows);
        let y = y.as_mut_ptr();
        match &self.numbers {
            Numbers::F32(numbers) => {
                let job = self.job(numbers.as_ptr(), x, y, y_stride, accumulate);
                // SAFETY: the table fits the machine; the asserts and `pack` hold what the job promises; parts of
                // the loop have different groups.
                self.run(pool, x.count, |groups| unsafe { (kernels.product_f32)(&job, groups) });
            }
            Numbers::Bf16(numbers) => {
                let job = self.job(numbers.as_ptr(), x, y, y_stride, accumulate);
                // SAFETY: as above.
                self.run(pool, x.count, |groups| unsafe { (kernels.product_bf16)(&job, groups) });
            }
        }
    }

    fn job<W>(
        &self,
        weights: *const W,
        x: Rows<'_>,
        y: *mut f32,
        y_stride: usize,
        accumulate: bool,
    ) -> ProductJob<W> {
        ProductJob {
            weights,
            chunks: self.columns.div_ceil(LANES),
            columns: self.rows,
            bias: if self.bias.is_empty() { std::ptr::null() } else { self.bias.as_ptr() },
            x: x.numbers.as_ptr(),
            x_stride: x.stride,
            rows: x.count,
            y,
            y_stride,
            accumulate,
        }
    }

    fn run(&self, pool: &mut Pool, rows: usize, body: impl Fn(std::ops::Range<usize>) + Sync) {
        let group_products = GROUP * padded(self.columns) * rows;
        pool.split(self.rows.div_ceil(GROUP), PART_PRODUCTS.div_ceil(group_products), body);
    }
}

/// Where sixteen numbers of a row begin.
fn place(row: usize, chunk: usize, chunks: usize) -> usize {
    ((row / GROUP * chunks + chunk) * GROUP + row % GROUP) * LANES
}

fn pack_numbers<W: Number>(
    numbers: &mut [W],
    parts: &[TensorView<'_>],
    columns: usize,
    number: impl Fn(Dtype, &[u8]) -> W,
) {
    let chunks = columns.div_ceil(LANES);
    let mut row = 0;
    for part in parts {
        let size = part.dtype.bytes();
        for row_bytes in part.bytes.chunks_exact(columns * size) {
            for (chunk, bytes) in row_bytes.chunks(LANES * size).enumerate() {
                let to = &mut numbers[place(row, chunk, chunks)..][..bytes.len() / size];
                for (to, bytes) in to.iter_mut().zip(bytes.chunks_exact(size)) {
                    *to = number(part.dtype, bytes);
                }
            }
            row += 1;
        }
    }
}
