//! Durable sessions as a client without a library sees them: commands over HTTP, events over SSE.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};

use crate::Api;

/// Longest time without a byte of a stream that is attached; heartbeats come far more often.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Makes a session and gives its id.
pub async fn create(api: &Api, body: &Value) -> Result<String> {
    let (code, made) = api.send(Method::POST, "/v3/sessions", body).await?;
    ensure!(code == 201, "creating a session answered {code}: {made}");
    Ok(made["id"].as_str().context("a session without an id")?.to_owned())
}

/// Submits a turn; status and body.
pub async fn submit(api: &Api, session: &str, body: &Value) -> Result<(u16, Value)> {
    api.send(Method::POST, &format!("/v3/sessions/{session}/turns"), body).await
}

/// Submits a turn until a gateway takes it, always with the same key; gives the turn and the number of its event.
pub async fn submit_surely(api: &Api, session: &str, key: &str, body: &Value) -> Result<(String, u64)> {
    let mut body = body.clone();
    body["idempotency_key"] = json!(key);
    loop {
        match submit(api, session, &body).await {
            Ok((200 | 202, accepted)) => {
                let turn = accepted["turn"].as_str().context("no turn")?.to_owned();
                return Ok((turn, accepted["seq"].as_u64().context("no seq")?));
            }
            // The gateway is on its way down or up, or the queue is full.
            Ok((429 | 503, _)) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            Ok((code, body)) => bail!("submitting answered {code}: {body}"),
        }
    }
}

/// How a look at a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// What was waited for was seen.
    Enough,
    /// The connection ended; the cursor says where to go on.
    Lost,
}

/// A client that is attached to a session and notes everything that it is shown.
pub struct Watcher {
    api: Api,
    /// The session.
    pub session: String,
    /// The last number that it has seen.
    pub cursor: u64,
    /// Every entry of the log that it was shown, in order.
    pub shown: Vec<Value>,
    /// Everything else that it was told, in order.
    pub told: Vec<Value>,
    /// Milliseconds over which the gateway may gather tokens.
    coalesce_ms: u32,
    ended: BTreeSet<String>,
    stream: Option<Stream>,
}

struct Stream {
    chunks: futures::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    buffer: Vec<u8>,
}

impl Watcher {
    /// A client that has seen nothing yet.
    pub fn new(api: &Api, session: &str) -> Self {
        Self {
            api: api.clone(),
            session: session.to_owned(),
            cursor: 0,
            shown: Vec::new(),
            told: Vec::new(),
            coalesce_ms: 0,
            ended: BTreeSet::new(),
            stream: None,
        }
    }

    /// The same, as a browser asks for it.
    pub fn gathering(self, coalesce_ms: u32) -> Self {
        Self { coalesce_ms, ..self }
    }

    /// Reads until `enough`, or until the connection ends. A gap or a repeat is an error.
    pub async fn watch(&mut self, mut enough: impl FnMut(&Self) -> bool) -> Result<Watched> {
        loop {
            if enough(self) {
                return Ok(Watched::Enough);
            }
            if self.stream.is_none() && !self.attach().await? {
                return Ok(Watched::Lost);
            }
            let Some(event) = self.next().await? else {
                self.stream = None;
                return Ok(Watched::Lost);
            };
            self.take(event)?;
        }
    }

