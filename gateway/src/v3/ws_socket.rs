//! One WebSocket of sessions, from its first message to its close.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::{BufMut, Bytes, BytesMut};
use futures::{FutureExt, SinkExt};
use hyper::StatusCode;
use pomona_actors::SessionStream;
use pomona_protocol::SessionId;
use pomona_protocol::v3::{DoneBody, Envelope, EnvelopeBody};
use serde::Serialize;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use crate::errors::ApiError;
use crate::state::{Connection, Permit, Shared};
use crate::v3::envelope::passing;
use crate::v3::feeds::Feeds;
use crate::v3::silence::Silence;
use crate::v3::ws::Client;
use crate::v3::ws_lanes::Lanes;
use crate::v3::ws_messages::{Done, Head, Said, Told, read_body, read_head};
use crate::v3::ws_orders::{already_attached, not_attached};
use crate::v3::ws_work::{Concluded, Outcome, done};

/// Envelopes that one write may carry; more would keep commands waiting.
const EVENTS_PER_WRITE: usize = 64;
/// How long commands that are under way, and then the client's close, are waited for when the socket ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// Longest session that an error repeats, in bytes; a longer text is no id.
const SHOWN_BYTES_MAX: usize = 64;

/// The socket is of no further use.
struct Closed;

/// See the module.
pub(super) struct Socket {
    pub(super) shared: Arc<Shared>,
    connection: Arc<Connection>,
    pub(super) client: Client,
    socket: WebSocket,
    pub(super) feeds: Feeds<SessionStream>,
    /// What the client calls itself in each session that it is, or is about to be, attached to.
    pub(super) names: BTreeMap<SessionId, String>,
    pub(super) lanes: Lanes<Concluded>,
    /// How many attachments are under way.
    pub(super) attaching: usize,
    buffer: BytesMut,
    pings: Interval,
    last_heard: Instant,
    silence: Silence,
    /// Held for its drop; says in which trace the socket was opened.
    pub(super) permit: Permit,
}

