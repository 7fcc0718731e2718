//! An engine without a model: it speaks the engine protocol over the same socket and behaves as its script
//! says, faults included. It ends when its standard input closes, as the real one does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::BytesMut;
use pomona_protocol::limits::{EVENT_FRAME_BYTES_MAX, REQUEST_FRAME_BYTES_MAX};
use pomona_protocol::{
    Cause, EngineLoad, EngineReport, FinishReason, FrameDecoder, ModelCard, ModelId, Open, Part, StepSample,
    Task, TokenLogprob, TopLogprob, TurnEvent, TurnInput, TurnRequest, Usage, encode_frame,
};
use pomona_tests::script::{Fault, Script, token_id, token_text};
use pomona_tests::spoken::{self, Plan};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

/// Longest time between two reports.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// What all streams of this process share.
struct Engine {
    script: Script,
    model: ModelId,
    started: Instant,
    ready: AtomicBool,
    hung: AtomicBool,
    steps: AtomicU64,
    running: AtomicU32,
    waiting: AtomicU32,
    prefilling: AtomicU32,
    places: Semaphore,
    prompt_tokens: AtomicU64,
    generated_tokens: AtomicU64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option =
        |name: &str| arguments.iter().position(|one| one == name).and_then(|at| arguments.get(at + 1));
    let socket = option("--socket").context("--socket PATH is missing")?;
    let script = Script::default().told(&arguments.join(" "));
    let places = if script.batch == 0 { Semaphore::MAX_PERMITS } else { script.batch as usize };
    let engine = Arc::new(Engine {
        script,
        places: Semaphore::new(places),
        model: ModelId(option("--model-id").cloned().unwrap_or_else(|| "test".to_owned())),
        started: Instant::now(),
        ready: AtomicBool::new(false),
        hung: AtomicBool::new(false),
        steps: AtomicU64::new(0),
        running: AtomicU32::new(0),
        waiting: AtomicU32::new(0),
        prefilling: AtomicU32::new(0),
        prompt_tokens: AtomicU64::new(0),
        generated_tokens: AtomicU64::new(0),
    });
    std::thread::spawn(end_with_standard_input);
    let listener = UnixListener::bind(socket).with_context(|| format!("{socket} cannot be bound"))?;
    let ready_at = engine.started + Duration::from_millis(engine.script.load_ms);
    let loading = {
        let engine = Arc::clone(&engine);
        async move {
            tokio::time::sleep_until(ready_at.into()).await;
            engine.ready.store(!engine.script.never_ready, Ordering::Release);
        }
    };
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(loading);
    loop {
        let (stream, _) = listener.accept().await?;
        let engine = Arc::clone(&engine);
        tasks.spawn(async move {
            // A stream that breaks concerns its other end, which drops it.
            let _ = serve(&engine, stream).await;
        });
        while tasks.try_join_next().is_some() {}
    }
}

fn end_with_standard_input() {
    let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
    std::process::exit(0);
}

/// Serves what a stream opens, one after the other.
async fn serve(engine: &Engine, stream: UnixStream) -> Result<()> {
    let (mut reader, writer) = stream.into_split();
    let mut writer = Writer { stream: writer, buffer: BytesMut::new() };
    let mut decoder = FrameDecoder::<Open>::new(REQUEST_FRAME_BYTES_MAX);
    loop {
        match decoder.next_frame()? {
            Some(Open::Watch) => return report(engine, &mut writer).await,
            Some(Open::Attach { .. } | Open::Blob(_) | Open::Session(_)) => return Ok(()),
            Some(Open::Turn { request, .. }) => {
                tokio::select! {
                    outcome = placed(engine, &request, &mut writer) => outcome?,
                    gone = closed(&mut reader, &mut decoder) => gone?,
                }
            }
            None if reader.read_buf(decoder.buffer()).await? == 0 => return Ok(()),
            None => {}
        }
    }
}

/// Runs a turn once the batch has a place for it.
async fn placed(engine: &Engine, request: &TurnRequest, writer: &mut Writer) -> Result<()> {
    let waiting = Counted::new(&engine.waiting, 1);
    let _place = engine.places.acquire().await?;
    drop(waiting);
    let _running = Counted::new(&engine.running, 1);
    turn(engine, request, writer).await
}

/// Ends in an error when the opener closes its stream, which cancels the turn.
async fn closed(reader: &mut OwnedReadHalf, decoder: &mut FrameDecoder<Open>) -> Result<()> {
    while reader.read_buf(decoder.buffer()).await? > 0 {}
    anyhow::bail!("cancelled")
}

