//! An answer in one piece, and what both endpoints do with a plan: start it, let the first event decide the
//! status, then stream or collect.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use pomona_protocol::{Cause, FinishReason, TokenLogprob, TurnEvent, TurnId, Usage};
use serde::Serialize;

use crate::errors::ApiError;
use crate::openai::choices::Choices;
use crate::openai::chunks::{ChunkWriter, Shape, finish_word};
use crate::openai::logprobs::{ChatLogprobs, CompletionLogprobs};
use crate::openai::plan::{AnswerHead, Plan};
use crate::openai::sse::{Asked, EventStream};
use crate::state::{Connection, Permit, Shared};

/// Carries the id of the turn on every answer, errors included.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Tokens used, in OpenAI's shape.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct UsageBody {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
    prompt_tokens_details: PromptTokensDetails,
}

/// Where prompt tokens came from.
#[derive(Serialize, utoipa::ToSchema)]
struct PromptTokensDetails {
    /// Prompt tokens that needed no work, since their KV was known.
    cached_tokens: u32,
}

impl From<Usage> for UsageBody {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.prompt_tokens.saturating_add(usage.completion_tokens),
            prompt_tokens_details: PromptTokensDetails { cached_tokens: usage.cached_tokens },
        }
    }
}

/// Adds a choice to the sum; choices of one prompt share its tokens.
pub(crate) fn add_usage(sum: &mut Usage, usage: Usage, counts_prompt: bool) {
    sum.completion_tokens = sum.completion_tokens.saturating_add(usage.completion_tokens);
    if counts_prompt {
        sum.prompt_tokens = sum.prompt_tokens.saturating_add(usage.prompt_tokens);
        sum.cached_tokens = sum.cached_tokens.saturating_add(usage.cached_tokens);
    }
}

/// Runs a plan and answers it.
pub(crate) async fn respond(
    shared: &Shared,
    connection: &Connection,
    permit: Permit,
    plan: Plan,
    shape: Shape,
) -> Result<Response, ApiError> {
    let (stream, include_usage, tells_resumed) = (plan.stream, plan.include_usage, plan.tells_resumed);
    let (head, mut choices) = plan.start(&connection.client, permit.key).await?;
    let turn = head.turn;
    let answered = if stream {
        first_event(&mut choices).await.map(|first| {
            let writer = ChunkWriter::new(shape, &head, &shared.fingerprint, choices.len(), include_usage);
            let keep_alive = Duration::from_secs(shared.api.sse_keep_alive_s);
            let asked = Asked { include_usage, tells_resumed, keep_alive };
            EventStream::new(choices, first, writer, asked, permit).into_response()
        })
    } else {
        collect(choices).await.map(|answer| whole(shared, shape, &head, &answer))
    };
    Ok(with_request_id(answered.unwrap_or_else(ApiError::into_response), turn))
}

/// Names the turn in the headers of an answer.
pub(crate) fn with_request_id(mut response: Response, turn: TurnId) -> Response {
    if let Ok(id) = HeaderValue::try_from(turn.to_string()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Until it arrives the status is open: a turn that fails at once is an HTTP error.
async fn first_event(choices: &mut Choices) -> Result<(usize, TurnEvent), ApiError> {
    match choices.next().await {
        Some((_, TurnEvent::Failed { cause })) => Err(cause.into()),
        Some((_, TurnEvent::Finished { reason: FinishReason::Cancelled, .. })) => {
            Err(Cause::Cancelled.into())
        }
        Some(first) => Ok(first),
        None => Err(Cause::Internal { message: "the request started no turn".to_owned() }.into()),
    }
}

/// An answer that is complete.
#[derive(Default)]
struct Answer {
    choices: Vec<Collected>,
    usage: Usage,
}

/// One choice of it.
#[derive(Default)]
struct Collected {
    text: String,
    logprobs: Vec<TokenLogprob>,
    reason: Option<FinishReason>,
}

/// Reads all choices to their end; the first failure is the answer.
async fn collect(mut choices: Choices) -> Result<Answer, ApiError> {
    let mut answer = Answer::default();
    answer.choices.resize_with(choices.len(), Collected::default);
    while let Some((index, event)) = choices.next().await {
        let choice = &mut answer.choices[index];
        match event {
            TurnEvent::Queued { .. } | TurnEvent::Started { .. } | TurnEvent::Resumed { .. } => {}
            TurnEvent::Tokens { text, logprobs, .. } => {
                choice.text.push_str(&text);
                choice.logprobs.extend(logprobs);
            }
            TurnEvent::Finished { reason: FinishReason::Cancelled, .. } => {
                return Err(Cause::Cancelled.into());
            }
            TurnEvent::Finished { reason, text, usage } => {
                choice.text.push_str(&text);
                choice.reason = Some(reason);
                add_usage(&mut answer.usage, usage, choices.counts_prompt(index));
            }
            TurnEvent::Failed { cause } => return Err(cause.into()),
        }
    }
    Ok(answer)
}

/// The body of a complete answer.
#[derive(Serialize)]
struct Whole<'a, C> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    system_fingerprint: &'a str,
    choices: Vec<C>,
    usage: UsageBody,
}

#[derive(Serialize)]
struct ChatChoice<'a> {
    index: usize,
    message: AssistantMessage<'a>,
    logprobs: Option<ChatLogprobs<'a>>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
struct AssistantMessage<'a> {
    role: &'static str,
    content: &'a str,
    refusal: Option<&'a str>,
}

#[derive(Serialize)]
struct CompletionChoice<'a> {
    index: usize,
    text: &'a str,
    logprobs: Option<CompletionLogprobs<'a>>,
    finish_reason: Option<&'static str>,
}

fn whole(shared: &Shared, shape: Shape, head: &AnswerHead, answer: &Answer) -> Response {
    let choices = answer.choices.iter().enumerate();
    match shape {
        Shape::Chat => {
            let choices = choices.map(|(index, choice)| ChatChoice {
                index,
                message: AssistantMessage { role: "assistant", content: &choice.text, refusal: None },
                logprobs: (!choice.logprobs.is_empty()).then_some(ChatLogprobs(&choice.logprobs)),
                finish_reason: choice.reason.map(finish_word),
            });
            json_answer(shared, shape, head, answer.usage, "chat.completion", choices.collect())
        }
        Shape::Completion => {
            let choices = choices.map(|(index, choice)| CompletionChoice {
                index,
                text: &choice.text,
                logprobs: (!choice.logprobs.is_empty())
                    .then_some(CompletionLogprobs { tokens: &choice.logprobs, offset: 0 }),
                finish_reason: choice.reason.map(finish_word),
            });
            json_answer(shared, shape, head, answer.usage, "text_completion", choices.collect())
        }
    }
}

fn json_answer<C: Serialize>(
    shared: &Shared,
    shape: Shape,
    head: &AnswerHead,
    usage: Usage,
    object: &'static str,
    choices: Vec<C>,
) -> Response {
    json_response(&Whole {
        id: shape.answer_id(head),
        object,
        created: head.created,
        model: &head.model,
        system_fingerprint: &shared.fingerprint,
        choices,
        usage: usage.into(),
    })
}

/// 200 with a JSON body.
pub(crate) fn json_response<T: Serialize>(body: &T) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => {
            let mut response = Response::new(Body::from(body));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => ApiError::from(Cause::Internal { message: error.to_string() }).into_response(),
    }
}
