//! A WebSocket on `/v1/chat/stream` with any number of turns.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::{Answer, Api};

/// Longest silence that a test waits through.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// A connection and what was seen of its turns.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Turns by the id that the client gave them.
    pub answers: BTreeMap<String, Answer>,
    /// Messages that belong to no turn.
    pub others: Vec<Value>,
}

impl Socket {
    /// Connects with the key.
    pub async fn connect(api: &Api) -> Result<Self> {
        let url = api.url.replacen("http", "ws", 1) + "/v1/chat/stream";
        let url = if api.tells_resumed { url + "?events=resumed" } else { url };
        let mut request = url.into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {}", api.key).parse()?);
        let (stream, _) = connect_async(request).await.context("no WebSocket on /v1/chat/stream")?;
        Ok(Self { stream, answers: BTreeMap::new(), others: Vec::new() })
    }

    /// Starts a turn; `body` is that of a chat completion.
    pub async fn start(&mut self, id: &str, body: &Value) -> Result<()> {
        let mut message = body.clone();
        message["type"] = json!("start");
        message["id"] = json!(id);
        self.answers.insert(id.to_owned(), Answer::default());
        self.send_text(&message.to_string()).await
    }

    /// Cancels a turn.
    pub async fn cancel(&mut self, id: &str) -> Result<()> {
        self.send_text(&json!({"type": "cancel", "id": id}).to_string()).await
    }

    /// Sends any text.
    pub async fn send_text(&mut self, text: &str) -> Result<()> {
        self.send(Message::text(text)).await
    }

    /// Sends any bytes.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.send(Message::binary(bytes.to_vec())).await
    }

    async fn send(&mut self, message: Message) -> Result<()> {
        Ok(self.stream.send(message).await?)
    }

    /// Takes one message; `None` when the server has closed.
    pub async fn step(&mut self) -> Result<Option<Value>> {
        loop {
            let next = tokio::time::timeout(SILENCE_LIMIT, self.stream.next()).await;
            let message = next.with_context(|| format!("silence for {SILENCE_LIMIT:?}"))?;
            match message.transpose()? {
                None | Some(Message::Close(_)) => return Ok(None),
                Some(Message::Text(text)) => return self.take(text.as_str()).map(Some),
                Some(_) => {}
            }
        }
    }

    /// Takes messages until `enough`.
    pub async fn until(&mut self, mut enough: impl FnMut(&Self) -> bool) -> Result<()> {
        while !enough(self) {
            if self.step().await?.is_none() {
                bail!("the server closed the WebSocket");
            }
        }
        Ok(())
    }

    /// Takes messages until every turn is over, and a moment longer for what must not come.
    pub async fn until_all_over(&mut self) -> Result<()> {
        self.until(|socket| socket.answers.values().all(Answer::is_over)).await?;
        let _ = tokio::time::timeout(Duration::from_millis(50), self.until(|_| false)).await;
        Ok(())
    }

    /// One turn from start to end.
    pub async fn ask(&mut self, id: &str, body: &Value) -> Result<Answer> {
        self.start(id, body).await?;
        self.until_all_over().await?;
        self.answers.remove(id).context("the turn was forgotten")
    }

    fn take(&mut self, text: &str) -> Result<Value> {
        let message: Value = serde_json::from_str(text).with_context(|| format!("not JSON: {text}"))?;
        let turn = message["id"].as_str().and_then(|id| self.answers.get_mut(id));
        match turn {
            Some(answer) if message["type"] != "error" => answer.take_message(&message),
            _ => self.others.push(message.clone()),
        }
        Ok(message)
    }
}
