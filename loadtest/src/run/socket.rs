//! A WebSocket on `/v1/chat/stream`, one turn at a time. It stays open for the next turn, as a program keeps it.

use std::borrow::Cow;

use futures::{FutureExt, SinkExt, StreamExt};
use http::Request as HttpRequest;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::plan::{Behaviour, Request};

use super::body;
use super::broken::Broken;
use super::chat::{ErrorSaid, Usage};
use super::stream::Stream;
use super::tally::{Left, Tally};
use super::target::{Target, refusal};

/// Bytes of the buffer of each socket: some dozen tokens.
const BUFFER_BYTES: usize = 4096;

/// A WebSocket without a turn.
pub(super) struct Socket {
    stream: WebSocketStream<Stream>,
    /// Turns so far; names the next one.
    turns: u64,
}

/// What a gateway says, as far as it is looked at.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    #[serde(default)]
    index: u32,
    #[serde(default)]
    count: u32,
    #[serde(borrow, default)]
    text: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Cow<'a, str>,
    #[serde(borrow, default)]
    node: Cow<'a, str>,
    #[serde(default)]
    prompt_tokens: u32,
    #[serde(default)]
    cached_tokens: u32,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    error: Option<ErrorSaid>,
}

impl Socket {
    /// Opens one.
    pub(super) async fn open(target: &Target) -> Result<Self, Broken> {
        let request = HttpRequest::builder()
            .uri(format!("ws://{}/v1/chat/stream?events=resumed", target.authority()))
            .header("host", target.authority())
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", generate_key());
        let request = match target.bearer() {
            Some(bearer) => request.header("authorization", bearer),
            None => request,
        };
        let request = request.body(()).map_err(|_| Broken::Garbled("the key"))?;
        let config = WebSocketConfig::default().read_buffer_size(BUFFER_BYTES).write_buffer_size(0);
        let stream = target.connect().await?.into_stream();
        let opened = client_async_with_config(request, stream, Some(config)).await;
        let (stream, _) = opened.map_err(|error| match error {
            Error::Http(answer) => {
                refusal(answer.status().as_u16(), answer.body().as_deref().unwrap_or_default())
            }
            error => broken(error),
        })?;
        Ok(Self { stream, turns: 0 })
    }

    /// Whether the gateway has closed it, or said something that nobody asked for, while nobody read.
    pub(super) fn is_stale(&mut self) -> bool {
        loop {
            match self.stream.next().now_or_never() {
                None => return false,
                Some(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
                Some(_) => return true,
            }
        }
    }

    /// Runs one turn. The socket is good for another one when this returns `Ok`.
    pub(super) async fn run(
        &mut self,
        model: &str,
        request: &Request,
        tally: &mut Tally,
    ) -> Result<Left, Broken> {
        self.turns += 1;
        let id = self.turns.to_string();
        let start = body::start(model, request, &id);
        tally.sent();
        self.stream.send(Message::text(start)).await.map_err(broken)?;
        let mut has_left = false;
        while !tally.has_ended() {
            let message = self.stream.next().await.ok_or(Broken::NoEnd)?.map_err(broken)?;
            tally.look();
            match message {
                Message::Text(text) => hear(text.as_bytes(), &id, tally)?,
                Message::Binary(bytes) => hear(&bytes, &id, tally)?,
                Message::Close(_) => return Err(Broken::NoEnd),
                _ => continue,
            }
            match request.behaviour {
                Behaviour::CancelAfter(tokens)
                    if !has_left && !tally.has_ended() && tally.count() >= tokens =>
                {
                    has_left = true;
                    let cancel = format!("{{\"type\":\"cancel\",\"id\":\"{id}\"}}");
                    self.stream.send(Message::text(cancel)).await.map_err(broken)?;
                }
                Behaviour::ReadSlowly(pause) => tokio::time::sleep(pause).await,
                Behaviour::CancelAfter(_) | Behaviour::Read => {}
            }
        }
        Ok(if has_left { Left::Away } else { Left::AtEnd })
    }
}

fn hear(message: &[u8], id: &str, tally: &mut Tally) -> Result<(), Broken> {
    let said: Said<'_> = serde_json::from_slice(message).map_err(|_| Broken::Garbled("a message"))?;
    let is_ours = said.id == id;
    match (&*said.kind, is_ours) {
        ("token", true) => tally.tokens(Some(said.index), said.count, said.text.as_bytes()),
        ("token", false) => tally.foreign(said.count),
        ("finished" | "failed", false) => tally.extra_end(),
        ("finished", true) => {
            tally.text(said.text.as_bytes());
            if let Some(usage) = said.usage {
                usage.tell(tally);
            }
            tally.finished(&said.reason);
        }
        // A cancel may come behind the end of its turn, and its refusal into the next one. Errors without an id are of all.
        ("error", false) if !said.id.is_empty() => {}
        ("failed" | "error", _) => {
            tally.failed(said.error.map_or_else(|| "error".to_owned(), |error| error.code));
        }
        ("queued", true) => tally.queued(),
        ("started", true) => {
            tally.started();
            tally.prompt(said.prompt_tokens, said.cached_tokens);
        }
        ("resumed", true) => tally.moved(&said.node),
        _ => {}
    }
    Ok(())
}

fn broken(error: Error) -> Broken {
    match error {
        Error::Io(error) => Broken::Lost(error),
        Error::ConnectionClosed | Error::AlreadyClosed | Error::Protocol(_) => Broken::NoEnd,
        _ => Broken::Garbled("a frame of the WebSocket"),
    }
}
