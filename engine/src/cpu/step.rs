//! One forward pass over the rows of a plan.
//!
//! One matrix product per weight for the rows of all sequences; attention per sequence over its blocks. Buffers are
//! kept from step to step; rows are padded to whole lanes with zeros that nothing ever overwrites.
#![expect(unsafe_code, reason = "calls kernels with buffers sized here")]

mod feed_forward;
mod space;

use std::ops::Range;

use crate::checkpoint::DecoderConfig;
use crate::cpu::angles::Angles;
use crate::cpu::decoder::{Decoder, Layer};
use crate::cpu::kernels::Kernels;
use crate::cpu::kernels::attention::{AttentionJob, AttentionUnit};
use crate::cpu::kernels::rows::{CAP_PIECE, CapJob, NormJob, RotateJob};
use crate::cpu::kv::KvLayout;
use crate::cpu::matrix::{Rows, padded};
use crate::cpu::plan::{Plan, Segment};
use crate::cpu::pool::Pool;
pub(crate) use space::{RowWidths, Workspace};

/// Rows of a sequence that one unit of attention takes. More share each block's keys; fewer spread better.
const UNIT_ROWS: usize = 16;
/// Numbers that are worth waking a thread for in the kernels that go row by row.
const PART_NUMBERS: usize = 16 * 1024;

/// Everything that a pass reads, and the pool it runs on.
pub(crate) struct Pass<'a> {
    pub(crate) config: &'a DecoderConfig,
    pub(crate) decoder: &'a Decoder,
    pub(crate) kernels: &'a Kernels,
    pub(crate) layout: KvLayout,
    pub(crate) pool: &'a mut Pool,
    pub(crate) space: &'a mut Workspace,
}

