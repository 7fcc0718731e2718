//! The bodies of Anthropic's routes and their checks.

use pomona_protocol::{Message, ModelId, Part, Role, Sampling};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::errors::ApiError;
use crate::openai::sampling::{Choosing, Stop};

/// A conversation to answer. Unknown fields are ignored.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct MessageRequest {
    /// Which model; `GET /v1/models` lists them.
    pub(crate) model: String,
    /// Longest answer, in tokens.
    #[schema(minimum = 1)]
    pub(crate) max_tokens: i64,
    /// The conversation so far, at least one message.
    pub(crate) messages: Vec<InputMessage>,
    /// Stands before the conversation.
    pub(crate) system: Option<Content>,
    /// 0 to 2; 0 takes the likeliest token.
    #[schema(minimum = 0, maximum = 2)]
    pub(crate) temperature: Option<f64>,
    /// Above 0, to 1: the likeliest tokens with at least this mass.
    #[schema(exclusive_minimum = 0, maximum = 1)]
    pub(crate) top_p: Option<f64>,
    /// The likeliest tokens, by number; 0 means all.
    #[schema(minimum = 0)]
    pub(crate) top_k: Option<i64>,
    /// Texts that end the answer.
    pub(crate) stop_sequences: Option<Vec<String>>,
    /// Answers as server-sent events.
    pub(crate) stream: Option<bool>,
    /// Not supported yet; must be empty.
    #[schema(value_type = Option<Vec<Object>>)]
    pub(crate) tools: Option<Vec<IgnoredAny>>,
}

/// A conversation to count. Unknown fields are ignored.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct CountRequest {
    /// Which model; `GET /v1/models` lists them.
    pub(crate) model: String,
    /// The conversation so far, at least one message.
    pub(crate) messages: Vec<InputMessage>,
    /// Stands before the conversation.
    pub(crate) system: Option<Content>,
    /// Not supported yet; must be empty.
    #[schema(value_type = Option<Vec<Object>>)]
    pub(crate) tools: Option<Vec<IgnoredAny>>,
}

/// One message.
#[derive(Deserialize, utoipa::ToSchema)]
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
pub(crate) struct Block {
    /// `text`; nothing else is supported yet.
    #[serde(rename = "type")]
    kind: String,
    /// The text.
    text: Option<String>,
}

/// A request that was checked.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) model: ModelId,
    pub(crate) system: Option<String>,
    pub(crate) messages: Vec<Message>,
    /// Without a seed.
    pub(crate) sampling: Sampling,
    pub(crate) stream: bool,
}

impl MessageRequest {
    /// Checks everything that can be checked without the model. `messages_max` is the most messages.
    pub(crate) fn check(self, messages_max: u32) -> Result<Asked, ApiError> {
        refuse_tools(self.tools.as_deref())?;
        let sampling = Choosing {
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            min_p: None,
            repetition_penalty: None,
            presence_penalty: None,
            frequency_penalty: None,
            logit_bias: None,
            seed: None,
            stop: self.stop_sequences.map(Stop::Many),
            max_tokens: ("max_tokens", Some(self.max_tokens)),
            ignore_eos: None,
        }
        .check(None, 0)?;
        let system = check_system(self.system)?;
        let messages = check_messages(self.messages, messages_max)?;
        let stream = self.stream.unwrap_or(false);
        Ok(Asked { model: ModelId(self.model), system, messages, sampling, stream })
    }
}

impl CountRequest {
    /// As [`MessageRequest::check`], for a turn that is never answered.
    pub(crate) fn check(self, messages_max: u32) -> Result<Asked, ApiError> {
        refuse_tools(self.tools.as_deref())?;
        let system = check_system(self.system)?;
        let messages = check_messages(self.messages, messages_max)?;
        let sampling = Sampling { max_tokens: Some(1), ..Sampling::default() };
        Ok(Asked { model: ModelId(self.model), system, messages, sampling, stream: false })
    }
}

impl Asked {
    /// The whole prompt of a turn by itself.
    pub(crate) fn prompt(&self) -> Vec<Message> {
        let system = self.system.iter().map(|text| Message::text(Role::System, text));
        system.chain(self.messages.iter().cloned()).collect()
    }
}

fn refuse_tools(tools: Option<&[IgnoredAny]>) -> Result<(), ApiError> {
    if tools.is_some_and(|tools| !tools.is_empty()) {
        let message = "tools are not supported yet; leave them out";
        return Err(ApiError::unsupported("tools_not_supported", "tools", message));
    }
    Ok(())
}

