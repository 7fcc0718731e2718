//! The words of the WebSocket.
//!
//! A client says `{"type": "start", "id": …, …}` with the body of a chat completion, `{"type": "cancel",
//! "id": …}` or `{"type": "ping"}`. `id` is the client's own name for the turn. To each `start` comes exactly
//! one `finished` or `failed`.

use pomona_protocol::v3::{MarkBody, mark_bodies};
use pomona_protocol::{Mark, TokenLogprob};
use serde::{Deserialize, Serialize};

use crate::errors::ApiError;
use crate::openai::answer::UsageBody;
use crate::openai::logprobs::ChatLogprobs;

/// What every client message has; the rest depends on `kind`.
#[derive(Deserialize)]
pub(super) struct Envelope {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) id: Option<String>,
}

/// What the server says.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Said<'a> {
    /// The turn is under way.
    Accepted { id: &'a str, turn: &'a str },
    /// It waits.
    Queued { id: &'a str, ahead: u32 },
    /// Its prompt was read.
    Started { id: &'a str, turn: &'a str, prompt_tokens: u32, cached_tokens: u32 },
    /// It lost its replica and goes on elsewhere; `shown` tokens stand. Said to those who ask with `?events=resumed`.
    Resumed { id: &'a str, shown: u32, cause: &'a str, node: &'a str },
    /// More of the answer: `count` tokens from `index` on.
    Token {
        id: &'a str,
        index: u32,
        count: usize,
        text: &'a str,
        /// What of the text is not plain: thoughts, and arguments of tool calls.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        marks: Vec<MarkBody>,
        #[serde(skip_serializing_if = "Option::is_none")]
        logprobs: Option<ChatLogprobs<'a>>,
    },
    /// The answer is complete; `text` is what was still held back.
    Finished {
        id: &'a str,
        reason: &'static str,
        text: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        marks: Vec<MarkBody>,
        /// The stop string that was met.
        #[serde(skip_serializing_if = "Option::is_none")]
        stop: Option<&'a str>,
        usage: UsageBody,
    },
    /// The turn cannot be completed, or was not accepted.
    Failed { id: &'a str, error: ErrorSaid<'a> },
    /// A message could not be understood; nothing else changed.
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        error: ErrorSaid<'a>,
    },
    /// The answer to `ping`.
    Pong,
}

/// The stable name of an error, and what to tell a person.
#[derive(Serialize)]
pub(super) struct ErrorSaid<'a> {
    code: &'a str,
    message: &'a str,
}

impl<'a> From<&'a ApiError> for ErrorSaid<'a> {
    fn from(error: &'a ApiError) -> Self {
        Self { code: error.code(), message: error.message() }
    }
}

/// The tokens of one event.
pub(super) fn token<'a>(
    id: &'a str,
    index: u32,
    count: usize,
    text: &'a str,
    marks: &[Mark],
    logprobs: &'a [TokenLogprob],
) -> Said<'a> {
    let logprobs = (!logprobs.is_empty()).then_some(ChatLogprobs(logprobs));
    Said::Token { id, index, count, text, marks: mark_bodies(marks), logprobs }
}
