//! Turns over the Unix socket, as a node opens them.

use std::path::{Path, PathBuf};
use std::sync::mpsc as blocking;
use std::time::Duration;

use bytes::BytesMut;
use pomona_engine::serve::{EngineError, Loaded, Loader, serve_loaded_by};
use pomona_protocol::limits::REQUEST_FRAME_BYTES_MAX;
use pomona_protocol::{
    AnswerForm, Cause, EngineLoad, EngineReport, FrameDecoder, Message, Open, Role, Sampling, Task,
    TurnEvent, TurnId, TurnInput, TurnRequest, encode_frame,
};
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::fake::{Curse, FakeBackend};
use super::fixture::{LIMITS, Transcript, loaded, sampling};

const PATIENCE: Duration = Duration::from_secs(60);

struct Engine {
    socket: PathBuf,
    _folder: TempDir,
    shutdown: oneshot::Sender<()>,
    served: JoinHandle<Result<(), EngineError>>,
}

impl Engine {
    fn start(loader: Loader) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (shutdown, ordered) = oneshot::channel::<()>();
        let serving = serve_loaded_by(listener, loader, "fake".into(), LIMITS, async { drop(ordered.await) });
        let served = tokio::task::spawn_local(serving);
        Self { socket, _folder: folder, shutdown, served }
    }

    fn with(backend: FakeBackend) -> Self {
        Self::start(Box::new(move |_| Ok(loaded(backend))))
    }

    async fn connect(&self) -> Peer {
        Peer::connect(&self.socket).await
    }

    async fn stop(self) -> Result<(), EngineError> {
        let _ = self.shutdown.send(());
        self.served.await.unwrap()
    }
}

pub(crate) struct Peer {
    stream: UnixStream,
    bytes: BytesMut,
}

impl Peer {
    pub(crate) async fn connect(socket: &Path) -> Self {
        Self { stream: UnixStream::connect(socket).await.unwrap(), bytes: BytesMut::new() }
    }

    pub(crate) async fn open(&mut self, open: &Open) {
        let mut frame = BytesMut::new();
        encode_frame(open, &mut frame, REQUEST_FRAME_BYTES_MAX).unwrap();
        self.stream.write_all(&frame).await.unwrap();
    }

    /// The next frame, or `None` at the end of the stream.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut decoder = FrameDecoder::<T>::new(REQUEST_FRAME_BYTES_MAX);
        loop {
            *decoder.buffer() = std::mem::take(&mut self.bytes);
            let frame = decoder.next_frame().unwrap();
            self.bytes = std::mem::take(decoder.buffer());
            if frame.is_some() {
                return frame;
            }
            let read =
                timeout(PATIENCE, self.stream.read_buf(&mut self.bytes)).await.expect("the engine speaks");
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Events up to the terminal one.
    pub(crate) async fn turn(&mut self, request: TurnRequest) -> Vec<TurnEvent> {
        self.open(&Open::Turn { attempt: 1, request: Box::new(request) }).await;
        let mut events = Vec::new();
        loop {
            events.push(self.next::<TurnEvent>().await.expect("a turn ends with a terminal event"));
            if events.last().is_some_and(TurnEvent::is_terminal) {
                return events;
            }
        }
    }

    /// What the engine on this socket says of its work so far.
    pub(crate) async fn load_of(socket: &Path) -> EngineLoad {
        let mut watcher = Peer::connect(socket).await;
        watcher.open(&Open::Watch).await;
        loop {
            let report = watcher.next::<EngineReport>().await.expect("watching goes on");
            if let EngineReport::Load(load) = report {
                return load;
            }
        }
    }

    /// Reports until one is as wanted.
    async fn until(&mut self, wanted: impl Fn(&EngineReport) -> bool) -> EngineReport {
        loop {
            let report = self.next::<EngineReport>().await.expect("watching goes on");
            if wanted(&report) {
                return report;
            }
        }
    }
}

pub(crate) fn request(input: TurnInput, sampling: Sampling) -> TurnRequest {
    TurnRequest {
        turn: TurnId(7),
        model: "fake".into(),
        input,
        sampling,
        task: Task::Generate,
        form: AnswerForm::default(),
        resume: Vec::new(),
        deadline_ms: 0,
        asked_ms: 0,
        tells_prefill: false,
        trace: None,
    }
}

pub(crate) fn chat(text: &str) -> TurnInput {
    TurnInput::Messages(vec![Message::text(Role::User, text)])
}

fn slow_backend() -> FakeBackend {
    let mut backend = FakeBackend::new(64);
    backend.pace = Duration::from_millis(5);
    backend
}

fn failure(events: &[TurnEvent]) -> &Cause {
    match events.last() {
        Some(TurnEvent::Failed { cause }) => cause,
        other => panic!("no failure but {other:?}"),
    }
}

/// Runs a test on one thread, with the engine's connections beside it.
pub(crate) fn on_local<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test)
}

