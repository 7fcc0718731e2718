//! A weight matrix in memory, packed for the product kernels.
//!
//! Rows of one type form a segment: plain numbers ([`plain`]) or quantised blocks ([`blocks`]). A matrix has several
//! segments where the matrices that were put below each other differ in type. Built by `decoder.rs`, once.
#![expect(unsafe_code, reason = "calls the product kernels with checked buffers")]

mod blocks;
mod decode;
mod plain;

use std::ops::Range;

use crate::checkpoint::{Dtype, LoadError, TensorView};
use crate::cpu::kernels::Kernels;
use crate::cpu::kernels::blocks::activations::{BlockFacts, PrepareJob};
use crate::cpu::kernels::blocks::{BLOCK_COLUMNS, BLOCK_ROWS, BlockJob};
use crate::cpu::kernels::product::{GROUP, ProductJob};
use crate::cpu::lanes::LANES;
use crate::cpu::memory::Arena;
use crate::cpu::pool::Pool;
use blocks::Blocks;
use plain::Plain;

pub(crate) use plain::widened;

/// Multiplications that are worth waking a thread for: some microseconds of one core.
const PART_PRODUCTS: usize = 64 * 1024;
/// Activations that are worth waking a thread for when they are prepared.
const PART_ACTIVATIONS: usize = 16 * 1024;

/// A matrix of `rows` outputs by `columns` inputs.
#[derive(Debug)]
pub(crate) struct Matrix {
    rows: usize,
    columns: usize,
    segments: Vec<Segment>,
    /// One per row, or empty.
    bias: Vec<f32>,
}

/// Rows of one type.
#[derive(Debug)]
struct Segment {
    first_row: usize,
    rows: usize,
    numbers: Numbers,
}

#[derive(Debug)]
enum Numbers {
    Plain(Plain),
    Blocks(Blocks),
}

/// Rows of activations: `count` rows, `stride` numbers apart.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) numbers: &'a [f32],
    pub(crate) stride: usize,
    pub(crate) count: usize,
}

/// Activations prepared for quantised weights; kept from product to product by the pool.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    bytes: Vec<i8>,
    /// Of the bytes.
    facts: Vec<BlockFacts>,
    /// Of activations that stay in f32.
    sums: Vec<BlockFacts>,
}

/// A length rounded up to whole lanes.
pub(crate) fn padded(length: usize) -> usize {
    length.next_multiple_of(LANES)
}

/// Bytes that a matrix of this type takes in memory.
pub(crate) fn matrix_bytes(dtype: Dtype, rows: usize, columns: usize) -> u64 {
    let bytes = match blocks::format_of(dtype) {
        Some(format) => {
            let (headers, quants) = format.matrix_bytes(rows, columns);
            headers + quants
        }
        None => rows.next_multiple_of(GROUP) * padded(columns) * dtype.block().1,
    };
    bytes as u64
}

/// Bytes that the prepared activations of one row of so many columns take.
pub(crate) fn prepared_bytes(columns: usize) -> u64 {
    (columns + columns.div_ceil(BLOCK_COLUMNS) * size_of::<BlockFacts>()) as u64
}

impl Matrix {
    /// The given matrices below each other, as one. All have `columns` columns; biases are none or one per row.
    pub(crate) fn pack(
        arena: &mut Arena,
        parts: &[TensorView<'_>],
        columns: usize,
        bias: Vec<f32>,
    ) -> Result<Matrix, LoadError> {
        let mut segments = Vec::new();
        let mut first_row = 0;
        for parts in parts.chunk_by(|a, b| a.dtype == b.dtype) {
            let rows = parts.iter().map(TensorView::rows).sum();
            let numbers = match blocks::format_of(parts[0].dtype) {
                Some(format) => Numbers::Blocks(Blocks::pack(arena, format, parts, rows, columns)?),
                None => Numbers::Plain(Plain::pack(arena, parts, rows, columns)?),
            };
            segments.push(Segment { first_row, rows, numbers });
            first_row += rows;
        }
        assert!(bias.is_empty() || bias.len() == first_row);
        Ok(Matrix { rows: first_row, columns, segments, bias })
    }

    /// Copies one row of weights, widened.
    pub(crate) fn copy_row(&self, row: usize, to: &mut [f32]) {
        let is_here = |segment: &&Segment| row >= segment.first_row && row < segment.first_row + segment.rows;
        let segment =
            self.segments.iter().find(is_here).expect("invariant: the caller names a row that exists");
        let (row, to) = (row - segment.first_row, &mut to[..self.columns]);
        match &segment.numbers {
            Numbers::Plain(plain) => plain.copy_row(row, to),
            Numbers::Blocks(blocks) => blocks.copy_row(row, to),
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
        let mut prepared = std::mem::take(&mut pool.prepared);
        self.prepare(pool, kernels, x, &mut prepared);
        let product = Product {
            matrix: self,
            kernels,
            x,
            prepared: &prepared,
            y: y.as_mut_ptr(),
            y_stride,
            accumulate,
        };
        let groups = self.segments.iter().map(Segment::groups).sum();
        let group_rows = self.segments.iter().map(Segment::group_rows).min().unwrap_or(1);
        let least = PART_PRODUCTS.div_ceil(group_rows * depth * x.count);
        pool.split(groups, least, |range| product.run(range));
        pool.prepared = prepared;
    }

    /// Prepares the activations in the ways that the segments need.
    fn prepare(&self, pool: &mut Pool, kernels: &Kernels, x: Rows<'_>, prepared: &mut Prepared) {
        let needs = |integers: bool| {
            self.segments.iter().any(|segment| match &segment.numbers {
                Numbers::Blocks(blocks) => blocks.format.has_integers() == integers,
                Numbers::Plain(_) => false,
            })
        };
        let blocks = self.columns / BLOCK_COLUMNS;
        let run = |bytes: *mut i8, facts: &mut Vec<BlockFacts>| {
            grow(facts, x.count * blocks);
            let (x, x_stride) = (x.numbers.as_ptr(), x.stride);
            PrepareJob { x, x_stride, blocks, bytes, facts: facts.as_mut_ptr() }
        };
        let least = PART_ACTIVATIONS.div_ceil(self.columns);
        // Both: the table fits the machine; buffers have room for the rows, as `multiply` has checked of `x`
        // and `grow` sees to; parts have different rows.
        if needs(true) {
            grow(&mut prepared.bytes, x.count * blocks * BLOCK_COLUMNS);
            let job = run(prepared.bytes.as_mut_ptr(), &mut prepared.facts);
            // SAFETY: as said above.
            pool.split(x.count, least, |rows| unsafe { (kernels.prepare)(&job, rows) });
        }
        if needs(false) {
            let job = run(std::ptr::null_mut(), &mut prepared.sums);
            // SAFETY: as said above.
            pool.split(x.count, least, |rows| unsafe { (kernels.prepare)(&job, rows) });
        }
    }
}

fn grow<T: Clone + Default>(buffer: &mut Vec<T>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, T::default());
    }
}

