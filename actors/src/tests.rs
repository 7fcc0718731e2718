//! Turns through real actors against a scripted engine on a Unix socket.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use pomona_config::{EngineConfig, ModelConfig, RestartConfig, RoutingConfig, TurnConfig};
use pomona_protocol::limits::{EVENT_FRAME_BYTES_MAX, REQUEST_FRAME_BYTES_MAX};
use pomona_protocol::{
    Cause, EngineReport, FinishReason, FrameDecoder, ModelCard, ModelId, NodeId, Open, ReplicaId,
    ReplicaState, Sampling, TurnEvent, TurnId, TurnInput, TurnRequest, Usage, encode_frame,
};
use ractor::Actor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::task::AbortOnDropHandle;

use crate::client::Clients;
use crate::engine_link::EngineLink;
use crate::engine_process::EngineEvent;
use crate::model::{Model, ModelMessage};
use crate::owned;
use crate::shared::Shared;
use crate::{Handle, Parts, TurnStream, Unobserved};

const ANSWER: u32 = 40;

/// What the scripted engine does with one stream.
#[derive(Clone, Copy, Debug)]
enum Script {
    /// Answers to the end.
    Finish,
    /// Breaks the stream after this many tokens of its own.
    DieAfter(u32),
    /// Repeats a token that was shown.
    Repeat,
    /// Sends something that is no frame.
    Garbage,
    /// Sends one token and then nothing.
    Hang,
    /// Says that no retry can help.
    Refuse,
}

struct Bench {
    handle: Handle,
    socket: PathBuf,
    _engine: AbortOnDropHandle<()>,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// A router and a replica whose streams follow the scripts, one each; the last one repeats.
    async fn new(scripts: &[Script]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let parts = Parts {
            cluster: "orchard".to_owned(),
            node: NodeId::from("n"),
            model_id: ModelId::from("m"),
            model_dir: PathBuf::new(),
            run_dir: folder.path().to_owned(),
            routing: RoutingConfig::default(),
            turn: TurnConfig {
                backoff_base_ms: 1,
                backoff_ms_max: 1,
                buffer_events: 2,
                ..TurnConfig::default()
            },
            model: ModelConfig::default(),
            engine: EngineConfig {
                command: ["sh", "-c", "sleep 60"].map(str::to_owned).to_vec(),
                ..EngineConfig::default()
            },
            restart: RestartConfig::default(),
            observer: Arc::new(Unobserved),
        };
        let shared = Arc::new(Shared::new(parts));
        let (clients, _) = Actor::spawn(None, Clients, ()).await.unwrap();
        shared.desk.model_wanted(ModelId::from("m"));
        shared.clients.store(Some(Arc::new(clients)));
        let socket = folder.path().join("e.sock");
        let engine = owned::spawn(engine(UnixListener::bind(&socket).unwrap(), scripts.to_vec()));
        let bench = Self { handle: Handle { shared }, socket, _engine: engine, _folder: folder };
        bench.replica_up();
        bench
    }

    fn replica_up(&self) {
        let replica = ReplicaId { node: NodeId::from("n"), model: ModelId::from("m"), incarnation: 1 };
        let link = Arc::new(EngineLink::new(self.socket.clone()));
        self.handle.shared.desk.replica_up(replica, link);
    }

    async fn start(&self) -> (crate::Client, TurnStream) {
        let client = self.handle.connect().await.unwrap();
        let stream = client.start(request()).await.unwrap();
        (client, stream)
    }
}

fn request() -> TurnRequest {
    TurnRequest {
        turn: TurnId(7),
        model: ModelId::from("m"),
        input: TurnInput::Text("x".to_owned()),
        sampling: Sampling::default(),
        output_format: pomona_protocol::OutputFormat::Text,
        resume: Vec::new(),
        deadline_ms: 0,
    }
}

async fn engine(listener: UnixListener, scripts: Vec<Script>) {
    let mut number = 0;
    let mut streams = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let script = scripts[number.min(scripts.len() - 1)];
        number += 1;
        streams.spawn(serve(stream, script));
    }
}

