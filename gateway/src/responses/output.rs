//! The items of a response's output: messages, thoughts, calls of functions.

use pomona_protocol::TurnId;
use pomona_protocol::said::call_id;
use serde::Serialize;

use crate::turnlog::blocks::{Block, BlockKind};

/// An item of an output.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum OutputItem<'a> {
    /// What is answered.
    Message(OutputMessage<'a>),
    /// What the model thought first.
    Reasoning(ReasoningItem<'a>),
    /// A function that the client is to call.
    Call(CallItem<'a>),
}

/// A message.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct OutputMessage<'a> {
    id: String,
    #[serde(rename = "type")]
    #[schema(pattern = "^message$")]
    kind: &'static str,
    /// `in_progress`, `completed` or `incomplete`.
    status: &'static str,
    role: &'static str,
    content: Vec<TextPart<'a>>,
}

/// Thoughts.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ReasoningItem<'a> {
    id: String,
    #[serde(rename = "type")]
    #[schema(pattern = "^reasoning$")]
    kind: &'static str,
    /// `in_progress`, `completed` or `incomplete`.
    status: &'static str,
    /// Always empty: thoughts are told as they are.
    #[schema(value_type = Vec<Object>)]
    summary: [u8; 0],
    content: Vec<TextPart<'a>>,
}

/// A call.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct CallItem<'a> {
    id: String,
    #[serde(rename = "type")]
    #[schema(pattern = "^function_call$")]
    kind: &'static str,
    /// `in_progress`, `completed` or `incomplete`.
    status: &'static str,
    /// What its result names.
    call_id: String,
    name: &'a str,
    /// A JSON object as text.
    arguments: &'a str,
}

/// The text of an item.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum TextPart<'a> {
    /// Of a message.
    Output(OutputText<'a>),
    /// Of thoughts.
    Reasoning(ReasoningText<'a>),
}

/// The text of a message.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct OutputText<'a> {
    #[serde(rename = "type")]
    #[schema(pattern = "^output_text$")]
    kind: &'static str,
    #[schema(value_type = Vec<Object>)]
    annotations: [u8; 0],
    #[schema(value_type = Vec<Object>)]
    logprobs: [u8; 0],
    text: &'a str,
}

/// The text of thoughts.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ReasoningText<'a> {
    #[serde(rename = "type")]
    #[schema(pattern = "^reasoning_text$")]
    kind: &'static str,
    text: &'a str,
}

/// The id of an item: that of the block at place `at` among `blocks`.
pub(crate) fn item_id(turn: TurnId, blocks: &[Block], at: usize) -> String {
    let is_text = |block: &Block| block.kind == BlockKind::Text;
    match blocks.get(at).map(|block| &block.kind) {
        Some(BlockKind::Call { index, .. }) => format!("fc_{:032x}_{index}", turn.0),
        Some(BlockKind::Reasoning) => format!("rs_{:032x}_{at}", turn.0),
        // The first message has the id that an answer of text alone has.
        _ if blocks.iter().position(is_text).is_none_or(|first| first == at) => message_id(turn),
        _ => format!("msg_{:032x}_{at}", turn.0),
    }
}

/// The id of the first message of a response.
pub(crate) fn message_id(turn: TurnId) -> String {
    format!("msg_{:032x}", turn.0)
}

/// The content of an item, when it has any; one that begins has none yet.
pub(crate) fn text_part<'a>(kind: &BlockKind, text: &'a str) -> Option<TextPart<'a>> {
    match kind {
        BlockKind::Text => {
            let part = OutputText { kind: "output_text", annotations: [], logprobs: [], text };
            Some(TextPart::Output(part))
        }
        BlockKind::Reasoning => Some(TextPart::Reasoning(ReasoningText { kind: "reasoning_text", text })),
        BlockKind::Call { .. } => None,
    }
}

/// The item of a block, as it begins (`is_new`) or with what it says.
pub(crate) fn item<'a>(
    turn: TurnId,
    blocks: &'a [Block],
    at: usize,
    status: &'static str,
    is_new: bool,
) -> Option<OutputItem<'a>> {
    let block = blocks.get(at)?;
    let id = item_id(turn, blocks, at);
    let text = if is_new { "" } else { block.text.as_str() };
    let content = text_part(&block.kind, text).filter(|_| !is_new).into_iter().collect();
    Some(match &block.kind {
        BlockKind::Text => {
            OutputItem::Message(OutputMessage { id, kind: "message", status, role: "assistant", content })
        }
        BlockKind::Reasoning => {
            OutputItem::Reasoning(ReasoningItem { id, kind: "reasoning", status, summary: [], content })
        }
        BlockKind::Call { index, name } => {
            let call_id = call_id(turn, *index);
            OutputItem::Call(CallItem { id, kind: "function_call", status, call_id, name, arguments: text })
        }
    })
}
