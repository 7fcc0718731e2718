//! The body of `POST /v1/responses` and its checks.

use std::collections::BTreeMap;

use pomona_protocol::{AnswerForm, ContextPolicy, Message, ModelId, Sampling, TurnId};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::errors::ApiError;
use crate::form::tools::ChoiceAsked;
use crate::openai::sampling::Choosing;
use crate::responses::asked_form::{FormAsked, ReasoningOptions, TextOptions, ToolAsked};
use crate::responses::input::{Input, check_input};
use crate::responses::object::{Echo, turn_of};

/// Pairs of metadata, as many as OpenAI's API takes.
const METADATA_MAX: usize = 16;
/// Longest name in the metadata, in characters, as OpenAI's.
const METADATA_KEY_CHARS_MAX: usize = 64;
/// Longest value in the metadata, in characters, as OpenAI's.
const METADATA_VALUE_CHARS_MAX: usize = 512;

/// A question to a model. Unknown fields are ignored.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct ResponseRequest {
    /// Which model; `GET /v1/models` lists them.
    pub(crate) model: String,
    /// What is asked.
    pub(crate) input: Input,
    /// Stands before the conversation, for this response alone.
    pub(crate) instructions: Option<String>,
    /// The response that it follows.
    pub(crate) previous_response_id: Option<String>,
    /// Longest answer, in tokens.
    #[schema(minimum = 1)]
    pub(crate) max_output_tokens: Option<i64>,
    /// 0 to 2; 0 takes the likeliest token.
    #[schema(minimum = 0, maximum = 2)]
    pub(crate) temperature: Option<f64>,
    /// Above 0, to 1: the likeliest tokens with at least this mass.
    #[schema(exclusive_minimum = 0, maximum = 1)]
    pub(crate) top_p: Option<f64>,
    /// Answers as server-sent events.
    pub(crate) stream: Option<bool>,
    /// Keeps it, so that it can be retrieved and followed; true when left out.
    pub(crate) store: Option<bool>,
    /// Answers at once and goes on without the client; needs `store`.
    pub(crate) background: Option<bool>,
    /// The client's own words: up to 16 pairs.
    pub(crate) metadata: Option<BTreeMap<String, String>>,
    /// `auto` leaves out the oldest turns of a stored conversation that outgrows the context, `disabled` refuses it.
    pub(crate) truncation: Option<String>,
    /// What the text of the answer must be.
    pub(crate) text: Option<TextOptions>,
    /// Not supported yet; must be 0.
    pub(crate) top_logprobs: Option<i64>,
    /// `message.output_text.logprobs` is not supported yet; the rest is ignored.
    pub(crate) include: Option<Vec<String>>,
    /// Functions that the model may call, at most 128.
    pub(crate) tools: Option<Vec<ToolAsked>>,
    /// `auto`, `none`, `required`, or the one function that must be called.
    pub(crate) tool_choice: Option<ChoiceAsked>,
    /// Whether an answer may hold several calls; true when left out.
    pub(crate) parallel_tool_calls: Option<bool>,
    /// How much the model thinks first.
    pub(crate) reasoning: Option<ReasoningOptions>,
    /// Not supported; `previous_response_id` does the same.
    #[schema(value_type = Option<Object>)]
    pub(crate) conversation: Option<IgnoredAny>,
    /// Not supported.
    #[schema(value_type = Option<Object>)]
    pub(crate) prompt: Option<IgnoredAny>,
}

/// A request that was checked.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) model: ModelId,
    pub(crate) input: Vec<Message>,
    pub(crate) instructions: Option<String>,
    pub(crate) previous: Option<TurnId>,
    /// Without a seed: the session draws it.
    pub(crate) sampling: Sampling,
    pub(crate) form: AnswerForm,
    pub(crate) stream: bool,
    pub(crate) store: bool,
    /// `None`: as the conversation has it.
    pub(crate) context: Option<ContextPolicy>,
    pub(crate) echo: Echo,
}

