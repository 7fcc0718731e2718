//! `POST /v1/messages`: a turn by itself, or with an idempotency key a turn of a session that is made for it.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hyper::HeaderMap;
use hyper::header::HeaderName;
use pomona_protocol::said::join_marks;
use pomona_protocol::{
    Cause, ContextPolicy, FinishReason, ModelId, Principal, Sampling, SessionCommand, SessionEventBody,
    TraceContext, TurnAsk, TurnId, TurnInput, TurnOrigin,
};

use crate::anthropic::error::Refusal;
use crate::anthropic::events::{Wording, last_number};
use crate::anthropic::message::MessageBody;
use crate::anthropic::request::{Asked, MessageRequest};
use crate::body::read_json;
use crate::errors::ApiError;
use crate::openai::answer::{json_response, with_request_id};
use crate::openai::models::check_served;
use crate::openai::plan::{random_seed, start, turn_request};
use crate::state::{Connection, Permit, Shared};
use crate::turnlog::blocks::Blocks;
use crate::turnlog::body::{Held, TurnBody};
use crate::turnlog::lasting::{self, Accepted};
use crate::turnlog::passing::Passing;
use crate::turnlog::source::{Follower, Heard, Source};
use crate::v3::extract::{idempotency_key, number};

/// What idempotency keys of this API make sessions under.
const API: &str = "messages";
/// The number of the last event that a client has.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Answers a conversation.
#[utoipa::path(
    post,
    path = "/v1/messages",
    request_body = MessageRequest,
    params(
        ("anthropic-version" = Option<String>, Header, description = "taken and not looked at"),
        ("idempotency-key" = Option<String>, Header, description = "the turn goes on without the client, and a repeated request with the same key is answered with the same message"),
        ("last-event-id" = Option<u64>, Header, description = "with an idempotency key: leaves out the events of the stream up to this `id`"),
    ),
    responses(
        (status = 200, description = "the message; with `stream` as server-sent events", content((MessageBody = "application/json"), (serde_json::Value = "text/event-stream"))),
        (status = "4XX", description = "the request cannot be served", body = crate::anthropic::error::RefusalBody),
        (status = "5XX", description = "the answer could not be made", body = crate::anthropic::error::RefusalBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Arc<Connection>>,
    Extension(by): Extension<Principal>,
    Extension(permit): Extension<Permit>,
    request: Request,
) -> Result<Response, Refusal> {
    let key = idempotency_key(request.headers())?;
    let after = last_event_id(request.headers())?;
    let request: MessageRequest = read_json(request, &shared.limits).await?;
    let asked = request.check(shared.api.messages_max)?;
    let stream = asked.stream;
    let (source, turn, wording) = match key {
        None => {
            let (source, turn) = pass(&connection, by, &permit, asked).await?;
            (source, turn, Wording::passing())
        }
        Some(key) => {
            check_served(&shared, &asked.model)?;
            let (source, turn) = last(&shared, by, key, asked, after, permit.whose().trace).await?;
            (source, turn, Wording::lasting(after))
        }
    };
    let answered = answer(&shared, source, wording, stream, permit).await;
    let mut response = with_request_id(answered.map_err(Refusal::from).into_response(), turn);
    if let Some(id) = response.headers().get(crate::openai::answer::REQUEST_ID).cloned() {
        // Anthropic's clients look for it under this name.
        response.headers_mut().insert("request-id", id);
    }
    Ok(response)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let text = value.to_str().unwrap_or("unreadable");
    number("last-event-id", text, 0..=u64::from(u32::MAX)).map(Some)
}

/// A turn by itself.
pub(super) async fn pass(
    connection: &Connection,
    by: Principal,
    permit: &Permit,
    asked: Asked,
) -> Result<(Source, TurnId), ApiError> {
    let sampling = Sampling { seed: random_seed()?, ..asked.sampling.clone() };
    let input = TurnInput::Messages(asked.prompt());
    let request = turn_request(asked.model.clone(), input, sampling, asked.form.clone())?;
    let turn = request.turn;
    let events = start(&connection.client, request, permit.whose()).await?;
    let accepted = SessionEventBody::Accepted {
        turn,
        parent: None,
        by,
        idempotency_key: None,
        digest: 0,
        origin: TurnOrigin::Asked,
        input: Vec::new(),
        model: asked.model,
        system: None,
        sampling: asked.sampling,
        form: asked.form,
        note: None,
    };
    Ok((Source::Passing(Box::new(Passing::new(events, accepted))), turn))
}

/// A turn of the session that this key makes.
async fn last(
    shared: &Shared,
    by: Principal,
    key: String,
    asked: Asked,
    after: Option<u64>,
    trace: Option<TraceContext>,
) -> Result<(Source, TurnId), ApiError> {
    let sessions = shared.handle.sessions();
    let ask = TurnAsk {
        input: asked.messages,
        idempotency_key: Some(key.clone()),
        model: Some(asked.model),
        system: asked.system,
        sampling: Some(asked.sampling),
        form: asked.form,
        ..TurnAsk::default()
    };
    let begun = lasting::begin(&sessions, by, Some((API, &key)), ContextPolicy::Refuse, ask, trace).await;
    let Accepted { session, turn, seq, is_new } = begun?;
    if let Some(cursor) = after {
        let head = if is_new {
            // Whoever asks for the rest of an answer does not want a new one.
            let command = SessionCommand::Cancel { turn: Some(turn) };
            sessions.ask(lasting::request(session, by, command)).await?;
            0
        } else {
            let view = lasting::show(&sessions, session, by).await?;
            view.turns.iter().find(|view| view.turn == turn).map_or(0, last_number)
        };
        if is_new || cursor > head {
            return Err(ApiError::from(Cause::CursorAhead { cursor, head }));
        }
    }
    let follower = Follower::attach(sessions, session, by, turn, seq).await?;
    Ok((Source::Lasting(Box::new(follower)), turn))
}

/// The stream of a turn, or all of it.
async fn answer(
    shared: &Shared,
    mut source: Source,
    wording: Wording,
    stream: bool,
    permit: Permit,
) -> Result<Response, Cause> {
    if !stream {
        return whole(source).await;
    }
    let heard = source.decide().await?;
    let keep_alive = Duration::from_secs(shared.api.sse_keep_alive_s);
    let held = Held { leaving: None, _permit: Some(permit) };
    Ok(TurnBody::new(source, heard, wording, held, keep_alive).into_response())
}

/// Reads a turn to its end.
async fn whole(mut source: Source) -> Result<Response, Cause> {
    let mut model = ModelId(String::new());
    let (mut said, mut said_marks) = (String::new(), Vec::new());
    loop {
        let Heard::Event(event) = source.next().await? else { continue };
        match event.body {
            SessionEventBody::Accepted { model: asked, .. } => model = asked,
            SessionEventBody::Tokens { text, marks, .. } => {
                join_marks(&mut said_marks, said.len() as u32, &marks);
                said.push_str(&text);
            }
            SessionEventBody::Failed { cause, .. } => return Err(cause),
            SessionEventBody::Finished { reason: FinishReason::Cancelled, .. } => {
                return Err(Cause::Cancelled);
            }
            SessionEventBody::Finished { turn, reason, text, marks, usage, stop } => {
                join_marks(&mut said_marks, said.len() as u32, &marks);
                said.push_str(&text);
                let blocks = Blocks::of(&said, &said_marks, true);
                let end = Some((reason, stop.as_deref()));
                let body = MessageBody::new(turn, &model.0, blocks.all(), end, usage);
                return Ok(json_response(&body));
            }
            SessionEventBody::Created { .. }
            | SessionEventBody::Updated { .. }
            | SessionEventBody::ContextDropped { .. }
            | SessionEventBody::Started { .. }
            | SessionEventBody::CancelAsked { .. }
            | SessionEventBody::BranchChosen { .. }
            | SessionEventBody::Deleted { .. } => {}
        }
    }
}
