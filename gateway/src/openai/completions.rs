//! `POST /v1/completions`, the older endpoint: raw text or tokens in, text out. Benchmarks speak it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use pomona_protocol::{AnswerForm, ModelId, TurnInput};
use serde::Deserialize;

use crate::body::read_json;
use crate::errors::ApiError;
use crate::openai::chat::check_answers;
use crate::openai::chunks::Shape;
use crate::openai::plan::{Plan, random_seed};
use crate::openai::sampling::request_body;
use crate::openai::sse::tells_resumed;
use crate::openai::{answer, sampling};
use crate::state::{Connection, Permit, Shared};

/// What OpenAI's endpoint takes when the client says nothing.
const MAX_TOKENS_DEFAULT: i64 = 16;
/// Most alternatives per token in this endpoint.
const LOGPROBS_MAX: i64 = 5;

request_body! {
    /// A text to go on with. Unknown fields are ignored.
    CompletionRequest {
        /// Which model; `GET /v1/models` lists them.
        pub(crate) model: String,
        /// The text, several texts, or token ids.
        pub(crate) prompt: Prompt,
        /// Reports how likely each token and this many alternatives were, 0 to 5.
        #[schema(minimum = 0, maximum = 5)]
        pub(crate) logprobs: Option<i64>,
        /// Not supported; must be false.
        pub(crate) echo: Option<bool>,
        /// Not supported; must be empty.
        pub(crate) suffix: Option<String>,
        /// Must equal `n`.
        pub(crate) best_of: Option<i64>,
    }
}

/// A text, texts, or token ids.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "expected a string, a list of strings, or a list of token ids")]
pub(crate) enum Prompt {
    /// A text.
    Text(String),
    /// Token ids, used as they stand.
    Tokens(Vec<u32>),
    /// Texts, each answered by itself.
    Texts(Vec<String>),
}

/// Goes on with a text.
#[utoipa::path(
    post,
    path = "/v1/completions",
    request_body = CompletionRequest,
    params(("x-pomona-events" = Option<String>, Header, description = "`resumed`: a stream says when a turn goes on at another node, as `event: pomona.resumed` with `index`, `shown`, `cause` and `node`")),
    responses(
        (status = 200, description = "the text; with `stream` as server-sent events, ended by `data: [DONE]`; a stream whose turn goes on at another node says so with `event: pomona.resumed` when asked", content((serde_json::Value = "application/json"), (serde_json::Value = "text/event-stream"))),
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
    let request: CompletionRequest = read_json(request, &shared.limits).await?;
    let plan = Plan { tells_resumed, ..plan(&shared, request)? };
    answer::respond(&shared, &connection, permit, plan, Shape::Completion).await
}

fn plan(shared: &Shared, mut request: CompletionRequest) -> Result<Plan, ApiError> {
    refuse_unsupported(&request)?;
    let answers = check_answers(request.n, shared.api.choices_max)?;
    let logprobs = check_logprobs(request.logprobs)?;
    let mut choosing: sampling::Choosing = request.choosing();
    choosing.max_tokens.1 = choosing.max_tokens.1.or(Some(MAX_TOKENS_DEFAULT));
    let sampling = choosing.check(logprobs, random_seed()?)?;
    let inputs = check_prompt(request.prompt, answers, shared.api.choices_max)?;
    Ok(Plan {
        model: ModelId(request.model),
        inputs,
        sampling,
        form: AnswerForm::default(),
        answers,
        stream: request.stream.unwrap_or(false),
        include_usage: request.stream_options.unwrap_or_default().include_usage.unwrap_or(false),
        tells_resumed: false,
    })
}

fn refuse_unsupported(request: &CompletionRequest) -> Result<(), ApiError> {
    if request.echo == Some(true) {
        return Err(ApiError::unsupported(
            "echo_not_supported",
            "echo",
            "echo is not supported; leave it out",
        ));
    }
    if request.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
        return Err(ApiError::unsupported(
            "suffix_not_supported",
            "suffix",
            "suffix is not supported; leave it out",
        ));
    }
    if request.best_of.is_some_and(|best_of| best_of != request.n.unwrap_or(1)) {
        let message = "best_of must equal n; choosing among more answers is not supported";
        return Err(ApiError::unsupported("best_of_not_supported", "best_of", message));
    }
    Ok(())
}

fn check_logprobs(logprobs: Option<i64>) -> Result<Option<u8>, ApiError> {
    match logprobs {
        Some(top) if !(0..=LOGPROBS_MAX).contains(&top) => {
            Err(ApiError::invalid("logprobs", format!("logprobs is {top}; the range is 0 to {LOGPROBS_MAX}")))
        }
        top => Ok(top.map(|top| top as u8)),
    }
}

/// One input per prompt; prompts times answers are choices, and those are limited.
fn check_prompt(prompt: Prompt, answers: u32, limit: u32) -> Result<Vec<TurnInput>, ApiError> {
    let inputs = match prompt {
        Prompt::Text(text) => vec![TurnInput::Text(text)],
        Prompt::Tokens(tokens) if tokens.is_empty() => Vec::new(),
        Prompt::Tokens(tokens) => vec![TurnInput::Tokens(tokens)],
        Prompt::Texts(texts) => texts.into_iter().map(TurnInput::Text).collect(),
    };
    if inputs.is_empty() {
        return Err(ApiError::invalid("prompt", "prompt is an empty list"));
    }
    let choices = inputs.len().saturating_mul(answers as usize);
    if choices > limit as usize {
        let prompts = inputs.len();
        let message = format!(
            "{prompts} prompts times n = {answers} are {choices} choices; at most {limit} are allowed (api.choices_max)"
        );
        return Err(ApiError::invalid("prompt", message));
    }
    Ok(inputs)
}
