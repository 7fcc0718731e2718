//! What form an answer must have, as JSON: tools, their choice, the format of the text.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A tool that the model may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ToolBody {
    /// Its name: letters, digits, `_`, `-` and `.`.
    pub name: String,
    /// What it does, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON schema of its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// Whether arguments must fit the schema while they are written.
    #[serde(default)]
    pub strict: bool,
}

crate::only_from_objects!(both: ToolBody);

/// Whether the model may or must call a tool: `auto`, `none`, `required`, or the one with this name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected `auto`, `none`, `required`, or an object with the `name` of a tool")]
pub enum ChoiceBody {
    /// A word.
    Word(String),
    /// A tool.
    Named {
        /// Its name.
        name: String,
    },
}

/// What the text of an answer must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FormatBody {
    /// Whatever the model says.
    Text {},
    /// A JSON object.
    JsonObject {},
    /// JSON that fits a schema.
    JsonSchema {
        /// The schema.
        schema: Value,
    },
    /// A text that a regular expression matches whole.
    Regex {
        /// The expression.
        regex: String,
    },
    /// A text of a grammar.
    Grammar {
        /// The grammar, in the Lark syntax of `llguidance`.
        grammar: String,
    },
}

crate::only_from_objects!(tagged: FormatBody);