#[test]
fn one_connection_runs_turn_after_turn() {
    on_local(async {
        let engine = Engine::with(FakeBackend::new(64));
        let mut peer = engine.connect().await;
        let first = peer.turn(request(chat("hello"), sampling(|_| ()))).await;
        let first = Transcript::read(&first, 0);
        assert_eq!(first.ids.len(), 16);
        // <|begin|>, "user:hello\n" and "assistant:".
        assert_eq!(first.usage.prompt_tokens, 1 + 11 + 10);
        let again = Transcript::read(&peer.turn(request(chat("hello"), sampling(|_| ()))).await, 0);
        assert_eq!(again.ids, first.ids);
        let text = TurnInput::Text("user:hello\nassistant:".to_owned());
        let same = Transcript::read(&peer.turn(request(text, sampling(|_| ()))).await, 0);
        assert_eq!(same.ids, first.ids, "a beginning-of-text token is added to text and not twice to a chat");
        engine.stop().await.unwrap();
    });
}

#[test]
fn a_turn_that_comes_while_loading_waits_and_a_watcher_hears_of_both() {
    on_local(async {
        let (go_on, gate) = blocking::channel::<()>();
        let engine = Engine::start(Box::new(move |progress| {
            progress(1, 2);
            let _ = gate.recv();
            Ok(loaded(FakeBackend::new(64)))
        }));
        let (mut watcher, mut peer) = (engine.connect().await, engine.connect().await);
        watcher.open(&Open::Watch).await;
        let half = EngineReport::Loading { bytes_done: 1, bytes_total: 2 };
        assert_eq!(watcher.until(|report| *report == half).await, half);
        let (events, ()) = tokio::join!(peer.turn(request(chat("hi"), sampling(|_| ()))), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            go_on.send(()).unwrap();
        });
        Transcript::read(&events, 0);
        let ready = watcher.until(|report| !matches!(report, EngineReport::Loading { .. })).await;
        assert!(matches!(ready, EngineReport::Ready { card, .. } if card.id.0 == "fake"));
        let wanted =
            |report: &EngineReport| matches!(report, EngineReport::Load(load) if load.generated_tokens == 16);
        let EngineReport::Load(load) = watcher.until(wanted).await else { panic!("not a load") };
        assert_eq!((load.running, load.kv_blocks_total), (0, 64));
        engine.stop().await.unwrap();
    });
}

#[test]
fn closing_or_speaking_during_a_turn_cancels_it() {
    on_local(async {
        for speaks in [false, true] {
            let engine = Engine::with(slow_backend());
            let (mut watcher, mut peer) = (engine.connect().await, engine.connect().await);
            watcher.open(&Open::Watch).await;
            let endless = sampling(|s| s.max_tokens = None);
            peer.open(&Open::Turn { attempt: 1, request: Box::new(request(chat("hi"), endless)) }).await;
            watcher.until(|report| matches!(report, EngineReport::Load(load) if load.running == 1)).await;
            if speaks {
                peer.stream.write_all(b"x").await.unwrap();
                while peer.next::<TurnEvent>().await.is_some() {}
            } else {
                drop(peer);
            }
            let load =
                watcher.until(|report| matches!(report, EngineReport::Load(load) if load.running == 0)).await;
            assert!(matches!(load, EngineReport::Load(load) if load.generated_tokens < 400));
            engine.stop().await.unwrap();
        }
    });
}

#[test]
fn garbage_ends_its_connection_and_no_other() {
    on_local(async {
        let engine = Engine::with(slow_backend());
        let (mut good, mut bad) = (engine.connect().await, engine.connect().await);
        let (events, ()) = tokio::join!(good.turn(request(chat("hi"), sampling(|_| ()))), async {
            for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\0\0\x03abc"] {
                bad = engine.connect().await;
                bad.stream.write_all(garbage).await.unwrap();
                let event = bad.next::<TurnEvent>().await;
                assert!(
                    matches!(event, Some(TurnEvent::Failed { cause: Cause::Protocol { .. } })),
                    "{event:?}"
                );
                assert_eq!(bad.next::<TurnEvent>().await, None);
            }
        });
        Transcript::read(&events, 0);
        engine.stop().await.unwrap();
    });
}

