//! Conversations as Anthropic's clients write them. A message of the user may hold results of tools, which become messages
//! of their own before what the user says.

use pomona_protocol::{Message, Part, Role, ToolCall};
use serde::Deserialize;
use serde_json::Value;

use crate::errors::ApiError;
use crate::form::calls::check_answers;
use crate::form::picture::{check_pictures, from_address, from_base64};
use crate::form::shown;
use crate::form::tools::check_name;

/// One message.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct InputMessage {
    /// `user`, `assistant` or `system`.
    role: String,
    /// What is said.
    content: Content,
}

/// Text, or a list of blocks.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "expected a string or a list of content blocks with a `type`")]
pub(crate) enum Content {
    /// Text.
    Text(String),
    /// Blocks, in order.
    Blocks(Vec<Block>),
}

/// A block of content.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct Block {
    /// `text`, `image`, `tool_use`, `tool_result`, `thinking` or `redacted_thinking`.
    #[serde(rename = "type")]
    kind: String,
    /// `text`: the text.
    text: Option<String>,
    /// `thinking`: the thoughts.
    thinking: Option<String>,
    /// `image`: where it is.
    source: Option<Source>,
    /// `tool_use`: the name of the call.
    id: Option<String>,
    /// `tool_use`: the tool.
    name: Option<String>,
    /// `tool_use`: its arguments.
    #[schema(value_type = Option<Object>)]
    input: Option<Value>,
    /// `tool_result`: the call that this answers.
    tool_use_id: Option<String>,
    /// `tool_result`: what the tool gave, texts and pictures.
    #[schema(value_type = Option<Object>)]
    content: Option<Value>,
    /// `tool_result`: whether the tool failed.
    is_error: Option<bool>,
}

/// A picture.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct Source {
    /// `base64`, since nothing is fetched.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// `image/png`, `image/jpeg`, `image/webp` or `image/gif`.
    media_type: Option<String>,
    /// The file in base64.
    data: Option<String>,
    /// Not fetched.
    url: Option<String>,
}

pomona_protocol::only_from_objects!(InputMessage, Block, Source);

/// The system prompt, texts alone.
pub(crate) fn check_system(system: Option<Content>) -> Result<Option<String>, ApiError> {
    let texts = match system {
        None => return Ok(None),
        Some(Content::Text(text)) => vec![text],
        Some(Content::Blocks(blocks)) => {
            let texts = blocks.into_iter().enumerate().map(|(at, block)| match block.kind.as_str() {
                "text" => text_of(&format!("system[{at}]"), block.text),
                other => Err(unsupported("system", at, other)),
            });
            texts.collect::<Result<_, _>>()?
        }
    };
    Ok(Some(texts.join("\n")).filter(|text| !text.is_empty()))
}

/// Checks a conversation. `limit` is the most messages it may have.
pub(crate) fn check_messages(messages: Vec<InputMessage>, limit: u32) -> Result<Vec<Message>, ApiError> {
    if messages.is_empty() {
        return Err(ApiError::invalid("messages", "messages is empty; at least one message is needed"));
    }
    if messages.len() > limit as usize {
        let given = messages.len();
        let message = format!("messages has {given} entries; at most {limit} are allowed (api.messages_max)");
        return Err(ApiError::invalid("messages", message));
    }
    let mut checked = Vec::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        check_message(index, message, &mut checked)?;
    }
    check_answers("messages", &checked, true)?;
    check_pictures("messages", &checked)?;
    Ok(checked)
}

fn check_message(index: usize, message: InputMessage, out: &mut Vec<Message>) -> Result<(), ApiError> {
    let role = match message.role.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => {
            let param = format!("messages[{index}].role");
            let text = format!("{param} is `{}`; known are user, assistant and system", shown(other));
            return Err(ApiError::invalid(param, text));
        }
    };
    let blocks = match message.content {
        Content::Text(text) => {
            out.push(Message::text(role, text));
            return Ok(());
        }
        Content::Blocks(blocks) => blocks,
    };
    let mut parts = Vec::new();
    let mut results = 0;
    for (at, block) in blocks.into_iter().enumerate() {
        let param = format!("messages[{index}].content[{at}]");
        match (block.kind.as_str(), role) {
            ("tool_result", Role::User) => {
                out.push(tool_result(&param, block)?);
                results += 1;
            }
            ("tool_result", _) | ("tool_use" | "thinking", Role::User | Role::System) => {
                let text = format!("{param}: a block of type `{}` is not for this role", block.kind);
                return Err(ApiError::invalid(param, text));
            }
            // What only its maker can read says nothing here.
            ("redacted_thinking", _) => {}
            _ => parts.push(check_block(&format!("messages[{index}].content"), at, block)?),
        }
    }
    if !parts.is_empty() || results == 0 {
        out.push(Message { role, parts });
    }
    Ok(())
}

