//! Logs of the fleet: a page of lines, or lines as they are written.

use pomona_protocol::{FleetLogs, LogLine, LogMissing};
use reqwest::{Method, Response};
use serde::Deserialize;

use crate::sse::{SseEvent, SseParser};
use crate::{Client, ClientError};

/// Bytes of one answer: as many lines as a gateway gives, each as long as one may be.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes of one event.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Which lines are wanted. What is `None` asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogsQuery {
    /// `error`, `warn`, `info`, `debug` or `trace`: this and what is quieter.
    pub level: Option<String>,
    /// From this moment on, in Unix milliseconds.
    pub since: Option<u64>,
    /// A part of the program.
    pub actor: Option<String>,
    /// A turn's id.
    pub turn: Option<String>,
    /// One machine, by id or name.
    pub node: Option<String>,
    /// A text in the message or a field.
    pub text: Option<String>,
    /// Lines at most.
    pub limit: Option<u32>,
}

/// What comes of a log.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LogEvent {
    /// A line.
    Line(LogLine),
    /// A machine that did not answer.
    Missing(LogMissing),
    /// There is no more.
    End {
        /// Whether there is more all the same.
        is_cut: bool,
    },
}

/// Lines as they are written.
#[derive(Debug)]
pub struct LogFollow {
    url: reqwest::Url,
    response: Response,
    parser: SseParser,
    events: std::collections::VecDeque<SseEvent>,
}

impl Client {
    /// Lines of the logs, the oldest first.
    pub async fn logs(&self, query: &LogsQuery) -> Result<FleetLogs, ClientError> {
        let pairs = query.pairs();
        let response = self.send(Method::GET, &["admin", "logs"], |request| request.query(&pairs)).await?;
        let bytes = self.read(response, ANSWER_BYTES_MAX).await?;
        let mut logs = FleetLogs::default();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line).map_err(|error| self.broken(error.to_string()))? {
                LogEvent::Line(line) => logs.lines.push(line),
                LogEvent::Missing(missing) => logs.missing.push(missing),
                LogEvent::End { is_cut } => logs.is_cut = is_cut,
            }
        }
        Ok(logs)
    }

    /// The last lines, and then each as it is written.
    pub async fn follow_logs(&self, query: &LogsQuery) -> Result<LogFollow, ClientError> {
        let mut pairs = query.pairs();
        pairs.push(("follow", "true".to_owned()));
        let response = self.send(Method::GET, &["admin", "logs"], |request| request.query(&pairs)).await?;
        let (url, parser) = (self.url().clone(), SseParser::new(EVENT_BYTES_MAX));
        Ok(LogFollow { url, response, parser, events: std::collections::VecDeque::new() })
    }
}

impl LogFollow {
    /// The next line, or a machine that does not answer; `None` when the gateway ended the stream.
    pub async fn next(&mut self) -> Result<Option<LogEvent>, ClientError> {
        loop {
            let broken = |message: String| ClientError::Protocol { url: self.url.to_string(), message };
            if let Some(event) = self.events.pop_front() {
                let event = serde_json::from_str(&event.data).map_err(|error| broken(error.to_string()))?;
                return Ok(Some(event));
            }
            let chunk = self.response.chunk().await;
            let Some(chunk) = chunk.map_err(|error| ClientError::of_body(&self.url, &error))? else {
                return Ok(None);
            };
            let mut events = Vec::new();
            self.parser.feed(&chunk, &mut events).map_err(|error| broken(error.to_string()))?;
            self.events.extend(events);
        }
    }
}

impl LogsQuery {
    fn pairs(&self) -> Vec<(&'static str, String)> {
        let texts = [
            ("level", &self.level),
            ("actor", &self.actor),
            ("turn", &self.turn),
            ("node", &self.node),
            ("text", &self.text),
        ];
        let mut pairs: Vec<_> =
            texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?))).collect();
        pairs.extend(self.since.map(|since| ("since", since.to_string())));
        pairs.extend(self.limit.map(|limit| ("limit", limit.to_string())));
        pairs
    }
}