impl Pass<'_> {
    /// Computes the plan. `logits` gets one row for each of its logit rows.
    pub(crate) fn run(&mut self, plan: &Plan<'_>, logits: &mut Vec<f32>) {
        self.run_layers(plan);
        self.head(&plan.logit_rows, logits);
    }

    fn run_layers(&mut self, plan: &Plan<'_>) {
        let rows = plan.tokens.len();
        self.space.grow(self.config, rows);
        let stride = padded(self.config.hidden);
        let mut given = plan.given.iter().peekable();
        for (row, &token) in plan.tokens.iter().enumerate() {
            let to = &mut self.space.stream[row * stride..][..self.config.hidden];
            if let Some((_, numbers)) = given.next_if(|(at, _)| *at == row) {
                to.copy_from_slice(numbers);
                continue;
            }
            self.decoder.embedding.copy_row(token as usize, to);
            if self.config.embedding_scale != 1.0 {
                to.iter_mut().for_each(|number| *number *= self.config.embedding_scale);
            }
        }
        for (number, layer) in self.decoder.layers.iter().enumerate() {
            self.attention(plan, number, layer);
            self.feed_forward(rows, number, layer);
        }
    }

    /// `stream += after(output(attention(before(stream))))`.
    fn attention(&mut self, plan: &Plan<'_>, number: usize, layer: &Layer) {
        let (config, rows) = (self.config, plan.tokens.len());
        self.norm_stream(&layer.attention_norm, rows);
        let width = config.query_width() + 2 * config.kv_width();
        let x = Rows { numbers: &self.space.normed, stride: padded(config.hidden), count: rows };
        let y = &mut self.space.query_key_value;
        layer.query_key_value.multiply(self.pool, self.kernels, x, y, width, false);
        self.rotate(plan, number, layer, width);
        self.attend(plan, number, layer, width);
        let x = Rows { numbers: &self.space.attended, stride: padded(config.query_width()), count: rows };
        let adds = layer.attention_output_norm.is_empty();
        let y = if adds { &mut self.space.stream } else { &mut self.space.output };
        layer.attention_output.multiply(self.pool, self.kernels, x, y, padded(config.hidden), adds);
        self.add_output(&layer.attention_output_norm, rows);
    }

    /// `stream += norm(output)`, if there is such a norm.
    fn add_output(&mut self, weight: &[f32], rows: usize) {
        if !weight.is_empty() {
            let (x, y) = (self.space.output.as_ptr(), self.space.stream.as_mut_ptr());
            self.norm(x, y, weight, rows, true);
        }
    }

    fn rotate(&mut self, plan: &Plan<'_>, number: usize, layer: &Layer, width: usize) {
        let config = self.config;
        let kind = config.layers[number].rotary;
        let job = RotateJob {
            qkv: self.space.query_key_value.as_mut_ptr(),
            stride: width,
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_width: config.head_width,
            rotary_width: config.rotary[kind].width,
            angles_offset: Angles::offset(config, kind),
            value_width: self.layout.value_width,
            query_norm: pointer_or_null(&layer.query_norm),
            key_norm: pointer_or_null(&layer.key_norm),
            epsilon: config.norm_epsilon,
            rows: plan.places.as_ptr(),
            layer_offset: number * self.layout.layer_numbers,
        };
        let kernel = self.kernels.rotate;
        // SAFETY: the table fits the machine; buffers have room for the plan's rows; the plan checked that no two
        // rows write to one place; parts have different rows.
        self.pool
            .split(plan.tokens.len(), PART_NUMBERS.div_ceil(width), |rows| unsafe { kernel(&job, rows) });
    }

    fn attend(&mut self, plan: &Plan<'_>, number: usize, layer: &Layer, width: usize) {
        let config = self.config;
        let job = AttentionJob {
            queries: self.space.query_key_value.as_ptr(),
            queries_stride: width,
            y: self.space.attended.as_mut_ptr(),
            y_stride: padded(config.query_width()),
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_width: config.head_width,
            value_width: self.layout.value_width,
            window: config.layers[number].window,
            scale: config.attention_scale,
            cap: config.attention_cap,
            sinks: pointer_or_null(&layer.sinks),
            layer_offset: number * self.layout.layer_numbers,
        };
        let units = attention_units(plan, config);
        let seen: usize = units.iter().map(|unit| unit.rows * (unit.position + unit.rows)).sum();
        let group_width = config.query_width() / config.kv_heads;
        let numbers_per_unit = (seen * group_width / units.len().max(1)).max(1);
        let kernel = self.kernels.attention;
        self.pool.split(units.len(), (4 * PART_NUMBERS).div_ceil(numbers_per_unit), |range| {
            for unit in &units[range] {
                // SAFETY: the table fits the machine; the plan's blocks hold what the rows see, because earlier
                // positions were written by earlier steps and those of this step just now; units differ in rows
                // or head.
                unsafe { kernel(&job, unit) };
            }
        });
    }

    /// `normed = norm(stream)` for all rows.
    fn norm_stream(&mut self, weight: &[f32], rows: usize) {
        let (x, y) = (self.space.stream.as_ptr(), self.space.normed.as_mut_ptr());
        self.norm(x, y, weight, rows, false);
    }

    /// `y = norm(x)` or `y += norm(x)` for two buffers of rows of the stream's width.
    fn norm(&mut self, x: *const f32, y: *mut f32, weight: &[f32], rows: usize, accumulate: bool) {
        let stride = padded(self.config.hidden);
        let job = NormJob {
            x,
            x_stride: stride,
            y,
            y_stride: stride,
            weight: weight.as_ptr(),
            width: self.config.hidden,
            epsilon: self.config.norm_epsilon,
            accumulate,
        };
        assert!(weight.len() >= self.config.hidden);
        let kernel = self.kernels.norm;
        // SAFETY: the table fits the machine; buffers have room for the rows; parts have different rows.
        self.pool.split(rows, PART_NUMBERS.div_ceil(stride), |rows| unsafe { kernel(&job, rows) });
    }

    /// Computes the plan without a head. `hidden` gets the state behind the last norm, for each row.
    pub(crate) fn run_hidden(&mut self, plan: &Plan<'_>, hidden: &mut Vec<f32>) {
        let rows = plan.tokens.len();
        self.run_layers(plan);
        self.norm_stream(&self.decoder.norm, rows);
        let (stride, width) = (padded(self.config.hidden), self.config.hidden);
        for row in self.space.normed.chunks_exact(stride).take(rows) {
            hidden.extend_from_slice(&row[..width]);
        }
    }

    /// Logits of the wanted rows alone.
    fn head(&mut self, wanted: &[usize], logits: &mut Vec<f32>) {
        let (stride, vocabulary) = (padded(self.config.hidden), self.config.vocabulary);
        // Wanted rows move up: the target is never behind the source, and the stream is not needed afterwards.
        for (to, &from) in wanted.iter().enumerate() {
            self.space.stream.copy_within(from * stride..(from + 1) * stride, to * stride);
        }
        self.norm_stream(&self.decoder.norm, wanted.len());
        logits.resize(wanted.len() * vocabulary, 0.0);
        let x = Rows { numbers: &self.space.normed, stride, count: wanted.len() };
        self.decoder.head().multiply(self.pool, self.kernels, x, logits, vocabulary, false);
        if let Some(cap) = self.config.logit_cap {
            let job = CapJob { numbers: logits.as_mut_ptr(), count: logits.len(), cap };
            let kernel = self.kernels.cap;
            let pieces = logits.len().div_ceil(CAP_PIECE);
            // SAFETY: the table fits the machine; parts have different pieces of the logits.
            self.pool
                .split(pieces, PART_NUMBERS.div_ceil(CAP_PIECE), |pieces| unsafe { kernel(&job, pieces) });
        }
    }
}

fn pointer_or_null(numbers: &[f32]) -> *const f32 {
    if numbers.is_empty() { std::ptr::null() } else { numbers.as_ptr() }
}

/// Cuts the rows of each sequence into units, for each KV head, those with the longest past first.
fn attention_units(plan: &Plan<'_>, config: &DecoderConfig) -> Vec<AttentionUnit> {
    let mut units = Vec::new();
    for segment in &plan.segments {
        let blocks = plan.blocks[segment.first_block..].as_ptr();
        for (positions, picture) in runs(segment).into_iter().rev() {
            for position in positions.clone().step_by(UNIT_ROWS).rev() {
                let rows = UNIT_ROWS.min(positions.end - position);
                let first_row = segment.first_row + position - segment.position;
                units.extend((0..config.kv_heads).map(|kv_head| {
                    let picture = picture.clone();
                    AttentionUnit { first_row, rows, position, kv_head, blocks, picture }
                }));
            }
        }
    }
    units
}

/// The positions of a segment, cut where pictures begin and end, each with the picture that it is a part of.
fn runs(segment: &Segment) -> Vec<(Range<usize>, Option<Range<usize>>)> {
    let (mut at, end) = (segment.position, segment.position + segment.rows);
    let mut runs = Vec::new();
    for picture in &segment.pictures {
        runs.push((at..picture.start.max(at), None));
        runs.push((picture.start.max(at)..picture.end, Some(picture.clone())));
        at = picture.end;
    }
    runs.push((at..end, None));
    runs.retain(|(positions, _)| !positions.is_empty());
    runs
}
