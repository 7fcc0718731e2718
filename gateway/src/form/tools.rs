//! Tools and their choice: limits, names, schemas.

use pomona_protocol::limits::{TOOL_NAME_BYTES_MAX, TOOLS_BYTES_MAX, TOOLS_MAX};
use pomona_protocol::{Tool, ToolChoice};
use serde::Deserialize;
use serde_json::Value;

use crate::errors::ApiError;
use crate::form::{schema_text, shown};

/// A function that the model may call, as OpenAI's clients write it.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct Function {
    /// Letters, digits, `_`, `-` and `.`.
    #[schema(min_length = 1, max_length = 64)]
    pub(crate) name: String,
    /// What it does, for the model.
    pub(crate) description: Option<String>,
    /// JSON schema of its arguments.
    #[schema(value_type = Option<Object>)]
    pub(crate) parameters: Option<Value>,
    /// Whether arguments must fit the schema while they are written.
    pub(crate) strict: Option<bool>,
}

/// Whether the model may or must call a tool: a word, or the tool that it must call.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "expected `auto`, `none`, `required`, or an object that names a function")]
pub(crate) enum ChoiceAsked {
    /// `auto`, `none` or `required`.
    Word(String),
    /// A tool.
    Named(NamedTool),
}

/// The tool that must be called.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct NamedTool {
    /// `function`.
    #[serde(rename = "type")]
    kind: String,
    /// Its name, as the Responses API has it.
    name: Option<String>,
    /// Its name, as the Chat Completions API has it.
    function: Option<FunctionName>,
}

/// The name of a function.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct FunctionName {
    name: String,
}

pomona_protocol::only_from_objects!(Function, NamedTool, FunctionName);

/// Refuses too many tools before any of them is looked at.
pub(crate) fn check_count(param: &str, count: usize) -> Result<(), ApiError> {
    if count > TOOLS_MAX {
        let message = format!("{param} has {count} entries; at most {TOOLS_MAX} tools are allowed");
        return Err(ApiError::invalid(param, message));
    }
    Ok(())
}

/// A type of tools that is not known here.
pub(crate) fn unknown_type(param: &str, kind: &str) -> ApiError {
    let kind = shown(kind);
    let message =
        format!("{param} is `{kind}`; tools of type `function` are supported, which the client calls itself");
    ApiError::unsupported("tool_type_not_supported", param, message)
}

/// One tool. `param` is where it stands.
pub(crate) fn check_tool(param: &str, function: Function) -> Result<Tool, ApiError> {
    let Function { name, description, parameters, strict } = function;
    check_name(&format!("{param}.name"), &name)?;
    let parameters = match parameters {
        None | Some(Value::Null) => None,
        Some(schema) => Some(schema_text(&format!("{param}.parameters"), &schema)?),
    };
    Ok(Tool { name, description, parameters, strict: strict.unwrap_or(false) })
}

/// The name of a tool.
pub(crate) fn check_name(param: &str, name: &str) -> Result<(), ApiError> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    if name.is_empty() || name.len() > TOOL_NAME_BYTES_MAX || !name.chars().all(is_letter) {
        let shown = shown(name);
        let message = format!(
            "{param} is `{shown}`; a name has 1 to {TOOL_NAME_BYTES_MAX} letters, digits, `_`, `-` and `.`"
        );
        return Err(ApiError::invalid(param, message));
    }
    Ok(())
}

/// All tools together: each name once, and not too much text.
pub(crate) fn check_tools(param: &str, tools: &[Tool]) -> Result<(), ApiError> {
    let mut names = std::collections::BTreeSet::new();
    if let Some(twice) = tools.iter().find(|tool| !names.insert(tool.name.as_str())) {
        let message = format!("{param} has two tools of the name `{}`", twice.name);
        return Err(ApiError::invalid(param, message));
    }
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let bytes = |tool: &Tool| tool.name.len() + length(&tool.description) + length(&tool.parameters);
    let bytes: usize = tools.iter().map(bytes).sum();
    if bytes > TOOLS_BYTES_MAX {
        let message = format!("{param} have {bytes} bytes together; at most {TOOLS_BYTES_MAX} are allowed");
        return Err(ApiError::invalid(param, message));
    }
    Ok(())
}

