//! What readers wait for: the gap between tokens of eight running answers, quiet and while a long prompt is computed;
//! the first token of a chat's first and second turn; and what guessing ahead changes for one answer.
//!
//! `cargo run --release -p pomona-engine --example latency -- [--model FOLDER] [--layers N] [--threads N] [--json]`
//!
//! Without a folder it measures random weights of the shape of Qwen3-0.6B (vocabulary 32000). Prompts are random ids.
#![expect(clippy::print_stdout, reason = "a program for the terminal")]

#[path = "../decode_speed/random.rs"]
mod random;
mod readers;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pomona_engine::checkpoint::{Checkpoint, GenerationDefaults};
use pomona_engine::cpu::{CpuBackend, CpuOptions};
use pomona_engine::generation::{Generation, LoadBoard, ModelFacts};
use pomona_engine::scheduler::SchedulerLimits;
use pomona_engine::tokenizer::Tokenizer;
use readers::{Prompts, Reader, percentile, run_until};
use serde_json::{Value, json};

/// Answers at once.
const READERS: usize = 8;
/// Tokens of each of their prompts.
const PROMPT_TOKENS: usize = 64;
/// Tokens of each answer over which the quiet gaps are measured.
const QUIET_TOKENS: usize = 64;
/// The prompt beside them.
const LONG_PROMPT_TOKENS: usize = 4000;
/// The first turn of a chat, and what a person adds for the second.
const HISTORY_TOKENS: usize = 1000;
const QUESTION_TOKENS: usize = 24;
/// Tokens of the answer that is measured with and without guesses.
const GUESSED_TOKENS: usize = 200;
/// KV blocks: the long prompt, the answers beside it and some history.
const KV_BLOCKS: usize = 400;

type Failure = Box<dyn std::error::Error>;

struct Arguments {
    model: Option<PathBuf>,
    layers: usize,
    threads: usize,
    json: bool,
}

