//! The bodies of Anthropic's routes and their checks.

use pomona_protocol::{AnswerForm, Message, ModelId, Role, Sampling};
use serde::Deserialize;

use crate::anthropic::conversation::{Content, InputMessage, check_messages, check_system};
use crate::anthropic::tools::{ChoiceAsked, ThinkingAsked, ToolAsked, check_form};
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
    /// Tools that the model may call, at most 128.
    pub(crate) tools: Option<Vec<ToolAsked>>,
    /// Whether it may or must call one.
    pub(crate) tool_choice: Option<ChoiceAsked>,
    /// Whether it thinks first; the model's own way when left out.
    pub(crate) thinking: Option<ThinkingAsked>,
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
    /// Tools that the model may call, at most 128; they are a part of the prompt.
    pub(crate) tools: Option<Vec<ToolAsked>>,
    /// Whether it may or must call one.
    pub(crate) tool_choice: Option<ChoiceAsked>,
    /// Whether it thinks first.
    pub(crate) thinking: Option<ThinkingAsked>,
}

/// A request that was checked.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) model: ModelId,
    pub(crate) system: Option<String>,
    pub(crate) messages: Vec<Message>,
    /// Without a seed.
    pub(crate) sampling: Sampling,
    pub(crate) form: AnswerForm,
    pub(crate) stream: bool,
}

impl MessageRequest {
    /// Checks everything that can be checked without the model. `messages_max` is the most messages.
    pub(crate) fn check(self, messages_max: u32) -> Result<Asked, ApiError> {
        let form = check_form(self.tools, self.tool_choice, self.thinking)?;
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
        Ok(Asked { model: ModelId(self.model), system, messages, sampling, form, stream })
    }
}

impl CountRequest {
    /// As [`MessageRequest::check`], for a turn that is never answered.
    pub(crate) fn check(self, messages_max: u32) -> Result<Asked, ApiError> {
        let form = check_form(self.tools, self.tool_choice, self.thinking)?;
        let system = check_system(self.system)?;
        let messages = check_messages(self.messages, messages_max)?;
        let sampling = Sampling { max_tokens: Some(1), ..Sampling::default() };
        Ok(Asked { model: ModelId(self.model), system, messages, sampling, form, stream: false })
    }
}

impl Asked {
    /// The whole prompt of a turn by itself.
    pub(crate) fn prompt(&self) -> Vec<Message> {
        let system = self.system.iter().map(|text| Message::text(Role::System, text));
        system.chain(self.messages.iter().cloned()).collect()
    }
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
                user(json!([{"type": "document"}])),
                "block_not_supported",
                "messages[0].content[0]: blocks of type `document`",
            ),
            (user(json!([{"type": "image"}])), "invalid_request", "messages[0].content[0].source is missing"),
            (user(json!([{"type": "tool_result"}])), "invalid_request", "tool_use_id is missing"),
            (
                user(json!([{"type": "tool_result", "tool_use_id": "t", "content": "x"}])),
                "invalid_request",
                "answers the call `t`",
            ),
            (
                user(json!([{"type": "image", "source": {"type": "url", "url": "https://example.com"}}])),
                "image_not_fetched",
                "not fetched",
            ),
            (user(json!([{"type": "text"}])), "invalid_request", "needs `text`"),
            (user(json!(7)), "json", "content blocks"),
            (json!({"messages": []}), "invalid_request", "messages is empty"),
            (json!({"messages": [{"role": "king", "content": "x"}]}), "invalid_request", "king"),
            (json!({"system": [{"type": "image"}]}), "block_not_supported", "system[0]"),
            (json!({"thinking": {"type": "loud"}}), "invalid_request", "thinking.type is `loud`"),
            (json!({"tools": [{"name": "f g"}]}), "invalid_request", "tools[0].name is `f g`"),
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
