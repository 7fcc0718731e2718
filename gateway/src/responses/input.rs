//! The `input` of a response: a text, or items, of which messages of text are taken. Also how they are listed again.

use pomona_protocol::{Message, Part, Role, TurnId};
use serde::{Deserialize, Serialize};

use crate::errors::ApiError;

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
pub(crate) struct InputItem {
    /// `message`, which may be left out; nothing else is supported yet.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// `user`, `assistant`, `system` or `developer`.
    role: Option<String>,
    /// What is said.
    content: Option<Content>,
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
pub(crate) struct ContentPart {
    /// `input_text`, or `output_text` for what the model said; nothing else is supported yet.
    #[serde(rename = "type")]
    kind: String,
    /// The text.
    text: Option<String>,
}

/// Checks an input. `limit` is the most items that it may have.
pub(crate) fn check_input(input: Input, limit: u32) -> Result<Vec<Message>, ApiError> {
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
    items.into_iter().enumerate().map(|(index, item)| check_item(index, item)).collect()
}

fn check_item(index: usize, item: InputItem) -> Result<Message, ApiError> {
    if let Some(kind) = item.kind.as_deref().filter(|kind| *kind != "message") {
        let kind: String = kind.chars().take(40).collect();
        let text = format!("items of type `{kind}` are not supported; `message` is");
        return Err(ApiError::unsupported("item_not_supported", &format!("input[{index}].type"), text));
    }
    let role = match item.role.as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system" | "developer") => Role::System,
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            let text = format!("role is `{other}`; known are user, assistant, system and developer");
            return Err(ApiError::invalid(format!("input[{index}].role"), text));
        }
        None => return Err(ApiError::invalid(format!("input[{index}].role"), "role is missing")),
    };
    let parts = match item.content {
        Some(Content::Text(text)) => vec![Part::Text(text)],
        Some(Content::Parts(parts)) => parts
            .into_iter()
            .enumerate()
            .map(|(part, content)| check_part(index, part, content))
            .collect::<Result<_, _>>()?,
        None => return Err(ApiError::invalid(format!("input[{index}].content"), "content is missing")),
    };
    Ok(Message { role, parts })
}

fn check_part(item: usize, part: usize, content: ContentPart) -> Result<Part, ApiError> {
    let param = format!("input[{item}].content[{part}]");
    match content.kind.as_str() {
        "input_text" | "output_text" | "text" => match content.text {
            Some(text) => Ok(Part::Text(text)),
            None => Err(ApiError::invalid(format!("{param}.text"), "a text part needs `text`")),
        },
        "input_image" => {
            let text = "this model reads text only; an image was given";
            Err(ApiError::unsupported("image_not_supported", &param, text))
        }
        other => {
            let other: String = other.chars().take(40).collect();
            let text = format!("type is `{other}`; `input_text` and `output_text` are supported");
            Err(ApiError::unsupported("part_not_supported", &format!("{param}.type"), text))
        }
    }
}

/// A message of an input, as it is listed.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ListedItem<'a> {
    pub(crate) id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    status: &'static str,
    role: &'static str,
    content: Vec<ListedPart<'a>>,
}

/// A part of it.
#[derive(Serialize, utoipa::ToSchema)]
struct ListedPart<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
    /// What a model said has a list of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    annotations: Option<[u8; 0]>,
}

/// The items of an input in the order in which they were given.
pub(crate) fn listed(turn: TurnId, input: &[Message]) -> impl DoubleEndedIterator<Item = ListedItem<'_>> {
    input.iter().enumerate().map(move |(index, message)| {
        let is_answer = message.role == Role::Assistant;
        let kind = if is_answer { "output_text" } else { "input_text" };
        let annotations = is_answer.then_some([]);
        let parts = message.parts.iter();
        ListedItem {
            id: format!("msg_{:032x}_in{index}", turn.0),
            kind: "message",
            status: "completed",
            role: message.role.as_str(),
            content: parts.map(|Part::Text(text)| ListedPart { kind, text, annotations }).collect(),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(input: serde_json::Value) -> Result<Vec<Message>, (&'static str, String)> {
        let input: Input = serde_json::from_value(input).map_err(|error| ("json", error.to_string()))?;
        check_input(input, 3).map_err(|error| {
            let body: serde_json::Value = serde_json::from_slice(&error.to_json()).unwrap();
            (error.code(), body["error"]["param"].as_str().unwrap_or_default().to_owned())
        })
    }

    #[test]
    fn a_conversation_is_read_however_it_is_written() {
        assert_eq!(check(json!("hi")), Ok(vec![Message::text(Role::User, "hi")]));
        let output = json!({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "yes", "annotations": [], "logprobs": []}]});
        let items = json!([{"role": "developer", "content": "be brief"}, output,
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "why?"}]}]);
        let expected = vec![
            Message::text(Role::System, "be brief"),
            Message::text(Role::Assistant, "yes"),
            Message::text(Role::User, "why?"),
        ];
        assert_eq!(check(items), Ok(expected));
    }

    #[test]
    fn what_is_not_taken_is_named() {
        let user = |content: serde_json::Value| json!([{"role": "user", "content": content}]);
        for (input, code, param) in [
            (json!([]), "invalid_request", "input"),
            (json!([{"role": "user"}]), "invalid_request", "input[0].content"),
            (json!([{"content": "x"}]), "invalid_request", "input[0].role"),
            (json!([{"role": "king", "content": "x"}]), "invalid_request", "input[0].role"),
            (json!([{"type": "function_call", "name": "f"}]), "item_not_supported", "input[0].type"),
            (json!([{"type": "item_reference", "id": "x"}]), "item_not_supported", "input[0].type"),
            (user(json!([{"type": "input_image"}])), "image_not_supported", "input[0].content[0]"),
            (user(json!([{"type": "input_file"}])), "part_not_supported", "input[0].content[0].type"),
            (user(json!([{"type": "input_text"}])), "invalid_request", "input[0].content[0].text"),
            (json!(["a", "b"]), "json", ""),
        ] {
            let refused = check(input.clone()).unwrap_err();
            assert_eq!(refused.0, code, "{input}");
            assert!(param.is_empty() || refused.1 == param, "{input}: {refused:?}");
        }
        let many: Vec<_> = (0..4).map(|_| json!({"role": "user", "content": "x"})).collect();
        assert_eq!(check(many.into()).unwrap_err().1, "input");
    }

    #[test]
    fn items_are_listed_as_openai_lists_them() {
        let input = [Message::text(Role::User, "a"), Message::text(Role::Assistant, "b")];
        let items: Vec<_> = listed(TurnId(1), &input).collect();
        let items = serde_json::to_value(&items).unwrap();
        assert_eq!(items[0]["content"], json!([{"type": "input_text", "text": "a"}]));
        assert_eq!(items[1]["content"], json!([{"type": "output_text", "text": "b", "annotations": []}]));
        assert_eq!((&items[0]["role"], &items[1]["role"]), (&json!("user"), &json!("assistant")));
        assert_ne!(items[0]["id"], items[1]["id"]);
    }
}
