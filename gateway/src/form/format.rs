//! The format of an answer's text: JSON, a schema, a regular expression, a grammar, one of several texts.

use pomona_protocol::OutputFormat;
use pomona_protocol::limits::FORMAT_BYTES_MAX;
use serde::Deserialize;
use serde_json::Value;

use crate::errors::ApiError;
use crate::form::{schema_text, shown};

/// Texts of which an answer may be one.
const CHOICES_MAX: usize = 1024;

/// What the answer must be, as OpenAI's clients write it.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct FormatAsked {
    /// `text`, `json_object` or `json_schema`.
    #[serde(rename = "type")]
    kind: String,
    /// The schema, as the Chat Completions API has it.
    json_schema: Option<SchemaAsked>,
    /// The schema, as the Responses API has it.
    #[schema(value_type = Option<Object>)]
    schema: Option<Value>,
}

/// A schema with its name. The answer fits it, whatever `strict` says.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct SchemaAsked {
    /// JSON schema; without it any JSON object fits.
    #[schema(value_type = Option<Object>)]
    schema: Option<Value>,
}

/// What the answer must be, in words beyond OpenAI's; at most one of them.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct StructuredOutputs {
    /// JSON that fits this schema.
    #[schema(value_type = Option<Object>)]
    pub(crate) json: Option<Value>,
    /// A JSON object.
    pub(crate) json_object: Option<bool>,
    /// A text that this regular expression matches whole.
    pub(crate) regex: Option<String>,
    /// A text of this grammar, in the Lark syntax of llguidance.
    pub(crate) grammar: Option<String>,
    /// One of these texts.
    pub(crate) choice: Option<Vec<String>>,
}

pomona_protocol::only_from_objects!(FormatAsked, SchemaAsked, StructuredOutputs);

/// A format of OpenAI's. `param` is where it stands.
pub(crate) fn check_format(param: &str, asked: Option<FormatAsked>) -> Result<OutputFormat, ApiError> {
    let Some(FormatAsked { kind, json_schema, schema }) = asked else { return Ok(OutputFormat::Text) };
    match kind.as_str() {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::Json),
        "json_schema" => {
            let (at, schema) = match json_schema {
                Some(SchemaAsked { schema }) => (format!("{param}.json_schema.schema"), schema),
                None => (format!("{param}.schema"), schema),
            };
            let missing = || ApiError::invalid(&at, format!("{at} is missing; `json_schema` needs a schema"));
            json_schema_format(&at, &schema.ok_or_else(missing)?)
        }
        other => {
            let kind = shown(other);
            let message = format!("{param} is `{kind}`; known are text, json_object and json_schema");
            Err(ApiError::unsupported("response_format_not_supported", param, message))
        }
    }
}

/// JSON that fits a schema.
pub(crate) fn json_schema_format(param: &str, schema: &Value) -> Result<OutputFormat, ApiError> {
    let text = schema_text(param, schema)?;
    check_length(param, &text)?;
    Ok(OutputFormat::JsonSchema(text))
}

/// A regular expression.
pub(crate) fn regex_format(param: &str, regex: String) -> Result<OutputFormat, ApiError> {
    check_length(param, &regex)?;
    Ok(OutputFormat::Regex(regex))
}

/// A grammar.
pub(crate) fn grammar_format(param: &str, grammar: String) -> Result<OutputFormat, ApiError> {
    check_length(param, &grammar)?;
    Ok(OutputFormat::Grammar(grammar))
}

/// One of several texts, as the expression that matches them alone.
fn choice_format(param: &str, choices: &[String]) -> Result<OutputFormat, ApiError> {
    if choices.is_empty() || choices.len() > CHOICES_MAX || choices.iter().any(String::is_empty) {
        let message = format!(
            "{param} has {} texts; allowed are 1 to {CHOICES_MAX}, none of them empty",
            choices.len()
        );
        return Err(ApiError::invalid(param, message));
    }
    let escaped: Vec<String> = choices.iter().map(|choice| escaped(choice)).collect();
    regex_format(param, format!("({})", escaped.join("|")))
}

/// A text as the expression that matches it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

fn check_length(param: &str, text: &str) -> Result<(), ApiError> {
    let bytes = text.len();
    if bytes == 0 || bytes > FORMAT_BYTES_MAX {
        let message = format!("{param} has {bytes} bytes; the range is 1 to {FORMAT_BYTES_MAX}");
        return Err(ApiError::invalid(param, message));
    }
    Ok(())
}

