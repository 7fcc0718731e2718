//! The HTTP API, as a client without a library sees it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use pomona_protocol::Status;
use serde_json::{Value, json};

use crate::Answer;

/// Longest time for one request, streams included; a hang becomes a failure.
const REQUEST_LIMIT: Duration = Duration::from_secs(180);

/// A base address and a key.
#[derive(Clone, Debug)]
pub struct Api {
    /// `http://127.0.0.1:9999` for instance.
    pub url: String,
    /// Sent as bearer token.
    pub key: String,
    /// Whether streams tell when a turn goes on elsewhere.
    pub tells_resumed: bool,
    client: reqwest::Client,
}

impl Api {
    /// A client with connections of its own.
    pub fn new(url: &str, key: &str) -> Result<Self> {
        let client =
            reqwest::Client::builder().timeout(REQUEST_LIMIT).no_proxy().tcp_nodelay(true).build()?;
        Ok(Self { url: url.to_owned(), key: key.to_owned(), tells_resumed: false, client })
    }

    /// The same, asking to be told when a turn goes on elsewhere.
    pub fn telling_resumed(mut self) -> Self {
        self.tells_resumed = true;
        self
    }

    /// A request with the key, to be changed and sent.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key)
    }

    /// A page of JSON with its status.
    pub async fn get_json(&self, path: &str) -> Result<(u16, Value)> {
        let (status, text) = self.get(path).await?;
        let body = serde_json::from_str(&text).with_context(|| format!("GET {path}: {text}"))?;
        Ok((status, body))
    }

    /// Status and body of a `GET`.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        let response = self.request(reqwest::Method::GET, path).send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    /// Status and body of a request with a JSON body; an empty or plain answer comes as text.
    pub async fn send(&self, method: reqwest::Method, path: &str, body: &Value) -> Result<(u16, Value)> {
        answered(self.request(method, path).json(body).send().await?).await
    }

    /// Status and body of a `POST`.
    pub async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        self.send(reqwest::Method::POST, path, body).await
    }

    /// Status and `Retry-After` of a chat completion that does not stream.
    pub async fn chat_head(&self, body: &Value) -> Result<(u16, Option<u64>)> {
        let response = self.request(reqwest::Method::POST, "/v1/chat/completions").json(body).send().await?;
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        Ok((response.status().as_u16(), retry_after.and_then(|seconds| seconds.parse().ok())))
    }

    /// What the gateway tells an admin.
    pub async fn status(&self) -> Result<Status> {
        let (code, text) = self.get("/admin/status").await?;
        ensure!(code == 200, "/admin/status answered {code}: {text}");
        serde_json::from_str(&text).with_context(|| format!("/admin/status answered {text}"))
    }

    /// The sum of all series of a metric.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let (code, text) = self.get("/metrics").await?;
        ensure!(code == 200, "/metrics answered {code}");
        let series = text.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{'))
        });
        Ok(series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum())
    }

    /// Status and body of a chat completion that does not stream.
    pub async fn chat(&self, body: &Value) -> Result<(u16, Value)> {
        self.send(reqwest::Method::POST, "/v1/chat/completions", body).await
    }

    /// Opens a streamed chat completion.
    pub async fn open_stream(&self, body: &Value) -> Result<reqwest::Response> {
        let mut body = body.clone();
        body["stream"] = json!(true);
        let mut request = self.request(reqwest::Method::POST, "/v1/chat/completions").json(&body);
        if self.tells_resumed {
            request = request.header("x-pomona-events", "resumed");
        }
        Ok(request.send().await?)
    }

    /// A streamed chat completion from its first byte to its last. A refusal before the stream is an answer
    /// that failed, with its code.
    pub async fn stream(&self, body: &Value) -> Result<Answer> {
        let response = self.open_stream(body).await?;
        let mut answer = Answer::default();
        if response.status() != 200 {
            let text = response.text().await?;
            answer.take_chunk(
                &serde_json::from_str(&text).unwrap_or_else(|_| json!({"error": {"message": text}})),
            );
            return Ok(answer);
        }
        let (mut buffer, mut done) = (Vec::new(), false);
        let mut bytes = response.bytes_stream();
        while let Some(chunk) = bytes.next().await {
            buffer.extend_from_slice(&chunk.context("the stream broke")?);
            while let Some(end) = buffer.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = buffer.drain(..end + 2).collect();
                take_event(&mut answer, &mut done, &String::from_utf8(event).context("event is not UTF-8")?);
            }
        }
        if !buffer.is_empty() {
            answer.broken.push(format!("{} bytes behind the last event", buffer.len()));
        }
        if !done && answer.error.is_none() {
            answer.broken.push("stream ended without [DONE]".to_owned());
        }
        Ok(answer)
    }
}

async fn answered(response: reqwest::Response) -> Result<(u16, Value)> {
    let status = response.status().as_u16();
    let text = response.text().await?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

fn take_event(answer: &mut Answer, done: &mut bool, event: &str) {
    let data: Vec<&str> =
        event.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim_start).collect();
    let data = data.join("\n");
    let named = event.lines().filter_map(|line| line.strip_prefix("event:")).map(str::trim).next_back();
    if *done && !data.is_empty() {
        answer.broken.push(format!("event behind [DONE]: {data}"));
    }
    match data.as_str() {
        "" => {}
        "[DONE]" => *done = true,
        text if named == Some("pomona.resumed") => match serde_json::from_str(text) {
            Ok(news) => answer.take_resumed(&news),
            Err(error) => answer.broken.push(format!("{error} in {text}")),
        },
        text => match serde_json::from_str(text) {
            Ok(chunk) => answer.take_chunk(&chunk),
            Err(error) => answer.broken.push(format!("{error} in {text}")),
        },
    }
}

/// The body of a chat completion with one message.
pub fn ask(prompt: &str) -> Value {
    json!({"messages": [{"role": "user", "content": prompt}]})
}
