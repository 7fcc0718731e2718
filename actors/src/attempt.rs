//! One try of one turn: a task that opens a stream to an engine, checks every event against the ledger, and
//! passes tokens on to the client. Spawned and owned by the Turn actor.
//!
//! The attempt holds the ledger and the way to the client while it runs, and hands the ledger back when it
//! ends, however it ends. So no two attempts can ever show tokens of one turn.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use pomona_cluster::ledger::{Ledger, Verdict};
use pomona_cluster::turn::Outcome;
use pomona_protocol::limits::EVENT_FRAME_BYTES_MAX;
use pomona_protocol::{Cause, FrameDecoder, TurnEvent};
use ractor::ActorRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::engine_link::EngineLink;
use crate::observer::Observation;
use crate::shared::Shared;
use crate::turn::TurnMessage;

pub(crate) struct Attempt {
    pub(crate) shared: Arc<Shared>,
    pub(crate) turn: ActorRef<TurnMessage>,
    pub(crate) attempt: u32,
    pub(crate) ledger: Ledger,
    pub(crate) sink: mpsc::Sender<TurnEvent>,
    pub(crate) stop: CancellationToken,
    pub(crate) accepted_at: Instant,
    /// When the last token was shown, over all attempts.
    pub(crate) token_at: Option<Instant>,
    pub(crate) deadline: Instant,
    outcome: Outcome,
    finished: Option<TurnEvent>,
}

/// What an attempt hands back.
pub(crate) struct Ended {
    pub(crate) attempt: u32,
    pub(crate) ledger: Ledger,
    pub(crate) token_at: Option<Instant>,
    pub(crate) outcome: Outcome,
    /// The engine's `Finished` event, when the outcome says so.
    pub(crate) finished: Option<TurnEvent>,
}

impl Attempt {
    #[expect(
        clippy::too_many_arguments,
        reason = "one owner, one call; a second struct would only rename the fields"
    )]
    pub(crate) fn new(
        shared: Arc<Shared>,
        turn: ActorRef<TurnMessage>,
        attempt: u32,
        ledger: Ledger,
        sink: mpsc::Sender<TurnEvent>,
        stop: CancellationToken,
        accepted_at: Instant,
        token_at: Option<Instant>,
        deadline: Instant,
    ) -> Self {
        let outcome = Outcome::Failed(Cause::Internal { message: "an attempt was dropped".to_owned() });
        Self {
            shared,
            turn,
            attempt,
            ledger,
            sink,
            stop,
            accepted_at,
            token_at,
            deadline,
            outcome,
            finished: None,
        }
    }

    /// Runs to the end; the result reaches the Turn actor when `self` is dropped.
    pub(crate) async fn run(mut self, link: Arc<EngineLink>, open: BytesMut) {
        self.outcome = match self.until_stopped(connect(&link, open)).await {
            Some(Ok(mut stream)) => match self.pump(&mut stream).await {
                Outcome::Finished => {
                    link.give_back(stream);
                    Outcome::Finished
                }
                outcome => outcome,
            },
            Some(Err(error)) => lost(&error.to_string()),
            None => Outcome::Stopped,
        };
    }

    /// Ends before it began.
    pub(crate) fn refuse(mut self, cause: Cause) {
        self.outcome = Outcome::Failed(cause);
    }

    async fn pump(&mut self, stream: &mut UnixStream) -> Outcome {
        let mut decoder = FrameDecoder::<TurnEvent>::new(EVENT_FRAME_BYTES_MAX);
        loop {
            loop {
                let event = match decoder.next_frame() {
                    Ok(Some(event)) => event,
                    Ok(None) => break,
                    Err(error) => return Outcome::Failed(Cause::Protocol { message: error.to_string() }),
                };
                if let Some(outcome) = self.take(event).await {
                    return outcome;
                }
            }
            match self.until_stopped(stream.read_buf(decoder.buffer())).await {
                Some(Ok(0)) => return lost("its stream ended"),
                Some(Ok(_)) => {}
                Some(Err(error)) => return lost(&error.to_string()),
                None => return Outcome::Stopped,
            }
        }
    }

    /// Takes one event; says how the attempt ended if it did.
    async fn take(&mut self, event: TurnEvent) -> Option<Outcome> {
        match self.ledger.admit(&event) {
            Err(cause) => Some(Outcome::Failed(cause)),
            Ok(Verdict::Skip) => None,
            Ok(Verdict::Show) => {
                if matches!(event, TurnEvent::Tokens { .. }) {
                    self.observe_tokens();
                }
                self.show(event).await
            }
            Ok(Verdict::Terminal) => Some(match event {
                TurnEvent::Failed { cause } => Outcome::Failed(cause),
                event => {
                    self.finished = Some(event);
                    Outcome::Finished
                }
            }),
        }
    }

    async fn show(&mut self, event: TurnEvent) -> Option<Outcome> {
        match self.sink.try_send(event) {
            Ok(()) => None,
            Err(mpsc::error::TrySendError::Closed(_)) => Some(Outcome::Stopped),
            // The client is slow: reading stops, the stream fills, and the engine pauses this sequence.
            Err(mpsc::error::TrySendError::Full(event)) => {
                let sink = self.sink.clone();
                match self.until_stopped(sink.send(event)).await {
                    Some(Ok(())) => None,
                    Some(Err(_)) | None => Some(Outcome::Stopped),
                }
            }
        }
    }

    fn observe_tokens(&mut self) {
        let now = Instant::now();
        self.shared.observe(match self.token_at.replace(now) {
            None => Observation::FirstToken { after: now - self.accepted_at },
            Some(before) => Observation::Tokens { gap: now - before },
        });
    }

    /// `None` when the turn told this attempt to stop. At the deadline the turn is told the time.
    async fn until_stopped<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(future);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return None,
            value = &mut future => return Some(value),
            () = tokio::time::sleep_until(self.deadline.into()) => {}
        }
        let _ = self.turn.cast(TurnMessage::Tick);
        tokio::select! {
            () = self.stop.cancelled() => None,
            value = future => Some(value),
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let ended = Ended {
            attempt: self.attempt,
            ledger: std::mem::take(&mut self.ledger),
            token_at: self.token_at,
            outcome: self.outcome.clone(),
            finished: self.finished.take(),
        };
        let _ = self.turn.cast(TurnMessage::AttemptEnded(Box::new(ended)));
    }
}

async fn connect(link: &EngineLink, open: BytesMut) -> std::io::Result<UnixStream> {
    let mut stream = link.open().await?;
    stream.write_all(&open).await?;
    Ok(stream)
}

fn lost(message: &str) -> Outcome {
    Outcome::Failed(Cause::EngineLost { message: message.to_owned() })
}
