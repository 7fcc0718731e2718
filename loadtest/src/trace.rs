//! Traces: what was asked somewhere, as a file of lines, to be asked again at the same times. Read for
//! [`crate::load::Load::replay`].
//!
//! Each line is a JSON object:
//!
//! ```json
//! {"at_ms": 1520, "prompt_words": 120, "output_tokens": 64, "session": "a7", "think_ms": 800}
//! ```
//!
//! `at_ms` counts from the start of the trace, lines may come in any order. Lines with the same `session` are turns of
//! one chain in the order of their times: the first starts at its time, each other waits for the answer before it and
//! then for its `think_ms`, or, where that is unset, for as long as lay between the two lines. `session` and `think_ms`
//! may be left out. Empty lines are skipped.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::arrival::micros;
use crate::lengths::LENGTH_MAX;
use crate::load::{DURATION_S_MAX, REQUESTS_MAX};

/// The fields of a line, for messages.
const FIELDS: [&str; 5] = ["at_ms", "prompt_words", "output_tokens", "session", "think_ms"];
/// How long an answer of a session may take before the end of a replay cuts off what follows it.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Longest name of a session, in bytes.
const SESSION_BYTES_MAX: usize = 256;

/// One request of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When it was asked, from the start of the trace.
    pub at: Duration,
    /// Words of its prompt, at least 1.
    pub prompt_words: u32,
    /// Tokens of its answer, at least 1.
    pub output_tokens: u32,
    /// Which session it was a turn of.
    pub session: Option<String>,
    /// How long the user thought before it.
    pub think: Option<Duration>,
}

/// A trace that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// No JSON object.
    #[error("line {line} of the trace is not a JSON object: {reason}")]
    Json {
        /// From 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// A field that must be there.
    #[error("line {line} of the trace has no field `{field}`")]
    Missing {
        /// From 1.
        line: usize,
        /// Which.
        field: &'static str,
    },
    /// A field that is not known.
    #[error("line {line} of the trace has an unknown field `{field}`; known: {}", FIELDS.join(", "))]
    Unknown {
        /// From 1.
        line: usize,
        /// Which.
        field: String,
    },
    /// A field with a wrong value.
    #[error("line {line} of the trace: field `{field}` is {value}, not {expected}")]
    Value {
        /// From 1.
        line: usize,
        /// Which.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// More than can be planned.
    #[error("the trace has more than {REQUESTS_MAX} lines; cut it")]
    TooLong,
    /// Nothing to ask.
    #[error("the trace has no requests")]
    Empty,
}

/// Reads a trace.
pub fn parse(text: &str) -> Result<Vec<Line>, TraceError> {
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        if lines.len() == REQUESTS_MAX {
            return Err(TraceError::TooLong);
        }
        lines.push(parse_line(number + 1, line)?);
    }
    if lines.is_empty() { Err(TraceError::Empty) } else { Ok(lines) }
}

fn parse_line(line: usize, text: &str) -> Result<Line, TraceError> {
    let object: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| TraceError::Json { line, reason: error.to_string() })?;
    if let Some(field) = object.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        return Err(TraceError::Unknown { line, field: field.clone() });
    }
    let fields = Fields { line, object: &object };
    Ok(Line {
        at: fields.needed("at_ms", fields.time("at_ms")?)?,
        prompt_words: fields.needed("prompt_words", fields.length("prompt_words")?)?,
        output_tokens: fields.needed("output_tokens", fields.length("output_tokens")?)?,
        session: fields.session()?,
        think: fields.time("think_ms")?,
    })
}

/// The fields of one line; one that is `null` is not there.
struct Fields<'a> {
    line: usize,
    object: &'a Map<String, Value>,
}

impl Fields<'_> {
    fn get(&self, field: &str) -> Option<&Value> {
        self.object.get(field).filter(|value| !value.is_null())
    }

    fn needed<T>(&self, field: &'static str, value: Option<T>) -> Result<T, TraceError> {
        value.ok_or(TraceError::Missing { line: self.line, field })
    }

    fn time(&self, field: &'static str) -> Result<Option<Duration>, TraceError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let ms = value.as_f64().filter(|ms| (0.0..=DURATION_S_MAX * 1e3).contains(ms));
        let wrong = || self.wrong(field, value, "a number of milliseconds from 0 to a day");
        Ok(Some(micros(ms.ok_or_else(wrong)? / 1e3)))
    }

    fn length(&self, field: &'static str) -> Result<Option<u32>, TraceError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let length = value.as_u64().filter(|length| (1..=u64::from(LENGTH_MAX)).contains(length));
        let wrong = || self.wrong(field, value, "a whole number from 1 to 1000000");
        Ok(Some(length.ok_or_else(wrong)? as u32))
    }

    fn session(&self) -> Result<Option<String>, TraceError> {
        let Some(value) = self.get("session") else { return Ok(None) };
        let name = match value {
            Value::String(name) => Some(name.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let name = name.filter(|name| name.len() <= SESSION_BYTES_MAX);
        let wrong = || self.wrong("session", value, "a name of at most 256 bytes");
        Ok(Some(name.ok_or_else(wrong)?))
    }

    fn wrong(&self, field: &'static str, value: &Value, expected: &'static str) -> TraceError {
        let mut value = value.to_string();
        if value.len() > 64 {
            value = value.chars().take(64).chain(['…']).collect();
        }
        TraceError::Value { line: self.line, field, value, expected }
    }
}

/// One turn of a chain.
pub(crate) struct Turn {
    pub(crate) think: Duration,
    pub(crate) prompt_words: u32,
    pub(crate) output_tokens: u32,
}

/// The chains of a trace with their starts, in the order of these.
pub(crate) fn chains(lines: &[Line], speed: f64) -> Vec<(Duration, Vec<Turn>)> {
    let mut sorted: Vec<&Line> = lines.iter().collect();
    sorted.sort_by_key(|line| line.at);
    let mut chains: Vec<(Duration, Vec<Turn>)> = Vec::new();
    // Per session, its chain and the time of its last turn.
    let mut sessions: BTreeMap<&str, (usize, Duration)> = BTreeMap::new();
    for line in sorted {
        let turn = |think| Turn { think, prompt_words: line.prompt_words, output_tokens: line.output_tokens };
        let session = line.session.as_deref();
        if let Some((chain, before)) = session.and_then(|session| sessions.get_mut(session)) {
            let think = line.think.unwrap_or(line.at - *before);
            chains[*chain].1.push(turn(faster(think, speed)));
            *before = line.at;
        } else {
            if let Some(session) = session {
                sessions.insert(session, (chains.len(), line.at));
            }
            chains.push((faster(line.at, speed), vec![turn(Duration::ZERO)]));
        }
    }
    chains
}

/// By when every request of these chains has been asked, each answer being waited for as long as is reasonable.
pub(crate) fn length(chains: &[(Duration, Vec<Turn>)]) -> Duration {
    let end = |(at, turns): &(Duration, Vec<Turn>)| {
        let thinking: Duration = turns.iter().map(|turn| turn.think).sum();
        *at + thinking + ANSWER_MAX * (turns.len() as u32 - 1)
    };
    chains.iter().map(end).max().unwrap_or_default()
}

fn faster(time: Duration, speed: f64) -> Duration {
    micros((time.as_secs_f64() / speed).min(DURATION_S_MAX))
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