    /// As [`Watcher::watch`], over any number of lost connections.
    pub async fn watch_surely(&mut self, mut enough: impl FnMut(&Self) -> bool) -> Result<()> {
        while self.watch(&mut enough).await? == Watched::Lost {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Whether it was shown the end of this turn.
    pub fn has_ended(&self, turn: &str) -> bool {
        self.ended.contains(turn)
    }

    /// Entries of the log that speak of a turn.
    pub fn of_turn<'a>(&'a self, turn: &'a str) -> impl Iterator<Item = &'a Value> {
        self.shown.iter().filter(move |event| event["turn"] == turn)
    }

    /// The answer of a turn as far as it was shown.
    pub fn text(&self, turn: &str) -> String {
        self.of_turn(turn)
            .filter(|event| event["type"] != "turn.accepted")
            .filter_map(|e| e["text"].as_str())
            .collect()
    }

    /// False when no gateway answers.
    async fn attach(&mut self) -> Result<bool> {
        let path = format!(
            "/v3/sessions/{}/events?after={}&coalesce_ms={}",
            self.session, self.cursor, self.coalesce_ms
        );
        let Ok(response) = self.api.request(Method::GET, &path).send().await else { return Ok(false) };
        match response.status().as_u16() {
            200 => {}
            503 | 507 => return Ok(false),
            code => bail!("attaching behind {} answered {code}: {}", self.cursor, response.text().await?),
        }
        self.stream = Some(Stream { chunks: response.bytes_stream().boxed(), buffer: Vec::new() });
        Ok(true)
    }

    /// The data of the next event; `None` when the connection ended.
    async fn next(&mut self) -> Result<Option<Value>> {
        let Some(stream) = &mut self.stream else { return Ok(None) };
        loop {
            if let Some(end) = stream.buffer.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = stream.buffer.drain(..end + 2).collect();
                let event = String::from_utf8(event).context("an event is not UTF-8")?;
                let data: String = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
                if data.is_empty() {
                    continue;
                }
                return serde_json::from_str(&data).map(Some).with_context(|| format!("no JSON: {data}"));
            }
            match tokio::time::timeout(SILENCE_MAX, stream.chunks.next())
                .await
                .context("the stream is silent")?
            {
                Some(Ok(chunk)) => stream.buffer.extend_from_slice(&chunk),
                Some(Err(_)) | None => return Ok(None),
            }
        }
    }

    fn take(&mut self, event: Value) -> Result<()> {
        ensure!(event["v"] == 3, "no version: {event}");
        let Some(seq) = event["seq"].as_u64() else {
            if event["type"] == "cut" {
                self.stream = None;
            }
            self.told.push(event);
            return Ok(());
        };
        ensure!(event["session"] == self.session.as_str(), "of another session: {event}");
        let first = event["first_seq"].as_u64().unwrap_or(seq);
        ensure!(first == self.cursor + 1, "behind {} came {event}", self.cursor);
        self.cursor = seq;
        if event["type"] == "turn.finished" || event["type"] == "turn.failed" {
            self.ended.extend(event["turn"].as_str().map(str::to_owned));
        }
        self.shown.push(event);
        Ok(())
    }
}

/// The whole log.
pub async fn log(api: &Api, session: &str) -> Result<Vec<Value>> {
    let mut watcher = Watcher::new(api, session);
    watcher.watch_surely(|watcher| watcher.told.iter().any(|told| told["type"] == "caught_up")).await?;
    Ok(watcher.shown)
}

/// Checks that what was shown is the log's beginning. Tokens may have come in other pieces than they are read in.
pub fn check_shown(shown: &[Value], log: &[Value]) -> Result<()> {
    let (shown, log) = (joined(shown), joined(log));
    ensure!(shown.len() <= log.len(), "{} events were shown and {} are there", shown.len(), log.len());
    let last = shown.len().saturating_sub(1);
    for (place, (shown, logged)) in shown.iter().zip(&log).enumerate() {
        let is_part = place == last && is_beginning(shown, logged);
        ensure!(shown == logged || is_part, "was shown: {shown}\nis there: {logged}");
    }
    Ok(())
}

/// The events with neighbouring tokens of one turn in one piece, whose time is left out.
fn joined(events: &[Value]) -> Vec<Value> {
    let mut whole: Vec<Value> = Vec::new();
    for event in events {
        let mut event = event.clone();
        if event["type"] != "turn.tokens" {
            whole.push(event);
            continue;
        }
        event["at"] = Value::Null;
        event["first_seq"] = event.get("first_seq").unwrap_or(&event["seq"]).clone();
        match whole.last_mut() {
            Some(before) if before["type"] == "turn.tokens" && before["turn"] == event["turn"] => {
                let number = |value: &Value| value.as_u64().unwrap_or_default();
                before["count"] = json!(number(&before["count"]) + number(&event["count"]));
                let text =
                    [before["text"].as_str(), event["text"].as_str()].map(Option::unwrap_or_default).concat();
                before["text"] = json!(text);
                before["seq"] = event["seq"].clone();
            }
            _ => whole.push(event),
        }
    }
    whole
}

/// Whether the one holds the first tokens of the other.
fn is_beginning(part: &Value, whole: &Value) -> bool {
    let text = |event: &Value| event["text"].as_str().unwrap_or_default().to_owned();
    ["type", "turn", "index", "first_seq"].iter().all(|field| part[field] == whole[field])
        && part["type"] == "turn.tokens"
        && part["count"].as_u64() <= whole["count"].as_u64()
        && text(whole).starts_with(&text(part))
}
