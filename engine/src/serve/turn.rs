//! One turn on a connection: waits for the model, has the turn prepared, hands over, relays events.
//!
//! Preparing (see `prepare`) happens here, off the engine's thread. Every turn ends with one terminal
//! event unless the peer has gone; a turn that is dropped here closes its sink, which cancels it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use pomona_protocol::limits::EVENT_FRAME_BYTES_MAX;
use pomona_protocol::{Cause, TurnEvent, TurnRequest, encode_frame};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Service;
use super::connection::After;
use super::prepare;
use super::thread::{Command, Model, Phase};

/// Events between the engine's thread and a connection. Enough for the steps that pass while one write is
/// under way; a full sink pauses its sequence.
const SINK_EVENTS: usize = 64;
/// Bytes after which events that are ready wait for the next write.
const WRITE_BYTES: usize = 64 * 1024;
/// A turn without a limit ends by itself long before.
const NO_LIMIT: Duration = Duration::from_secs(365 * 86_400);

/// Runs a turn to its terminal event.
pub(super) async fn run(writer: &mut OwnedWriteHalf, service: &Service, request: TurnRequest) -> After {
    let deadline = Deadline::new(request.deadline_ms);
    let relay = Relay { writer, deadline, frames: BytesMut::new(), phase: "queued" };
    let begun = tokio::select! {
        begun = begin(service, request) => begun,
        () = deadline.passed() => Err(deadline.cause(relay.phase)),
    };
    match begun {
        Ok(events) => relay.run(events).await,
        Err(cause) => relay.fail(cause).await,
    }
}

/// Hands the turn to the engine; its events come through the channel.
async fn begin(service: &Service, request: TurnRequest) -> Result<mpsc::Receiver<TurnEvent>, Cause> {
    if request.model != service.model_id {
        let known = vec![service.model_id.0.clone()];
        return Err(Cause::UnknownModel { model: request.model.0, known });
    }
    let model = ready_model(service).await?;
    let (sink, events) = mpsc::channel(SINK_EVENTS);
    let turn = if prepare::is_quick(&request) {
        prepare::prepare(&model, request, sink)?
    } else {
        let prepared = tokio::task::spawn_blocking(move || prepare::prepare(&model, request, sink)).await;
        prepared
            .map_err(|error| Cause::Internal { message: format!("the tokenizer panicked: {error}") })??
    };
    // When the engine's thread has gone, the sink goes with the command and the channel says so.
    let _ = service.commands.send(Command::Turn(Box::new(turn)));
    Ok(events)
}

async fn ready_model(service: &Service) -> Result<Arc<Model>, Cause> {
    let mut phase = service.phase.clone();
    let settled = phase.wait_for(|phase| !matches!(phase, Phase::Loading { .. })).await;
    match settled.as_deref() {
        Ok(Phase::Ready(model)) => Ok(Arc::clone(model)),
        Ok(Phase::Failed(cause)) => Err(cause.clone()),
        Ok(Phase::Loading { .. }) | Err(_) => {
            Err(Cause::EngineLost { message: "the engine ended while loading".to_owned() })
        }
    }
}

/// When a turn must have ended.
#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
    limit_ms: u64,
}

impl Deadline {
    fn new(limit_ms: u64) -> Self {
        let limit = if limit_ms == 0 { NO_LIMIT } else { Duration::from_millis(limit_ms).min(NO_LIMIT) };
        Self { at: Instant::now() + limit, limit_ms }
    }

    async fn passed(self) {
        match self.limit_ms {
            0 => pending().await,
            _ => sleep_until(self.at).await,
        }
    }

    fn cause(self, phase: &str) -> Cause {
        Cause::DeadlineExceeded { limit_ms: self.limit_ms, phase: phase.to_owned() }
    }
}

/// Writes the events of one turn.
struct Relay<'a> {
    writer: &'a mut OwnedWriteHalf,
    deadline: Deadline,
    frames: BytesMut,
    /// What the turn is doing, for a person.
    phase: &'static str,
}

impl Relay<'_> {
    async fn run(mut self, mut events: mpsc::Receiver<TurnEvent>) -> After {
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = self.deadline.passed() => {
                    let cause = self.deadline.cause(self.phase);
                    return self.fail(cause).await;
                }
            };
            let lost = || TurnEvent::Failed {
                cause: Cause::EngineLost { message: "the engine ended in the middle of a turn".to_owned() },
            };
            let mut is_last = self.add(event.unwrap_or_else(lost));
            while !is_last && self.frames.len() < WRITE_BYTES {
                let Ok(event) = events.try_recv() else { break };
                is_last = self.add(event);
            }
            let after = self.write().await;
            if is_last || after == After::Close {
                return after;
            }
        }
    }

    async fn fail(mut self, cause: Cause) -> After {
        // Whoever is late gets a little longer to hear of it.
        self.deadline = Deadline { at: Instant::now() + Duration::from_secs(1), ..self.deadline };
        self.add(TurnEvent::Failed { cause });
        self.write().await
    }

    /// Encodes an event; true when nothing may follow.
    fn add(&mut self, event: TurnEvent) -> bool {
        match &event {
            TurnEvent::Started { .. } => self.phase = "prefilling",
            TurnEvent::Tokens { .. } => self.phase = "generating",
            _ => {}
        }
        let Err(error) = encode_frame(&event, &mut self.frames, EVENT_FRAME_BYTES_MAX) else {
            return event.is_terminal();
        };
        let cause = Cause::Internal { message: format!("an event could not be sent: {error}") };
        let encoded = encode_frame(&TurnEvent::Failed { cause }, &mut self.frames, EVENT_FRAME_BYTES_MAX);
        debug_assert!(encoded.is_ok(), "a short message fits");
        true
    }

    /// Writes what is encoded. A peer that does not take it in time is cut off in mid-frame.
    async fn write(&mut self) -> After {
        let written = timeout_at(self.deadline.at, self.writer.write_all(&self.frames)).await;
        self.frames.clear();
        if matches!(written, Ok(Ok(()))) { After::KeepAlive } else { After::Close }
    }
}
