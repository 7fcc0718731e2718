//! What is asked of `/v1/chat/completions`, and what one event of its stream means.

use pomona_protocol::{Role, Usage};
use serde::{Deserialize, Serialize};

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: ChatContent,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ChatContent {
    /// A text.
    Text(String),
    /// Texts and pictures.
    Parts(Vec<ChatPart>),
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ChatPart {
    /// A text.
    Text {
        /// The text.
        text: String,
    },
    /// A picture.
    ImageUrl {
        /// Where it is.
        image_url: PictureAddress,
    },
}

/// Where a picture is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureAddress {
    /// `data:image/png;base64,…`, since gateways fetch nothing.
    pub url: String,
}

impl ChatMessage {
    /// A message of the user with pictures, each the base64 of its file with its type.
    pub fn with_pictures(text: impl Into<String>, pictures: &[(String, String)]) -> Self {
        let text = text.into();
        if pictures.is_empty() {
            return Self::new(Role::User, text);
        }
        let pictures = pictures.iter().map(|(media_type, base64)| {
            let url = format!("data:{media_type};base64,{base64}");
            ChatPart::ImageUrl { image_url: PictureAddress { url } }
        });
        let parts = pictures.chain([ChatPart::Text { text }]).collect();
        Self { role: Role::User, content: ChatContent::Parts(parts) }
    }

    /// A message of `role`.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: ChatContent::Text(content.into()) }
    }
}

/// What to ask. What is `None` is left to the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ChatRequest {
    /// Which model is to answer.
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<ChatMessage>,
    /// 0 to 2; 0 takes the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Tokens of the answer at most.
    #[serde(rename = "max_completion_tokens", skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// The same seed gives the same answer on the same machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// A step of an answer, in the order `Started`, any `Delta`s, `Finished`, `Usage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatEvent {
    /// The turn was accepted; comes once.
    Started {
        /// Which model answers.
        model: String,
    },
    /// The next text; never empty.
    Delta(String),
    /// The next of what the model thinks before it answers; never empty.
    Thought(String),
    /// More of a call of a tool.
    Call {
        /// Which call of the answer.
        index: u32,
        /// The tool, where the call begins.
        name: Option<String>,
        /// The next of its arguments; may be empty where it begins.
        arguments: String,
    },
    /// The answer is complete.
    Finished {
        /// `stop`, `length` or what else the gateway calls it.
        reason: String,
    },
    /// What was used.
    Usage(Usage),
}

/// The request as it goes over the wire.
#[derive(Serialize)]
pub(crate) struct StreamedRequest<'a> {
    #[serde(flatten)]
    pub(crate) request: &'a ChatRequest,
    pub(crate) stream: bool,
    pub(crate) stream_options: StreamOptions,
}

#[derive(Serialize)]
pub(crate) struct StreamOptions {
    pub(crate) include_usage: bool,
}

/// The data of one event of the stream; what we do not use is ignored.
#[derive(Debug, Deserialize)]
pub(crate) struct Chunk {
    #[serde(default)]
    pub(crate) model: String,
    #[serde(default)]
    pub(crate) choices: Vec<Choice>,
    #[serde(default)]
    pub(crate) usage: Option<WireUsage>,
    #[serde(default)]
    pub(crate) error: Option<WireError>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Choice {
    #[serde(default)]
    pub(crate) delta: Delta,
    #[serde(default)]
    pub(crate) finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Delta {
    #[serde(default)]
    pub(crate) content: Option<String>,
    #[serde(default)]
    pub(crate) reasoning_content: Option<String>,
    #[serde(default)]
    pub(crate) tool_calls: Option<Vec<WireCall>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireCall {
    #[serde(default)]
    pub(crate) index: u32,
    #[serde(default)]
    pub(crate) function: WireFunction,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct WireFunction {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) arguments: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WireUsage {
    prompt_tokens: u32,
    #[serde(default)]
    completion_tokens: u32,
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Debug, Default, Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: u32,
    #[serde(default)]
    accepted_prediction_tokens: u32,
}

#[derive(Debug, Default, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: u32,
}

impl From<WireUsage> for Usage {
    fn from(wire: WireUsage) -> Self {
        let details = wire.completion_tokens_details.unwrap_or_default();
        Self {
            prompt_tokens: wire.prompt_tokens,
            cached_tokens: wire.prompt_tokens_details.unwrap_or_default().cached_tokens,
            completion_tokens: wire.completion_tokens,
            reasoning_tokens: details.reasoning_tokens,
            accepted_tokens: details.accepted_prediction_tokens,
        }
    }
}

/// `error` of an answer or of a stream.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct WireError {
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) code: Option<serde_json::Value>,
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<String>,
}

impl WireError {
    /// The stable name; other servers leave `code` out or make it a number.
    pub(crate) fn code(&self) -> String {
        match &self.code {
            Some(serde_json::Value::String(code)) => code.clone(),
            Some(serde_json::Value::Number(code)) => code.to_string(),
            _ => self.kind.clone().unwrap_or_else(|| "error".to_owned()),
        }
    }
}
