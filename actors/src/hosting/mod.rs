//! What gateways ask of this machine over their links: turns, turns they had before, weights. One task per stream,
//! owned by [`Hosted`].

mod held;
mod provider;
mod turn;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use pomona_protocol::limits::REQUEST_FRAME_BYTES_MAX;
use pomona_protocol::{Cause, FrameDecoder, Open, PeerRole, TurnId, TurnRequest};
use pomona_transport::{Link, RecvStream, SendStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use self::turn::{HostedTurn, Sink, leave, refuse};
use crate::counts::count;
use crate::engine_link::{EngineLink, TurnStream};
use crate::shared::Shared;
use crate::trace::Phases;

/// Streams that may take a turn over while its task is busy with one of them.
const SINKS_MAX: usize = 4;

/// Turns that gateways have sent here.
#[derive(Debug, Default)]
pub(crate) struct Hosted {
    turns: Mutex<BTreeMap<TurnId, Entry>>,
    running: AtomicU32,
    /// Owns the task of every stream that was opened here.
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Entry {
    /// The newest try that was seen; older ones are refused.
    attempt: u32,
    sinks: mpsc::Sender<Sink>,
}

impl Hosted {
    /// Turns that run or are held.
    pub(crate) fn running(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TurnId, Entry>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task that holds this turn, when it is not ahead of this try.
    fn held(&self, turn: TurnId, attempt: u32) -> Result<Option<mpsc::Sender<Sink>>, Cause> {
        let mut turns = self.lock();
        let Some(entry) = turns.get_mut(&turn) else { return Ok(None) };
        if attempt < entry.attempt {
            let message = format!("attempt {attempt} of a turn whose attempt {} is here", entry.attempt);
            return Err(Cause::Protocol { message });
        }
        entry.attempt = attempt;
        Ok(Some(entry.sinks.clone()))
    }
}

/// A turn's place among the hosted ones; goes with its task.
struct Registered {
    hosted: Arc<Hosted>,
    turn: TurnId,
    sinks: mpsc::Sender<Sink>,
}

impl Registered {
    fn new(hosted: Arc<Hosted>, turn: TurnId, attempt: u32) -> (Self, mpsc::Receiver<Sink>) {
        let (sinks, receiver) = mpsc::channel(SINKS_MAX);
        hosted.lock().insert(turn, Entry { attempt, sinks: sinks.clone() });
        hosted.running.fetch_add(1, Ordering::Relaxed);
        (Self { hosted, turn, sinks }, receiver)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut turns = self.hosted.lock();
        // Another try may have taken the name since.
        if turns.get(&self.turn).is_some_and(|entry| entry.sinks.same_channel(&self.sinks)) {
            turns.remove(&self.turn);
        }
        drop(turns);
        self.hosted.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves what the other side of a link opens, until the link ends. Turns outlive it: each finds out by itself that
/// its stream is gone, and is held for a while.
pub(crate) async fn serve_link(shared: Arc<Shared>, link: Link) {
    while let Ok((send, recv)) = link.accept().await {
        shared.hosted.tasks.spawn(serve_stream(Arc::clone(&shared), link.clone(), send, recv));
    }
}

async fn serve_stream(shared: Arc<Shared>, link: Link, mut send: SendStream, mut recv: RecvStream) {
    let patience = Duration::from_millis(shared.link.greeting_ms);
    let mut decoder = FrameDecoder::<Open>::new(REQUEST_FRAME_BYTES_MAX);
    let opened = tokio::time::timeout(patience, next_open(&mut recv, &mut decoder)).await;
    let (open, bytes) = match opened {
        Ok(Ok(Some(opened))) => opened,
        Ok(Err(message)) => return refuse(&mut send, Cause::Protocol { message }).await,
        Ok(Ok(None)) | Err(_) => return,
    };
    match open {
        Open::Blob(request) => crate::weights::give(&shared, request, &mut send).await,
        Open::Turn { .. } | Open::Attach { .. } if link.peer().role != PeerRole::Gateway => {
            let message = "a node does not send turns".to_owned();
            refuse(&mut send, Cause::Protocol { message }).await;
        }
        Open::Turn { attempt, request } => run_turn(shared, attempt, *request, bytes, send).await,
        Open::Attach { turn, attempt, from } => attach(&shared, turn, attempt, send, from).await,
        Open::Session(open) if link.peer().role == PeerRole::Gateway => {
            crate::sessions::serve::run(shared, open, send).await;
        }
        Open::Session(_) => {
            let message = "a node does not ask for sessions".to_owned();
            refuse(&mut send, Cause::Protocol { message }).await;
        }
        Open::Watch => {
            let message = "engines are watched by their own node".to_owned();
            refuse(&mut send, Cause::Protocol { message }).await;
        }
    }
}

/// The first frame, and its bytes as they came.
async fn next_open(
    recv: &mut RecvStream,
    decoder: &mut FrameDecoder<Open>,
) -> Result<Option<(Open, BytesMut)>, String> {
    let mut bytes = BytesMut::new();
    loop {
        if let Some(open) = decoder.next_frame().map_err(|error| error.to_string())? {
            return Ok(Some((open, bytes)));
        }
        let before = decoder.buffer().len();
        match recv.read_buf(decoder.buffer()).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => bytes.extend_from_slice(&decoder.buffer()[before..]),
        }
    }
}

async fn attach(shared: &Shared, turn: TurnId, attempt: u32, stream: SendStream, from: u32) {
    let sink = Sink { stream, from, back: None };
    let mut sink = match shared.hosted.held(turn, attempt) {
        Ok(Some(sinks)) => match sinks.try_send(sink) {
            Ok(()) => return,
            Err(TrySendError::Full(sink) | TrySendError::Closed(sink)) => sink,
        },
        Ok(None) => sink,
        Err(cause) => return refuse(&mut { sink }.stream, cause).await,
    };
    refuse(&mut sink.stream, Cause::TurnNotHeld).await;
}

/// Runs a turn, or goes on with it when it is still held from an earlier try.
async fn run_turn(
    shared: Arc<Shared>,
    attempt: u32,
    request: TurnRequest,
    open: BytesMut,
    stream: SendStream,
) {
    let from = request.resume.len() as u32;
    let mut stream = match shared.hosted.held(request.turn, attempt) {
        Ok(None) => stream,
        Ok(Some(sinks)) => match take_over(&sinks, stream, from).await {
            Some(stream) => stream,
            None => return,
        },
        Err(cause) => return refuse(&mut { stream }, cause).await,
    };
    let Some(engine) = shared.engines.serving(&request.model) else {
        if shared.routes {
            return provider::run(shared, request, stream).await;
        }
        let message = format!("no replica of `{}` is ready here", request.model);
        return refuse(&mut stream, Cause::EngineLost { message }).await;
    };
    let (_registered, mut sinks) = Registered::new(Arc::clone(&shared.hosted), request.turn, attempt);
    match open_at(&engine, &open).await {
        Ok(lent) => {
            count(&shared.counts.turns);
            let grace = Duration::from_millis(shared.fleet.orphan_grace_ms);
            let sink = Sink { stream, from, back: None };
            let phases = Phases::begin(&shared.observer, request.trace);
            let hosted = HostedTurn::new(lent, sink, shared.fleet.held_bytes_max as usize, grace, phases);
            if let Some(lent) = hosted.run(&mut sinks).await {
                engine.give_back(lent);
            }
        }
        Err(error) => refuse(&mut stream, Cause::EngineLost { message: error.to_string() }).await,
    }
    leave(sinks).await;
}

/// Goes on with a held turn on this stream; gives the stream back when that holds something else.
async fn take_over(sinks: &mpsc::Sender<Sink>, stream: SendStream, from: u32) -> Option<SendStream> {
    let (back, returned) = oneshot::channel();
    match sinks.try_send(Sink { stream, from, back: Some(back) }) {
        Ok(()) => returned.await.ok(),
        Err(TrySendError::Full(sink) | TrySendError::Closed(sink)) => Some(sink.stream),
    }
}

async fn open_at(engine: &Arc<EngineLink>, open: &BytesMut) -> std::io::Result<TurnStream> {
    let mut stream = engine.open().await?;
    stream.socket.write_all(open).await?;
    Ok(stream)
}