fn main() -> Result<(), Failure> {
    let arguments = arguments()?;
    let random_folder;
    let folder = match &arguments.model {
        Some(folder) => folder.as_path(),
        None => {
            random_folder = random::write(arguments.layers)?;
            random_folder.path()
        }
    };
    let report = json!({
        "fairness": fairness(&mut engine(folder, arguments.threads, 0)?)?,
        "second_turn": second_turn(&mut engine(folder, arguments.threads, 0)?)?,
        "guessing": {
            "off": answer_speed(&mut engine(folder, arguments.threads, 0)?)?,
            "on": answer_speed(&mut engine(folder, arguments.threads, 16)?)?,
        },
    });
    if arguments.json {
        println!("{report}")
    } else {
        print(&report)
    }
    Ok(())
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments { model: None, layers: 28, threads: 0, json: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let count = |text: String| text.parse::<usize>().map_err(|error| format!("{text}: {error}"));
        match word.as_str() {
            "--model" => arguments.model = Some(value()?.into()),
            "--layers" => arguments.layers = count(value()?)?,
            "--threads" => arguments.threads = count(value()?)?,
            "--json" => arguments.json = true,
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(arguments)
}

/// An engine with nothing in its prefix tree.
fn engine(folder: &Path, threads: usize, step_guesses_max: usize) -> Result<(Generation, Prompts), Failure> {
    let checkpoint = Checkpoint::open(folder)?;
    let options = CpuOptions { threads, kv_blocks: KV_BLOCKS, ..CpuOptions::default() };
    let backend = CpuBackend::load(&checkpoint, options)?;
    let no_text =
        json!({"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}).to_string();
    let vocabulary = checkpoint.config.vocabulary;
    let facts = ModelFacts {
        tokens: Arc::clone(Tokenizer::from_json(no_text.as_bytes(), vocabulary)?.table()),
        eos_token_ids: Vec::new(),
        defaults: GenerationDefaults::default(),
    };
    let limits = SchedulerLimits {
        running_max: 64,
        waiting_max: 64,
        step_prefill_tokens_max: 512,
        step_guesses_max,
        guess_chance_min: None,
    };
    let generation = Generation::new(Box::new(backend), facts, limits, Arc::new(LoadBoard::default()));
    Ok((generation, Prompts::new(vocabulary as u32)))
}

/// Gaps between tokens of eight answers, alone and beside a long prompt. Answers become slower as they grow, so the quiet
/// ones are taken from before the prompt and from behind it.
fn fairness((engine, prompts): &mut (Generation, Prompts)) -> Result<Value, Failure> {
    let mut readers: Vec<Reader> =
        (0..READERS).map(|_| Reader::open(engine, &prompts.next(PROMPT_TOKENS), 4000)).collect();
    run_until(engine, &mut readers, |readers| readers.iter().all(|reader| reader.tokens > QUIET_TOKENS))?;
    let take = |readers: &mut [Reader]| -> Vec<f64> {
        readers[..READERS].iter_mut().flat_map(|reader| std::mem::take(&mut reader.gaps)).collect()
    };
    let mut quiet = take(&mut readers);
    readers.push(Reader::open(engine, &prompts.next(LONG_PROMPT_TOKENS), 1));
    run_until(engine, &mut readers, |readers| readers[READERS].tokens > 0)?;
    let first_token_s = readers[READERS].first_token_s;
    let busy = take(&mut readers);
    let end = readers[0].tokens + QUIET_TOKENS;
    run_until(engine, &mut readers, |readers| readers[0].tokens >= end)?;
    quiet.extend(take(&mut readers));
    let (quiet_p95, busy_p95) = (percentile(&quiet, 0.95), percentile(&busy, 0.95));
    Ok(json!({
        "quiet_gap_p50_s": percentile(&quiet, 0.5), "quiet_gap_p95_s": quiet_p95,
        "busy_gap_p50_s": percentile(&busy, 0.5), "busy_gap_p95_s": busy_p95,
        "ratio_p95": busy_p95 / quiet_p95, "long_prompt_first_token_s": first_token_s,
    }))
}

/// The first token of a chat's first turn, and of its second on the same engine.
fn second_turn((engine, prompts): &mut (Generation, Prompts)) -> Result<Value, Failure> {
    // The first step of a process takes memory from the system; that is nobody's first turn.
    let mut warm = [Reader::open(engine, &prompts.next(PROMPT_TOKENS), 2)];
    run_until(engine, &mut warm, |readers| readers[0].is_done)?;
    let history = prompts.next(HISTORY_TOKENS);
    let mut first = [Reader::open(engine, &history, 16)];
    run_until(engine, &mut first, |readers| readers[0].is_done)?;
    let second = [history, first[0].ids.clone(), prompts.next(QUESTION_TOKENS)].concat();
    let mut second = [Reader::open(engine, &second, 1)];
    run_until(engine, &mut second, |readers| readers[0].is_done)?;
    let (cold, warm) = (first[0].first_token_s, second[0].first_token_s);
    Ok(json!({
        "cold_first_token_s": cold, "second_first_token_s": warm, "ratio": warm / cold,
        "cached_tokens": second[0].cached_tokens,
    }))
}

/// Tokens per second of one answer that may repeat itself.
fn answer_speed((engine, prompts): &mut (Generation, Prompts)) -> Result<Value, Failure> {
    let mut reader = [Reader::open(engine, &prompts.next(PROMPT_TOKENS), GUESSED_TOKENS as u32)];
    run_until(engine, &mut reader, |readers| readers[0].is_done)?;
    let seconds = reader[0].done_s - reader[0].first_token_s;
    Ok(json!({
        "tokens_per_s": (GUESSED_TOKENS - 1) as f64 / seconds, "accepted_tokens": reader[0].accepted_tokens,
    }))
}

fn print(report: &Value) {
    for (group, values) in report.as_object().into_iter().flatten() {
        println!("{group}");
        for (name, value) in values.as_object().into_iter().flatten() {
            println!("  {name}: {value}");
        }
    }
}
