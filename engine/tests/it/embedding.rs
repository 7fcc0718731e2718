//! Embedding models against `transformers`, whose vectors lie beside each checkpoint, and the queue that serves them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pomona_engine::channels::Channels;
use pomona_engine::checkpoint::{Checkpoint, EncoderCheckpoint};
use pomona_engine::cpu::{CpuEncoder, CpuHidden, CpuOptions, InstructionSet};
use pomona_engine::embedding::{EmbeddingQueue, Encoder, Pooling};
use pomona_engine::generation::{LoadBoard, NewTurn, StepOutcome};
use pomona_engine::scheduler::SchedulerLimits;
use pomona_protocol::{Cause, Sampling, Task, TurnEvent};
use serde::Deserialize;
use tokio::sync::mpsc;

const FOLDERS: [&str; 3] = ["bert", "xlm-roberta", "qwen3-embedding"];
/// Numbers are around 1 here; two correct orders of summation differ by some millionths of that.
const TOLERANCE: f32 = 2e-5;
const LIMITS: SchedulerLimits = SchedulerLimits {
    running_max: 4,
    waiting_max: 3,
    step_prefill_tokens_max: 64,
    step_guesses_max: 0,
    guess_chance_min: None,
};

#[derive(Deserialize)]
struct Case {
    ids: Vec<u32>,
    vector: Vec<f32>,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn cases(name: &str) -> Vec<Case> {
    serde_json::from_slice(&std::fs::read(folder(name).join("expected.json")).unwrap()).unwrap()
}

fn load(name: &str, threads: usize, set: Option<InstructionSet>) -> Box<dyn Encoder> {
    if let Some(checkpoint) = EncoderCheckpoint::open(&folder(name)).unwrap() {
        return Box::new(CpuEncoder::load(&checkpoint, threads, set, &mut |_, _| {}).unwrap());
    }
    let checkpoint = Checkpoint::open(&folder(name)).unwrap();
    let kv_blocks = CpuHidden::kv_blocks(&checkpoint, None);
    let options = CpuOptions { threads, kv_blocks, instruction_set: set, ..CpuOptions::default() };
    Box::new(CpuHidden::load(&checkpoint, options).unwrap())
}

fn queue(name: &str) -> EmbeddingQueue {
    let pooling = Pooling::of(&folder(name)).unwrap().unwrap();
    EmbeddingQueue::new(load(name, 2, None), pooling, LIMITS, Arc::new(LoadBoard::default()))
}

fn ask(queue: &mut EmbeddingQueue, prompt: &[u32], task: Task) -> mpsc::Receiver<TurnEvent> {
    let (sink, events) = mpsc::channel(8);
    let (prompt, sampling, resume) = (prompt.to_vec(), Sampling::default(), Vec::new());
    queue.accept(NewTurn {
        task,
        prompt,
        pictures: Vec::new(),
        stands_alone: false,
        channels: Channels::plain(),
        one_call: false,
        guide: None,
        sampling,
        resume,
        sink,
        tells_prefill: false,
    });
    events
}

fn embed(queue: &mut EmbeddingQueue, prompt: &[u32]) -> mpsc::Receiver<TurnEvent> {
    ask(queue, prompt, Task::Embed { dimensions: None })
}

/// The vector of a turn that got `Started` and `Finished` and nothing else.
fn vector(mut events: mpsc::Receiver<TurnEvent>) -> Vec<f32> {
    assert!(matches!(events.try_recv().unwrap(), TurnEvent::Started { cached_tokens: 0, .. }));
    let TurnEvent::Finished { embedding, usage, .. } = events.try_recv().unwrap() else { panic!("no end") };
    assert_eq!(usage.completion_tokens, 0);
    assert!(events.try_recv().is_err());
    embedding
}

fn cause(mut events: mpsc::Receiver<TurnEvent>) -> Cause {
    let TurnEvent::Failed { cause } = events.try_recv().unwrap() else { panic!("no failure") };
    assert!(events.try_recv().is_err());
    cause
}

#[test]
fn vectors_are_those_of_the_reference() {
    for name in FOLDERS {
        let mut queue = queue(name);
        for case in cases(name) {
            let events = embed(&mut queue, &case.ids);
            assert_eq!(queue.step().unwrap(), StepOutcome::Worked);
            let found = vector(events);
            assert_eq!(found.len(), case.vector.len(), "{name}");
            let off = found.iter().zip(&case.vector).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            println!("{name}, {} tokens: off by at most {off:e}", case.ids.len());
            assert!(off < TOLERANCE, "{name}, {} tokens: off by {off}", case.ids.len());
        }
    }
}

#[test]
fn the_same_bits_alone_and_together_on_all_threads_and_machines() {
    for name in FOLDERS {
        let cases = cases(name);
        let texts: Vec<&[u32]> = cases.iter().map(|case| case.ids.as_slice()).collect();
        let mut expected = Vec::new();
        load(name, 1, Some(InstructionSet::Portable)).encode(&texts, &mut expected).unwrap();
        for set in InstructionSet::available() {
            let mut encoder = load(name, 3, Some(set));
            let (mut alone, mut hidden) = (Vec::new(), Vec::new());
            for text in &texts {
                encoder.encode(&[text], &mut hidden).unwrap();
                alone.extend_from_slice(&hidden);
            }
            assert!(alone == expected, "{name} with {set:?}");
        }
    }
}

#[test]
fn a_step_takes_texts_in_order_up_to_its_size() {
    let mut queue = queue("bert");
    let mut events: Vec<_> = [30, 30, 30].iter().map(|tokens| embed(&mut queue, &vec![5; *tokens])).collect();
    drop(events.remove(1));
    assert_eq!(queue.step().unwrap(), StepOutcome::Worked);
    assert_eq!(queue.step().unwrap(), StepOutcome::Idle);
    let first = vector(events.remove(0));
    assert_eq!(first, vector(events.remove(0)));
    let events = [embed(&mut queue, &[5; 60]), embed(&mut queue, &[5; 60])];
    assert_eq!(queue.step().unwrap(), StepOutcome::Worked);
    assert_eq!(queue.step().unwrap(), StepOutcome::Worked);
    let [one, other] = events.map(vector);
    assert_eq!(one, other);
}

#[test]
fn what_cannot_be_embedded_is_refused_by_name() {
    let mut queue = queue("bert");
    let named = |events| match cause(events) {
        Cause::InvalidRequest { parameter, .. } => parameter,
        other => panic!("{other}"),
    };
    assert_eq!(named(ask(&mut queue, &[5], Task::Generate)), "model");
    assert_eq!(named(ask(&mut queue, &[5], Task::Embed { dimensions: Some(0) })), "dimensions");
    assert_eq!(named(ask(&mut queue, &[5], Task::Embed { dimensions: Some(49) })), "dimensions");
    assert_eq!(named(embed(&mut queue, &[])), "input");
    assert_eq!(named(embed(&mut queue, &[150])), "input");
    let long = cause(embed(&mut queue, &[5; 97]));
    assert_eq!(long, Cause::ContextExceeded { prompt_tokens: 97, context_tokens: 96 });
    let waiting: Vec<_> = (0..7).map(|_| embed(&mut queue, &[5])).collect();
    assert!(matches!(cause(embed(&mut queue, &[5])), Cause::Overloaded { waiting: 7, limit: 3, .. }));
    queue.fail_all(&Cause::ShuttingDown);
    assert!(waiting.into_iter().all(|events| cause(events) == Cause::ShuttingDown));
}

#[test]
fn fewer_dimensions_are_the_first_ones_at_length_one() {
    let mut queue = queue("qwen3-embedding");
    let whole = embed(&mut queue, &[7, 8, 9]);
    let part = ask(&mut queue, &[7, 8, 9], Task::Embed { dimensions: Some(16) });
    queue.step().unwrap();
    let (whole, part) = (vector(whole), vector(part));
    let length = whole[..16].iter().map(|number| number * number).sum::<f32>().sqrt();
    assert_eq!(part.len(), 16);
    assert!(part.iter().zip(&whole).all(|(part, whole)| (part - whole / length).abs() < 1e-6));
}