/// The choice of OpenAI's dialects.
pub(crate) fn choice_asked(choice: Option<ChoiceAsked>, tools: &[Tool]) -> Result<ToolChoice, ApiError> {
    let choice = match choice {
        None => ToolChoice::Auto,
        Some(ChoiceAsked::Word(word)) => choice_word(&word)?,
        Some(ChoiceAsked::Named(NamedTool { kind, name, function })) if kind == "function" => {
            let name = name.or(function.map(|function| function.name));
            let missing = "tool_choice has no name; give the name of one of the tools";
            ToolChoice::Named(name.ok_or_else(|| ApiError::invalid("tool_choice", missing))?)
        }
        Some(ChoiceAsked::Named(NamedTool { kind, .. })) => {
            let kind = shown(&kind);
            let message = format!("tool_choice is of type `{kind}`; `function` is supported");
            return Err(ApiError::unsupported("tool_choice_not_supported", "tool_choice", message));
        }
    };
    check_choice(&choice, tools)?;
    Ok(choice)
}

/// `auto`, `none` or `required`.
pub(crate) fn choice_word(word: &str) -> Result<ToolChoice, ApiError> {
    match word {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" => Ok(ToolChoice::Required),
        other => {
            let other = shown(other);
            let message =
                format!("tool_choice is `{other}`; known are auto, none, required, or one tool by name");
            Err(ApiError::invalid("tool_choice", message))
        }
    }
}

/// Who must be called has to be there.
pub(crate) fn check_choice(choice: &ToolChoice, tools: &[Tool]) -> Result<(), ApiError> {
    let refuse = |message: String| Err(ApiError::invalid("tool_choice", message));
    match choice {
        ToolChoice::Auto | ToolChoice::None => Ok(()),
        ToolChoice::Required if tools.is_empty() => {
            refuse("tool_choice wants a call, and there are no tools".to_owned())
        }
        ToolChoice::Named(name) if !tools.iter().any(|tool| tool.name == *name) => {
            refuse(format!("tool_choice names `{}`, which is none of the tools", shown(name)))
        }
        ToolChoice::Required | ToolChoice::Named(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tool(name: &str) -> Result<Tool, ApiError> {
        check_tool("tools[0].function", serde_json::from_value(json!({"name": name})).unwrap())
    }

    #[test]
    fn names_are_plain() {
        for name in ["f", "get_weather-2.x", &"x".repeat(64)] {
            assert_eq!(tool(name).unwrap().name, *name);
        }
        for name in ["", " ", "a b", "naïve", "a\u{0}", "a\"", "<|im_end|>", &"x".repeat(65)] {
            assert!(tool(name).unwrap_err().message().starts_with("tools[0].function.name is"), "{name}");
        }
    }

    #[test]
    fn too_many_too_long_or_twice_is_refused() {
        assert!(check_count("tools", 128).is_ok());
        assert!(check_count("tools", 129).unwrap_err().message().contains("129"));
        let long = |name: &str| {
            let description = Some("x".repeat(TOOLS_BYTES_MAX / 2));
            Tool { name: name.to_owned(), description, parameters: None, strict: false }
        };
        assert!(check_tools("tools", &[long("a")]).is_ok());
        assert!(check_tools("tools", &[long("a"), long("b")]).unwrap_err().message().contains("together"));
        let twice = [tool("f").unwrap(), tool("f").unwrap()];
        assert!(check_tools("tools", &twice).unwrap_err().message().contains("two tools"));
    }

    #[test]
    fn a_choice_names_a_tool_that_is_there() {
        let tools = [tool("f").unwrap()];
        let choose = |choice: Value, tools: &[Tool]| {
            choice_asked(Some(serde_json::from_value(choice).unwrap()), tools)
        };
        let named = Ok(ToolChoice::Named("f".to_owned()));
        for (choice, expected) in [
            (json!("auto"), Ok(ToolChoice::Auto)),
            (json!("none"), Ok(ToolChoice::None)),
            (json!("required"), Ok(ToolChoice::Required)),
            (json!({"type": "function", "function": {"name": "f"}}), named.clone()),
            (json!({"type": "function", "name": "f"}), named),
            (json!({"type": "function"}), Err("no name")),
            (json!({"type": "function", "name": "g"}), Err("none of the tools")),
            (json!({"type": "allowed_tools", "tools": []}), Err("allowed_tools")),
            (json!("any"), Err("known are")),
        ] {
            match (choose(choice.clone(), &tools), expected) {
                (Ok(chosen), Ok(expected)) => assert_eq!(chosen, expected),
                (Err(error), Err(says)) => assert!(error.message().contains(says), "{error:?}"),
                (chosen, _) => panic!("{choice}: {chosen:?}"),
            }
        }
        assert!(choose(json!("required"), &[]).unwrap_err().message().contains("no tools"));
        assert_eq!(choose(json!("auto"), &[]).unwrap(), ToolChoice::Auto);
    }
}
