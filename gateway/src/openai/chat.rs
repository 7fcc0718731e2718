//! `POST /v1/chat/completions`: checks a conversation and makes a plan of it. The WebSocket takes the same
//! body.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use pomona_protocol::limits::TOP_LOGPROBS_MAX;
use pomona_protocol::{AnswerForm, ModelId, Tool, TurnInput};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::body::read_json;
use crate::errors::ApiError;
use crate::form::format::{FormatAsked, StructuredOutputs, check_format, only_one};
use crate::form::thinking::{TemplateWords, check_effort};
use crate::form::tools::{
    ChoiceAsked, Function, check_count, check_tool, check_tools, choice_asked, unknown_type,
};
use crate::openai::answer;
use crate::openai::chunks::Shape;
use crate::openai::messages::{ChatMessage, check_messages};
use crate::openai::plan::{Plan, random_seed};
use crate::openai::sampling::{request_body, whole};
use crate::openai::sse::tells_resumed;
use crate::state::{Connection, Permit, Shared};

request_body! {
    /// A question to a model. Unknown fields are ignored.
    ChatRequest {
        /// Which model; `GET /v1/models` lists them.
        pub(crate) model: String,
        /// The conversation so far, at least one message.
        pub(crate) messages: Vec<ChatMessage>,
        /// Longest answer, in tokens; goes before `max_tokens`.
        #[schema(minimum = 1)]
        pub(crate) max_completion_tokens: Option<i64>,
        /// Reports how likely each token was.
        pub(crate) logprobs: Option<bool>,
        /// Reports this many alternatives for each token, 0 to 20; needs `logprobs`.
        #[schema(minimum = 0, maximum = 20)]
        pub(crate) top_logprobs: Option<i64>,
        /// What the answer must be.
        pub(crate) response_format: Option<FormatAsked>,
        /// Functions that the model may call, at most 128.
        pub(crate) tools: Option<Vec<ToolAsked>>,
        /// `auto`, `none`, `required`, or the one function that must be called.
        pub(crate) tool_choice: Option<ChoiceAsked>,
        /// Whether an answer may hold several calls; true when left out.
        pub(crate) parallel_tool_calls: Option<bool>,
        /// `none`, `minimal`, `low`, `medium` or `high`: how much the model thinks, where it can be told.
        pub(crate) reasoning_effort: Option<String>,
        /// Words for the model's template.
        pub(crate) chat_template_kwargs: Option<TemplateWords>,
        /// What the answer must be, in words beyond OpenAI's.
        pub(crate) structured_outputs: Option<StructuredOutputs>,
        /// As `structured_outputs.json`.
        #[schema(value_type = Option<Object>)]
        pub(crate) guided_json: Option<serde_json::Value>,
        /// As `structured_outputs.regex`.
        pub(crate) guided_regex: Option<String>,
        /// As `structured_outputs.grammar`.
        pub(crate) guided_grammar: Option<String>,
        /// As `structured_outputs.choice`.
        pub(crate) guided_choice: Option<Vec<String>>,
        /// The older way of `tools`, not supported; must be empty.
        #[schema(value_type = Option<Vec<Object>>)]
        pub(crate) functions: Option<Vec<IgnoredAny>>,
    }
}

/// A tool.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self")]
pub(crate) struct ToolAsked {
    /// `function`.
    #[serde(rename = "type")]
    kind: String,
    /// What it is, for the type `function`.
    function: Option<Function>,
}

pomona_protocol::only_from_objects!(ToolAsked);