/// A message of the tool.
fn tool_result(param: &str, block: Block) -> Result<Message, ApiError> {
    let missing = || ApiError::invalid(param, format!("{param}.tool_use_id is missing; it names the call"));
    let mut parts = vec![Part::Answers(block.tool_use_id.ok_or_else(missing)?)];
    if block.is_error == Some(true) {
        parts.push(Part::Text("Error: ".to_owned()));
    }
    let at = format!("{param}.content");
    match block.content.filter(|content| !content.is_null()) {
        None => {}
        Some(Value::String(text)) => parts.push(Part::Text(text)),
        Some(content) => {
            let blocks: Vec<Block> = serde_json::from_value(content).map_err(|error| {
                ApiError::invalid(&at, format!("{at} is neither a text nor a list of blocks: {error}"))
            })?;
            for (index, block) in blocks.into_iter().enumerate() {
                match block.kind.as_str() {
                    "text" | "image" => parts.push(check_block(&at, index, block)?),
                    other => return Err(unsupported(&at, index, other)),
                }
            }
        }
    }
    Ok(Message { role: Role::Tool, parts })
}

/// A block of a message. `param` says where the list stands; Anthropic's errors have no field for that, so that the
/// message says it too.
fn check_block(param: &str, at: usize, block: Block) -> Result<Part, ApiError> {
    let place = format!("{param}[{at}]");
    let missing = |field: &str| ApiError::invalid(&place, format!("{place}.{field} is missing"));
    match block.kind.as_str() {
        "text" => text_of(&place, block.text).map(Part::Text),
        "thinking" => Ok(Part::Reasoning(block.thinking.ok_or_else(|| missing("thinking"))?)),
        "image" => picture(&place, block.source.ok_or_else(|| missing("source"))?),
        "tool_use" => {
            let id = block.id.ok_or_else(|| missing("id"))?;
            let name = block.name.ok_or_else(|| missing("name"))?;
            check_name(&format!("{place}.name"), &name)?;
            let arguments = block.input.map_or_else(|| "{}".to_owned(), |input| input.to_string());
            Ok(Part::Call(ToolCall { id, name, arguments }))
        }
        other => Err(unsupported(param, at, other)),
    }
}

fn picture(place: &str, source: Source) -> Result<Part, ApiError> {
    let param = format!("{place}.source");
    match (source.kind.as_deref().unwrap_or_default(), source.data, source.url) {
        ("base64", Some(data), _) => {
            let media_type = source.media_type.unwrap_or_default();
            from_base64(&param, &media_type, data).map(Part::Image)
        }
        ("base64", None, _) => Err(ApiError::invalid(&param, format!("{param}.data is missing"))),
        ("url", _, Some(url)) => from_address(&param, &url).map(Part::Image),
        (other, ..) => {
            let message = format!("{param} is of type `{}`; `base64` is supported", shown(other));
            Err(ApiError::unsupported("image_not_fetched", &param, message))
        }
    }
}

fn text_of(place: &str, text: Option<String>) -> Result<String, ApiError> {
    text.ok_or_else(|| ApiError::invalid(place, format!("{place}: a text block needs `text`")))
}

fn unsupported(param: &str, at: usize, kind: &str) -> ApiError {
    let kind = shown(kind);
    let text = format!("{param}[{at}]: blocks of type `{kind}` are not supported here");
    ApiError::unsupported("block_not_supported", param, text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(messages: Value) -> Result<Vec<Message>, String> {
        let messages = serde_json::from_value(messages).unwrap();
        check_messages(messages, 9).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn results_of_tools_stand_before_what_the_user_says() {
        let read = check(json!([
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "text", "text": "OK"},
                {"type": "tool_use", "id": "t", "name": "f", "input": {"b": 1, "a": 2}},
            ]},
            {"role": "user", "content": [
                {"type": "text", "text": "and?"},
                {"type": "tool_result", "tool_use_id": "t", "is_error": true, "content": [{"type": "text", "text": "no"}]},
            ]},
        ]))
        .unwrap();
        let arguments = r#"{"b":1,"a":2}"#.to_owned();
        let call = ToolCall { id: "t".to_owned(), name: "f".to_owned(), arguments };
        let said = [Part::Reasoning("hm".to_owned()), Part::Text("OK".to_owned()), Part::Call(call)];
        assert_eq!(read[0].parts, said);
        let text = |text: &str| Part::Text(text.to_owned());
        assert_eq!((read[1].role, read[2].role), (Role::Tool, Role::User));
        assert_eq!(read[1].parts, [Part::Answers("t".to_owned()), text("Error: "), text("no")]);
        assert_eq!(read[2].parts, [text("and?")]);
    }

    #[test]
    fn blocks_are_for_roles() {
        let of = |role: &str, block: Value| json!([{"role": role, "content": [block]}]);
        for (messages, says) in [
            (of("user", json!({"type": "tool_use", "id": "t", "name": "f"})), "not for this role"),
            (of("assistant", json!({"type": "tool_result", "tool_use_id": "t"})), "not for this role"),
            (of("assistant", json!({"type": "tool_use", "name": "f"})), "id is missing"),
            (of("user", json!({"type": "tool_result", "tool_use_id": "t", "content": 7})), "neither"),
            (of("assistant", json!({"type": "image", "source": {"type": "file"}})), "`file`"),
        ] {
            assert!(check(messages.clone()).unwrap_err().contains(says), "{messages}");
        }
    }
}