impl Socket {
    pub(super) fn new(
        shared: &Arc<Shared>,
        connection: &Arc<Connection>,
        permit: Permit,
        client: Client,
        socket: WebSocket,
    ) -> Self {
        let period = Duration::from_secs(shared.api.websocket_ping_s);
        let mut pings = interval_at(Instant::now() + period, period);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            shared: Arc::clone(shared),
            connection: Arc::clone(connection),
            client,
            socket,
            feeds: Feeds::new(),
            names: BTreeMap::new(),
            lanes: Lanes::new(),
            attaching: 0,
            buffer: BytesMut::new(),
            pings,
            last_heard: Instant::now(),
            silence: Silence::new(Duration::from_secs(shared.api.sse_keep_alive_s)),
            permit,
        }
    }

    /// Runs until the client leaves, falls silent, or the gateway ends.
    pub(super) async fn run(mut self) {
        let shutdown = self.shared.shutdown.clone();
        loop {
            // Everything said in one go leaves in one write.
            if self.socket.flush().await.is_err() {
                return;
            }
            let step = tokio::select! {
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => self.hear(message).await,
                    Some(Err(error)) => return self.give_up(&error).await,
                    None => Err(Closed),
                },
                (session, envelope) = self.feeds.next() => self.tell_all(session, envelope).await,
                concluded = self.lanes.next() => self.conclude(concluded).await,
                _ = self.pings.tick() => self.ping().await,
                () = self.silence.limit() => self.say(&passing("", EnvelopeBody::Heartbeat {})).await,
                () = shutdown.cancelled() => return self.leave().await,
            };
            if step.is_err() {
                return;
            }
        }
    }

    /// The gateway ends: what is under way is answered, what is attached is cut off, all with a word.
    async fn leave(&mut self) {
        let answered = async {
            while self.lanes.len() > 0 {
                let concluded = self.lanes.next().await;
                self.conclude(concluded).await?;
            }
            Ok::<_, Closed>(())
        };
        if timeout(FAREWELL, answered).await.is_err() {
            tracing::debug!(peer = %self.connection.ends.peer, "websocket closed before its commands were done");
        }
        let attached: Vec<(SessionId, u64)> = self.feeds.cursors().collect();
        for (session, cursor) in attached {
            let body = EnvelopeBody::Cut { reason: "shutting_down".to_owned(), cursor };
            if self.say(&passing(&session.to_string(), body)).await.is_err() {
                return;
            }
        }
        self.close(close_code::AWAY, "the gateway is shutting down").await;
    }

    /// What came cannot be read on: too large, or no WebSocket.
    async fn give_up(&mut self, error: &axum::Error) {
        let text: String = error.to_string().chars().take(200).collect();
        let error = ApiError::new(StatusCode::BAD_REQUEST, "message_unreadable", text);
        if self.say(&Told::error(None, None, &error)).await.is_ok() {
            self.close(close_code::PROTOCOL, "the message cannot be read").await;
        }
    }

    async fn close(&mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        if self.socket.send(Message::Close(Some(frame))).await.is_err() {
            return tracing::debug!(peer = %self.connection.ends.peer, "websocket was gone before its close");
        }
        // Closing with unread bytes would reset the connection and lose what was said.
        let unread = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        if timeout(FAREWELL, unread).await.is_err() {
            tracing::debug!(peer = %self.connection.ends.peer, "websocket did not close in time");
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
        let limit = self.shared.limits.body_bytes_max;
        if message.len() > limit as usize {
            let text = format!(
                "the message has {} bytes; at most {limit} are allowed (limits.body_bytes_max)",
                message.len()
            );
            let error = ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "message_too_large", text);
            return self.say(&Told::error(None, None, &error)).await;
        }
        let head = match read_head(message) {
            Ok(head) => head,
            Err(error) => return self.say(&Told::error(None, None, &error)).await,
        };
        match read_body(&head, message) {
            Ok(Said::Ping) => self.say(&Told::Pong { reference: head.reference }).await,
            Ok(said) => match self.begin(&head, said) {
                Ok(()) => Ok(()),
                Err(error) => self.refuse(head, &error).await,
            },
            Err(error) => self.refuse(head, &error).await,
        }
    }

    async fn refuse(&mut self, head: Head, error: &ApiError) -> Result<(), Closed> {
        let session = head.session.filter(|session| session.len() <= SHOWN_BYTES_MAX);
        self.say(&Told::error(head.reference, session, error)).await
    }

    /// Says what came of something that was asked.
    async fn conclude(&mut self, concluded: Concluded) -> Result<(), Closed> {
        let Concluded { session, reference, is_attach, outcome } = concluded;
        self.attaching -= usize::from(is_attach);
        let answer = match outcome {
            Err(error) => Err(error),
            Ok(Outcome::Replied(reply)) => done(session, reply),
            Ok(Outcome::Attached(_)) if self.feeds.contains(session) => Err(already_attached()),
            Ok(Outcome::Attached(attached)) => {
                let client = attached.feed.client();
                self.feeds.add(session, attached.feed);
                Ok(Done::Attached { session: session.to_string(), head_seq: attached.head_seq, client })
            }
            Ok(Outcome::Detached) => match self.feeds.remove(session) {
                Some(seq) => Ok(Done::Over(DoneBody { session: session.to_string(), seq })),
                None => Err(not_attached()),
            },
        };
        self.forget_name(session);
        match answer {
            Ok(ok) => self.say(&Told::Reply { reference, ok }).await,
            Err(error) => self.say(&Told::error(reference, Some(session.to_string()), &error)).await,
        }
    }

    /// Forgets what the client calls itself in a session with which it has nothing to do any more.
    fn forget_name(&mut self, session: SessionId) {
        if !self.feeds.contains(session) && !self.lanes.is_busy(session) {
            self.names.remove(&session);
        }
    }

    /// Passes on an envelope, and what else is ready by then, each session in its turn.
    async fn tell_all(&mut self, session: SessionId, envelope: Envelope) -> Result<(), Closed> {
        self.tell(session, &envelope).await?;
        for _ in 1..EVENTS_PER_WRITE {
            let Some((session, envelope)) = self.feeds.next().now_or_never() else { break };
            self.tell(session, &envelope).await?;
        }
        Ok(())
    }

    async fn tell(&mut self, session: SessionId, envelope: &Envelope) -> Result<(), Closed> {
        self.forget_name(session);
        self.say(envelope).await
    }

    async fn say<T: Serialize>(&mut self, said: &T) -> Result<(), Closed> {
        self.silence.broken();
        if let Err(error) = serde_json::to_writer((&mut self.buffer).writer(), said) {
            tracing::error!(%error, "a message does not serialise");
        }
        let text = self.buffer.split().freeze();
        self.send(Message::Text(Utf8Bytes::try_from(text).unwrap_or_default())).await
    }

    /// Leaves a message to the next flush.
    async fn send(&mut self, message: Message) -> Result<(), Closed> {
        self.socket.feed(message).await.map_err(|_| Closed)
    }
}
