//! The response object: what the events of a turn make of it. A pure function of the log, so that every gateway says the
//! same about a turn at any time.

use std::collections::BTreeMap;

use pomona_protocol::{
    AnswerForm, Cause, Effort, FinishReason, Sampling, SessionEvent, SessionEventBody, SessionId, TurnId,
    TurnState, TurnView, Usage,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::errors::status_of;
use crate::responses::asked_form::{choice_told, format_told, tool_told};
use crate::responses::output::{OutputItem, item};
use crate::turnlog::blocks::Blocks;

/// The id of a response.
pub(crate) fn response_id(turn: TurnId) -> String {
    format!("resp_{:032x}", turn.0)
}

/// The turn of a response, when the text is the id of one.
pub(crate) fn turn_of(id: &str) -> Option<TurnId> {
    format!("turn_{}", id.strip_prefix("resp_")?).parse().ok()
}

/// What a request says of a response besides what a turn is asked with. The log keeps it as the note of the turn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Echo {
    /// Whether the client does not wait for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) background: bool,
    /// Whether old turns may be left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) drops_oldest: bool,
    /// The client's own words.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Echo {
    /// As the note of a turn; nothing when there is nothing to say.
    pub(crate) fn to_note(&self) -> Option<String> {
        if *self == Self::default() {
            return None;
        }
        serde_json::to_string(self).ok()
    }

    /// Reads the note of a turn; that of another API says nothing.
    fn of(note: Option<&str>) -> Self {
        note.and_then(|note| serde_json::from_str(note).ok()).unwrap_or_default()
    }
}

/// What a response is from its beginning.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    pub(crate) turn: TurnId,
    /// `None` for one that is not stored.
    pub(crate) session: Option<SessionId>,
    pub(crate) created_ms: u64,
    pub(crate) model: String,
    pub(crate) instructions: Option<String>,
    pub(crate) sampling: Sampling,
    pub(crate) form: AnswerForm,
    pub(crate) previous: Option<TurnId>,
    pub(crate) echo: Echo,
}

impl Head {
    /// As the `Accepted` event of a turn tells it; `None` for any other event.
    pub(crate) fn of(session: Option<SessionId>, event: &SessionEvent) -> Option<Self> {
        let SessionEventBody::Accepted { turn, parent, model, system, sampling, form, note, .. } =
            &event.body
        else {
            return None;
        };
        Some(Self {
            turn: *turn,
            session,
            created_ms: event.at_ms,
            model: model.0.clone(),
            instructions: system.clone(),
            sampling: sampling.clone(),
            form: form.clone(),
            previous: *parent,
            echo: Echo::of(note.as_deref()),
        })
    }
}

/// What a turn has said so far, as a session shows it.
pub(crate) fn blocks_of(view: &TurnView) -> Blocks {
    let has_finished = matches!(view.state, TurnState::Finished(_));
    Blocks::of(&view.answer, &view.marks, has_finished)
}

/// A response as far as its events tell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) blocks: Blocks,
    pub(crate) state: TurnState,
    pub(crate) usage: Usage,
    pub(crate) ended_ms: u64,
}

impl Answer {
    /// One that begins.
    pub(crate) fn new(head: Head) -> Self {
        let (blocks, state) = (Blocks::default(), TurnState::Running);
        Self { head, blocks, state, usage: Usage::default(), ended_ms: 0 }
    }

    /// As a session shows it.
    pub(crate) fn of(head: Head, view: &TurnView) -> Self {
        Self {
            head,
            blocks: blocks_of(view),
            state: view.state.clone(),
            usage: view.usage,
            ended_ms: view.ended_ms,
        }
    }

