//! A WebSocket of sessions (`/v3/ws`), as a browser has it.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::Api;

/// Longest silence that a test waits through; heartbeats come far more often.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// A connection and what was said on it.
pub struct SessionSocket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    asked: u64,
    /// Every message that is no answer, in order.
    pub told: Vec<Value>,
}

impl SessionSocket {
    /// Connects with the key.
    pub async fn connect(api: &Api) -> Result<Self> {
        let mut request = (api.url.replacen("http", "ws", 1) + "/v3/ws").into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {}", api.key).parse()?);
        let (stream, _) = connect_async(request).await.context("no WebSocket on /v3/ws")?;
        Ok(Self { stream, asked: 0, told: Vec::new() })
    }

    /// Asks something and gives what it is answered with.
    pub async fn ask(&mut self, mut message: Value) -> Result<Value> {
        self.asked += 1;
        message["ref"] = json!(self.asked);
        self.stream.send(Message::text(message.to_string())).await?;
        loop {
            let said = self.next().await?;
            if said["ref"] != self.asked {
                self.told.push(said);
                continue;
            }
            ensure!(said["type"] == "reply", "{message} was answered by {said}");
            return Ok(said["ok"].clone());
        }
    }

    /// Listens until `enough` of what was told.
    pub async fn until(&mut self, mut enough: impl FnMut(&[Value]) -> bool) -> Result<()> {
        while !enough(&self.told) {
            let said = self.next().await?;
            self.told.push(said);
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Value> {
        loop {
            let next = tokio::time::timeout(SILENCE_LIMIT, self.stream.next()).await;
            match next.with_context(|| format!("silence for {SILENCE_LIMIT:?}"))?.transpose()? {
                None | Some(Message::Close(_)) => bail!("the server closed the WebSocket"),
                Some(Message::Text(text)) => return Ok(serde_json::from_str(text.as_str())?),
                Some(_) => {}
            }
        }
    }
}
