//! One try of one turn: a task that opens a stream to an engine, checks every event against the ledger, and
//! passes tokens on to the client. Spawned and owned by the Turn actor.
//!
//! The attempt holds the ledger and the way to the client while it runs, and hands the ledger back when it
//! ends, however it ends. So no two attempts can ever show tokens of one turn.

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
use tokio::sync::{mpsc, oneshot};

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
        accepted_at: Instant,
        token_at: Option<Instant>,
        deadline: Instant,
    ) -> Self {
        let outcome = Outcome::Failed(Cause::Internal { message: "an attempt was dropped".to_owned() });
        Self { shared, turn, attempt, ledger, sink, accepted_at, token_at, deadline, outcome, finished: None }
    }

    /// Runs to the end, or until told to stop; the result reaches the Turn actor when `self` is dropped.
    pub(crate) async fn run(
        mut self,
        link: Arc<EngineLink>,
        open: BytesMut,
        mut stop: oneshot::Receiver<()>,
    ) {
        let turn = self.turn.clone();
        let deadline = tokio::time::sleep_until(self.deadline.into());
        self.outcome = {
            let pump = self.converse(&link, open);
            tokio::pin!(pump, deadline);
            tokio::select! {
                biased;
                outcome = &mut pump => outcome,
                _ = &mut stop => Outcome::Stopped,
                () = &mut deadline => {
                    // What that means is the turn's decision.
                    let _ = turn.cast(TurnMessage::Tick);
                    tokio::select! {
                        outcome = pump => outcome,
                        _ = stop => Outcome::Stopped,
                    }
                }
            }
        };
    }

    async fn converse(&mut self, link: &EngineLink, open: BytesMut) -> Outcome {
        let mut stream = match connect(link, open).await {
            Ok(stream) => stream,
            Err(error) => return lost(&error.to_string()),
        };
        let outcome = self.pump(&mut stream).await;
        if outcome == Outcome::Finished {
            link.give_back(stream);
        }
        outcome
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
            match stream.read_buf(decoder.buffer()).await {
                Ok(0) => return lost("its stream ended"),
                Ok(_) => {}
                Err(error) => return lost(&error.to_string()),
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

    /// A slow client stops the reading here; the stream fills, and the engine pauses this sequence.
    async fn show(&mut self, event: TurnEvent) -> Option<Outcome> {
        match self.sink.send(event).await {
            Ok(()) => None,
            Err(mpsc::error::SendError(_)) => Some(Outcome::Stopped),
        }
    }

    fn observe_tokens(&mut self) {
        let now = Instant::now();
        self.shared.observe(match self.token_at.replace(now) {
            None => Observation::FirstToken { after: now - self.accepted_at },
            Some(before) => Observation::Tokens { gap: now - before },
        });
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
