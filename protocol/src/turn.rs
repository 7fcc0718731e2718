//! What a turn asks: input, sampling, and the tokens that were shown already.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AnswerForm, ModelId, TraceContext, TurnId};

/// One question to a model. Immutable from its birth; only `resume` grows between attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnRequest {
    /// Made by whoever accepts the turn; the same over all attempts.
    pub turn: TurnId,
    /// Which model is to answer.
    pub model: ModelId,
    /// The prompt in whatever form the client gave it; the engine renders and tokenises.
    pub input: TurnInput,
    /// How tokens are chosen and when the answer ends.
    pub sampling: Sampling,
    /// What kind of work it is.
    #[serde(default, skip_serializing_if = "Task::is_default")]
    pub task: Task,
    /// What form the answer must have.
    #[serde(default, skip_serializing_if = "AnswerForm::is_default")]
    pub form: AnswerForm,
    /// Tokens of this answer that were shown already; generation continues behind them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resume: Vec<u32>,
    /// Milliseconds that this turn may still take, queueing included; 0 means no limit.
    #[serde(default)]
    pub deadline_ms: u64,
    /// When it was asked, in Unix milliseconds: a template that tells the model the date tells the same one wherever
    /// the turn goes on. 0 where nobody says.
    #[serde(default)]
    pub asked_ms: u64,
    /// Whether its opener wants to hear how far the prompt is computed ([`crate::TurnEvent::Prefill`]); older members
    /// ignore it and say nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tells_prefill: bool,
    /// The trace that it belongs to and the span it runs in; older members ignore it.
    #[serde(default, deserialize_with = "crate::trace::lenient", skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
}

/// The prompt of a turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnInput {
    /// A conversation, rendered by the model's chat template.
    Messages(Vec<Message>),
    /// Raw text, tokenised as it stands.
    Text(String),
    /// Token ids, used as they stand.
    Tokens(Vec<u32>),
}

/// Who speaks in a message. Templates may refuse roles that they do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sets the tone for the whole conversation; OpenAI's `developer` means the same.
    System,
    /// The person or program that asks.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

impl Role {
    /// The word that chat templates expect.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        }
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Plain text.
    Text(String),
    /// A picture.
    Image(Image),
    /// What the model thought aloud in an earlier answer.
    Reasoning(String),
    /// A call of a tool that the model made in an earlier answer.
    Call(ToolCall),
    /// Which call this message of a tool answers.
    Answers(String),
}

impl Part {
    /// Its text if it is plain text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Part::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A picture in a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its type, `image/png` or `image/jpeg` for instance; the bytes decide.
    pub media_type: String,
    /// The file in base64, at most [`crate::limits::IMAGE_BYTES_MAX`] bytes when decoded.
    pub base64: String,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Its name in the conversation.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments, a JSON object as text.
    pub arguments: String,
}

impl Message {
    /// A message that is nothing but text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, parts: vec![Part::Text(text.into())] }
    }
}

/// What kind of work a turn is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Generate tokens.
    #[default]
    Generate,
    /// Compute the embedding of the input, which comes with [`crate::TurnEvent::Finished`].
    Embed {
        /// Numbers wanted, where the model allows fewer than it has; the vector is normalised again.
        dimensions: Option<u32>,
    },
}

impl Task {
    /// Whether it is the usual one.
    pub fn is_default(&self) -> bool {
        *self == Task::Generate
    }
}

/// How tokens are chosen and when the answer ends. Every field has a neutral value, so that what a client
/// leaves out changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// 0 to 2; 0 takes the likeliest token. `None`: the model's own default, else 1.
    pub temperature: Option<f32>,
    /// 0 (exclusive) to 1: the smallest set of likeliest tokens with at least this mass. `None`: the model's default, else 1.
    pub top_p: Option<f32>,
    /// The likeliest `top_k` tokens; 0 means all. `None`: the model's default, else 0.
    pub top_k: Option<u32>,
    /// 0 to 1: drops tokens less likely than this share of the likeliest one. `None`: the model's default, else 0.
    pub min_p: Option<f32>,
    /// Above 0; divides the logits of tokens seen in prompt or answer (CTRL, Keskar et al. 2019). `None`: the model's default, else 1.
    pub repetition_penalty: Option<f32>,
    /// -2 to 2: subtracted once from tokens that stand in the answer.
    pub presence_penalty: f32,
    /// -2 to 2: subtracted per occurrence in the answer.
    pub frequency_penalty: f32,
    /// Added to the logit of a token, -100 to 100 each; at most [`crate::limits::LOGIT_BIAS_MAX`] entries.
    pub logit_bias: BTreeMap<u32, f32>,
    /// Report the log-probability of each chosen token and of this many alternatives (0 to 20). `None`: do not report.
    pub logprobs: Option<u8>,
    /// The answer ends before any of these texts; at most [`crate::limits::STOP_STRINGS_MAX`].
    pub stop: Vec<String>,
    /// The answer has at most this many tokens. `None`: as many as the context holds.
    pub max_tokens: Option<u32>,
    /// Goes on past end-of-text tokens; benchmarks want answers of a known length.
    pub ignore_eos: bool,
    /// Draws come from a counter-based generator keyed by (seed, index in the answer), so the same logits
    /// give the same answer wherever a turn continues.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: None,
            top_p: None,
            top_k: None,
            min_p: None,
            repetition_penalty: None,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: BTreeMap::new(),
            logprobs: None,
            stop: Vec::new(),
            max_tokens: None,
            ignore_eos: false,
            seed: 0,
        }
    }
}
