//! Tools, format and thinking as the Responses API words them: how they are asked for, and how a response repeats them.

use pomona_protocol::{AnswerForm, OutputFormat, Tool, ToolChoice};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::errors::ApiError;
use crate::form::format::{FormatAsked, check_format};
use crate::form::thinking::check_effort;
use crate::form::tools::{
    ChoiceAsked, Function, check_count, check_tool, check_tools, choice_asked, unknown_type,
};

/// A tool.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct ToolAsked {
    /// `function`.
    #[serde(rename = "type")]
    kind: String,
    /// Letters, digits, `_`, `-` and `.`.
    name: Option<String>,
    /// What it does, for the model.
    description: Option<String>,
    /// JSON schema of its arguments.
    #[schema(value_type = Option<Object>)]
    parameters: Option<Value>,
    /// Whether arguments must fit the schema while they are written.
    strict: Option<bool>,
}

/// What the text of an answer must be.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct TextOptions {
    /// Its format.
    format: Option<FormatAsked>,
}

/// How much the model thinks first.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct ReasoningOptions {
    /// `none`, `minimal`, `low`, `medium` or `high`.
    effort: Option<String>,
}

pomona_protocol::only_from_objects!(ToolAsked, TextOptions, ReasoningOptions);

/// The fields of a request that say what form its answer has.
pub(crate) struct FormAsked {
    pub(crate) tools: Option<Vec<ToolAsked>>,
    pub(crate) tool_choice: Option<ChoiceAsked>,
    pub(crate) parallel_tool_calls: Option<bool>,
    pub(crate) text: Option<TextOptions>,
    pub(crate) reasoning: Option<ReasoningOptions>,
}

impl FormAsked {
    /// Checks them.
    pub(crate) fn check(self) -> Result<AnswerForm, ApiError> {
        let tools = check_tools_asked(self.tools.unwrap_or_default())?;
        let effort = self.reasoning.and_then(|reasoning| reasoning.effort);
        let (thinking, effort) = check_effort("reasoning.effort", effort.as_deref())?;
        Ok(AnswerForm {
            format: check_format("text.format", self.text.and_then(|text| text.format))?,
            tool_choice: choice_asked(self.tool_choice, &tools)?,
            tools,
            parallel_calls: self.parallel_tool_calls.unwrap_or(true),
            thinking,
            effort,
        })
    }
}

fn check_tools_asked(asked: Vec<ToolAsked>) -> Result<Vec<Tool>, ApiError> {
    check_count("tools", asked.len())?;
    let checked = asked.into_iter().enumerate().map(|(at, tool)| {
        let param = format!("tools[{at}]");
        let ToolAsked { kind, name, description, parameters, strict } = tool;
        if kind != "function" {
            return Err(unknown_type(&format!("{param}.type"), &kind));
        }
        let missing = || ApiError::invalid(format!("{param}.name"), format!("{param}.name is missing"));
        let name = name.ok_or_else(missing)?;
        check_tool(&param, Function { name, description, parameters, strict })
    });
    let tools: Vec<Tool> = checked.collect::<Result<_, _>>()?;
    check_tools("tools", &tools)?;
    Ok(tools)
}

/// A tool, as a response repeats it.
pub(crate) fn tool_told(tool: &Tool) -> Value {
    json!({
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": schema(tool.parameters.as_deref()),
        "strict": tool.strict,
    })
}

/// The choice of a tool, as a response repeats it.
pub(crate) fn choice_told(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Required => "required".into(),
        ToolChoice::Named(name) => json!({"type": "function", "name": name}),
    }
}

/// The format of a text, as a response repeats it.
pub(crate) fn format_told(format: &OutputFormat) -> Value {
    match format {
        OutputFormat::Text => json!({"type": "text"}),
        OutputFormat::Json => json!({"type": "json_object"}),
        OutputFormat::JsonSchema(text) => {
            json!({"type": "json_schema", "name": "answer", "schema": schema(Some(text)), "strict": true})
        }
        OutputFormat::Regex(_) => json!({"type": "regex"}),
        OutputFormat::Grammar(_) => json!({"type": "grammar"}),
    }
}

fn schema(text: Option<&str>) -> Value {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_repeats_what_was_asked() {
        let parameters = json!({"type": "object", "properties": {"b": {}, "a": {}}});
        let asked = json!({"type": "function", "name": "f", "description": "d", "parameters": parameters, "strict": true});
        let tools = check_tools_asked(vec![serde_json::from_value(asked.clone()).unwrap()]).unwrap();
        assert_eq!(tool_told(&tools[0]).to_string(), asked.to_string());
        let web: ToolAsked = serde_json::from_value(json!({"type": "web_search"})).unwrap();
        assert!(check_tools_asked(vec![web]).unwrap_err().message().contains("`web_search`"));
        let nameless: ToolAsked = serde_json::from_value(json!({"type": "function"})).unwrap();
        assert!(check_tools_asked(vec![nameless]).unwrap_err().message().contains("tools[0].name"));
    }
}
