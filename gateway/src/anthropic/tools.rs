//! Tools and thinking as Anthropic words them.

use pomona_protocol::{AnswerForm, Tool, ToolChoice};
use serde::Deserialize;
use serde_json::Value;

use crate::errors::ApiError;
use crate::form::shown;
use crate::form::tools::{Function, check_choice, check_count, check_tool, check_tools, unknown_type};

/// A tool that the client calls itself.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct ToolAsked {
    /// `custom`, which may be left out; tools of the server are not supported.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Letters, digits, `_`, `-` and `.`.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// What it does, for the model.
    description: Option<String>,
    /// JSON schema of its arguments.
    #[schema(value_type = Option<Object>)]
    input_schema: Option<Value>,
    /// Whether arguments must fit the schema while they are written.
    strict: Option<bool>,
}

/// Whether the model may or must call a tool.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct ChoiceAsked {
    /// `auto`, `any`, `none`, or `tool` with a name.
    #[serde(rename = "type")]
    kind: String,
    /// The tool that must be called.
    name: Option<String>,
    /// Whether an answer may hold one call alone.
    disable_parallel_tool_use: Option<bool>,
}

/// Whether the model thinks first.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct ThinkingAsked {
    /// `enabled`, `disabled` or `adaptive`; its budget is not looked at.
    #[serde(rename = "type")]
    kind: String,
}

pomona_protocol::only_from_objects!(ToolAsked, ChoiceAsked, ThinkingAsked);

/// What form the answer must have.
pub(crate) fn check_form(
    tools: Option<Vec<ToolAsked>>,
    choice: Option<ChoiceAsked>,
    thinking: Option<ThinkingAsked>,
) -> Result<AnswerForm, ApiError> {
    let tools = check_tools_asked(tools.unwrap_or_default())?;
    let disables = choice.as_ref().and_then(|choice| choice.disable_parallel_tool_use);
    let tool_choice = choice.map_or(Ok(ToolChoice::Auto), choice_asked)?;
    check_choice(&tool_choice, &tools)?;
    let thinking = match thinking.as_ref().map(|asked| asked.kind.as_str()) {
        None | Some("adaptive") => None,
        Some("enabled") => Some(true),
        Some("disabled") => Some(false),
        Some(other) => {
            let message =
                format!("thinking.type is `{}`; known are enabled, disabled and adaptive", shown(other));
            return Err(ApiError::invalid("thinking.type", message));
        }
    };
    let parallel_calls = !disables.unwrap_or(false);
    Ok(AnswerForm { tools, tool_choice, parallel_calls, thinking, ..AnswerForm::default() })
}

fn check_tools_asked(asked: Vec<ToolAsked>) -> Result<Vec<Tool>, ApiError> {
    check_count("tools", asked.len())?;
    let checked = asked.into_iter().enumerate().map(|(at, tool)| {
        let param = format!("tools[{at}]");
        let ToolAsked { kind, name, description, input_schema, strict } = tool;
        if let Some(kind) = kind.filter(|kind| kind != "custom") {
            return Err(unknown_type(&format!("{param}.type"), &kind));
        }
        check_tool(&param, Function { name, description, parameters: input_schema, strict })
    });
    let tools: Vec<Tool> = checked.collect::<Result<_, _>>()?;
    check_tools("tools", &tools)?;
    Ok(tools)
}

fn choice_asked(choice: ChoiceAsked) -> Result<ToolChoice, ApiError> {
    match (choice.kind.as_str(), choice.name) {
        ("auto", _) => Ok(ToolChoice::Auto),
        ("none", _) => Ok(ToolChoice::None),
        ("any", _) => Ok(ToolChoice::Required),
        ("tool", Some(name)) => Ok(ToolChoice::Named(name)),
        ("tool", None) => {
            let message = "tool_choice has no name; give the name of one of the tools";
            Err(ApiError::invalid("tool_choice", message))
        }
        (other, _) => {
            let message = format!("tool_choice is `{}`; known are auto, any, none and tool", shown(other));
            Err(ApiError::invalid("tool_choice", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tools_are_chosen_in_anthropics_words() {
        let check = |choice: Value| {
            let tool = json!({"name": "f", "input_schema": {"type": "object"}});
            let tools = Some(vec![serde_json::from_value(tool).unwrap()]);
            check_form(tools, Some(serde_json::from_value(choice).unwrap()), None)
                .map_err(|error| error.message().to_owned())
        };
        for (choice, expected) in [
            (json!({"type": "auto"}), ToolChoice::Auto),
            (json!({"type": "any"}), ToolChoice::Required),
            (json!({"type": "none"}), ToolChoice::None),
            (json!({"type": "tool", "name": "f"}), ToolChoice::Named("f".to_owned())),
        ] {
            assert_eq!(check(choice).unwrap().tool_choice, expected);
        }
        let alone = check(json!({"type": "auto", "disable_parallel_tool_use": true})).unwrap();
        assert!(!alone.parallel_calls);
        assert!(check(json!({"type": "tool", "name": "g"})).unwrap_err().contains("`g`"));
        assert!(check(json!({"type": "tool"})).unwrap_err().contains("no name"));
        assert!(check(json!({"type": "function"})).unwrap_err().contains("`function`"));
        let server = serde_json::from_value(json!({"type": "web_search_20250305", "name": "w"})).unwrap();
        let refused = check_form(Some(vec![server]), None, None).unwrap_err();
        assert_eq!(refused.code(), "tool_type_not_supported");
    }
}
