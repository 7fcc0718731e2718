//! Messages of a conversation, as OpenAI's clients write them, turned into ours.

use pomona_protocol::{Message, Part, Role, ToolCall};
use serde::Deserialize;

use crate::errors::ApiError;
use crate::form::calls::check_answers;
use crate::form::picture::{check_pictures, from_address};
use crate::form::shown;
use crate::form::tools::{check_name, unknown_type};

/// One message of a conversation.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct ChatMessage {
    /// `system`, `developer`, `user`, `assistant` or `tool`.
    role: String,
    /// What is said: text, or a list of parts.
    content: Option<Content>,
    /// `assistant`: what it thought before it answered.
    reasoning_content: Option<String>,
    /// `assistant`: the same, in other words.
    reasoning: Option<String>,
    /// `assistant`: the calls that it made.
    tool_calls: Option<Vec<CallGiven>>,
    /// `tool`: the call that this answers.
    tool_call_id: Option<String>,
}

/// A call that the model made.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct CallGiven {
    /// Its name, as the answer had it.
    id: String,
    /// `function`.
    #[serde(rename = "type")]
    kind: Option<String>,
    function: FunctionGiven,
}

/// What is called.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct FunctionGiven {
    name: String,
    /// A JSON object as text.
    arguments: String,
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
    /// `text` or `image_url`.
    #[serde(rename = "type")]
    kind: String,
    /// The text.
    text: Option<String>,
    /// The picture.
    image_url: Option<Address>,
}

/// Where a picture is: `data:image/png;base64,…`, since nothing is fetched.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "expected a string or an object with `url`")]
pub(crate) enum Address {
    /// The address.
    Plain(String),
    /// The address, with how closely to look, which is ignored.
    Object {
        /// The address.
        url: String,
    },
}

pomona_protocol::only_from_objects!(ChatMessage, ContentPart, CallGiven, FunctionGiven);

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
    let checked = messages.into_iter().enumerate().map(|(index, message)| check_message(index, message));
    let checked: Vec<Message> = checked.collect::<Result<_, _>>()?;
    check_answers("messages", &checked, true)?;
    check_pictures("messages", &checked)?;
    Ok(checked)
}

fn check_message(index: usize, message: ChatMessage) -> Result<Message, ApiError> {
    let role = match message.role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        other => {
            let other = shown(other);
            let text = format!("role is `{other}`; known are system, developer, user, assistant and tool");
            return Err(ApiError::invalid(format!("messages[{index}].role"), text));
        }
    };
    let calls = check_calls(index, role, message.tool_calls.unwrap_or_default())?;
    let mut parts = Vec::new();
    match (role, message.tool_call_id) {
        (Role::Tool, Some(id)) => parts.push(Part::Answers(id)),
        (Role::Tool, None) => {
            let param = format!("messages[{index}].tool_call_id");
            return Err(ApiError::invalid(&param, "tool_call_id is missing; it names the call"));
        }
        _ => {}
    }
    let thoughts = message.reasoning_content.or(message.reasoning).filter(|text| !text.is_empty());
    parts.extend(thoughts.filter(|_| role == Role::Assistant).map(Part::Reasoning));
    match message.content {
        // Clients say "" where an answer was calls alone.
        Some(Content::Text(text)) if text.is_empty() && !calls.is_empty() => {}
        Some(Content::Text(text)) => parts.push(Part::Text(text)),
        Some(Content::Parts(given)) => {
            for (part, content) in given.into_iter().enumerate() {
                parts.push(check_part(index, part, content)?);
            }
        }
        None if role == Role::Assistant => {}
        None => return Err(ApiError::invalid(format!("messages[{index}].content"), "content is missing")),
    }
    parts.extend(calls);
    Ok(Message { role, parts })
}

fn check_calls(index: usize, role: Role, calls: Vec<CallGiven>) -> Result<Vec<Part>, ApiError> {
    let param = format!("messages[{index}].tool_calls");
    if !calls.is_empty() && role != Role::Assistant {
        return Err(ApiError::invalid(param, "tool_calls are for the role `assistant`"));
    }
    let checked = calls.into_iter().enumerate().map(|(at, CallGiven { id, kind, function })| {
        if let Some(kind) = kind.filter(|kind| kind != "function") {
            return Err(unknown_type(&format!("{param}[{at}].type"), &kind));
        }
        check_name(&format!("{param}[{at}].function.name"), &function.name)?;
        let FunctionGiven { name, arguments } = function;
        Ok(Part::Call(ToolCall { id, name, arguments }))
    });
    checked.collect()
}

fn check_part(message: usize, part: usize, content: ContentPart) -> Result<Part, ApiError> {
    let param = format!("messages[{message}].content[{part}]");
    match content.kind.as_str() {
        "text" => match content.text {
            Some(text) => Ok(Part::Text(text)),
            None => Err(ApiError::invalid(format!("{param}.text"), "a text part needs `text`")),
        },
        "image_url" => {
            let param = format!("{param}.image_url");
            match content.image_url {
                Some(Address::Plain(url) | Address::Object { url }) => {
                    from_address(&param, &url).map(Part::Image)
                }
                None => Err(ApiError::invalid(&param, "a picture part needs `image_url`")),
            }
        }
        other => {
            let text = format!("type is `{}`; `text` and `image_url` are supported", shown(other));
            Err(ApiError::invalid(format!("{param}.type"), text))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(messages: Value) -> Result<Vec<Message>, String> {
        let messages: Vec<ChatMessage> = serde_json::from_value(messages).unwrap();
        check_messages(messages, 9).map_err(|error| error.message().to_owned())
    }

    fn call(id: &str) -> Value {
        json!({"role": "assistant", "content": "", "reasoning_content": "hm", "tool_calls": [
            {"id": id, "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]})
    }

    #[test]
    fn calls_and_their_results_are_read() {
        let read = check(json!([call("c"), {"role": "tool", "tool_call_id": "c", "content": "21"}])).unwrap();
        let arguments = "{\"a\":1}".to_owned();
        let made = ToolCall { id: "c".to_owned(), name: "f".to_owned(), arguments };
        assert_eq!(read[0].parts, [Part::Reasoning("hm".to_owned()), Part::Call(made)]);
        assert_eq!(read[1].parts, [Part::Answers("c".to_owned()), Part::Text("21".to_owned())]);
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        let user = |content: Value| json!([{"role": "user", "content": content}]);
        let image = |url: &str| user(json!([{"type": "image_url", "image_url": {"url": url}}]));
        for (messages, says) in [
            (json!([call("c"), {"role": "tool", "content": "21"}]), "tool_call_id is missing"),
            (json!([call("c"), {"role": "tool", "tool_call_id": "d", "content": "x"}]), "answers the call"),
            (json!([{"role": "tool", "tool_call_id": "d", "content": "x"}]), "answers the call `d`"),
            (json!([{"role": "user", "content": "x", "tool_calls": call("c")["tool_calls"]}]), "assistant"),
            (
                json!([{"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "function": {"name": "f", "arguments": ""}}]}]),
                "`custom`",
            ),
            (
                json!([{"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f g", "arguments": ""}}]}]),
                "`f g`",
            ),
            (image("https://example.com/a.png"), "not fetched"),
            (image("data:image/png;base64,AAAA"), "messages[0].content[0].image_url is no png"),
            (user(json!([{"type": "image_url"}])), "needs `image_url`"),
            (user(json!([{"type": "input_audio"}])), "`input_audio`"),
        ] {
            let refused = check(messages.clone()).unwrap_err();
            assert!(refused.contains(says), "{messages}: {refused}");
        }
    }
}