async fn serve(mut stream: UnixStream, script: Script) -> Option<()> {
    let mut decoder = FrameDecoder::<Open>::new(REQUEST_FRAME_BYTES_MAX);
    loop {
        let Open::Turn { request, .. } = (loop {
            if let Some(open) = decoder.next_frame().ok()? {
                break open;
            }
            if stream.read_buf(decoder.buffer()).await.ok()? == 0 {
                return None;
            }
        }) else {
            return None;
        };
        let shown = request.resume.len() as u32;
        assert!(
            request.resume.iter().copied().eq((0..shown).map(|index| 1000 + index)),
            "resume is what was shown"
        );
        send(&mut stream, TurnEvent::Started { prompt_tokens: 5, cached_tokens: 0 }).await?;
        let last = match script {
            Script::DieAfter(tokens) => (shown + tokens).min(ANSWER),
            Script::Hang => shown + 1,
            Script::Repeat | Script::Garbage | Script::Refuse => shown,
            Script::Finish => ANSWER,
        };
        for index in shown..last {
            send(&mut stream, token(index)).await?;
        }
        match script {
            Script::Finish => {
                let usage = Usage { prompt_tokens: 5, cached_tokens: 0, completion_tokens: ANSWER };
                send(
                    &mut stream,
                    TurnEvent::Finished { reason: FinishReason::Stop, text: String::new(), usage },
                )
                .await?;
            }
            Script::DieAfter(_) => return None,
            Script::Repeat => {
                send(&mut stream, token(shown.saturating_sub(1) + u32::from(shown == 0))).await?
            }
            Script::Garbage => stream.write_all(&[0, 0, 0, 3, 0xc1, 0xc1, 0xc1]).await.ok()?,
            Script::Hang => std::future::pending().await,
            Script::Refuse => {
                let cause = Cause::ContextExceeded { prompt_tokens: 9, context_tokens: 8 };
                send(&mut stream, TurnEvent::Failed { cause }).await?;
            }
        }
    }
}

fn token(index: u32) -> TurnEvent {
    TurnEvent::Tokens {
        first: index,
        ids: vec![1000 + index],
        text: format!("{index} "),
        logprobs: Vec::new(),
    }
}

async fn send(stream: &mut UnixStream, event: TurnEvent) -> Option<()> {
    let mut frame = BytesMut::new();
    encode_frame(&event, &mut frame, EVENT_FRAME_BYTES_MAX).unwrap();
    stream.write_all(&frame).await.ok()
}

/// Reads a stream to its end; gives the text and the terminal event, and proves that there is exactly one.
async fn collect(stream: &mut TurnStream) -> (String, TurnEvent) {
    let (mut text, mut next, mut terminal) = (String::new(), 0, None);
    while let Some(event) =
        tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("a hang")
    {
        assert!(terminal.is_none(), "an event after the terminal one");
        match event {
            TurnEvent::Tokens { first, ids, text: more, .. } => {
                assert_eq!(first, next);
                next += ids.len() as u32;
                text += &more;
            }
            event if event.is_terminal() => terminal = Some(event),
            _ => {}
        }
    }
    (text, terminal.expect("no terminal event"))
}

fn whole() -> String {
    (0..ANSWER).map(|index| format!("{index} ")).collect()
}

async fn check_whole(scripts: &[Script]) {
    let bench = Bench::new(scripts).await;
    let (_client, mut stream) = bench.start().await;
    let (text, terminal) = collect(&mut stream).await;
    assert_eq!(text, whole(), "{scripts:?}");
    assert!(matches!(terminal, TurnEvent::Finished { reason: FinishReason::Stop, .. }), "{terminal:?}");
}

#[tokio::test]
async fn an_answer_survives_the_loss_of_its_engine_at_every_token() {
    for tokens in 0..=ANSWER {
        check_whole(&[Script::DieAfter(tokens), Script::Finish]).await;
    }
}

#[tokio::test]
async fn an_answer_survives_any_number_of_losses_that_each_show_something() {
    let mut scripts = vec![Script::DieAfter(1); ANSWER as usize];
    scripts.push(Script::Finish);
    check_whole(&scripts).await;
}

#[tokio::test]
async fn a_lying_engine_changes_nothing_that_was_shown() {
    check_whole(&[Script::DieAfter(3), Script::Repeat, Script::Garbage, Script::Finish]).await;
}

#[tokio::test]
async fn an_engine_that_never_shows_anything_is_given_up() {
    let bench = Bench::new(&[Script::DieAfter(0)]).await;
    let (_client, mut stream) = bench.start().await;
    let (text, terminal) = collect(&mut stream).await;
    assert_eq!(text, "");
    let TurnEvent::Failed { cause: Cause::AttemptsExhausted { attempts: 8, .. } } = terminal else {
        panic!("{terminal:?}")
    };
}

