//! Streams to one engine process. A stream serves one turn at a time; after a clean end it is kept for the
//! next one, since a connect costs more than the frames of a short turn.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::net::UnixStream;

/// Idle streams kept per engine; twice a full batch, so that a steady load never connects.
const IDLE_STREAMS_MAX: usize = 128;

/// The way to one engine process. A new incarnation gets a new link, so old streams die with the old one.
#[derive(Debug)]
pub(crate) struct EngineLink {
    socket: PathBuf,
    idle: Mutex<Vec<UnixStream>>,
    /// When the last turn began.
    used_at: Mutex<Instant>,
}

impl EngineLink {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket, idle: Mutex::new(Vec::new()), used_at: Mutex::new(Instant::now()) }
    }

    /// When the last turn began; when this link was made, as long as none has.
    pub(crate) fn used_at(&self) -> Instant {
        *self.used_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle stream, or a new one.
    pub(crate) async fn open(&self) -> io::Result<UnixStream> {
        *self.used_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(stream) => Ok(stream),
            None => UnixStream::connect(&self.socket).await,
        }
    }

    /// Takes back a stream whose turn ended with its terminal event. Any other stream is dropped by its
    /// owner, which cancels its turn at the engine.
    pub(crate) fn give_back(&self, stream: UnixStream) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_STREAMS_MAX {
            idle.push(stream);
        }
    }
}
