//! Streams to one engine process. A stream serves one turn at a time; after a clean end it is kept for the
//! next one, since a connect costs more than the frames of a short turn.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::UnixStream;

/// Idle streams kept per engine; twice a full batch, so that a steady load never connects.
const IDLE_STREAMS_MAX: usize = 128;

/// The way to one engine process. A new incarnation gets a new link, so old streams die with the old one.
#[derive(Debug)]
pub(crate) struct EngineLink {
    socket: PathBuf,
    idle: Mutex<Vec<UnixStream>>,
    usage: Mutex<Usage>,
}

#[derive(Debug)]
struct Usage {
    turns: usize,
    /// When the last turn began or ended; when the link was made, as long as there was none.
    last: Instant,
}

/// A stream lent to one turn. The engine is in use until it is given back or dropped.
#[derive(Debug)]
pub(crate) struct TurnStream {
    pub(crate) socket: UnixStream,
    _turn: RunningTurn,
}

#[derive(Debug)]
struct RunningTurn(Arc<EngineLink>);

impl RunningTurn {
    fn begin(link: Arc<EngineLink>) -> Self {
        link.note(|turns| turns + 1);
        Self(link)
    }
}

impl Drop for RunningTurn {
    fn drop(&mut self) {
        self.0.note(|turns| turns.saturating_sub(1));
    }
}

impl EngineLink {
    pub(crate) fn new(socket: PathBuf) -> Self {
        let usage = Mutex::new(Usage { turns: 0, last: Instant::now() });
        Self { socket, idle: Mutex::new(Vec::new()), usage }
    }

    /// How long no turn has run; zero while one does.
    pub(crate) fn idle_for(&self) -> Duration {
        let usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        if usage.turns > 0 { Duration::ZERO } else { usage.last.elapsed() }
    }

    /// An idle stream, or a new one.
    pub(crate) async fn open(self: &Arc<Self>) -> io::Result<TurnStream> {
        let turn = RunningTurn::begin(Arc::clone(self));
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let socket = match idle {
            Some(socket) => socket,
            None => UnixStream::connect(&self.socket).await?,
        };
        Ok(TurnStream { socket, _turn: turn })
    }

    /// Takes back a stream whose turn ended with its terminal event. Any other stream is dropped by its
    /// owner, which cancels its turn at the engine.
    pub(crate) fn give_back(&self, stream: TurnStream) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_STREAMS_MAX {
            idle.push(stream.socket);
        }
    }

    fn note(&self, turns: impl FnOnce(usize) -> usize) {
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        *usage = Usage { turns: turns(usage.turns), last: Instant::now() };
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn an_engine_is_idle_from_the_end_of_its_last_turn_however_that_ends() {
        let folder = tempfile::TempDir::new().unwrap();
        let socket = folder.path().join("engine");
        let _listener = UnixListener::bind(&socket).unwrap();
        let link = Arc::new(EngineLink::new(socket));
        let (kept, dropped) = (link.open().await.unwrap(), link.open().await.unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
        let before_end = Instant::now();
        assert_eq!(link.idle_for(), Duration::ZERO);
        link.give_back(kept);
        assert_eq!(link.idle_for(), Duration::ZERO);
        drop(dropped);
        assert!(link.idle_for() <= before_end.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(link.idle_for() >= Duration::from_millis(5));
        assert_eq!(link.idle.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_turn_that_does_not_reach_its_engine_is_none() {
        let link = Arc::new(EngineLink::new(PathBuf::from("/nowhere/engine")));
        link.open().await.unwrap_err();
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(link.idle_for() >= Duration::from_millis(5));
    }
}