/// Answers a conversation.
#[utoipa::path(
    post,
    path = "/v1/chat/completions",
    request_body = ChatRequest,
    params(("x-pomona-events" = Option<String>, Header, description = "`resumed`: a stream says when a turn goes on at another node, as `event: pomona.resumed` with `index`, `shown`, `cause` and `node`")),
    responses(
        (status = 200, description = "the answer; with `stream` as server-sent events, ended by `data: [DONE]`; a stream whose turn goes on at another node says so with `event: pomona.resumed` when asked", content((serde_json::Value = "application/json"), (serde_json::Value = "text/event-stream"))),
        (status = "4XX", description = "the request cannot be served", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the answer could not be made", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Arc<Connection>>,
    Extension(permit): Extension<Permit>,
    request: Request,
) -> Result<Response, ApiError> {
    let tells_resumed = tells_resumed(request.headers());
    let request: ChatRequest = read_json(request, &shared.limits).await?;
    let plan = Plan { tells_resumed, ..plan(&shared, request)? };
    answer::respond(&shared, &connection, permit, plan, Shape::Chat).await
}

/// Checks everything that can be checked without the model.
pub(crate) fn plan(shared: &Shared, mut request: ChatRequest) -> Result<Plan, ApiError> {
    let form = check_form(&mut request)?;
    let logprobs = check_logprobs(request.logprobs, request.top_logprobs)?;
    let answers = check_answers(request.n, shared.api.choices_max)?;
    let mut choosing = request.choosing();
    if request.max_completion_tokens.is_some() {
        choosing.max_tokens = ("max_completion_tokens", request.max_completion_tokens);
    }
    let sampling = choosing.check(logprobs, random_seed()?)?;
    let messages = check_messages(request.messages, shared.api.messages_max)?;
    Ok(Plan {
        model: ModelId(request.model),
        inputs: vec![TurnInput::Messages(messages)],
        sampling,
        form,
        answers,
        stream: request.stream.unwrap_or(false),
        include_usage: request.stream_options.unwrap_or_default().include_usage.unwrap_or(false),
        tells_resumed: false,
    })
}

/// What form the answer must have.
fn check_form(request: &mut ChatRequest) -> Result<AnswerForm, ApiError> {
    if request.functions.as_ref().is_some_and(|list| !list.is_empty()) {
        let message = "functions is the older way, which is not supported; give them as tools";
        return Err(ApiError::unsupported("functions_not_supported", "functions", message));
    }
    let format = check_format("response_format", request.response_format.take())?;
    let outputs = request.structured_outputs.take().unwrap_or_default().check("structured_outputs.")?;
    let guided = StructuredOutputs {
        json: request.guided_json.take(),
        json_object: None,
        regex: request.guided_regex.take(),
        grammar: request.guided_grammar.take(),
        choice: request.guided_choice.take(),
    };
    let format = only_one(format, [outputs, guided.check("guided_")?])?;
    let tools = check_tools_asked(request.tools.take().unwrap_or_default())?;
    let tool_choice = choice_asked(request.tool_choice.take(), &tools)?;
    let (thinks, effort) = check_effort("reasoning_effort", request.reasoning_effort.as_deref())?;
    let words = request.chat_template_kwargs.take().unwrap_or_default();
    Ok(AnswerForm {
        format,
        tools,
        tool_choice,
        parallel_calls: request.parallel_tool_calls.unwrap_or(true),
        thinking: words.enable_thinking.or(words.thinking).or(thinks),
        effort,
    })
}

fn check_tools_asked(asked: Vec<ToolAsked>) -> Result<Vec<Tool>, ApiError> {
    check_count("tools", asked.len())?;
    let checked = asked.into_iter().enumerate().map(|(at, ToolAsked { kind, function })| {
        if kind != "function" {
            return Err(unknown_type(&format!("tools[{at}].type"), &kind));
        }
        let param = format!("tools[{at}].function");
        let missing = format!("{param} is missing; it has the name of the function");
        check_tool(&param, function.ok_or_else(|| ApiError::invalid(&param, missing))?)
    });
    let tools: Vec<Tool> = checked.collect::<Result<_, _>>()?;
    check_tools("tools", &tools)?;
    Ok(tools)
}

fn check_logprobs(logprobs: Option<bool>, top: Option<i64>) -> Result<Option<u8>, ApiError> {
    let top_logprobs = top.unwrap_or(0);
    match u8::try_from(top_logprobs) {
        Ok(top) if top <= TOP_LOGPROBS_MAX && logprobs == Some(true) => Ok(Some(top)),
        Ok(top) if top <= TOP_LOGPROBS_MAX && top > 0 => {
            Err(ApiError::invalid("top_logprobs", "top_logprobs is given without `logprobs: true`"))
        }
        Ok(top) if top <= TOP_LOGPROBS_MAX => Ok(None),
        _ => {
            let message = format!("top_logprobs is {top_logprobs}; the range is 0 to {TOP_LOGPROBS_MAX}");
            Err(ApiError::invalid("top_logprobs", message))
        }
    }
}

/// Checks `n`.
pub(crate) fn check_answers(n: Option<i64>, limit: u32) -> Result<u32, ApiError> {
    let answers = whole("n", n, 1)?.unwrap_or(1);
    if answers > limit {
        let message = format!("n is {answers}; the range is 1 to {limit} (api.choices_max)");
        return Err(ApiError::invalid("n", message));
    }
    Ok(answers)
}
