//! `POST /v1/chat/completions`: checks a conversation and makes a plan of it. The WebSocket takes the same
//! body.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use pomona_protocol::limits::TOP_LOGPROBS_MAX;
use pomona_protocol::{ModelId, TurnInput};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::body::read_json;
use crate::errors::ApiError;
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
        /// `text` is supported.
        pub(crate) response_format: Option<ResponseFormat>,
        /// Not supported yet; must be empty.
        #[schema(value_type = Option<Vec<Object>>)]
        pub(crate) tools: Option<Vec<IgnoredAny>>,
        /// Not supported yet; must be empty.
        #[schema(value_type = Option<Vec<Object>>)]
        pub(crate) functions: Option<Vec<IgnoredAny>>,
    }
}

/// What the answer must be.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct ResponseFormat {
    /// `text`.
    #[serde(rename = "type")]
    kind: String,
}

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
    refuse_unsupported(&request)?;
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
        answers,
        stream: request.stream.unwrap_or(false),
        include_usage: request.stream_options.unwrap_or_default().include_usage.unwrap_or(false),
        tells_resumed: false,
    })
}

fn refuse_unsupported(request: &ChatRequest) -> Result<(), ApiError> {
    for (param, list) in [("tools", &request.tools), ("functions", &request.functions)] {
        if list.as_ref().is_some_and(|list| !list.is_empty()) {
            let message = "tools are not supported yet; leave them out";
            return Err(ApiError::unsupported("tools_not_supported", param, message));
        }
    }
    match &request.response_format {
        Some(format) if format.kind != "text" => {
            let kind: String = format.kind.chars().take(40).collect();
            let message = format!("response_format is `{kind}`; `text` is supported");
            Err(ApiError::unsupported("response_format_not_supported", "response_format", message))
        }
        _ => Ok(()),
    }
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
