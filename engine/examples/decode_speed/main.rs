//! How fast the CPU backend is: tokens per second for 1, 8 and 32 sequences, prefill, and share of the memory's
//! bandwidth with one sequence.
//!
//! `cargo run --release -p pomona-engine --example decode_speed -- [--model FOLDER or GGUF] [--layers N] [--threads N]
//! [--prompt TOKENS] [--steps N] [--no-bandwidth] [--json]`
//!
//! Without a model it measures random weights of the shape of Qwen3-0.6B (vocabulary 32000).
#![expect(clippy::print_stdout, reason = "a program for the terminal")]

mod bandwidth;
mod random;

use std::path::PathBuf;
use std::time::Instant;

use pomona_engine::backend::{BLOCK_TOKENS, Backend, BackendError, BlockId, SequenceStep};
use pomona_engine::checkpoint::{Checkpoint, LoadError};
use pomona_engine::cpu::{CpuBackend, CpuOptions};
use serde_json::json;

/// Tokens before decoding is measured, if nothing else is asked for: a short conversation.
const PROMPT_TOKENS: usize = 128;
/// Decoding steps per measurement, if nothing else is asked for; the median counts.
const STEPS: usize = 24;
/// Sequences side by side.
const BATCHES: [usize; 3] = [1, 8, 32];
/// Prompt tokens of one prefill step.
const PREFILL_TOKENS: usize = 512;

struct Arguments {
    model: Option<PathBuf>,
    layers: usize,
    threads: usize,
    prompt: usize,
    steps: usize,
    bandwidth: bool,
    json: bool,
}

struct Report {
    weight_bytes: u64,
    /// None if it was not measured.
    bandwidth_bytes_per_s: Option<f64>,
    decode_tokens_per_s: Vec<f64>,
    prefill_tokens_per_s: f64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = arguments()?;
    let random_folder;
    let folder = match &arguments.model {
        Some(folder) => folder.as_path(),
        None => {
            random_folder = random::write(arguments.layers)?;
            random_folder.path()
        }
    };
    let report = measure(folder, &arguments)?;
    if arguments.json {
        println!("{}", report.json());
    } else {
        report.print();
    }
    Ok(())
}

