//! What a client has seen of one turn, and the rules that it must keep: tokens without gap or repeat, one
//! terminal event, nothing behind it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

/// One turn, as it was seen.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// All text, in order.
    pub text: String,
    /// Tokens, where the wire counts them.
    pub tokens: u64,
    /// Events that carried tokens.
    pub frames: u64,
    /// Why it finished: `stop`, `length` or `cancelled`.
    pub reason: Option<String>,
    /// Code and message of its failure.
    pub error: Option<(String, String)>,
    /// Usage, as the terminal event told it.
    pub usage: Option<Value>,
    /// When the first token came.
    pub first_token: Option<Instant>,
    /// When each event with tokens came, and how many tokens had come by then.
    pub arrivals: Vec<(Instant, u64)>,
    /// Where it went on after it had lost its replica; told to clients that ask for it.
    pub resumed: Vec<Resumed>,
    /// When the terminal event came.
    pub ended: Option<Instant>,
    /// Rules that were broken.
    pub broken: Vec<String>,
}

/// A turn that went on elsewhere.
#[derive(Clone, Debug)]
pub struct Resumed {
    /// When the client heard of it.
    pub at: Instant,
    /// Tokens that had been shown.
    pub shown: u64,
    /// Code of the cause.
    pub cause: String,
    /// Where it goes on.
    pub node: String,
}

impl Answer {
    /// Whether the terminal event has come.
    pub fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// Takes one server message of the WebSocket protocol.
    pub fn take_message(&mut self, message: &Value) {
        let kind = message["type"].as_str().unwrap_or("?").to_owned();
        self.rule(!self.is_over(), || format!("{kind} behind the terminal event"));
        match kind.as_str() {
            "accepted" | "queued" | "started" => {}
            "resumed" => {
                let (shown, tokens) = (message["shown"].as_u64(), self.tokens);
                self.rule(shown == Some(tokens), || {
                    format!("resumed behind {shown:?} tokens, seen {tokens}")
                });
                self.take_resumed(message);
            }
            "token" => {
                let expected = self.tokens;
                let index = message["index"].as_u64();
                self.rule(index == Some(expected), || format!("index {index:?}, expected {expected}"));
                let count = message["count"].as_u64().unwrap_or(0);
                self.rule(count > 0, || "token message without tokens".to_owned());
                self.tokens += count;
                self.push(message["text"].as_str().unwrap_or_default());
            }
            "finished" => {
                self.text.push_str(message["text"].as_str().unwrap_or_default());
                self.usage = Some(message["usage"].clone());
                self.finish(message["reason"].as_str().unwrap_or("?"));
            }
            "failed" => self.fail(&message["error"]),
            _ => self.broken.push(format!("unknown message {message}")),
        }
    }

    /// Takes one chunk of a chat stream.
    pub fn take_chunk(&mut self, chunk: &Value) {
        if !chunk["error"].is_null() {
            return self.fail(&chunk["error"]);
        }
        if !chunk["usage"].is_null() {
            self.usage = Some(chunk["usage"].clone());
        }
        let choice = &chunk["choices"][0];
        if let Some(content) = choice["delta"]["content"].as_str().filter(|content| !content.is_empty()) {
            self.rule(!self.is_over(), || "content behind the terminal event".to_owned());
            self.push(content);
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.finish(reason);
        }
    }

    /// Takes the news that it goes on elsewhere.
    pub fn take_resumed(&mut self, news: &Value) {
        let text = |key: &str| news[key].as_str().unwrap_or_default().to_owned();
        let shown = news["shown"].as_u64().unwrap_or_default();
        self.resumed.push(Resumed { at: Instant::now(), shown, cause: text("cause"), node: text("node") });
    }

    /// The longest silence between two events with tokens.
    pub fn longest_gap(&self) -> Option<Duration> {
        self.arrivals.windows(2).map(|pair| pair[1].0 - pair[0].0).max()
    }

    /// From `moment` to the first token behind it, if one had come before.
    pub fn first_token_after(&self, moment: Instant) -> Option<Duration> {
        let next = self.arrivals.partition_point(|(at, _)| *at <= moment);
        (next > 0).then(|| self.arrivals.get(next)).flatten().map(|(at, _)| *at - moment)
    }

    /// Whether tokens had come by `moment` and the end had not.
    pub fn was_running(&self, moment: Instant) -> bool {
        let begun = self.first_token.is_some_and(|first| first <= moment);
        begun && self.ended.is_none_or(|ended| ended > moment)
    }

    /// An error unless the answer is complete and broke no rule.
    pub fn check_complete(&self) -> Result<()> {
        ensure!(self.broken.is_empty(), "broken rules: {:?}", self.broken);
        ensure!(self.error.is_none(), "failed: {:?}", self.error);
        ensure!(self.reason.is_some(), "no terminal event; text so far: {:?}", self.text);
        Ok(())
    }

    /// An error unless the answer ended with a failure of this code and broke no rule.
    pub fn check_failed(&self, code: &str) -> Result<()> {
        ensure!(self.broken.is_empty(), "broken rules: {:?}", self.broken);
        let found = self.error.as_ref().map(|(code, _)| code.as_str());
        ensure!(found == Some(code), "expected failure {code}, found {:?} {:?}", self.error, self.reason);
        Ok(())
    }

    fn push(&mut self, text: &str) {
        self.frames += 1;
        let now = Instant::now();
        self.first_token.get_or_insert(now);
        self.arrivals.push((now, self.tokens.max(self.frames)));
        self.text.push_str(text);
    }

    fn finish(&mut self, reason: &str) {
        self.end();
        self.reason = Some(reason.to_owned());
    }

    fn fail(&mut self, error: &Value) {
        self.end();
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        self.error = Some((text("code"), text("message")));
    }

    fn end(&mut self) {
        self.rule(!self.is_over(), || "second terminal event".to_owned());
        self.ended.get_or_insert_with(Instant::now);
    }

    fn rule(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(otherwise());
        }
    }
}
