//! What form an answer must have: free text, JSON, a grammar, calls of tools; and whether the model thinks first.
//!
//! Part of a turn's request and of the log of a session, so that an answer that goes on elsewhere has the same form.

use serde::{Deserialize, Serialize};

/// The form of an answer. The default asks for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnswerForm {
    /// What its text must be.
    pub format: OutputFormat,
    /// Tools that the model may call, at most [`crate::limits::TOOLS_MAX`].
    pub tools: Vec<Tool>,
    /// Whether it may or must call one.
    pub tool_choice: ToolChoice,
    /// Whether an answer may hold several calls.
    pub parallel_calls: bool,
    /// Whether the model thinks before it answers; none leaves it to the model's template.
    pub thinking: Option<bool>,
    /// How much it thinks, for models that can be told.
    pub effort: Option<Effort>,
}

impl Default for AnswerForm {
    fn default() -> Self {
        Self {
            format: OutputFormat::Text,
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            parallel_calls: true,
            thinking: None,
            effort: None,
        }
    }
}

impl AnswerForm {
    /// Whether nothing is asked for.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What the text of an answer must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputFormat {
    /// Whatever the model says.
    #[default]
    Text,
    /// A JSON object.
    Json,
    /// JSON that fits this schema, given as JSON text.
    JsonSchema(String),
    /// A text that this regular expression matches whole.
    Regex(String),
    /// A text of this grammar, in the Lark syntax of `llguidance`.
    Grammar(String),
}

/// A tool that a model may call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name, letters, digits, `_`, `-` and `.`, at most [`crate::limits::TOOL_NAME_BYTES_MAX`].
    pub name: String,
    /// What it does, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON schema of its arguments, as JSON text; none means no arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<String>,
    /// Whether arguments must fit the schema while they are written, in every choice of tools.
    #[serde(default)]
    pub strict: bool,
}

/// Whether the model may or must call a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// As it likes.
    #[default]
    Auto,
    /// It may not.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

/// How much a model thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// Little.
    Low,
    /// As usual.
    Medium,
    /// Much.
    High,
}

impl Effort {
    /// The word that templates expect.
    pub fn as_str(self) -> &'static str {
        match self {
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
        }
    }
}
