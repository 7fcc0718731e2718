//! Messages of a conversation, as OpenAI's clients write them, turned into ours.

use pomona_protocol::{Message, Part, Role};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::errors::ApiError;

/// One message of a conversation.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct ChatMessage {
    /// `system`, `developer`, `user`, `assistant` or `tool`.
    role: String,
    /// What is said: text, or a list of text parts.
    content: Option<Content>,
    /// Not supported yet; must be empty.
    #[schema(value_type = Option<Vec<Object>>)]
    tool_calls: Option<Vec<IgnoredAny>>,
}

/// Text, or a list of parts.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "expected a string or a list of content parts with a `type`")]
pub(crate) enum Content {
    /// Text.
    Text(String),
    /// Parts, in order.
    Parts(Vec<ContentPart>),
}

/// A part of a message.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct ContentPart {
    /// `text`; nothing else is supported yet.
    #[serde(rename = "type")]
    kind: String,
    /// The text.
    text: Option<String>,
}

/// Checks a conversation. `limit` is the most messages it may have.
pub(crate) fn check_messages(messages: Vec<ChatMessage>, limit: u32) -> Result<Vec<Message>, ApiError> {
    if messages.is_empty() {
        return Err(ApiError::invalid("messages", "messages is empty; at least one message is needed"));
    }
    if messages.len() > limit as usize {
        let given = messages.len();
        let message = format!("messages has {given} entries; at most {limit} are allowed (api.messages_max)");
        return Err(ApiError::invalid("messages", message));
    }
    messages.into_iter().enumerate().map(|(index, message)| check_message(index, message)).collect()
}

fn check_message(index: usize, message: ChatMessage) -> Result<Message, ApiError> {
    let role = match message.role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        other => {
            let other: String = other.chars().take(40).collect();
            let text = format!("role is `{other}`; known are system, developer, user, assistant and tool");
            return Err(ApiError::invalid(format!("messages[{index}].role"), text));
        }
    };
    if message.tool_calls.is_some_and(|calls| !calls.is_empty()) {
        let param = format!("messages[{index}].tool_calls");
        return Err(ApiError::unsupported("tools_not_supported", &param, "tool calls are not supported yet"));
    }
    let parts = match message.content {
        Some(Content::Text(text)) => vec![Part::Text(text)],
        Some(Content::Parts(parts)) => parts
            .into_iter()
            .enumerate()
            .map(|(part, content)| check_part(index, part, content))
            .collect::<Result<_, _>>()?,
        None if role == Role::Assistant => Vec::new(),
        None => return Err(ApiError::invalid(format!("messages[{index}].content"), "content is missing")),
    };
    Ok(Message { role, parts })
}

fn check_part(message: usize, part: usize, content: ContentPart) -> Result<Part, ApiError> {
    let param = format!("messages[{message}].content[{part}]");
    match content.kind.as_str() {
        "text" => match content.text {
            Some(text) => Ok(Part::Text(text)),
            None => Err(ApiError::invalid(format!("{param}.text"), "a text part needs `text`")),
        },
        "image_url" | "input_image" | "image" => {
            let text = "this model reads text only; an image was given";
            Err(ApiError::unsupported("image_not_supported", &param, text))
        }
        other => {
            let other: String = other.chars().take(40).collect();
            Err(ApiError::invalid(format!("{param}.type"), format!("type is `{other}`; `text` is supported")))
        }
    }
}
