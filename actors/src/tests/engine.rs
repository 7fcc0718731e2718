//! An engine that a test plays by hand: it takes streams when the test looks, and says what the test says.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pomona_protocol::limits::REQUEST_FRAME_BYTES_MAX;
use pomona_protocol::{FinishReason, FrameDecoder, Open, TurnEvent, TurnRequest, Usage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::bench::{PATIENCE, send, token};
use crate::engine_link::EngineLink;

pub(super) struct Engine {
    listener: UnixListener,
    socket: PathBuf,
}

impl Engine {
    pub(super) fn new(folder: &Path, name: &str) -> Self {
        let socket = folder.join(name);
        Self { listener: UnixListener::bind(&socket).unwrap(), socket }
    }

    pub(super) fn link(&self) -> Arc<EngineLink> {
        Arc::new(EngineLink::new(self.socket.clone()))
    }

    /// The next stream and the turn that it begins with.
    pub(super) async fn next(&self) -> Running {
        let (stream, _) = timeout(PATIENCE, self.listener.accept()).await.expect("nobody came").unwrap();
        Running::next(stream).await.expect("a stream without a turn")
    }

    /// Whether nobody has connected since the last look.
    pub(super) async fn is_alone(&self) -> bool {
        timeout(std::time::Duration::from_millis(20), self.listener.accept()).await.is_err()
    }
}

/// A turn at the engine.
pub(super) struct Running {
    pub(super) attempt: u32,
    pub(super) request: TurnRequest,
    pub(super) stream: UnixStream,
}

impl Running {
    /// The next turn on a stream; `None` when it was closed.
    pub(super) async fn next(mut stream: UnixStream) -> Option<Self> {
        let mut decoder = FrameDecoder::<Open>::new(REQUEST_FRAME_BYTES_MAX);
        loop {
            if let Some(open) = decoder.next_frame().unwrap() {
                let Open::Turn { attempt, request } = open else { panic!("{open:?}") };
                return Some(Self { attempt, request: *request, stream });
            }
            let read = timeout(PATIENCE, stream.read_buf(decoder.buffer())).await.expect("silence").ok()?;
            if read == 0 {
                return None;
            }
        }
    }

    /// Begins, and says these tokens, one a frame.
    pub(super) async fn start(&mut self, indices: Range<u32>) {
        self.say(TurnEvent::Started { prompt_tokens: 5, cached_tokens: 0 }).await;
        self.tokens(indices).await;
    }

    pub(super) async fn tokens(&mut self, indices: Range<u32>) {
        for index in indices {
            self.say(token(index)).await;
        }
    }

    pub(super) async fn finish(&mut self, completion_tokens: u32) {
        let usage = Usage { prompt_tokens: 5, cached_tokens: 0, completion_tokens, ..Usage::default() };
        self.say(TurnEvent::Finished {
            reason: FinishReason::Stop,
            text: String::new(),
            usage,
            marks: Vec::new(),
            stop: None,
            embedding: Vec::new(),
        })
        .await;
    }

    pub(super) async fn say(&mut self, event: TurnEvent) {
        send(&mut self.stream, event).await.expect("the engine was left");
    }

    pub(super) async fn say_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Waits until nobody wants the answer any more.
    pub(super) async fn until_left(mut self) {
        let read = timeout(PATIENCE, self.stream.read(&mut [0; 16])).await.expect("still wanted");
        assert!(matches!(read, Ok(0) | Err(_)), "another turn on a stream that is busy");
    }
}
