//! The CPU backend: a decoder computed in pure Rust, with the same bits on every machine and in every batch.
//!
//! The promise is what a continued conversation rests on: each element of each result is computed in one fixed
//! order of IEEE operations ([`lanes`]), whatever else is in the step, however a prompt is cut, however many threads
//! there are, and whichever instruction set the machine has. The engine above decides what is in a step.

mod angles;
mod budget;
mod decoder;
mod kernels;
mod kv;
mod lanes;
mod matrix;
mod memory;
mod plan;
mod pool;
mod step;

use crate::backend::{Backend, BackendError, BackendShape, SequenceStep};
use crate::checkpoint::{Checkpoint, DecoderConfig, LoadError};
use angles::Angles;
use decoder::Decoder;
use kernels::Kernels;
use kv::{KvBlocks, KvLayout};
use plan::Plan;
use pool::Pool;
use step::{Pass, Workspace};

pub use budget::{MemoryBudget, budget, kv_bytes_per_block};
pub use kernels::InstructionSet;

/// Most threads that can be asked for.
const THREADS_MAX: usize = 1024;

/// How to load the backend.
#[derive(Default)]
pub struct CpuOptions<'a> {
    /// Threads for computing, 0 to 1024; 0 means one per core.
    pub threads: usize,
    /// KV blocks that there are, 1 to 2^32 - 1; each takes memory when it is first written.
    pub kv_blocks: usize,
    /// Told of bytes done and bytes in all while weights are read.
    pub progress: Option<&'a mut dyn FnMut(u64, u64)>,
    /// Kernels to use; none means the widest that the machine has. No choice changes a result.
    pub instruction_set: Option<InstructionSet>,
}

/// A loaded model on the CPU.
#[derive(Debug)]
pub struct CpuBackend {
    config: DecoderConfig,
    decoder: Decoder,
    angles: Angles,
    kv: KvBlocks,
    kernels: Kernels,
    pool: Pool,
    space: Workspace,
}

impl CpuBackend {
    /// Reads the weights into memory and starts the threads.
    pub fn load(checkpoint: &Checkpoint, options: CpuOptions<'_>) -> Result<CpuBackend, LoadError> {
        let refuse = |option, found: String, expected: &str| {
            Err(LoadError::Option { option, found, expected: expected.to_owned() })
        };
        if options.threads > THREADS_MAX {
            return refuse("threads", options.threads.to_string(), "0 to 1024");
        }
        if options.kv_blocks == 0 || options.kv_blocks > u32::MAX as usize {
            return refuse("kv_blocks", options.kv_blocks.to_string(), "1 to 2^32 - 1");
        }
        let available = InstructionSet::available();
        let widest = *available.last().expect("invariant: the portable set is always available");
        let set = options.instruction_set.unwrap_or(widest);
        let Some(kernels) = Kernels::of(set) else {
            return refuse("instruction_set", format!("{set:?}"), "one that this machine has");
        };
        let threads = match options.threads {
            0 => std::thread::available_parallelism().map_or(1, |threads| threads.get()),
            threads => threads,
        };
        let mut silent = |_: u64, _: u64| {};
        let decoder = Decoder::load(checkpoint, options.progress.unwrap_or(&mut silent))?;
        let config = checkpoint.config.clone();
        Ok(CpuBackend {
            angles: Angles::new(&config),
            kv: KvBlocks::new(KvLayout::new(&config), options.kv_blocks),
            pool: Pool::new(threads),
            space: Workspace::default(),
            decoder,
            config,
            kernels,
        })
    }
}

impl Backend for CpuBackend {
    fn shape(&self) -> BackendShape {
        BackendShape {
            vocabulary: self.config.vocabulary,
            context_tokens: self.config.context_tokens,
            kv_blocks: self.kv.count(),
        }
    }

    fn step(&mut self, sequences: &[SequenceStep<'_>], logits: &mut Vec<f32>) -> Result<(), BackendError> {
        logits.clear();
        let shape = self.shape();
        let plan = Plan::new(sequences, shape, &mut self.kv, &mut self.angles)?;
        let mut pass = Pass {
            config: &self.config,
            decoder: &self.decoder,
            kernels: &self.kernels,
            layout: self.kv.layout(),
            pool: &mut self.pool,
            space: &mut self.space,
        };
        pass.run(&plan, logits);
        Ok(())
    }
}