async fn report(engine: &Engine, writer: &mut Writer) -> Result<()> {
    while !engine.ready.load(Ordering::Acquire) {
        writer.send(&EngineReport::Loading { bytes_done: 0, bytes_total: 1 }).await?;
        tokio::time::sleep(REPORT_EVERY.min(Duration::from_millis(20))).await;
    }
    if let Some(message) = &engine.script.load_fails {
        let cause = Cause::ModelUnavailable { model: engine.model.0.clone(), message: message.clone() };
        writer.send(&EngineReport::Failed { cause }).await?;
        std::process::exit(1);
    }
    let load_ms = engine.started.elapsed().as_millis() as u64;
    writer.send(&EngineReport::Ready { card: card(engine), load_ms }).await?;
    loop {
        writer.send(&EngineReport::Load(load(engine))).await?;
        tokio::time::sleep(REPORT_EVERY).await;
    }
}

fn card(engine: &Engine) -> ModelCard {
    ModelCard {
        id: engine.model.clone(),
        architecture: "test".to_owned(),
        parameters: 1,
        dtype: "bf16".to_owned(),
        context_tokens: 1 << 20,
        vocabulary: 50_000,
        weight_bytes: 2,
        kv_bytes_per_token: 0,
        ..ModelCard::default()
    }
}

fn load(engine: &Engine) -> EngineLoad {
    let running = engine.running.load(Ordering::Acquire);
    let micros = engine.script.token_time().as_micros() as u32;
    EngineLoad {
        steps: engine.steps.load(Ordering::Acquire),
        running,
        waiting: engine.waiting.load(Ordering::Acquire),
        step_prefill_tokens: engine.prefilling.load(Ordering::Acquire),
        kv_blocks_total: 1,
        prompt_tokens: engine.prompt_tokens.load(Ordering::Acquire),
        generated_tokens: engine.generated_tokens.load(Ordering::Acquire),
        samples: vec![StepSample {
            micros: micros.max(10),
            sequences: running.max(1),
            tokens: running.max(1),
        }],
        ..EngineLoad::default()
    }
}

async fn turn(engine: &Engine, request: &TurnRequest, writer: &mut Writer) -> Result<()> {
    let prompt = last_text(&request.input);
    let script = engine.script.told(prompt);
    let plan = Plan::new(&script, &request.form);
    let seed = request.sampling.seed;
    let prompt_tokens = prompt.split_whitespace().count().max(1) as u32;
    engine.prompt_tokens.fetch_add(prompt_tokens.into(), Ordering::AcqRel);
    let wrong = (0u32..).zip(&request.resume).find(|&(index, &id)| id != token_id(seed, index));
    if let Some((index, id)) = wrong {
        let message = format!("resumed token {index} is {id}, expected {}", token_id(seed, index));
        return writer.send(&TurnEvent::Failed { cause: Cause::Internal { message } }).await;
    }
    writer.send(&TurnEvent::Started { prompt_tokens, cached_tokens: 0 }).await?;
    if let Task::Embed { dimensions } = request.task {
        let usage = Usage { prompt_tokens, ..Usage::default() };
        let mut finished = TurnEvent::finished(FinishReason::Stop, "", usage);
        if let TurnEvent::Finished { embedding, .. } = &mut finished {
            *embedding = spoken::embedding(&request.input, dimensions);
        }
        return writer.send(&finished).await;
    }
    let end = request.sampling.max_tokens.unwrap_or(u32::MAX).min(plan.len());
    let mut index = request.resume.len() as u32;
    prefill(engine, request, &script, prompt_tokens, writer).await?;
    let token_time = script.token_time();
    let mut pace = (!token_time.is_zero()).then(|| tokio::time::interval(token_time));
    while index < end {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        while engine.hung.load(Ordering::Acquire) {
            tokio::time::sleep(REPORT_EVERY).await;
        }
        if let Some(fault) = script.fault_at(index).filter(|_| script.count_fault()) {
            fail(engine, fault, writer).await?;
            continue;
        }
        let next = next_cut(&script, index, end);
        writer.queue(&tokens(request, &plan, index, next))?;
        if next < end {
            writer.flush().await?;
        }
        engine.steps.fetch_add(1, Ordering::AcqRel);
        engine.generated_tokens.fetch_add((next - index).into(), Ordering::AcqRel);
        index = next;
    }
    let reason = match end < plan.len() {
        true => FinishReason::Length,
        false if plan.has_calls() => FinishReason::ToolCalls,
        false => FinishReason::Stop,
    };
    let usage = Usage { prompt_tokens, completion_tokens: end, ..Usage::default() };
    writer.send(&TurnEvent::finished(reason, "", usage)).await
}

