//! The CPU backend: a decoder computed in pure Rust, with the same bits on every machine and in every batch.
//!
//! The promise is what a continued conversation rests on: each element of each result is computed in one fixed
//! order of IEEE operations ([`lanes`]), whatever else is in the step, however a prompt is cut, however many threads
//! there are, and whichever instruction set the machine has. The engine above decides what is in a step.

mod angles;
mod budget;
mod decoder;
mod encoder;
mod hidden;
mod kernels;
mod kv;
mod lanes;
mod matrix;
mod memory;
mod plan;
mod pool;
mod reading;
mod router;
mod step;
mod tower;

use crate::backend::{BLOCK_TOKENS, Backend, BackendError, BackendShape, BlockFormat, BlockId, SequenceStep};
use crate::checkpoint::{Checkpoint, DecoderConfig, LoadError};
use crate::vision::{Picture, Tower};
use angles::Angles;
use decoder::Decoder;
use kernels::Kernels;
use kv::{KvBlocks, KvLayout};
use plan::Plan;
use pool::Pool;
use step::{Pass, Workspace};

pub use budget::{MemoryBudget, budget, kv_bytes_per_block};
pub use encoder::CpuEncoder;
pub use hidden::CpuHidden;
pub use kernels::InstructionSet;
pub(crate) use matrix::{matrix_bytes, widened};
pub use tower::CpuTower;

/// Names the layout of blocks and the arithmetic behind them: to be counted up when either changes.
const BLOCK_FORMAT: &str = "cpu f32 1";
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
    eyes: Option<CpuTower>,
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
            eyes: None,
            decoder,
            config,
            kernels,
        })
    }
}

impl CpuBackend {
    /// Lets it see.
    pub fn with_eyes(self, eyes: CpuTower) -> CpuBackend {
        CpuBackend { eyes: Some(eyes), ..self }
    }

    /// Numbers behind a token.
    pub(crate) fn hidden_width(&self) -> usize {
        self.config.hidden
    }

    /// Computes one step and appends the hidden state of each token.
    pub(crate) fn step_hidden(
        &mut self,
        sequences: &[SequenceStep<'_>],
        hidden: &mut Vec<f32>,
    ) -> Result<(), BackendError> {
        let plan = Plan::new(sequences, self.shape(), self.config.hidden, &mut self.kv, &mut self.angles)?;
        self.pass().run_hidden(&plan, hidden);
        Ok(())
    }

    fn pass(&mut self) -> Pass<'_> {
        Pass {
            config: &self.config,
            decoder: &self.decoder,
            kernels: &self.kernels,
            layout: self.kv.layout(),
            pool: &mut self.pool,
            space: &mut self.space,
        }
    }
}

impl Backend for CpuBackend {
    fn shape(&self) -> BackendShape {
        BackendShape {
            vocabulary: self.config.vocabulary,
            context_tokens: self.config.context_tokens,
            kv_blocks: self.kv.count(),
            vision: self.eyes.as_ref().map(Tower::shape),
        }
    }

    fn block_format(&self) -> Option<BlockFormat> {
        let numbers = self.kv.layout().block_numbers;
        let name = format!("{BLOCK_FORMAT}, {BLOCK_TOKENS} tokens, {numbers} numbers");
        Some(BlockFormat { name, bytes: numbers * size_of::<f32>() })
    }

    fn export_block(&self, id: BlockId) -> Result<Vec<u8>, BackendError> {
        self.kv.export(id)
    }

    fn import_block(&mut self, id: BlockId, bytes: &[u8]) -> Result<(), BackendError> {
        self.kv.import(id, bytes)
    }

    fn step(&mut self, sequences: &[SequenceStep<'_>], logits: &mut Vec<f32>) -> Result<(), BackendError> {
        logits.clear();
        let shape = self.shape();
        let plan = Plan::new(sequences, shape, self.config.hidden, &mut self.kv, &mut self.angles)?;
        self.pass().run(&plan, logits);
        Ok(())
    }

    fn look(&mut self, picture: &Picture) -> Result<Vec<f32>, BackendError> {
        match &mut self.eyes {
            Some(eyes) => eyes.look(picture),
            None => Err(BackendError { message: "the model has no eyes".to_owned() }),
        }
    }
}
