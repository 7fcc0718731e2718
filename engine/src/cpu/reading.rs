//! What models share that read something whole, text or picture: attention to all of it, layer norms, work by rows.
//!
//! The attention kernel lets a query see what lies up to its position, so each query is asked for as if it stood at
//! the end of what it reads; rotation of no part of a head puts keys and values into blocks. So these models too have the same
//! bits on every machine and in every batch.
#![expect(unsafe_code, reason = "calls kernels with buffers sized here")]

use std::sync::{Mutex, PoisonError};

use crate::backend::BLOCK_TOKENS;
use crate::cpu::kernels::Kernels;
use crate::cpu::kernels::attention::{AttentionJob, AttentionUnit};
use crate::cpu::kernels::rows::{RotateJob, RotateRow};
use crate::cpu::matrix::padded;
use crate::cpu::pool::Pool;

/// The rows of some readings, below each other, and room for the keys and values of one layer.
pub(crate) struct Reading {
    heads: usize,
    head_width: usize,
    lengths: Vec<usize>,
    rows: usize,
    /// A block of [`BLOCK_TOKENS`] after another; written anew by each layer.
    _memory: Vec<f32>,
    /// For each reading, pointers to its blocks.
    blocks: Vec<Vec<*mut f32>>,
    places: Vec<RotateRow>,
}

impl Reading {
    /// Readings of these lengths by heads of an even width.
    pub(crate) fn new(heads: usize, head_width: usize, lengths: Vec<usize>) -> Reading {
        let rows = lengths.iter().sum();
        let block_numbers = heads * BLOCK_TOKENS * (head_width + padded(head_width));
        let block_count = lengths.iter().map(|length| length.div_ceil(BLOCK_TOKENS)).sum::<usize>();
        let mut memory = vec![0.0; block_count * block_numbers];
        let mut free = memory.chunks_exact_mut(block_numbers).map(<[f32]>::as_mut_ptr);
        let mut blocks = Vec::with_capacity(lengths.len());
        let mut places = Vec::with_capacity(rows);
        for length in &lengths {
            let own: Vec<*mut f32> = free.by_ref().take(length.div_ceil(BLOCK_TOKENS)).collect();
            places.extend((0..*length).map(|position| RotateRow {
                block: own[position / BLOCK_TOKENS],
                slot: position % BLOCK_TOKENS,
                angles: std::ptr::null(),
            }));
            blocks.push(own);
        }
        drop(free);
        Reading { heads, head_width, lengths, rows, _memory: memory, blocks, places }
    }

    /// All rows together.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Attends with q, k and v, which lie beside each other in the rows of `wide`, into rows of `attended`.
    pub(crate) fn attend(&self, pool: &mut Pool, kernels: &Kernels, wide: &mut [f32], attended: &mut [f32]) {
        let (heads, head_width) = (self.heads, self.head_width);
        let (width, stride) = (3 * heads * head_width, padded(heads * head_width));
        assert!(wide.len() >= self.rows * width && attended.len() >= self.rows * stride);
        let job = RotateJob {
            qkv: wide.as_mut_ptr(),
            stride: width,
            heads,
            kv_heads: heads,
            head_width,
            rotary_width: 0,
            angles_offset: 0,
            value_width: padded(head_width),
            query_norm: std::ptr::null(),
            key_norm: std::ptr::null(),
            epsilon: 0.0,
            rows: self.places.as_ptr(),
            layer_offset: 0,
        };
        let rotate = kernels.rotate;
        // SAFETY: the table fits the machine; the assert holds the sizes; each row has a place of its own.
        pool.split(self.rows, 1, |rows| unsafe { rotate(&job, rows) });
        let job = AttentionJob {
            queries: wide.as_ptr(),
            queries_stride: width,
            y: attended.as_mut_ptr(),
            y_stride: stride,
            heads,
            kv_heads: heads,
            head_width,
            value_width: padded(head_width),
            window: None,
            scale: (1.0 / (head_width as f64).sqrt()) as f32,
            cap: None,
            sinks: std::ptr::null(),
            layer_offset: 0,
        };
        let units = self.units();
        let attention = kernels.attention;
        pool.split(units.len(), 1, |range| {
            for unit in &units[range] {
                // SAFETY: the table fits the machine; the blocks of a reading were written whole just now; units
                // differ in row or head.
                unsafe { attention(&job, unit) };
            }
        });
    }

    /// One unit per row and head: its query stands at the end, so that it sees all.
    fn units(&self) -> Vec<AttentionUnit> {
        let mut units = Vec::with_capacity(self.rows * self.heads);
        let mut first_row = 0;
        for (length, blocks) in self.lengths.iter().zip(&self.blocks) {
            for row in first_row..first_row + length {
                units.extend((0..self.heads).map(|kv_head| AttentionUnit {
                    first_row: row,
                    rows: 1,
                    position: length - 1,
                    kv_head,
                    blocks: blocks.as_ptr(),
                    picture: None,
                }));
            }
            first_row += length;
        }
        units
    }
}

/// `(x - mean) / sqrt(variance + epsilon) * weight + bias`.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) epsilon: f32,
}

impl LayerNorm {
    /// Of one row in place; sums in order and in double precision.
    pub(crate) fn apply(&self, row: &mut [f32]) {
        let count = row.len() as f64;
        let mean = row.iter().map(|number| f64::from(*number)).sum::<f64>() / count;
        let variance = row.iter().map(|number| (f64::from(*number) - mean).powi(2)).sum::<f64>() / count;
        let scale = 1.0 / (variance + f64::from(self.epsilon)).sqrt();
        for ((number, weight), bias) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
            *number = ((f64::from(*number) - mean) * scale) as f32 * weight + bias;
        }
    }
}

/// Runs something for each row, on all threads.
pub(crate) fn each_row(
    pool: &mut Pool,
    numbers: &mut [f32],
    stride: usize,
    rows: usize,
    work: impl Fn(&mut [f32]) + Sync,
) {
    let rows: Vec<Mutex<&mut [f32]>> = numbers.chunks_exact_mut(stride).take(rows).map(Mutex::new).collect();
    pool.split(rows.len(), 1, |range| {
        for row in &rows[range] {
            work(&mut row.lock().unwrap_or_else(PoisonError::into_inner));
        }
    });
}