#[test]
fn a_model_that_does_not_load_is_told_to_all_and_ends_the_engine() {
    on_local(async {
        let (go_on, gate) = blocking::channel::<()>();
        let engine = Engine::start(Box::new(move |_| -> Result<Loaded, EngineError> {
            let _ = gate.recv();
            Err(EngineError::Load { message: "config.json is missing".to_owned() })
        }));
        let (mut watcher, mut peer) = (engine.connect().await, engine.connect().await);
        watcher.open(&Open::Watch).await;
        watcher.until(|_| true).await;
        let (events, ()) = tokio::join!(peer.turn(request(chat("hi"), sampling(|_| ()))), async {
            go_on.send(()).unwrap();
        });
        assert!(matches!(failure(&events), Cause::ModelUnavailable { model, .. } if model == "fake"));
        let report = watcher.until(|report| !matches!(report, EngineReport::Loading { .. })).await;
        assert!(
            matches!(report, EngineReport::Failed { cause: Cause::ModelUnavailable { .. } }),
            "{report:?}"
        );
        assert!(matches!(engine.served.await.unwrap(), Err(EngineError::Load { .. })));
    });
}

#[test]
fn an_engine_that_panics_or_fails_loses_its_turns_and_ends() {
    on_local(async {
        for curse in [Curse::Panic, Curse::Error] {
            let mut backend = FakeBackend::new(64);
            backend.curse = curse;
            let engine = Engine::with(backend);
            let (mut watcher, mut peer) = (engine.connect().await, engine.connect().await);
            watcher.open(&Open::Watch).await;
            watcher.until(|report| matches!(report, EngineReport::Load(_))).await;
            let events = peer.turn(request(chat("bang!"), sampling(|_| ()))).await;
            assert!(matches!(failure(&events), Cause::EngineLost { .. }), "{events:?}");
            watcher.until(|report| matches!(report, EngineReport::Failed { .. })).await;
            assert!(engine.served.await.unwrap().is_err());
        }
    });
}

#[test]
fn a_turn_ends_at_its_deadline_and_says_what_it_was_doing() {
    on_local(async {
        let engine = Engine::with(slow_backend());
        let mut peer = engine.connect().await;
        let mut late = request(chat("hi"), sampling(|s| s.max_tokens = None));
        late.deadline_ms = 60;
        let events = peer.turn(late).await;
        let cause = Cause::DeadlineExceeded { limit_ms: 60, phase: "generating".to_owned() };
        assert_eq!(failure(&events), &cause);
        Transcript::read(&peer.turn(request(chat("hi"), sampling(|_| ()))).await, 0);
        engine.stop().await.unwrap();
    });
}

#[test]
fn an_engine_that_stops_hands_its_turns_on() {
    on_local(async {
        let engine = Engine::with(slow_backend());
        let mut peer = engine.connect().await;
        let endless = request(chat("hi"), sampling(|s| s.max_tokens = None));
        let (events, stopped) = tokio::join!(peer.turn(endless), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            engine.stop().await
        });
        assert!(failure(&events).is_retryable(), "{:?}", events.last());
        stopped.unwrap();
    });
}

#[test]
fn what_cannot_be_served_is_refused_and_the_connection_goes_on() {
    on_local(async {
        let engine = Engine::with(FakeBackend::new(64));
        let mut peer = engine.connect().await;
        let mut foreign = request(chat("hi"), sampling(|_| ()));
        foreign.model = "other".into();
        assert!(matches!(failure(&peer.turn(foreign).await), Cause::UnknownModel { .. }));
        let wrong = request(chat("hi"), sampling(|s| s.temperature = Some(f32::NAN)));
        assert!(matches!(failure(&peer.turn(wrong).await), Cause::InvalidRequest { .. }));
        let long = request(TurnInput::Text("long ".repeat(20_000)), sampling(|_| ()));
        assert!(matches!(
            failure(&peer.turn(long).await),
            Cause::ContextExceeded { prompt_tokens: 100_001, .. }
        ));
        Transcript::read(&peer.turn(request(chat("hi"), sampling(|_| ()))).await, 0);
        engine.stop().await.unwrap();
    });
}

#[test]
fn of_a_crowd_each_turn_ends_once_and_nothing_is_left() {
    on_local(async {
        let engine = Engine::with(FakeBackend::new(64));
        let mut crowd = tokio::task::JoinSet::new();
        for name in 0..60 {
            let socket = engine.socket.clone();
            crowd.spawn_local(async move {
                let mut peer = Peer::connect(&socket).await;
                let request = request(chat(&format!("turn {name}")), sampling(|_| ()));
                if name % 5 == 0 {
                    // Gone before it has an answer.
                    return peer.open(&Open::Turn { attempt: 1, request: Box::new(request) }).await;
                }
                let events = peer.turn(request).await;
                if !matches!(events.last(), Some(TurnEvent::Failed { cause: Cause::Overloaded { .. } })) {
                    Transcript::read(&events, 0);
                }
            });
        }
        while let Some(ended) = crowd.join_next().await {
            ended.unwrap();
        }
        let mut watcher = engine.connect().await;
        watcher.open(&Open::Watch).await;
        let is_empty = |report: &EngineReport| matches!(report, EngineReport::Load(load) if load.running == 0 && load.waiting == 0);
        watcher.until(is_empty).await;
        engine.stop().await.unwrap();
    });
}
