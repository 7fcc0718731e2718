//! One forward pass over the rows of a plan.
//!
//! One matrix product per weight for the rows of all sequences; attention per sequence over its blocks. Buffers are
//! kept from step to step; rows are padded to whole lanes with zeros that nothing ever overwrites.
#![expect(unsafe_code, reason = "calls kernels with buffers sized here")]

use crate::backend::BLOCK_TOKENS;
use crate::checkpoint::DecoderConfig;
use crate::cpu::decoder::{Decoder, Layer};
use crate::cpu::kernels::Kernels;
use crate::cpu::kernels::attention::{AttentionJob, AttentionUnit};
use crate::cpu::kernels::rows::{GateJob, NormJob, RotateJob};
use crate::cpu::kv::KvLayout;
use crate::cpu::matrix::{Rows, padded};
use crate::cpu::plan::Plan;
use crate::cpu::pool::Pool;

/// Rows of a sequence that one unit of attention takes. More share each block's keys; fewer spread better.
const UNIT_ROWS: usize = 16;
/// Numbers that are worth waking a thread for in the kernels that go row by row.
const PART_NUMBERS: usize = 16 * 1024;

/// Buffers of a step.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    /// The residual stream.
    stream: Vec<f32>,
    normed: Vec<f32>,
    query_key_value: Vec<f32>,
    attended: Vec<f32>,
    gates: Vec<f32>,
    gated: Vec<f32>,
}

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
    pub(crate) fn run(&mut self, plan: &Plan, logits: &mut Vec<f32>) {
        let rows = plan.tokens.len();
        self.make_space(rows);
        let stride = padded(self.config.hidden);
        for (row, &token) in plan.tokens.iter().enumerate() {
            let to = &mut self.space.stream[row * stride..][..self.config.hidden];
            self.decoder.embedding.copy_row(token as usize, to);
        }
        for (number, layer) in self.decoder.layers.iter().enumerate() {
            self.attention(plan, number, layer);
            self.feed_forward(rows, layer);
        }
        self.head(&plan.logit_rows, logits);
    }

    fn make_space(&mut self, rows: usize) {
        let config = self.config;
        let grow = |buffer: &mut Vec<f32>, stride: usize| {
            if buffer.len() < rows * stride {
                buffer.resize(rows * stride, 0.0);
            }
        };
        grow(&mut self.space.stream, padded(config.hidden));
        grow(&mut self.space.normed, padded(config.hidden));
        grow(&mut self.space.query_key_value, config.query_width() + 2 * config.kv_width());
        grow(&mut self.space.attended, padded(config.query_width()));
        grow(&mut self.space.gates, 2 * config.intermediate);
        grow(&mut self.space.gated, padded(config.intermediate));
    }

    /// `stream += output(attention(norm(stream)))`.
    fn attention(&mut self, plan: &Plan, number: usize, layer: &Layer) {
        let (config, rows) = (self.config, plan.tokens.len());
        self.norm(&layer.attention_norm, rows);
        let width = config.query_width() + 2 * config.kv_width();
        let x = Rows { numbers: &self.space.normed, stride: padded(config.hidden), count: rows };
        let y = &mut self.space.query_key_value;
        layer.query_key_value.multiply(self.pool, self.kernels, x, y, width, false);
        self.rotate(plan, number, layer, width);
        self.attend(plan, number, width);
        let x = Rows { numbers: &self.space.attended, stride: padded(config.query_width()), count: rows };
        let y = &mut self.space.stream;
        layer.attention_output.multiply(self.pool, self.kernels, x, y, padded(config.hidden), true);
    }

    fn rotate(&mut self, plan: &Plan, number: usize, layer: &Layer, width: usize) {
        let config = self.config;
        let pointer = |norm: &[f32]| if norm.is_empty() { std::ptr::null() } else { norm.as_ptr() };
        let job = RotateJob {
            qkv: self.space.query_key_value.as_mut_ptr(),
            stride: width,
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_width: config.head_width,
            value_width: self.layout.value_width,
            query_norm: pointer(&layer.query_norm),
            key_norm: pointer(&layer.key_norm),
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

    fn attend(&mut self, plan: &Plan, number: usize, width: usize) {
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
            window: config.windows[number],
            scale: (1.0 / (config.head_width as f64).sqrt()) as f32,
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

    /// `stream += down(silu(gate(norm(stream))) * up(norm(stream)))`.
    fn feed_forward(&mut self, rows: usize, layer: &Layer) {
        let config = self.config;
        let (stride, width) = (padded(config.hidden), config.intermediate);
        self.norm(&layer.feed_forward_norm, rows);
        let x = Rows { numbers: &self.space.normed, stride, count: rows };
        layer.gate_up.multiply(self.pool, self.kernels, x, &mut self.space.gates, 2 * width, false);
        let job = GateJob {
            gates: self.space.gates.as_ptr(),
            gates_stride: 2 * width,
            y: self.space.gated.as_mut_ptr(),
            y_stride: padded(width),
            width,
        };
        let kernel = self.kernels.gate;
        // SAFETY: the table fits the machine; buffers have room for the rows; parts have different rows.
        self.pool.split(rows, PART_NUMBERS.div_ceil(4 * width), |rows| unsafe { kernel(&job, rows) });
        let x = Rows { numbers: &self.space.gated, stride: padded(width), count: rows };
        layer.down.multiply(self.pool, self.kernels, x, &mut self.space.stream, stride, true);
    }

    /// `normed = norm(stream)` for all rows.
    fn norm(&mut self, weight: &[f32], rows: usize) {
        let stride = padded(self.config.hidden);
        let job = NormJob {
            x: self.space.stream.as_ptr(),
            x_stride: stride,
            y: self.space.normed.as_mut_ptr(),
            y_stride: stride,
            weight: weight.as_ptr(),
            width: self.config.hidden,
            epsilon: self.config.norm_epsilon,
        };
        assert!(weight.len() >= self.config.hidden);
        let kernel = self.kernels.norm;
        // SAFETY: the table fits the machine; buffers have room for the rows; parts have different rows.
        self.pool.split(rows, PART_NUMBERS.div_ceil(stride), |rows| unsafe { kernel(&job, rows) });
    }

    /// Logits of the wanted rows alone.
    fn head(&mut self, wanted: &[usize], logits: &mut Vec<f32>) {
        let (stride, vocabulary) = (padded(self.config.hidden), self.config.vocabulary);
        // Wanted rows move up: the target is never behind the source, and the stream is not needed afterwards.
        for (to, &from) in wanted.iter().enumerate() {
            self.space.stream.copy_within(from * stride..(from + 1) * stride, to * stride);
        }
        self.norm(&self.decoder.norm, wanted.len());
        logits.resize(wanted.len() * vocabulary, 0.0);
        let x = Rows { numbers: &self.space.normed, stride, count: wanted.len() };
        self.decoder.head().multiply(self.pool, self.kernels, x, logits, vocabulary, false);
    }
}

/// Cuts the rows of each sequence into units, for each KV head, those with the longest past first.
fn attention_units(plan: &Plan, config: &DecoderConfig) -> Vec<AttentionUnit> {
    let mut units = Vec::new();
    for segment in &plan.segments {
        for start in (0..segment.rows).step_by(UNIT_ROWS).rev() {
            let rows = UNIT_ROWS.min(segment.rows - start);
            let position = segment.position + start;
            let blocks = (position + rows).div_ceil(BLOCK_TOKENS);
            let blocks = plan.blocks[segment.first_block..][..blocks].as_ptr();
            for kv_head in 0..config.kv_heads {
                let first_row = segment.first_row + start;
                units.push(AttentionUnit { first_row, rows, position, kv_head, blocks });
            }
        }
    }
    units
}
