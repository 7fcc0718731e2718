//! A small engine for tests: hands out blocks and drives a backend token by token.

use std::path::{Path, PathBuf};

use pomona_engine::backend::{BLOCK_TOKENS, Backend, BlockId, SequenceStep};
use pomona_engine::checkpoint::Checkpoint;
use pomona_engine::cpu::{CpuBackend, CpuOptions, InstructionSet};
use serde::Deserialize;

pub(crate) const FIXTURES: [&str; 21] = [
    "llama",
    "llama-linear",
    "llama3-rope",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma2",
    "gemma3",
    "phi3-short",
    "phi3-long",
    "qwen3-moe",
    "qwen3-moe-all",
    "gpt-oss",
    "gpt-oss-mxfp4",
    "mlx-4bit",
    "mlx-8bit",
    "mlx-mixed",
    "mlx-mxfp4",
    "gguf-llama",
    "gguf-32",
    "gguf-256",
];

/// What the reference implementation computed for a prompt.
#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) prompt_ids: Vec<u32>,
    pub(crate) logits: Vec<f32>,
    pub(crate) greedy: Vec<u32>,
}

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

pub(crate) fn cases(name: &str) -> Vec<Case> {
    let mut expected = expected(name);
    let cases = if expected.is_array() { expected } else { expected["cases"].take() };
    serde_json::from_value(cases).unwrap()
}

/// All that lies beside a checkpoint.
pub(crate) fn expected(name: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(folder(name).join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn load(name: &str, threads: usize, set: Option<InstructionSet>) -> CpuBackend {
    let checkpoint = Checkpoint::open(&folder(name)).unwrap();
    let options = CpuOptions { threads, kv_blocks: 64, instruction_set: set, ..CpuOptions::default() };
    CpuBackend::load(&checkpoint, options).unwrap()
}

/// A sequence that knows its tokens and blocks; the first `done` tokens are computed.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    pub(crate) tokens: Vec<u32>,
    pub(crate) blocks: Vec<BlockId>,
    pub(crate) done: usize,
}

impl Sequence {
    /// With blocks of its own, from `first_block` on, enough for 8 blocks of tokens.
    pub(crate) fn new(tokens: &[u32], first_block: u32) -> Sequence {
        let blocks = (first_block..first_block + 8).map(BlockId).collect();
        Sequence { tokens: tokens.to_vec(), blocks, done: 0 }
    }

    /// The step that computes the next `count` tokens, with logits if they are the last.
    pub(crate) fn step(&self, count: usize) -> SequenceStep<'_> {
        let end = self.done + count;
        SequenceStep {
            tokens: &self.tokens[self.done..end],
            position: self.done,
            blocks: &self.blocks[..end.div_ceil(BLOCK_TOKENS)],
            pictures: &[],
            logit_rows: usize::from(end == self.tokens.len()),
        }
    }
}

/// Computes the whole sequence in one step; the logits behind its last token.
pub(crate) fn one_shot(backend: &mut CpuBackend, tokens: &[u32]) -> Vec<f32> {
    let mut logits = Vec::new();
    let sequence = Sequence::new(tokens, 0);
    backend.step(&[sequence.step(tokens.len())], &mut logits).unwrap();
    logits
}

/// Prefills, then chooses the best token so many times.
pub(crate) fn greedy(backend: &mut CpuBackend, prompt: &[u32], count: usize) -> Vec<u32> {
    let mut sequence = Sequence::new(prompt, 0);
    let mut logits = Vec::new();
    for _ in 0..count {
        let waiting = sequence.tokens.len() - sequence.done;
        backend.step(&[sequence.step(waiting)], &mut logits).unwrap();
        sequence.done += waiting;
        sequence.tokens.push(best(&logits));
    }
    sequence.tokens.split_off(prompt.len())
}

pub(crate) fn best(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    best.0 as u32
}

/// Bits, because equal numbers are not enough.
pub(crate) fn bits(logits: &[f32]) -> Vec<u32> {
    logits.iter().map(|logit| logit.to_bits()).collect()
}
