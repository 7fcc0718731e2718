//! An answer in one piece, and what both endpoints do with a plan: start it, let the first event decide the
//! status, then stream or collect.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use pomona_protocol::said::{join_marks, parts_of, pieces};
use pomona_protocol::{
    Cause, FinishReason, Mark, Part, Said, TokenLogprob, ToolCall, TurnEvent, TurnId, Usage,
};
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
    completion_tokens_details: CompletionTokensDetails,
}

/// Where prompt tokens came from.
#[derive(Serialize, utoipa::ToSchema)]
struct PromptTokensDetails {
    /// Prompt tokens that needed no work, since their KV was known.
    cached_tokens: u32,
}

/// What tokens of the answer were.
#[derive(Serialize, utoipa::ToSchema)]
struct CompletionTokensDetails {
    /// Tokens that the model thought with.
    reasoning_tokens: u32,
    /// Tokens that were guessed from the text before and found right.
    accepted_prediction_tokens: u32,
}

impl From<Usage> for UsageBody {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.prompt_tokens.saturating_add(usage.completion_tokens),
            prompt_tokens_details: PromptTokensDetails { cached_tokens: usage.cached_tokens },
            completion_tokens_details: CompletionTokensDetails {
                reasoning_tokens: usage.reasoning_tokens,
                accepted_prediction_tokens: usage.accepted_tokens,
            },
        }
    }
}

/// Adds a choice to the sum; choices of one prompt share its tokens.
pub(crate) fn add_usage(sum: &mut Usage, usage: Usage, counts_prompt: bool) {
    sum.completion_tokens = sum.completion_tokens.saturating_add(usage.completion_tokens);
    sum.reasoning_tokens = sum.reasoning_tokens.saturating_add(usage.reasoning_tokens);
    sum.accepted_tokens = sum.accepted_tokens.saturating_add(usage.accepted_tokens);
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
    let (head, mut choices) = plan.start(&connection.client, permit.whose()).await?;
    let turn = head.turn;
    let answered = if stream {
        first_event(&mut choices).await.map(|first| {
            let writer = ChunkWriter::new(shape, &head, &shared.fingerprint, choices.names(), include_usage);
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
struct Answer {
    choices: Vec<Collected>,
    usage: Usage,
}

/// One choice of it.
struct Collected {
    turn: TurnId,
    text: String,
    marks: Vec<Mark>,
    /// The stop string that was met.
    stop: Option<String>,
    logprobs: Vec<TokenLogprob>,
    reason: Option<FinishReason>,
}

impl Collected {
    fn new(turn: TurnId) -> Self {
        Self { turn, text: String::new(), marks: Vec::new(), stop: None, logprobs: Vec::new(), reason: None }
    }

    fn take(&mut self, text: &str, marks: &[Mark]) {
        join_marks(&mut self.marks, self.text.len() as u32, marks);
        self.text.push_str(text);
    }

    /// What it says in OpenAI's words.
    fn message(&self) -> AssistantMessage<'_> {
        let of = |wanted: Said| -> String {
            let said = pieces(&self.text, &self.marks).filter(|(kind, _)| **kind == wanted);
            said.map(|(_, piece)| piece).collect()
        };
        let calls = parts_of(self.turn, &self.text, &self.marks).into_iter().filter_map(CallBody::of);
        let calls: Vec<CallBody> = calls.collect();
        let content = Some(of(Said::Text)).filter(|text| !text.is_empty() || calls.is_empty());
        let thoughts = Some(of(Said::Reasoning)).filter(|text| !text.is_empty());
        AssistantMessage {
            role: "assistant",
            content,
            refusal: None,
            reasoning_content: thoughts,
            tool_calls: calls,
        }
    }
}

/// Reads all choices to their end; the first failure is the answer.
async fn collect(mut choices: Choices) -> Result<Answer, ApiError> {
    let collected = choices.names().iter().map(|turn| Collected::new(*turn)).collect();
    let mut answer = Answer { choices: collected, usage: Usage::default() };
    while let Some((index, event)) = choices.next().await {
        let choice = &mut answer.choices[index];
        match event {
            TurnEvent::Queued { .. }
            | TurnEvent::Started { .. }
            | TurnEvent::Prefill { .. }
            | TurnEvent::Resumed { .. } => {}
            TurnEvent::Tokens { text, marks, logprobs, .. } => {
                choice.take(&text, &marks);
                choice.logprobs.extend(logprobs);
            }
            TurnEvent::Finished { reason: FinishReason::Cancelled, .. } => {
                return Err(Cause::Cancelled.into());
            }
            TurnEvent::Finished { reason, text, marks, usage, stop, embedding: _ } => {
                choice.take(&text, &marks);
                choice.stop = stop;
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
    /// The stop string that was met; not OpenAI's.
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct AssistantMessage<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallBody>,
}

/// A call of a tool.
#[derive(Serialize)]
struct CallBody {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    function: FunctionBody,
}

#[derive(Serialize)]
struct FunctionBody {
    name: String,
    arguments: String,
}

impl CallBody {
    fn of(part: Part) -> Option<Self> {
        let Part::Call(ToolCall { id, name, arguments }) = part else { return None };
        Some(Self { id, kind: "function", function: FunctionBody { name, arguments } })
    }
}

#[derive(Serialize)]
struct CompletionChoice<'a> {
    index: usize,
    text: &'a str,
    logprobs: Option<CompletionLogprobs<'a>>,
    finish_reason: Option<&'static str>,
    /// The stop string that was met; not OpenAI's.
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<&'a str>,
}

fn whole(shared: &Shared, shape: Shape, head: &AnswerHead, answer: &Answer) -> Response {
    let choices = answer.choices.iter().enumerate();
    match shape {
        Shape::Chat => {
            let choices = choices.map(|(index, choice)| ChatChoice {
                index,
                message: choice.message(),
                logprobs: (!choice.logprobs.is_empty()).then_some(ChatLogprobs(&choice.logprobs)),
                finish_reason: choice.reason.map(finish_word),
                stop_reason: choice.stop.as_deref(),
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
                stop_reason: choice.stop.as_deref(),
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