    /// Takes in what happened, but for what is said.
    pub(crate) fn apply(&mut self, event: &SessionEvent) {
        match &event.body {
            SessionEventBody::Finished { reason, usage, .. } => {
                self.usage = *usage;
                self.state = TurnState::Finished(*reason);
                self.ended_ms = event.at_ms;
            }
            SessionEventBody::Failed { cause, .. } => {
                self.state = TurnState::Failed(cause.clone());
                self.ended_ms = event.at_ms;
            }
            SessionEventBody::Created { .. }
            | SessionEventBody::Updated { .. }
            | SessionEventBody::Accepted { .. }
            | SessionEventBody::ContextDropped { .. }
            | SessionEventBody::Started { .. }
            | SessionEventBody::Tokens { .. }
            | SessionEventBody::CancelAsked { .. }
            | SessionEventBody::BranchChosen { .. }
            | SessionEventBody::Deleted { .. } => {}
        }
    }

    /// OpenAI's word for how far it is.
    pub(crate) fn status(&self) -> &'static str {
        match &self.state {
            TurnState::Queued => "queued",
            TurnState::Running => "in_progress",
            TurnState::Finished(FinishReason::Stop | FinishReason::ToolCalls) => "completed",
            TurnState::Finished(FinishReason::Length) => "incomplete",
            TurnState::Finished(FinishReason::Cancelled) | TurnState::Failed(Cause::Cancelled) => "cancelled",
            TurnState::Failed(_) => "failed",
        }
    }

    /// The status of the item of a block.
    pub(crate) fn item_status(&self, at: usize) -> &'static str {
        match &self.state {
            _ if self.blocks.current() != Some(at) => "completed",
            TurnState::Queued | TurnState::Running => "in_progress",
            TurnState::Finished(FinishReason::Stop | FinishReason::ToolCalls) => "completed",
            TurnState::Finished(_) | TurnState::Failed(_) => "incomplete",
        }
    }

    fn output(&self) -> Vec<OutputItem<'_>> {
        let blocks = self.blocks.all();
        let items = (0..blocks.len()).filter_map(|at| {
            let status = self.item_status(at);
            item(self.head.turn, blocks, at, status, false)
        });
        items.collect()
    }

    /// The response object.
    pub(crate) fn object(&self) -> ResponseObject<'_> {
        let head = &self.head;
        let is_complete =
            matches!(self.state, TurnState::Finished(FinishReason::Stop | FinishReason::ToolCalls));
        ResponseObject {
            id: response_id(head.turn),
            object: "response",
            created_at: head.created_ms / 1000,
            status: self.status(),
            background: head.echo.background,
            completed_at: is_complete.then_some(self.ended_ms / 1000),
            error: match &self.state {
                TurnState::Failed(Cause::Cancelled) => None,
                TurnState::Failed(cause) => Some(Failure::of(cause)),
                TurnState::Queued | TurnState::Running | TurnState::Finished(_) => None,
            },
            incomplete_details: matches!(self.state, TurnState::Finished(FinishReason::Length))
                .then_some(IncompleteDetails { reason: "max_output_tokens" }),
            instructions: head.instructions.as_deref(),
            max_output_tokens: head.sampling.max_tokens,
            max_tool_calls: None,
            model: &head.model,
            output: self.output(),
            parallel_tool_calls: head.form.parallel_calls,
            previous_response_id: head.previous.map(response_id),
            reasoning: Reasoning { effort: head.form.effort.map(Effort::as_str), summary: None },
            service_tier: "default",
            store: head.session.is_some(),
            temperature: head.sampling.temperature,
            text: TextConfig { format: format_told(&head.form.format) },
            tool_choice: choice_told(&head.form.tool_choice),
            tools: head.form.tools.iter().map(tool_told).collect(),
            top_logprobs: 0,
            top_p: head.sampling.top_p,
            truncation: if head.echo.drops_oldest { "auto" } else { "disabled" },
            usage: matches!(self.state, TurnState::Finished(_)).then(|| self.usage.into()),
            user: None,
            metadata: &head.echo.metadata,
            pomona: head
                .session
                .map(|session| Place { session: session.to_string(), turn: head.turn.to_string() }),
        }
    }
}

