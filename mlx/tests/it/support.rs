//! A small engine for tests: hands out blocks and drives the backend token by token.

use std::path::{Path, PathBuf};

use pomona_engine::backend::{BLOCK_TOKENS, Backend, BlockId, SequenceStep};
use pomona_engine::checkpoint::Checkpoint;
use pomona_mlx::{MlxBackend, MlxOptions};
use serde::Deserialize;

/// What the reference implementation computed for a prompt.
#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) prompt_ids: Vec<u32>,
    pub(crate) logits: Vec<f32>,
    pub(crate) greedy: Vec<u32>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("engine").join("fixtures")
}

/// Every folder with a checkpoint and what it computes, so that a new family is tested by being there.
pub(crate) fn fixture_names() -> Vec<String> {
    let folders = std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path());
    // Models that compute embeddings or see pictures have other things there.
    let answers =
        |folder: &PathBuf| std::fs::read_to_string(folder.join("expected.json")).unwrap_or_default();
    let with_answers = folders.filter(|folder| serde_json::from_str::<Vec<Case>>(&answers(folder)).is_ok());
    let mut names: Vec<String> =
        with_answers.map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    assert!(names.len() >= 18, "{names:?}");
    names
}

pub(crate) fn folder(name: &str) -> PathBuf {
    fixtures().join(name)
}

pub(crate) fn cases(name: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(folder(name).join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn load_with(name: &str, kv_blocks: usize) -> MlxBackend {
    let checkpoint = Checkpoint::open(&folder(name)).unwrap();
    MlxBackend::load(&checkpoint, MlxOptions { kv_blocks, progress: &mut |_, _| {} }).unwrap()
}

pub(crate) fn load(name: &str) -> MlxBackend {
    load_with(name, 64)
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
pub(crate) fn one_shot(backend: &mut MlxBackend, tokens: &[u32]) -> Vec<f32> {
    let mut logits = Vec::new();
    let sequence = Sequence::new(tokens, 0);
    backend.step(&[sequence.step(tokens.len())], &mut logits).unwrap();
    logits
}

/// Prefills, then chooses the best token so many times.
pub(crate) fn greedy(backend: &mut MlxBackend, prompt: &[u32], count: usize) -> Vec<u32> {
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

/// The largest difference of two rows.
pub(crate) fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