impl ResponseRequest {
    /// Checks everything that can be checked without the model. `items_max` is the most items of an input.
    pub(crate) fn check(self, items_max: u32) -> Result<Asked, ApiError> {
        self.refuse_unsupported()?;
        let store = self.store.unwrap_or(true);
        let background = self.background.unwrap_or(false);
        if background && !store {
            let message = "background needs store; leave store out";
            return Err(ApiError::invalid("background", message));
        }
        let context = check_truncation(self.truncation.as_deref())?;
        let metadata = check_metadata(self.metadata.unwrap_or_default())?;
        let previous = self.previous_response_id.as_deref().map(previous_turn).transpose()?;
        let sampling = Choosing {
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: None,
            min_p: None,
            repetition_penalty: None,
            presence_penalty: None,
            frequency_penalty: None,
            logit_bias: None,
            seed: None,
            stop: None,
            max_tokens: ("max_output_tokens", self.max_output_tokens),
            ignore_eos: None,
        }
        .check(None, 0)?;
        let form = FormAsked {
            tools: self.tools,
            tool_choice: self.tool_choice,
            parallel_tool_calls: self.parallel_tool_calls,
            text: self.text,
            reasoning: self.reasoning,
        };
        let form = form.check()?;
        let input = check_input(self.input, items_max, previous.is_none())?;
        let drops_oldest = context == Some(ContextPolicy::DropOldest);
        Ok(Asked {
            model: ModelId(self.model),
            input,
            instructions: self.instructions.filter(|text| !text.is_empty()),
            previous,
            sampling,
            form,
            stream: self.stream.unwrap_or(false),
            store,
            context,
            echo: Echo { background, drops_oldest, metadata },
        })
    }

    fn refuse_unsupported(&self) -> Result<(), ApiError> {
        if self.conversation.is_some() {
            let message = "conversation is not supported; use previous_response_id";
            return Err(ApiError::unsupported("conversation_not_supported", "conversation", message));
        }
        if self.prompt.is_some() {
            let message = "prompt templates are not supported; write the prompt into instructions and input";
            return Err(ApiError::unsupported("prompt_not_supported", "prompt", message));
        }
        let asks_logprobs = |name: &String| name == "message.output_text.logprobs";
        if self.top_logprobs.is_some_and(|top| top != 0)
            || self.include.as_ref().is_some_and(|names| names.iter().any(asks_logprobs))
        {
            let message = "responses carry no logprobs; /v1/chat/completions does";
            return Err(ApiError::unsupported("logprobs_not_supported", "top_logprobs", message));
        }
        Ok(())
    }
}

fn previous_turn(id: &str) -> Result<TurnId, ApiError> {
    turn_of(id).ok_or_else(|| not_found(id).with_param("previous_response_id"))
}

/// There is no such response, or it is somebody else's.
pub(crate) fn not_found(id: &str) -> ApiError {
    let shown: String = id.chars().take(100).collect();
    let message = format!("there is no response `{shown}`; it may have been deleted, or was not stored");
    ApiError::new(hyper::StatusCode::NOT_FOUND, "response_not_found", message)
}

fn check_truncation(given: Option<&str>) -> Result<Option<ContextPolicy>, ApiError> {
    match given {
        None => Ok(None),
        Some("disabled") => Ok(Some(ContextPolicy::Refuse)),
        Some("auto") => Ok(Some(ContextPolicy::DropOldest)),
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            let message = format!("truncation is `{other}`; known are auto and disabled");
            Err(ApiError::invalid("truncation", message))
        }
    }
}