#[tokio::test]
async fn a_refusal_is_passed_on() {
    let bench = Bench::new(&[Script::Refuse]).await;
    let (_client, mut stream) = bench.start().await;
    let (_, terminal) = collect(&mut stream).await;
    assert!(matches!(terminal, TurnEvent::Failed { cause: Cause::ContextExceeded { .. } }), "{terminal:?}");
}

#[tokio::test]
async fn a_cancelled_turn_ends_as_cancelled_with_what_was_shown() {
    let bench = Bench::new(&[Script::Hang]).await;
    let (_client, mut stream) = bench.start().await;
    while !matches!(stream.next().await, Some(TurnEvent::Tokens { .. })) {}
    stream.cancel();
    let usage = Usage { prompt_tokens: 5, cached_tokens: 0, completion_tokens: 1 };
    let cancelled = TurnEvent::Finished { reason: FinishReason::Cancelled, text: String::new(), usage };
    assert_eq!(stream.next().await, Some(cancelled));
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_client_that_goes_takes_its_turns_along() {
    let bench = Bench::new(&[Script::Hang]).await;
    let (client, mut stream) = bench.start().await;
    while !matches!(stream.next().await, Some(TurnEvent::Tokens { .. })) {}
    drop(client);
    let (_, terminal) = collect(&mut stream).await;
    assert!(terminal.is_terminal());
    let mut turns = bench.handle.shared.turns_active.subscribe();
    tokio::time::timeout(Duration::from_secs(5), turns.wait_for(|turns| *turns == 0)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_turn_without_a_replica_waits_for_one() {
    let bench = Bench::new(&[Script::Finish]).await;
    let replica = ReplicaId { node: NodeId::from("n"), model: ModelId::from("m"), incarnation: 1 };
    bench.handle.shared.desk.replica_down(replica);
    let (_client, mut stream) = bench.start().await;
    assert_eq!(stream.next().await, Some(TurnEvent::Queued { ahead: 0 }));
    bench.replica_up();
    assert_eq!(collect(&mut stream).await.0, whole());
}

/// A Model actor around an engine that does nothing, which the reports below speak for.
async fn model_after(bench: &Bench, reports: Vec<EngineReport>) -> ReplicaState {
    let (model, joined) = Actor::spawn(None, Model, Arc::clone(&bench.handle.shared)).await.unwrap();
    for report in reports {
        let event = EngineEvent::Report(report);
        model.cast(ModelMessage::Engine { incarnation: 1, event }).unwrap();
    }
    let event = EngineEvent::Ended(Cause::EngineLost { message: "gone".to_owned() });
    model.cast(ModelMessage::Engine { incarnation: 1, event }).unwrap();
    let status = model.call(ModelMessage::Observe, Some(Duration::from_secs(5))).await.unwrap().unwrap();
    model.stop(None);
    joined.await.unwrap();
    status.state
}

#[tokio::test]
async fn an_engine_that_fails_while_loading_is_given_up_and_one_that_was_ready_is_restarted() {
    let bench = Bench::new(&[Script::Finish]).await;
    let failed = EngineReport::Failed { cause: Cause::Internal { message: "a step panicked".to_owned() } };
    let card = ModelCard {
        id: ModelId::from("m"),
        architecture: "llama".to_owned(),
        parameters: 1,
        dtype: "bf16".to_owned(),
        context_tokens: 8,
        vocabulary: 8,
        weight_bytes: 2,
        kv_bytes_per_token: 1,
    };
    let ready = EngineReport::Ready { card, load_ms: 1 };
    assert_eq!(model_after(&bench, vec![failed.clone()]).await, ReplicaState::Failed);
    assert_eq!(model_after(&bench, vec![ready.clone(), failed]).await, ReplicaState::Restarting);
    let (model, joined) = Actor::spawn(None, Model, Arc::clone(&bench.handle.shared)).await.unwrap();
    let event = EngineEvent::Report(ready);
    model.cast(ModelMessage::Engine { incarnation: 1, event }).unwrap();
    model.call(ModelMessage::Observe, Some(Duration::from_secs(5))).await.unwrap().unwrap();
    assert_eq!(bench.handle.shared.desk.view().placed.len(), 1);
    model.kill();
    joined.await.unwrap();
    assert!(
        bench.handle.shared.desk.view().placed.is_empty(),
        "a model that was killed left a replica behind"
    );
}
