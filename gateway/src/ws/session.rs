//! One WebSocket, from its first message to its close.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::{BufMut, Bytes, BytesMut};
use futures::{FutureExt, SinkExt};
use hyper::StatusCode;
use pomona_protocol::v3::mark_bodies;
use pomona_protocol::{Cause, TurnEvent};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::messages::{Envelope, ErrorSaid, Said, token};
use super::turns::Turns;
use crate::body::parse;
use crate::errors::ApiError;
use crate::openai::chat::{self, ChatRequest};
use crate::openai::chunks::finish_word;
use crate::openai::plan::{start, turn_request};
use crate::state::{Connection, Permit, Shared};

/// Longest name that a client may give a turn; it comes back with every token.
const ID_BYTES_MAX: usize = 128;

/// Events that one write may carry; more would keep commands waiting.
const EVENTS_PER_WRITE: usize = 64;

/// The socket is of no further use.
struct Closed;

/// See the module.
pub(super) struct Session {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    /// Held for its drop; says whose turns these are.
    permit: Permit,
    tells_resumed: bool,
    socket: WebSocket,
    turns: Turns,
    buffer: BytesMut,
    pings: Interval,
    last_heard: Instant,
}

impl Session {
    pub(super) fn new(
        shared: &Arc<Shared>,
        connection: &Arc<Connection>,
        permit: Permit,
        tells_resumed: bool,
        socket: WebSocket,
    ) -> Self {
        let period = Duration::from_secs(shared.api.websocket_ping_s);
        let mut pings = interval_at(Instant::now() + period, period);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            shared: Arc::clone(shared),
            connection: Arc::clone(connection),
            permit,
            tells_resumed,
            socket,
            turns: Turns::default(),
            buffer: BytesMut::new(),
            pings,
            last_heard: Instant::now(),
        }
    }

    /// Runs until the client leaves, falls silent, or the gateway ends and no turn is left.
    pub(super) async fn run(mut self) {
        let shutdown = self.shared.shutdown.clone();
        loop {
            // Everything said in one go leaves in one write.
            if self.socket.flush().await.is_err() {
                return;
            }
            let ends = shutdown.is_cancelled();
            if ends && self.turns.len() == 0 {
                return self.close(close_code::AWAY, "the gateway is shutting down").await;
            }
            let step = tokio::select! {
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => self.hear(message).await,
                    Some(Err(_)) | None => Err(Closed),
                },
                (index, event) = self.turns.next() => self.tell_all(index, event).await,
                _ = self.pings.tick() => self.ping().await,
                () = shutdown.cancelled(), if !ends => Ok(()),
            };
            if step.is_err() {
                return;
            }
        }
    }

    async fn close(&mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        if self.socket.send(Message::Close(Some(frame))).await.is_err() {
            tracing::debug!(peer = %self.connection.ends.peer, "websocket was gone before its close");
        }
    }

    /// Asks for a sign of life; gives up when the last one is two intervals old.
    async fn ping(&mut self) -> Result<(), Closed> {
        if self.last_heard.elapsed() > self.pings.period() * 2 {
            self.close(close_code::POLICY, "no pong").await;
            return Err(Closed);
        }
        self.send(Message::Ping(Bytes::new())).await
    }

    async fn hear(&mut self, message: Message) -> Result<(), Closed> {
        self.last_heard = Instant::now();
        match message {
            Message::Text(text) => self.obey(text.as_bytes()).await,
            Message::Binary(bytes) => self.obey(&bytes).await,
            Message::Ping(_) | Message::Pong(_) => Ok(()),
            Message::Close(_) => Err(Closed),
        }
    }

    async fn obey(&mut self, message: &[u8]) -> Result<(), Closed> {
        let envelope: Envelope = match parse(message) {
            Ok(envelope) => envelope,
            Err(error) => return self.say_error(None, &error).await,
        };
        match (envelope.kind.as_str(), envelope.id) {
            ("ping", _) => self.say(&Said::Pong).await,
            ("start" | "cancel", None) => {
                self.say_error(None, &ApiError::invalid("id", "id is missing; it names the turn")).await
            }
            ("start", Some(id)) => self.start(id, message).await,
            ("cancel", Some(id)) if self.turns.cancel(&id) => Ok(()),
            ("cancel", Some(id)) => {
                let error = ApiError::new(
                    StatusCode::NOT_FOUND,
                    "unknown_turn",
                    "no turn of this id runs; it may have ended",
                );
                self.say_error(Some(&id), &error).await
            }
            (kind, id) => {
                let kind: String = kind.chars().take(40).collect();
                let error =
                    ApiError::invalid("type", format!("type is `{kind}`; known are start, cancel and ping"));
                self.say_error(id.as_deref(), &error).await
            }
        }
    }

    /// A refused start is a `failed`, so that a client waits for the same word whatever happens; a name that
    /// cannot be used is an `error`, since a `failed` would speak of another turn.
    async fn start(&mut self, id: String, message: &[u8]) -> Result<(), Closed> {
        if id.len() > ID_BYTES_MAX {
            let text = format!("id has {} bytes; at most {ID_BYTES_MAX} are allowed", id.len());
            return self.say_error(None, &ApiError::invalid("id", text)).await;
        }
        if self.turns.is_running(&id) {
            let text = "a turn of this id runs already";
            return self
                .say_error(Some(&id), &ApiError::new(StatusCode::CONFLICT, "duplicate_id", text))
                .await;
        }
        match self.accept(message).await {
            Err(error) => self.say(&Said::Failed { id: &id, error: ErrorSaid::from(&error) }).await,
            Ok(stream) => {
                let turn = self.turns.add(id, stream);
                let said = Said::Accepted { id: &turn.id, turn: &turn.turn };
                let message = encode(&mut self.buffer, &said);
                self.send(message).await
            }
        }
    }

    async fn accept(&mut self, message: &[u8]) -> Result<pomona_actors::TurnStream, ApiError> {
        if self.shared.shutdown.is_cancelled() {
            return Err(Cause::ShuttingDown.into());
        }
        let limit = self.shared.api.websocket_turns_max;
        if self.turns.len() >= limit as usize {
            let text = format!("{limit} turns run on this socket already (api.websocket_turns_max)");
            return Err(ApiError::overloaded(&text));
        }
        let request: ChatRequest = parse(message)?;
        let mut plan = chat::plan(&self.shared, request)?;
        let input = plan.inputs.pop().filter(|_| plan.answers == 1);
        let input =
            input.ok_or_else(|| ApiError::invalid("n", "n must be 1 here; start more turns instead"))?;
        let request = turn_request(plan.model, input, plan.sampling, plan.form)?;
        Ok(start(&self.connection.client, request, self.permit.whose()).await?)
    }

    /// Passes on an event, and what else is ready by then.
    async fn tell_all(&mut self, index: usize, event: TurnEvent) -> Result<(), Closed> {
        self.tell(index, event).await?;
        for _ in 0..EVENTS_PER_WRITE {
            let Some((index, event)) = self.turns.next().now_or_never() else { break };
            self.tell(index, event).await?;
        }
        Ok(())
    }

    /// Passes on an event of a turn.
    async fn tell(&mut self, index: usize, event: TurnEvent) -> Result<(), Closed> {
        let turn = self.turns.get(index);
        let id = turn.id.as_str();
        let has_ended = event.is_terminal();
        let message = match event {
            TurnEvent::Queued { ahead } => encode(&mut self.buffer, &Said::Queued { id, ahead }),
            TurnEvent::Resumed { shown, cause, node } if self.tells_resumed => {
                let (cause, node) = (cause.as_str(), node.0.as_str());
                encode(&mut self.buffer, &Said::Resumed { id, shown, cause, node })
            }
            TurnEvent::Resumed { .. } | TurnEvent::Prefill { .. } => return Ok(()),
            TurnEvent::Started { prompt_tokens, cached_tokens } => {
                let turn = turn.turn.as_str();
                encode(&mut self.buffer, &Said::Started { id, turn, prompt_tokens, cached_tokens })
            }
            TurnEvent::Tokens { first, ids, text, marks, logprobs } => {
                encode(&mut self.buffer, &token(id, first, ids.len(), &text, &marks, &logprobs))
            }
            TurnEvent::Finished { reason, text, marks, usage, stop, embedding: _ } => {
                let reason = finish_word(reason);
                let (text, marks, stop) = (text.as_str(), mark_bodies(&marks), stop.as_deref());
                encode(
                    &mut self.buffer,
                    &Said::Finished { id, reason, text, marks, stop, usage: usage.into() },
                )
            }
            TurnEvent::Failed { cause } => {
                let error = ApiError::from(cause);
                encode(&mut self.buffer, &Said::Failed { id, error: ErrorSaid::from(&error) })
            }
        };
        if has_ended {
            self.turns.remove(index);
        }
        self.send(message).await
    }

    async fn say_error(&mut self, id: Option<&str>, error: &ApiError) -> Result<(), Closed> {
        self.say(&Said::Error { id, error: ErrorSaid::from(error) }).await
    }

    async fn say(&mut self, said: &Said<'_>) -> Result<(), Closed> {
        let message = encode(&mut self.buffer, said);
        self.send(message).await
    }

    /// Leaves a message to the next flush.
    async fn send(&mut self, message: Message) -> Result<(), Closed> {
        self.socket.feed(message).await.map_err(|_| Closed)
    }
}

/// A message in the reused buffer.
fn encode(buffer: &mut BytesMut, said: &Said<'_>) -> Message {
    if let Err(error) = serde_json::to_writer((&mut *buffer).writer(), said) {
        tracing::error!(%error, "a message does not serialise");
    }
    let text = buffer.split().freeze();
    Message::Text(Utf8Bytes::try_from(text).unwrap_or_default())
}
