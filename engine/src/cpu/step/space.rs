//! Buffers of a step, and how wide their rows are.
//!
//! Kept by the backend from step to step, grown by the pass, counted by `budget.rs`.

use crate::checkpoint::{DecoderConfig, FeedForward};
use crate::cpu::matrix::padded;

/// Buffers of a step.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    /// The residual stream.
    pub(super) stream: Vec<f32>,
    pub(super) normed: Vec<f32>,
    pub(super) query_key_value: Vec<f32>,
    pub(super) attended: Vec<f32>,
    pub(super) gates: Vec<f32>,
    pub(super) gated: Vec<f32>,
    /// What attention or feed-forward says, where it is not added to the stream at once.
    pub(super) output: Vec<f32>,
    /// Rows of one expert, and what it says of them.
    pub(super) gathered: Vec<f32>,
    pub(super) expert_output: Vec<f32>,
    pub(super) router_logits: Vec<f32>,
}

impl Workspace {
    /// Makes room for so many rows. What is new is zero.
    pub(super) fn grow(&mut self, config: &DecoderConfig, rows: usize) {
        let widths = RowWidths::new(config);
        let buffers = [
            (&mut self.stream, widths.hidden),
            (&mut self.normed, widths.hidden),
            (&mut self.query_key_value, widths.query_key_value),
            (&mut self.attended, widths.attended),
            (&mut self.gates, widths.gates),
            (&mut self.gated, widths.gated),
            (&mut self.output, widths.output),
            (&mut self.gathered, widths.expert_rows),
            (&mut self.expert_output, widths.expert_rows),
            (&mut self.router_logits, widths.router_logits),
        ];
        for (buffer, width) in buffers {
            if buffer.len() < rows * width {
                buffer.resize(rows * width, 0.0);
            }
        }
    }
}

/// Numbers per row in each buffer.
pub(crate) struct RowWidths {
    hidden: usize,
    query_key_value: usize,
    attended: usize,
    gates: usize,
    gated: usize,
    output: usize,
    expert_rows: usize,
    router_logits: usize,
}

impl RowWidths {
    pub(crate) fn new(config: &DecoderConfig) -> RowWidths {
        let hidden = padded(config.hidden);
        let of_parts = |width: fn(&FeedForward) -> usize| {
            config.layers.iter().map(|layer| width(&layer.feed_forward)).max().unwrap_or(0)
        };
        let intermediate = of_parts(FeedForward::intermediate);
        let experts = of_parts(|part| match part {
            FeedForward::Dense(_) => 0,
            FeedForward::Experts(experts) => experts.experts,
        });
        RowWidths {
            hidden,
            query_key_value: config.query_width() + 2 * config.kv_width(),
            attended: padded(config.query_width()),
            gates: 2 * intermediate,
            gated: padded(intermediate),
            output: if config.norms_after { hidden } else { 0 },
            expert_rows: if experts > 0 { hidden } else { 0 },
            router_logits: experts,
        }
    }

    /// Of all buffers.
    pub(crate) fn total(&self) -> usize {
        2 * self.hidden
            + self.query_key_value
            + self.attended
            + self.gates
            + self.gated
            + self.output
            + 2 * self.expert_rows
            + self.router_logits
    }
}
