//! The `input` of a response: a text, or items: messages, calls and their results, thoughts.

use pomona_protocol::{Message, Part, Role, ToolCall};
use serde::Deserialize;

use crate::errors::ApiError;
use crate::form::calls::check_answers;
use crate::form::picture::{check_pictures, from_address};
use crate::form::shown;
use crate::form::tools::check_name;

/// What is asked.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "expected a string or a list of input items")]
pub(crate) enum Input {
    /// One message of the user.
    Text(String),
    /// Items, in order.
    Items(Vec<InputItem>),
}

/// One item of an input.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct InputItem {
    /// `message`, which may be left out, `function_call`, `function_call_output` or `reasoning`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Messages: `user`, `assistant`, `system` or `developer`.
    role: Option<String>,
    /// Messages: what is said. Thoughts: what was thought.
    content: Option<Content>,
    /// Calls and their results: the call.
    call_id: Option<String>,
    /// Calls: the function.
    name: Option<String>,
    /// Calls: a JSON object as text.
    arguments: Option<String>,
    /// Results: what the function gave.
    output: Option<Content>,
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
#[serde(remote = "Self")]
pub(crate) struct ContentPart {
    /// `input_text`, `input_image`, `output_text` for what the model said, `reasoning_text` for what it thought.
    #[serde(rename = "type")]
    kind: String,
    /// The text.
    text: Option<String>,
    /// The picture: `data:image/png;base64,…`, since nothing is fetched.
    image_url: Option<String>,
}

pomona_protocol::only_from_objects!(InputItem, ContentPart);

/// Checks an input. `limit` is the most items that it may have; `is_whole` says that nothing was said before it.
pub(crate) fn check_input(input: Input, limit: u32, is_whole: bool) -> Result<Vec<Message>, ApiError> {
    let items = match input {
        Input::Text(text) => return Ok(vec![Message::text(Role::User, text)]),
        Input::Items(items) => items,
    };
    if items.is_empty() {
        return Err(ApiError::invalid("input", "input is empty; at least one item is needed"));
    }
    if items.len() > limit as usize {
        let given = items.len();
        let message = format!("input has {given} items; at most {limit} are allowed (api.messages_max)");
        return Err(ApiError::invalid("input", message));
    }
    let checked = items.into_iter().enumerate().map(|(index, item)| check_item(index, item));
    let checked: Vec<Message> = checked.collect::<Result<_, _>>()?;
    check_answers("input", &checked, is_whole)?;
    check_pictures("input", &checked)?;
    Ok(joined(checked))
}

/// What a model thought, said and called in one answer comes as items of their own, and is one message.
fn joined(messages: Vec<Message>) -> Vec<Message> {
    let mut joined: Vec<Message> = Vec::with_capacity(messages.len());
    for message in messages {
        let is_more = message.parts.iter().any(|part| matches!(part, Part::Call(_)));
        match joined.last_mut() {
            Some(last) if last.role == Role::Assistant && message.role == Role::Assistant => {
                let goes_on = is_more || matches!(last.parts.last(), Some(Part::Reasoning(_)));
                if goes_on { last.parts.extend(message.parts) } else { joined.push(message) }
            }
            _ => joined.push(message),
        }
    }
    joined
}

fn check_item(index: usize, item: InputItem) -> Result<Message, ApiError> {
    let missing = |field: &str| {
        let param = format!("input[{index}].{field}");
        ApiError::invalid(&param, format!("{param} is missing"))
    };
    match item.kind.as_deref().unwrap_or("message") {
        "message" => check_message(index, item),
        "function_call" => {
            let name = item.name.ok_or_else(|| missing("name"))?;
            check_name(&format!("input[{index}].name"), &name)?;
            let id = item.call_id.ok_or_else(|| missing("call_id"))?;
            let arguments = item.arguments.ok_or_else(|| missing("arguments"))?;
            let call = Part::Call(ToolCall { id, name, arguments });
            Ok(Message { role: Role::Assistant, parts: vec![call] })
        }
        "function_call_output" => {
            let id = item.call_id.ok_or_else(|| missing("call_id"))?;
            let output = item.output.ok_or_else(|| missing("output"))?;
            let mut parts = vec![Part::Answers(id)];
            parts.extend(check_content(&format!("input[{index}].output"), output)?);
            Ok(Message { role: Role::Tool, parts })
        }
        "reasoning" => {
            let content = item.content.unwrap_or(Content::Text(String::new()));
            let thought = check_content(&format!("input[{index}].content"), content)?;
            let text: String = thought.iter().filter_map(Part::as_text).collect();
            Ok(Message { role: Role::Assistant, parts: vec![Part::Reasoning(text)] })
        }
        other => {
            let kind = shown(other);
            let text = format!(
                "items of type `{kind}` are not supported; known are message, function_call, \
                 function_call_output and reasoning"
            );
            Err(ApiError::unsupported("item_not_supported", &format!("input[{index}].type"), text))
        }
    }
}

fn check_message(index: usize, item: InputItem) -> Result<Message, ApiError> {
    let role = match item.role.as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system" | "developer") => Role::System,
        Some(other) => {
            let text = format!("role is `{}`; known are user, assistant, system and developer", shown(other));
            return Err(ApiError::invalid(format!("input[{index}].role"), text));
        }
        None => return Err(ApiError::invalid(format!("input[{index}].role"), "role is missing")),
    };
    let param = format!("input[{index}].content");
    let content = item.content.ok_or_else(|| ApiError::invalid(&param, "content is missing"))?;
    Ok(Message { role, parts: check_content(&param, content)? })
}

fn check_content(param: &str, content: Content) -> Result<Vec<Part>, ApiError> {
    match content {
        Content::Text(text) => Ok(vec![Part::Text(text)]),
        Content::Parts(parts) => {
            let checked = parts.into_iter().enumerate();
            checked.map(|(at, part)| check_part(&format!("{param}[{at}]"), part)).collect()
        }
    }
}

fn check_part(param: &str, content: ContentPart) -> Result<Part, ApiError> {
    match content.kind.as_str() {
        "input_text" | "output_text" | "text" | "reasoning_text" | "summary_text" => match content.text {
            Some(text) => Ok(Part::Text(text)),
            None => Err(ApiError::invalid(format!("{param}.text"), "a text part needs `text`")),
        },
        "input_image" => {
            let param = format!("{param}.image_url");
            let missing = "a picture needs `image_url` with its data; files are not kept here";
            let address = content.image_url.ok_or_else(|| ApiError::invalid(&param, missing))?;
            from_address(&param, &address).map(Part::Image)
        }
        other => {
            let other = shown(other);
            let text = format!(
                "type is `{other}`; input_text, input_image, output_text and reasoning_text are supported"
            );
            Err(ApiError::unsupported("part_not_supported", &format!("{param}.type"), text))
        }
    }
}

#[cfg(test)]
mod tests;