/// OpenAI's response object.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ResponseObject<'a> {
    /// `resp_` and 32 hex digits.
    id: String,
    /// `response`.
    object: &'static str,
    /// Unix time in seconds.
    created_at: u64,
    /// `queued`, `in_progress`, `completed`, `incomplete`, `failed` or `cancelled`.
    status: &'static str,
    /// Whether the client does not wait for it.
    background: bool,
    /// Unix time in seconds, once it is complete.
    completed_at: Option<u64>,
    /// Why it failed.
    error: Option<Failure>,
    /// Why it is incomplete.
    incomplete_details: Option<IncompleteDetails>,
    /// What stood before the conversation.
    instructions: Option<&'a str>,
    /// Longest answer, in tokens.
    max_output_tokens: Option<u32>,
    max_tool_calls: Option<u32>,
    /// Which model answers.
    model: &'a str,
    /// The answer so far.
    output: Vec<OutputItem<'a>>,
    parallel_tool_calls: bool,
    /// The response that it follows.
    previous_response_id: Option<String>,
    reasoning: Reasoning,
    service_tier: &'static str,
    /// Whether it can be retrieved.
    store: bool,
    /// As asked; `null` is the model's own.
    temperature: Option<f32>,
    text: TextConfig,
    /// As asked: a word, or an object that names a function.
    #[schema(value_type = serde_json::Value)]
    tool_choice: Value,
    /// As asked.
    #[schema(value_type = Vec<Object>)]
    tools: Vec<Value>,
    top_logprobs: u8,
    /// As asked; `null` is the model's own.
    top_p: Option<f32>,
    /// `auto` or `disabled`.
    truncation: &'static str,
    /// Tokens used, once it has ended.
    usage: Option<ResponseUsage>,
    user: Option<&'a str>,
    /// The client's own words.
    metadata: &'a BTreeMap<String, String>,
    /// Where it lies for protocol v3, when it is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pomona: Option<Place>,
}

/// A response in protocol v3.
#[derive(Serialize, utoipa::ToSchema)]
struct Place {
    session: String,
    turn: String,
}

/// Why a response failed.
#[derive(Serialize, utoipa::ToSchema)]
struct Failure {
    /// One of OpenAI's words: `server_error`, `rate_limit_exceeded` or `invalid_prompt`.
    code: &'static str,
    /// For people.
    message: String,
    /// The stable name of the cause.
    #[serde(rename = "type")]
    kind: &'static str,
}

impl Failure {
    fn of(cause: &Cause) -> Self {
        let code = match status_of(cause).as_u16() {
            429 => "rate_limit_exceeded",
            400..=499 => "invalid_prompt",
            _ => "server_error",
        };
        Self { code, message: cause.to_string(), kind: cause.code() }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
struct IncompleteDetails {
    reason: &'static str,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Reasoning {
    effort: Option<&'static str>,
    summary: Option<&'static str>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct TextConfig {
    /// As asked.
    #[schema(value_type = Object)]
    format: Value,
}

/// Tokens used, in the shape of responses.
#[derive(Serialize, utoipa::ToSchema)]
struct ResponseUsage {
    input_tokens: u32,
    input_tokens_details: InputDetails,
    output_tokens: u32,
    output_tokens_details: OutputDetails,
    total_tokens: u32,
}

#[derive(Serialize, utoipa::ToSchema)]
struct InputDetails {
    /// Tokens that needed no work, since their KV was known.
    cached_tokens: u32,
    cache_write_tokens: u32,
}

#[derive(Serialize, utoipa::ToSchema)]
struct OutputDetails {
    reasoning_tokens: u32,
}

impl From<Usage> for ResponseUsage {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.prompt_tokens,
            input_tokens_details: InputDetails { cached_tokens: usage.cached_tokens, cache_write_tokens: 0 },
            output_tokens: usage.completion_tokens,
            output_tokens_details: OutputDetails { reasoning_tokens: usage.reasoning_tokens },
            total_tokens: usage.prompt_tokens.saturating_add(usage.completion_tokens),
        }
    }
}
