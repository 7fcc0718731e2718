//! The feed-forward part of a block: dense, or a mixture of experts.
//!
//! A part of the pass. The rows that an expert was chosen for are gathered and go through it as one product; what
//! experts say of a row is added in the order of their numbers, so neither the other rows of a step nor their number
//! change a bit.

use super::{PART_NUMBERS, Pass};
use crate::checkpoint::FeedForward;
use crate::cpu::decoder::{FeedForwardWeights, Gated, Layer};
use crate::cpu::kernels::rows::GateJob;
use crate::cpu::matrix::{Matrix, Rows, padded};
use crate::cpu::router::{Choice, choose};

impl Pass<'_> {
    /// `stream += after(feed_forward(before(stream)))`.
    pub(super) fn feed_forward(&mut self, rows: usize, number: usize, layer: &Layer) {
        self.norm_stream(&layer.feed_forward_norm, rows);
        let adds = layer.feed_forward_output_norm.is_empty();
        match &layer.feed_forward {
            FeedForwardWeights::Dense(gated) => self.dense(rows, number, gated, adds),
            FeedForwardWeights::Experts { router, experts } => {
                let lists = self.route(rows, number, router);
                if !adds {
                    self.space.output[..rows * padded(self.config.hidden)].fill(0.0);
                }
                for (expert, list) in experts.iter().zip(&lists) {
                    self.expert(number, expert, list, adds);
                }
            }
        }
        self.add_output(&layer.feed_forward_output_norm, rows);
    }

    /// Adds to the stream, or writes to the output.
    fn dense(&mut self, rows: usize, number: usize, gated: &Gated, adds: bool) {
        let stride = padded(self.config.hidden);
        let width = self.config.layers[number].feed_forward.intermediate();
        let x = Rows { numbers: &self.space.normed, stride, count: rows };
        gated.gate_up.multiply(self.pool, self.kernels, x, &mut self.space.gates, 2 * width, false);
        self.gate(rows, width);
        let x = Rows { numbers: &self.space.gated, stride: padded(width), count: rows };
        let y = if adds { &mut self.space.stream } else { &mut self.space.output };
        gated.down.multiply(self.pool, self.kernels, x, y, stride, adds);
    }

    /// `gated = activation(gates, ups)`.
    #[expect(unsafe_code, reason = "calls a kernel with buffers sized before")]
    fn gate(&mut self, rows: usize, width: usize) {
        let job = GateJob {
            gates: self.space.gates.as_ptr(),
            gates_stride: 2 * width,
            y: self.space.gated.as_mut_ptr(),
            y_stride: padded(width),
            width,
            activation: self.config.activation,
        };
        let kernel = self.kernels.gate;
        // SAFETY: the table fits the machine; buffers have room for the rows; parts have different rows.
        self.pool.split(rows, PART_NUMBERS.div_ceil(4 * width), |rows| unsafe { kernel(&job, rows) });
    }

    /// The rows of each expert.
    fn route(&mut self, rows: usize, number: usize, router: &Matrix) -> Vec<Vec<Choice>> {
        let FeedForward::Experts(config) = self.config.layers[number].feed_forward else {
            return Vec::new();
        };
        let x = Rows { numbers: &self.space.normed, stride: padded(self.config.hidden), count: rows };
        let logits = &mut self.space.router_logits;
        router.multiply(self.pool, self.kernels, x, logits, config.experts, false);
        let mut lists = vec![Vec::new(); config.experts];
        for (row, logits) in logits.chunks_exact(config.experts).take(rows).enumerate() {
            choose(&config, logits, row, &mut lists);
        }
        lists
    }

    /// Adds what one expert says of its rows to the stream or to the output.
    fn expert(&mut self, number: usize, expert: &Gated, list: &[Choice], to_stream: bool) {
        if list.is_empty() {
            return;
        }
        let stride = padded(self.config.hidden);
        let width = self.config.layers[number].feed_forward.intermediate();
        for (choice, to) in list.iter().zip(self.space.gathered.chunks_exact_mut(stride)) {
            to.copy_from_slice(&self.space.normed[choice.row * stride..][..stride]);
        }
        let x = Rows { numbers: &self.space.gathered, stride, count: list.len() };
        expert.gate_up.multiply(self.pool, self.kernels, x, &mut self.space.gates, 2 * width, false);
        self.gate(list.len(), width);
        let x = Rows { numbers: &self.space.gated, stride: padded(width), count: list.len() };
        expert.down.multiply(self.pool, self.kernels, x, &mut self.space.expert_output, stride, false);
        let sums = if to_stream { &mut self.space.stream } else { &mut self.space.output };
        for (choice, said) in list.iter().zip(self.space.expert_output.chunks_exact(stride)) {
            let sums = &mut sums[choice.row * stride..][..self.config.hidden];
            for (sum, number) in sums.iter_mut().zip(said) {
                *sum += choice.weight * number;
            }
        }
    }
}