fn check_metadata(metadata: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ApiError> {
    let refuse = |message| Err(ApiError::invalid("metadata", message));
    if metadata.len() > METADATA_MAX {
        return refuse(format!("metadata has {} pairs; at most {METADATA_MAX} are allowed", metadata.len()));
    }
    for (key, value) in &metadata {
        let (key, value) = (key.chars().count(), value.chars().count());
        if key > METADATA_KEY_CHARS_MAX || value > METADATA_VALUE_CHARS_MAX {
            return refuse(format!(
                "metadata has a pair of {key} and {value} characters; \
                 at most {METADATA_KEY_CHARS_MAX} and {METADATA_VALUE_CHARS_MAX} are allowed"
            ));
        }
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(more: Value) -> Result<Asked, (&'static str, String)> {
        let mut body = json!({"model": "tiny", "input": "hi"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request: ResponseRequest = serde_json::from_value(body).unwrap();
        request.check(9).map_err(|error| {
            let body: Value = serde_json::from_slice(&error.to_json()).unwrap();
            (error.code(), body["error"]["param"].as_str().unwrap_or_default().to_owned())
        })
    }

    #[test]
    fn a_plain_request_is_stored_and_waited_for() {
        let asked = check(json!({})).unwrap();
        assert!(asked.store && !asked.stream && !asked.echo.background);
        assert_eq!((asked.previous, asked.context, asked.instructions), (None, None, None));
    }

    #[test]
    fn what_clients_send_along_is_taken() {
        let asked = check(json!({
            "parallel_tool_calls": true, "tool_choice": "auto", "tools": [], "service_tier": "auto", "user": "u",
            "reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"], "prompt_cache_key": "k",
            "text": {"format": {"type": "text"}, "verbosity": "low"}, "stream_options": {"include_obfuscation": false},
            "metadata": {"a": "b"}, "truncation": "auto", "max_output_tokens": 5, "instructions": "brief",
            "previous_response_id": "resp_000000000000000000000000000000ff",
        }))
        .unwrap();
        assert_eq!(asked.previous, Some(TurnId(255)));
        assert_eq!(asked.context, Some(ContextPolicy::DropOldest));
        assert_eq!(asked.sampling.max_tokens, Some(5));
        assert_eq!(asked.form.effort, Some(pomona_protocol::Effort::Low));
        assert_eq!(asked.echo.metadata["a"], "b");
    }

    #[test]
    fn what_is_not_done_is_refused_by_name() {
        let long = "x".repeat(513);
        for (more, code, param) in [
            (json!({"tools": [{"type": "web_search"}]}), "tool_type_not_supported", "tools[0].type"),
            (json!({"tools": [{"type": "function"}]}), "invalid_request", "tools[0].name"),
            (json!({"tool_choice": "required"}), "invalid_request", "tool_choice"),
            (json!({"reasoning": {"effort": "huge"}}), "invalid_request", "reasoning.effort"),
            (json!({"conversation": "conv_1"}), "conversation_not_supported", "conversation"),
            (json!({"prompt": {"id": "p"}}), "prompt_not_supported", "prompt"),
            (json!({"text": {"format": {"type": "xml"}}}), "response_format_not_supported", "text.format"),
            (json!({"text": {"format": {"type": "json_schema"}}}), "invalid_request", "text.format.schema"),
            (json!({"top_logprobs": 2}), "logprobs_not_supported", "top_logprobs"),
            (json!({"include": ["message.output_text.logprobs"]}), "logprobs_not_supported", "top_logprobs"),
            (json!({"background": true, "store": false}), "invalid_request", "background"),
            (json!({"truncation": "both"}), "invalid_request", "truncation"),
            (json!({"metadata": {"a": long}}), "invalid_request", "metadata"),
            (json!({"max_output_tokens": 0}), "invalid_request", "max_output_tokens"),
            (json!({"temperature": 3}), "invalid_request", "temperature"),
            (json!({"previous_response_id": "resp_1"}), "response_not_found", "previous_response_id"),
        ] {
            let refused = check(more.clone()).unwrap_err();
            assert_eq!((refused.0, refused.1.as_str()), (code, param), "{more}");
        }
    }
}
