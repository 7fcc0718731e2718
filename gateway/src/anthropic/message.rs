//! Anthropic's message object.

use pomona_protocol::said::call_id;
use pomona_protocol::{FinishReason, TurnId, Usage};
use serde::Serialize;
use serde_json::Value;

use crate::turnlog::blocks::{Block, BlockKind};

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
    /// The answer: text, thoughts, calls of tools.
    content: Vec<ContentBlock<'a>>,
    /// `end_turn`, `max_tokens`, `stop_sequence` or `tool_use`.
    stop_reason: Option<&'static str>,
    /// The stop sequence that was met.
    stop_sequence: Option<&'a str>,
    usage: MessageUsage,
}

/// A part of an answer.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ContentBlock<'a> {
    /// What is answered.
    Text {
        /// The text.
        text: &'a str,
    },
    /// What the model thought first.
    Thinking {
        /// The thoughts.
        thinking: &'a str,
        /// Always empty.
        signature: &'static str,
    },
    /// A tool that the client is to call.
    ToolUse {
        /// The name of the call, which its result repeats.
        id: String,
        /// The tool.
        name: &'a str,
        /// Its arguments.
        #[schema(value_type = Object)]
        input: Value,
    },
}

/// Tokens used, as Anthropic counts them: a token of the prompt counts once, as read from the cache or as input.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct MessageUsage {
    input_tokens: u32,
    cache_creation_input_tokens: u32,
    cache_read_input_tokens: u32,
    output_tokens: u32,
}

impl<'a> ContentBlock<'a> {
    /// A block with what it says. Arguments that are no JSON, of a call that was cut off, are none.
    pub(crate) fn whole(turn: TurnId, block: &'a Block) -> Self {
        Self::of(turn, &block.kind, &block.text)
    }

    /// A block that begins.
    pub(crate) fn begun(turn: TurnId, kind: &'a BlockKind) -> Self {
        Self::of(turn, kind, "")
    }

    fn of(turn: TurnId, kind: &'a BlockKind, text: &'a str) -> Self {
        match kind {
            BlockKind::Text => ContentBlock::Text { text },
            BlockKind::Reasoning => ContentBlock::Thinking { thinking: text, signature: "" },
            BlockKind::Call { index, name } => {
                let arguments = serde_json::from_str(text).ok().filter(Value::is_object);
                let input = arguments.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
                ContentBlock::ToolUse { id: call_id(turn, *index), name, input }
            }
        }
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
pub(crate) fn stop_reason(reason: FinishReason, stop: Option<&str>) -> &'static str {
    match reason {
        FinishReason::Stop if stop.is_some() => "stop_sequence",
        FinishReason::Length => "max_tokens",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::Stop | FinishReason::Cancelled => "end_turn",
    }
}

impl<'a> MessageBody<'a> {
    /// A message, as it ended, or without an end one that begins.
    pub(crate) fn new(
        turn: TurnId,
        model: &'a str,
        blocks: &'a [Block],
        end: Option<(FinishReason, Option<&'a str>)>,
        usage: Usage,
    ) -> Self {
        Self {
            id: format!("msg_{:032x}", turn.0),
            kind: "message",
            role: "assistant",
            model,
            content: blocks.iter().map(|block| ContentBlock::whole(turn, block)).collect(),
            stop_reason: end.map(|(reason, stop)| stop_reason(reason, stop)),
            stop_sequence: end.and_then(|(_, stop)| stop),
            usage: usage.into(),
        }
    }
}