impl Segment {
    /// Rows that a kernel computes side by side.
    fn group_rows(&self) -> usize {
        match self.numbers {
            Numbers::Plain(_) => GROUP,
            Numbers::Blocks(_) => BLOCK_ROWS,
        }
    }

    fn groups(&self) -> usize {
        self.rows.div_ceil(self.group_rows())
    }
}

/// One multiplication, shared by the threads that compute it.
struct Product<'a> {
    matrix: &'a Matrix,
    kernels: &'a Kernels,
    x: Rows<'a>,
    prepared: &'a Prepared,
    y: *mut f32,
    y_stride: usize,
    accumulate: bool,
}

// SAFETY: `y` is written by parts of the loop that have different groups, and so different columns.
unsafe impl Sync for Product<'_> {}

impl Product<'_> {
    /// Computes some groups, counted through all segments.
    fn run(&self, range: Range<usize>) {
        let mut before = 0;
        for segment in &self.matrix.segments {
            let groups = segment.groups();
            let start = range.start.clamp(before, before + groups) - before;
            let end = range.end.clamp(before, before + groups) - before;
            if start < end {
                self.run_segment(segment, start..end);
            }
            before += groups;
        }
    }

    fn run_segment(&self, segment: &Segment, groups: Range<usize>) {
        // All: the table fits the machine; the asserts of `multiply` and what `pack` and `prepare` have
        // sized hold what the jobs promise; parts of the loop have different groups.
        match &segment.numbers {
            Numbers::Plain(Plain::F32(numbers)) => {
                let job = self.plain_job(segment, numbers.as_ptr());
                // SAFETY: as said above.
                unsafe { (self.kernels.product_f32)(&job, groups) }
            }
            Numbers::Plain(Plain::Bf16(numbers)) => {
                let job = self.plain_job(segment, numbers.as_ptr());
                // SAFETY: as said above.
                unsafe { (self.kernels.product_bf16)(&job, groups) }
            }
            Numbers::Plain(Plain::F16(numbers)) => {
                let job = self.plain_job(segment, numbers.as_ptr());
                // SAFETY: as said above.
                unsafe { (self.kernels.product_f16)(&job, groups) }
            }
            Numbers::Blocks(blocks) => {
                let job = self.block_job(segment, blocks);
                // SAFETY: as said above.
                unsafe { (self.kernels.product_blocks)(&job, groups) }
            }
        }
    }

    fn plain_job<W>(&self, segment: &Segment, weights: *const W) -> ProductJob<W> {
        ProductJob {
            weights,
            chunks: self.matrix.columns.div_ceil(LANES),
            columns: segment.rows,
            bias: self.bias(segment),
            x: self.x.numbers.as_ptr(),
            x_stride: self.x.stride,
            rows: self.x.count,
            y: self.y.wrapping_add(segment.first_row),
            y_stride: self.y_stride,
            accumulate: self.accumulate,
        }
    }

    fn block_job(&self, segment: &Segment, blocks: &Blocks) -> BlockJob {
        let prepared = self.prepared;
        let facts = if blocks.format.has_integers() { &prepared.facts } else { &prepared.sums };
        BlockJob {
            format: blocks.format,
            headers: blocks.headers.as_ptr(),
            quants: blocks.quants.as_ptr(),
            blocks: self.matrix.columns / BLOCK_COLUMNS,
            columns: segment.rows,
            bias: self.bias(segment),
            x: self.x.numbers.as_ptr(),
            x_stride: self.x.stride,
            bytes: prepared.bytes.as_ptr(),
            facts: facts.as_ptr(),
            rows: self.x.count,
            y: self.y.wrapping_add(segment.first_row),
            y_stride: self.y_stride,
            accumulate: self.accumulate,
        }
    }

    fn bias(&self, segment: &Segment) -> *const f32 {
        match self.matrix.bias.get(segment.first_row..) {
            Some(bias) if !bias.is_empty() => bias.as_ptr(),
            _ => std::ptr::null(),
        }
    }
}

#[cfg(test)]
mod tests;
