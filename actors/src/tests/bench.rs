//! One process with a scripted engine, and the words that all tests here use.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use pomona_cluster::admission::Input;
use pomona_config::{
    EngineConfig, FleetConfig, LinkConfig, ModelConfig, RestartConfig, RoutingConfig, TurnConfig,
    WeightsConfig,
};
use pomona_protocol::limits::{EVENT_FRAME_BYTES_MAX, REQUEST_FRAME_BYTES_MAX};
use pomona_protocol::{
    AnswerForm, Cause, FinishReason, FrameDecoder, ModelCard, ModelId, NodeId, Open, ReplicaId, ReplicaLoad,
    ReplicaReport, ReplicaState, Sampling, Task, TurnEvent, TurnId, TurnInput, TurnRequest, Usage,
    encode_frame,
};
use ractor::Actor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::task::AbortOnDropHandle;

use crate::client::Clients;
use crate::engine_link::EngineLink;
use crate::owned;
use crate::route::Route;
use crate::shared::Shared;
use crate::{Handle, Parts, TurnStream, Unobserved};

/// Generous, since tests share two cores.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
pub(super) const ANSWER: u32 = 40;

/// What the scripted engine does with one stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum Script {
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

pub(super) struct Bench {
    pub(super) handle: Handle,
    socket: PathBuf,
    _engine: AbortOnDropHandle<()>,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// A router and a replica whose streams follow the scripts, one each; the last one repeats.
    pub(super) async fn new(scripts: &[Script]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shared = Arc::new(Shared::new(&parts(folder.path())));
        let (clients, _) = Actor::spawn(None, Clients, ()).await.unwrap();
        shared.desk.tell(Input::ModelWanted { model: model() });
        shared.clients.store(Some(Arc::new(clients)));
        let socket = folder.path().join("e.sock");
        let engine = owned::spawn(engine(UnixListener::bind(&socket).unwrap(), scripts.to_vec()));
        let bench = Self { handle: Handle { shared }, socket, _engine: engine, _folder: folder };
        bench.replica_up();
        bench
    }

    pub(super) fn replica_up(&self) {
        let link = Arc::new(EngineLink::new(self.socket.clone()));
        up(&self.handle.shared, replica("n"), Route::Engine(link));
    }

    pub(super) async fn start(&self) -> (crate::Client, TurnStream) {
        let client = self.handle.connect().await.unwrap();
        let stream = client.start(request()).await.unwrap();
        (client, stream)
    }
}

pub(super) fn request() -> TurnRequest {
    TurnRequest {
        turn: TurnId(7),
        model: model(),
        input: TurnInput::Text("x".to_owned()),
        sampling: Sampling::default(),
        task: Task::Generate,
        form: AnswerForm::default(),
        resume: Vec::new(),
        deadline_ms: 0,
        asked_ms: 0,
        tells_prefill: false,
        trace: None,
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
                let usage = Usage {
                    prompt_tokens: 5,
                    cached_tokens: 0,
                    completion_tokens: ANSWER,
                    ..Usage::default()
                };
                send(
                    &mut stream,
                    TurnEvent::Finished {
                        reason: FinishReason::Stop,
                        text: String::new(),
                        usage,
                        marks: Vec::new(),
                        stop: None,
                        embedding: Vec::new(),
                    },
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

pub(super) fn token(index: u32) -> TurnEvent {
    TurnEvent::Tokens {
        first: index,
        ids: vec![1000 + index],
        text: format!("{index} "),
        logprobs: Vec::new(),
        marks: Vec::new(),
    }
}

pub(super) async fn send(stream: &mut UnixStream, event: TurnEvent) -> Option<()> {
    let mut frame = BytesMut::new();
    encode_frame(&event, &mut frame, EVENT_FRAME_BYTES_MAX).unwrap();
    stream.write_all(&frame).await.ok()
}

/// Reads a stream to its end; gives the text and the terminal event, and proves that there is exactly one.
pub(super) async fn collect(stream: &mut TurnStream) -> (String, TurnEvent) {
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

pub(super) fn whole() -> String {
    (0..ANSWER).map(|index| format!("{index} ")).collect()
}

/// A gateway that hosts models itself.
pub(super) fn parts(folder: &Path) -> Parts {
    Parts {
        cluster: "orchard".to_owned(),
        node: NodeId::from("n"),
        name: "pear".to_owned(),
        boot: 1,
        routes: true,
        hosts: true,
        first_model: None,
        memory_bytes: 1 << 30,
        kv_bytes: 1 << 20,
        data_dir: folder.to_owned(),
        run_dir: folder.to_owned(),
        members_max: 16,
        routing: RoutingConfig::default(),
        turn: TurnConfig { backoff_base_ms: 1, backoff_ms_max: 1, buffer_events: 2, ..TurnConfig::default() },
        model: ModelConfig::default(),
        engine: EngineConfig {
            command: ["sh", "-c", "sleep 60"].map(str::to_owned).to_vec(),
            ..EngineConfig::default()
        },
        accelerator: None,
        restart: RestartConfig::default(),
        link: LinkConfig::default(),
        fleet: FleetConfig::default(),
        weights: WeightsConfig::default(),
        observer: Arc::new(Unobserved),
        mesh: None,
        store: None,
        session: pomona_config::SessionConfig::default(),
        notifications: pomona_config::NotificationsConfig::default(),
        hub: None,
    }
}

pub(super) fn model() -> ModelId {
    ModelId::from("m")
}

pub(super) fn card() -> ModelCard {
    ModelCard {
        id: model(),
        architecture: "llama".to_owned(),
        parameters: 1,
        dtype: "bf16".to_owned(),
        context_tokens: 8,
        vocabulary: 8,
        weight_bytes: 2,
        kv_bytes_per_token: 1,
        ..ModelCard::default()
    }
}

/// The first incarnation of the model at this node.
pub(super) fn replica(node: &str) -> ReplicaId {
    ReplicaId { node: NodeId::from(node), model: model(), incarnation: 1 }
}

/// What a node says of a replica that waits for turns.
pub(super) fn ready(replica: ReplicaId) -> ReplicaReport {
    ReplicaReport {
        replica,
        state: ReplicaState::Ready,
        card: None,
        is_pinned: false,
        idle_ms: 0,
        memory_bytes: 1,
        restarts: 0,
        engine_pid: None,
        error: None,
        load: ReplicaLoad::default(),
        figures: Default::default(),
    }
}

/// Lets a replica take turns.
pub(super) fn up(shared: &Shared, replica: ReplicaId, route: Route) {
    shared.desk.set_route(replica.clone(), route);
    shared.desk.tell(Input::ReplicaUp {
        replica,
        load: ReplicaLoad::default(),
        rtt: Duration::ZERO,
        is_draining: false,
    });
}

/// Waits for something that is about to be so.
pub(super) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let asked = Instant::now();
    while !is_so() {
        assert!(asked.elapsed() < PATIENCE, "{what}: not so in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