fn arguments() -> Result<Arguments, String> {
    let (prompt, steps) = (PROMPT_TOKENS, STEPS);
    let mut arguments =
        Arguments { model: None, layers: 28, threads: 0, prompt, steps, bandwidth: true, json: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let count = |text: String| text.parse::<usize>().map_err(|error| format!("{text}: {error}"));
        match word.as_str() {
            "--model" => arguments.model = Some(value()?.into()),
            "--layers" => arguments.layers = count(value()?)?,
            "--threads" => arguments.threads = count(value()?)?,
            "--prompt" => arguments.prompt = count(value()?)?.clamp(1, 4096),
            "--steps" => arguments.steps = count(value()?)?.clamp(1, 4096),
            "--no-bandwidth" => arguments.bandwidth = false,
            "--json" => arguments.json = true,
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(arguments)
}

fn measure(folder: &std::path::Path, arguments: &Arguments) -> Result<Report, Box<dyn std::error::Error>> {
    let (threads, positions) = (arguments.threads, arguments.prompt + arguments.steps);
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let workers = if threads == 0 { cores } else { threads };
    let bandwidth_bytes_per_s = arguments.bandwidth.then(|| bandwidth::bytes_per_second(workers));
    let checkpoint = Checkpoint::open(folder)?;
    let weight_bytes = weights_read_per_token(&checkpoint)?;
    let blocks = BATCHES[BATCHES.len() - 1] * blocks_for(positions) + blocks_for(PREFILL_TOKENS);
    let options = CpuOptions { threads, kv_blocks: blocks, ..CpuOptions::default() };
    let mut backend = CpuBackend::load(&checkpoint, options)?;
    let prefill_tokens_per_s = prefill(&mut backend)?;
    let decode_of = |&batch: &usize| decode(&mut backend, batch, arguments);
    let decode_tokens_per_s = BATCHES.iter().map(decode_of).collect::<Result<_, _>>()?;
    Ok(Report { weight_bytes, bandwidth_bytes_per_s, decode_tokens_per_s, prefill_tokens_per_s })
}

/// All weights but an embedding that is not the head: of that, one row is read.
fn weights_read_per_token(checkpoint: &Checkpoint) -> Result<u64, LoadError> {
    let embedding = checkpoint.tensor("model.embed_tokens.weight")?.bytes.len() as u64;
    Ok(checkpoint.weight_bytes() - if checkpoint.config.tied_head { 0 } else { embedding })
}

fn blocks_for(tokens: usize) -> usize {
    tokens.div_ceil(BLOCK_TOKENS)
}

fn prefill(backend: &mut CpuBackend) -> Result<f64, BackendError> {
    let vocabulary = backend.shape().vocabulary as u32;
    let count = PREFILL_TOKENS.min(backend.shape().context_tokens);
    let tokens: Vec<u32> = (0..count as u32).map(|index| index * 7 % vocabulary).collect();
    let blocks: Vec<_> = (0..blocks_for(count) as u32).map(BlockId).collect();
    let mut times = Vec::new();
    for _ in 0..3 {
        let step =
            SequenceStep { tokens: &tokens, position: 0, blocks: &blocks, pictures: &[], logit_rows: 1 };
        let start = Instant::now();
        backend.step(&[step], &mut Vec::new())?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(count as f64 / median(times))
}

fn decode(backend: &mut CpuBackend, batch: usize, arguments: &Arguments) -> Result<f64, BackendError> {
    let (prompt_tokens, count) = (arguments.prompt, arguments.steps);
    let vocabulary = backend.shape().vocabulary as u32;
    let blocks_each = blocks_for(prompt_tokens + count) as u32;
    let blocks: Vec<Vec<BlockId>> = (0..batch as u32)
        .map(|sequence| (sequence * blocks_each..(sequence + 1) * blocks_each).map(BlockId).collect())
        .collect();
    let mut logits = Vec::new();
    let prompt: Vec<u32> = (0..prompt_tokens as u32).map(|index| index * 5 % vocabulary).collect();
    for blocks in &blocks {
        backend.step(
            &[SequenceStep { tokens: &prompt, position: 0, blocks, pictures: &[], logit_rows: 0 }],
            &mut logits,
        )?;
    }
    let mut times = Vec::new();
    for step in 0..count {
        let token = [step as u32 * 11 % vocabulary];
        let steps: Vec<_> = blocks
            .iter()
            .map(|blocks| SequenceStep {
                tokens: &token,
                position: prompt_tokens + step,
                blocks,
                pictures: &[],
                logit_rows: 1,
            })
            .collect();
        let start = Instant::now();
        backend.step(&steps, &mut logits)?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(batch as f64 / median(times))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

impl Report {
    /// Bytes of weights read per second with one sequence, by what the memory can give.
    fn bandwidth_share(&self) -> Option<f64> {
        Some(self.weight_bytes as f64 * self.decode_tokens_per_s[0] / self.bandwidth_bytes_per_s?)
    }

    fn json(&self) -> serde_json::Value {
        let decode = BATCHES.iter().zip(&self.decode_tokens_per_s);
        let decode: Vec<_> =
            decode.map(|(sequences, speed)| json!({"sequences": sequences, "tokens_per_s": speed})).collect();
        json!({
            "weight_bytes": self.weight_bytes,
            "bandwidth_bytes_per_s": self.bandwidth_bytes_per_s,
            "bandwidth_share": self.bandwidth_share(),
            "decode": decode,
            "prefill_tokens_per_s": self.prefill_tokens_per_s,
        })
    }

    fn print(&self) {
        println!("weights read per token: {:.1} MB", self.weight_bytes as f64 / 1e6);
        if let Some(bandwidth) = self.bandwidth_bytes_per_s {
            println!("memory bandwidth:       {:.1} GB/s", bandwidth / 1e9);
        }
        for (sequences, speed) in BATCHES.iter().zip(&self.decode_tokens_per_s) {
            let factor = speed / self.decode_tokens_per_s[0];
            println!("decode, {sequences:2} sequences:   {speed:.1} tokens/s ({factor:.2} times one)");
        }
        if let Some(share) = self.bandwidth_share() {
            println!("bandwidth share of one: {:.0} %", 100.0 * share);
        }
        println!("prefill:                {:.1} tokens/s", self.prefill_tokens_per_s);
    }
}