/// The time before the first token, and what is said of it.
async fn prefill(
    engine: &Engine,
    request: &TurnRequest,
    script: &Script,
    prompt_tokens: u32,
    writer: &mut Writer,
) -> Result<()> {
    let tokens = prompt_tokens + request.resume.len() as u32;
    let _prefilling = (script.prefill_us > 0).then(|| Counted::new(&engine.prefilling, tokens));
    let pieces = if request.tells_prefill { script.prefill + 1 } else { 1 };
    for piece in 1..=pieces {
        if script.prefill_us > 0 {
            tokio::time::sleep(script.prefill_time(tokens) / pieces).await;
        }
        if piece < pieces {
            let done = u64::from(prompt_tokens) * u64::from(piece) / u64::from(pieces);
            writer.send(&TurnEvent::Prefill { done: done as u32, total: prompt_tokens }).await?;
        }
    }
    Ok(())
}

/// A number that is part of a gauge for as long as this lives.
struct Counted<'a> {
    gauge: &'a AtomicU32,
    amount: u32,
}

impl<'a> Counted<'a> {
    fn new(gauge: &'a AtomicU32, amount: u32) -> Self {
        gauge.fetch_add(amount, Ordering::AcqRel);
        Self { gauge, amount }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.gauge.fetch_sub(self.amount, Ordering::AcqRel);
    }
}

/// Where the next frame ends: after `chunk` tokens, at the end, or before a fault.
fn next_cut(script: &Script, index: u32, end: u32) -> u32 {
    let last = (index + script.chunk).min(end);
    (index + 1..last).find(|&at| script.fault_at(at).is_some()).unwrap_or(last)
}

fn tokens(request: &TurnRequest, plan: &Plan, first: u32, next: u32) -> TurnEvent {
    let seed = request.sampling.seed;
    let ids: Vec<u32> = (first..next).map(|index| token_id(seed, index)).collect();
    let (text, marks) = plan.say(seed, first, next);
    let logprob = |&id: &u32| {
        let chosen = TopLogprob { id, bytes: token_text(id).into_bytes(), logprob: -0.5 };
        TokenLogprob { top: vec![chosen.clone()], chosen }
    };
    let logprobs = request.sampling.logprobs.map(|_| ids.iter().map(logprob).collect()).unwrap_or_default();
    TurnEvent::Tokens { first, ids, text, marks, logprobs }
}

async fn fail(engine: &Engine, fault: Fault, writer: &mut Writer) -> Result<()> {
    match fault {
        Fault::Hang => {
            engine.hung.store(true, Ordering::Release);
            Ok(())
        }
        Fault::Exit => std::process::exit(101),
        Fault::Garbage => writer.bytes(&[0, 0, 0, 4, 0xc1, 0xc1, 0xc1, 0xc1]).await,
        Fault::Oversize => writer.bytes(&(EVENT_FRAME_BYTES_MAX as u32 * 4).to_be_bytes()).await,
    }
}

fn last_text(input: &TurnInput) -> &str {
    match input {
        TurnInput::Messages(messages) => {
            let parts = messages.last().map(|message| message.parts.as_slice()).unwrap_or_default();
            parts.iter().filter_map(Part::as_text).next_back().unwrap_or_default()
        }
        TurnInput::Text(text) => text,
        TurnInput::Tokens(_) => "",
    }
}

/// Writes frames, each at once, but for the last tokens of an answer: like the real engine, this one says them
/// in one breath with the end.
struct Writer {
    stream: OwnedWriteHalf,
    buffer: BytesMut,
}

impl Writer {
    async fn send<T: serde::Serialize>(&mut self, value: &T) -> Result<()> {
        self.queue(value)?;
        self.flush().await
    }

    fn queue<T: serde::Serialize>(&mut self, value: &T) -> Result<()> {
        Ok(encode_frame(value, &mut self.buffer, EVENT_FRAME_BYTES_MAX)?)
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(self.stream.write_all_buf(&mut self.buffer).await?)
    }

    async fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        Ok(())
    }
}