impl StructuredOutputs {
    /// The one that is given; `prefix` stands before the names of the fields.
    pub(crate) fn check(self, prefix: &str) -> Result<Option<OutputFormat>, ApiError> {
        let at = |name: &str| format!("{prefix}{name}");
        let mut given = Vec::new();
        if let Some(schema) = self.json.map(from_text) {
            given.push((at("json"), json_schema_format(&at("json"), &schema)?));
        }
        if self.json_object == Some(true) {
            given.push((at("json_object"), OutputFormat::Json));
        }
        if let Some(regex) = self.regex {
            given.push((at("regex"), regex_format(&at("regex"), regex)?));
        }
        if let Some(grammar) = self.grammar {
            given.push((at("grammar"), grammar_format(&at("grammar"), grammar)?));
        }
        if let Some(choices) = self.choice {
            given.push((at("choice"), choice_format(&at("choice"), &choices)?));
        }
        if let [(first, _), (second, _), ..] = given.as_slice() {
            let message = format!("{second} is given besides {first}; an answer has one format");
            return Err(ApiError::invalid(second.clone(), message));
        }
        Ok(given.pop().map(|(_, format)| format))
    }
}

/// Some clients send the schema as text.
fn from_text(schema: Value) -> Value {
    match schema {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        other => other,
    }
}

/// The one format that several fields ask for.
pub(crate) fn only_one(
    named: OutputFormat,
    others: impl IntoIterator<Item = Option<OutputFormat>>,
) -> Result<OutputFormat, ApiError> {
    let mut chosen = named;
    for other in others.into_iter().flatten() {
        if chosen != OutputFormat::Text {
            let message = "two formats are asked for; an answer has one";
            return Err(ApiError::invalid("response_format", message));
        }
        chosen = other;
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn format(asked: Value) -> Result<OutputFormat, String> {
        let asked = serde_json::from_value(asked).unwrap();
        check_format("response_format", Some(asked)).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn formats_are_read_in_both_shapes() {
        let schema = OutputFormat::JsonSchema(r#"{"type":"object"}"#.to_owned());
        for (asked, expected) in [
            (json!({"type": "text"}), OutputFormat::Text),
            (json!({"type": "json_object"}), OutputFormat::Json),
            (
                json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": {"type": "object"}}}),
                schema.clone(),
            ),
            (json!({"type": "json_schema", "name": "x", "schema": {"type": "object"}}), schema),
        ] {
            assert_eq!(format(asked), Ok(expected));
        }
        for (asked, says) in [
            (json!({"type": "xml"}), "known are"),
            (json!({"type": "json_schema"}), "response_format.schema is missing"),
            (json!({"type": "json_schema", "json_schema": {"name": "x"}}), "json_schema.schema is missing"),
            (json!({"type": "json_schema", "schema": [1]}), "no object"),
            (json!({"type": "json_schema", "schema": {"a": "x".repeat(300_000)}}), "300"),
        ] {
            assert!(format(asked.clone()).unwrap_err().contains(says), "{asked:.60}");
        }
    }

    #[test]
    fn other_words_mean_the_same_and_one_is_enough() {
        let check = |asked: Value| {
            let asked: StructuredOutputs = serde_json::from_value(asked).unwrap();
            asked.check("guided_").map_err(|error| error.message().to_owned())
        };
        let regex = |text: &str| Ok(Some(OutputFormat::Regex(text.to_owned())));
        assert_eq!(check(json!({})), Ok(None));
        assert_eq!(check(json!({"json_object": true})), Ok(Some(OutputFormat::Json)));
        assert_eq!(check(json!({"regex": "a+"})), regex("a+"));
        assert_eq!(check(json!({"choice": ["yes", "a|b."]})), regex(r"(yes|a\|b\.)"));
        let schema = Ok(Some(OutputFormat::JsonSchema(r#"{"type":"object"}"#.to_owned())));
        assert_eq!(check(json!({"json": r#"{"type": "object"}"#})), schema);
        assert_eq!(check(json!({"json": {"type": "object"}})), schema);
        assert!(check(json!({"regex": "a", "grammar": "b"})).unwrap_err().contains("one format"));
        assert!(check(json!({"choice": []})).unwrap_err().contains("0 texts"));
        assert!(check(json!({"regex": ""})).unwrap_err().contains("0 bytes"));
        assert!(only_one(OutputFormat::Json, [Some(OutputFormat::Json)]).is_err());
    }
}