fn check_system(system: Option<Content>) -> Result<Option<String>, ApiError> {
    let Some(system) = system else { return Ok(None) };
    let texts: Vec<String> =
        check_content("system", system)?.into_iter().map(|Part::Text(text)| text).collect();
    Ok(Some(texts.join("\n")).filter(|text| !text.is_empty()))
}

fn check_messages(messages: Vec<InputMessage>, limit: u32) -> Result<Vec<Message>, ApiError> {
    if messages.is_empty() {
        return Err(ApiError::invalid("messages", "messages is empty; at least one message is needed"));
    }
    if messages.len() > limit as usize {
        let given = messages.len();
        let message = format!("messages has {given} entries; at most {limit} are allowed (api.messages_max)");
        return Err(ApiError::invalid("messages", message));
    }
    messages.into_iter().enumerate().map(|(index, message)| check_message(index, message)).collect()
}

fn check_message(index: usize, message: InputMessage) -> Result<Message, ApiError> {
    let role = match message.role.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => {
            let other: String = other.chars().take(40).collect();
            let param = format!("messages[{index}].role");
            let text = format!("{param} is `{other}`; known are user, assistant and system");
            return Err(ApiError::invalid(param, text));
        }
    };
    let parts = check_content(&format!("messages[{index}].content"), message.content)?;
    Ok(Message { role, parts })
}

/// `param` says where it stands; Anthropic's errors have no field for that, so that the message says it too.
fn check_content(param: &str, content: Content) -> Result<Vec<Part>, ApiError> {
    let blocks = match content {
        Content::Text(text) => return Ok(vec![Part::Text(text)]),
        Content::Blocks(blocks) => blocks,
    };
    let checked = blocks.into_iter().enumerate().map(|(index, block)| {
        if block.kind != "text" {
            let kind: String = block.kind.chars().take(40).collect();
            let text = format!("{param}[{index}]: blocks of type `{kind}` are not supported; `text` is");
            return Err(ApiError::unsupported("block_not_supported", param, text));
        }
        block
            .text
            .map(Part::Text)
            .ok_or_else(|| ApiError::invalid(param, format!("{param}[{index}]: a text block needs `text`")))
    });
    checked.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(more: Value) -> Result<Asked, (&'static str, String)> {
        let mut body =
            json!({"model": "tiny", "max_tokens": 4, "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request: MessageRequest =
            serde_json::from_value(body).map_err(|error| ("json", error.to_string()))?;
        request.check(3).map_err(|error| (error.code(), error.message().to_owned()))
    }

    #[test]
    fn a_conversation_is_read_however_it_is_written() {
        let asked = check(json!({
            "system": [{"type": "text", "text": "be", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "brief"}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}, {"role": "assistant", "content": "b"}],
            "metadata": {"user_id": "u"}, "thinking": {"type": "disabled"}, "top_k": 5, "stop_sequences": ["x"], "tools": [],
        }))
        .unwrap();
        assert_eq!(asked.system.as_deref(), Some("be\nbrief"));
        assert_eq!(asked.prompt().len(), 3);
        assert_eq!(asked.prompt()[0], Message::text(Role::System, "be\nbrief"));
        assert_eq!((asked.sampling.top_k, asked.sampling.max_tokens), (Some(5), Some(4)));
        assert_eq!(asked.sampling.stop, ["x"]);
    }

    #[test]
    fn what_is_not_taken_is_named() {
        let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
        for (more, code, says) in [
            (
                user(json!([{"type": "image"}])),
                "block_not_supported",
                "messages[0].content[0]: blocks of type `image`",
            ),
            (user(json!([{"type": "tool_result"}])), "block_not_supported", "tool_result"),
            (user(json!([{"type": "text"}])), "invalid_request", "needs `text`"),
            (user(json!(7)), "json", "content blocks"),
            (json!({"messages": []}), "invalid_request", "messages is empty"),
            (json!({"messages": [{"role": "king", "content": "x"}]}), "invalid_request", "king"),
            (json!({"system": [{"type": "image"}]}), "block_not_supported", "system[0]"),
            (json!({"tools": [{"name": "f"}]}), "tools_not_supported", "tools"),
            (json!({"max_tokens": 0}), "invalid_request", "max_tokens is 0"),
            (json!({"max_tokens": null}), "json", "i64"),
            (json!({"temperature": -1}), "invalid_request", "temperature is -1"),
        ] {
            let refused = check(more.clone()).unwrap_err();
            assert_eq!(refused.0, code, "{more}");
            assert!(refused.1.contains(says), "{more}: {}", refused.1);
        }
    }
}
