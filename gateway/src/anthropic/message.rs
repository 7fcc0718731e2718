//! Anthropic's message object.

use pomona_protocol::{FinishReason, TurnId, Usage};
use serde::Serialize;

/// An answer.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct MessageBody<'a> {
    /// `msg_` and 32 hex digits.
    id: String,
    /// `message`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// `assistant`.
    role: &'static str,
    /// Which model answers.
    model: &'a str,
    /// The answer: at most one block of text.
    content: Vec<TextBlock<'a>>,
    /// `end_turn` or `max_tokens`.
    stop_reason: Option<&'static str>,
    /// Always `null`: the engine does not tell which one it met.
    stop_sequence: Option<&'static str>,
    usage: MessageUsage,
}

/// Text of an answer.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TextBlock<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
}

/// Tokens used, as Anthropic counts them: a token of the prompt counts once, as read from the cache or as input.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct MessageUsage {
    input_tokens: u32,
    cache_creation_input_tokens: u32,
    cache_read_input_tokens: u32,
    output_tokens: u32,
}

impl<'a> TextBlock<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { kind: "text", text }
    }
}

impl From<Usage> for MessageUsage {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.prompt_tokens.saturating_sub(usage.cached_tokens),
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: usage.cached_tokens,
            output_tokens: usage.completion_tokens,
        }
    }
}

/// Anthropic's word for why an answer is complete.
pub(crate) fn stop_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Length => "max_tokens",
        FinishReason::Stop | FinishReason::Cancelled => "end_turn",
    }
}

impl<'a> MessageBody<'a> {
    /// A message; without a text one that begins.
    pub(crate) fn new(
        turn: TurnId,
        model: &'a str,
        text: Option<&'a str>,
        reason: Option<FinishReason>,
        usage: Usage,
    ) -> Self {
        Self {
            id: format!("msg_{:032x}", turn.0),
            kind: "message",
            role: "assistant",
            model,
            content: text.map(TextBlock::new).into_iter().collect(),
            stop_reason: reason.map(stop_reason),
            stop_sequence: None,
            usage: usage.into(),
        }
    }
}
