//! `POST /v1/responses`: asks a turn in a session, or by itself when it is not to be stored, and answers with the whole
//! response, its stream, or at once.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::BytesMut;
use pomona_actors::Sessions;
use pomona_protocol::said::parts_of;
use pomona_protocol::{
    Cause, ContextPolicy, Message, Principal, Role, Sampling, SessionChange, SessionCommand,
    SessionEventBody, SessionId, TraceContext, TurnAsk, TurnId, TurnInput, TurnOrigin, TurnState,
};

use crate::body::read_json;
use crate::errors::ApiError;
use crate::form::calls::check_answers;
use crate::openai::answer::{json_response, with_request_id};
use crate::openai::models::check_served;
use crate::openai::plan::{random_seed, start, turn_request};
use crate::responses::object::{Echo, response_id};
use crate::responses::request::{Asked, ResponseRequest, not_found};
use crate::responses::sequence::Sequence;
use crate::responses::stored;
use crate::state::{Connection, Permit, Shared};
use crate::turnlog::body::{Dialect, Held, TurnBody};
use crate::turnlog::lasting::{self, Accepted};
use crate::turnlog::leaving::Leaving;
use crate::turnlog::passing::Passing;
use crate::turnlog::source::{Follower, Heard, Source};
use crate::v3::extract::idempotency_key;

/// What idempotency keys of this API make sessions under.
const API: &str = "responses";

/// Answers a question as a response.
#[utoipa::path(
    post,
    path = "/v1/responses",
    request_body = ResponseRequest,
    params(("idempotency-key" = Option<String>, Header, description = "the response goes on without the client, and a repeated request with the same key is answered with the same response")),
    responses(
        (status = 200, description = "the response; with `stream` as server-sent events with sequence numbers, which `GET /v1/responses/{id}?stream=true&starting_after=N` sends again", content((crate::responses::object::ResponseObject = "application/json"), (serde_json::Value = "text/event-stream"))),
        (status = "4XX", description = "the request cannot be served", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the answer could not be made", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Arc<Connection>>,
    Extension(by): Extension<Principal>,
    Extension(permit): Extension<Permit>,
    request: Request,
) -> Result<Response, ApiError> {
    let key = idempotency_key(request.headers())?;
    let request: ResponseRequest = read_json(request, &shared.limits).await?;
    let asked = request.check(shared.api.messages_max)?;
    if !asked.store {
        return Box::pin(answer_passing(&shared, &connection, by, permit, asked)).await;
    }
    check_served(&shared, &asked.model)?;
    let (stream, background) = (asked.stream, asked.echo.background);
    // Who gave a key comes again with it when the connection is lost.
    let ends_with_client = !background && key.is_none();
    let sessions = shared.handle.sessions();
    let accepted = ask(&sessions, by, key, asked, permit.whose().trace).await?;
    if background && !stream {
        let answer = stored::load(&sessions, accepted.session, by, accepted.turn).await?;
        return Ok(with_request_id(json_response(&answer.object()), accepted.turn));
    }
    let mut held = Held { leaving: None, _permit: Some(permit) };
    if ends_with_client {
        held.leaving = Some(Leaving::new(Arc::clone(&shared), accepted.session, by, accepted.turn));
    }
    let Accepted { session, turn, seq, .. } = accepted;
    let source = Source::Lasting(Box::new(Follower::attach(sessions, session, by, turn, seq).await?));
    Box::pin(answer(&shared, source, Some(session), turn, stream, held)).await
}

/// Asks in the session of the response before, or in a new one.
async fn ask(
    sessions: &Sessions,
    by: Principal,
    key: Option<String>,
    asked: Asked,
    trace: Option<TraceContext>,
) -> Result<Accepted, ApiError> {
    let ask = TurnAsk {
        input: asked.input,
        parent: asked.previous,
        idempotency_key: key.clone(),
        model: Some(asked.model),
        system: asked.instructions,
        sampling: Some(asked.sampling),
        form: asked.form,
        note: asked.echo.to_note(),
        ..TurnAsk::default()
    };
    let Some(previous) = asked.previous else {
        let key = key.as_deref().map(|key| (API, key));
        let context = asked.context.unwrap_or_default();
        return Ok(lasting::begin(sessions, by, key, context, ask, trace).await?);
    };
    let session = session_before(sessions, by, previous).await?;
    if let Some(context) = asked.context {
        adopt(sessions, session, by, context).await?;
    }
    Ok(lasting::go_on(sessions, session, by, ask, trace).await?)
}

async fn session_before(sessions: &Sessions, by: Principal, previous: TurnId) -> Result<SessionId, ApiError> {
    sessions.session_of(by, previous).await.map_err(|cause| match cause {
        Cause::UnknownSession { .. } | Cause::UnknownTurn { .. } => {
            not_found(&response_id(previous)).with_param("previous_response_id")
        }
        cause => cause.into(),
    })
}

/// A conversation does from now on what its newest response wants when the context is full.
async fn adopt(
    sessions: &Sessions,
    session: SessionId,
    by: Principal,
    context: ContextPolicy,
) -> Result<(), Cause> {
    if lasting::show(sessions, session, by).await?.settings.context == context {
        return Ok(());
    }
    let change = SessionChange { context: Some(context), ..SessionChange::default() };
    sessions.ask(lasting::request(session, by, SessionCommand::Update(change))).await.map(drop)
}

/// Answers with a turn that no session remembers.
async fn answer_passing(
    shared: &Arc<Shared>,
    connection: &Connection,
    by: Principal,
    permit: Permit,
    asked: Asked,
) -> Result<Response, ApiError> {
    let mut messages = match asked.previous {
        Some(previous) => history(&shared.handle.sessions(), by, previous).await?,
        None => Vec::new(),
    };
    if let Some(instructions) = &asked.instructions {
        messages.insert(0, Message::text(Role::System, instructions));
    }
    messages.extend(asked.input);
    check_answers("input", &messages, true)?;
    let sampling = Sampling { seed: random_seed()?, ..asked.sampling.clone() };
    let input = TurnInput::Messages(messages);
    let request = turn_request(asked.model.clone(), input, sampling, asked.form.clone())?;
    let turn = request.turn;
    let events = start(&connection.client, request, permit.whose()).await?;
    let accepted = SessionEventBody::Accepted {
        turn,
        parent: asked.previous,
        by,
        idempotency_key: None,
        digest: 0,
        origin: TurnOrigin::Asked,
        input: Vec::new(),
        model: asked.model,
        system: asked.instructions,
        sampling: asked.sampling,
        form: asked.form,
        note: Echo { drops_oldest: false, ..asked.echo }.to_note(),
    };
    let source = Source::Passing(Box::new(Passing::new(events, accepted)));
    answer(shared, source, None, turn, asked.stream, Held { leaving: None, _permit: Some(permit) }).await
}

/// What was said up to a stored response, it included.
async fn history(sessions: &Sessions, by: Principal, previous: TurnId) -> Result<Vec<Message>, ApiError> {
    let session = session_before(sessions, by, previous).await?;
    let view = lasting::show(sessions, session, by).await?;
    let mut branch = Vec::new();
    let mut next = Some(previous);
    while let Some(turn) = next.and_then(|turn| view.turns.iter().find(|view| view.turn == turn)) {
        if !turn.state.is_ended() {
            let message = "the response before is not complete yet; wait for it, or store this one too";
            let error = ApiError::new(hyper::StatusCode::CONFLICT, "response_not_complete", message);
            return Err(error.with_param("previous_response_id"));
        }
        next = turn.parent;
        branch.push(turn);
    }
    let said = branch.iter().rev().flat_map(|turn| {
        let answer = (!turn.answer.is_empty()).then(|| Message {
            role: Role::Assistant,
            parts: parts_of(turn.turn, &turn.answer, &turn.marks),
        });
        turn.input.iter().cloned().chain(answer)
    });
    Ok(said.collect())
}

/// The stream of a turn, or all of it.
async fn answer(
    shared: &Shared,
    mut source: Source,
    session: Option<SessionId>,
    turn: TurnId,
    stream: bool,
    mut held: Held,
) -> Result<Response, ApiError> {
    // Nothing stands behind that number: of a response that is not streamed only the end is wanted.
    let sequence = Sequence::new(session, (!stream).then_some(u64::MAX));
    let answered = if stream {
        source.decide().await.map(|heard| {
            let keep_alive = Duration::from_secs(shared.api.sse_keep_alive_s);
            let held = std::mem::take(&mut held);
            TurnBody::new(source, heard, sequence, held, keep_alive).into_response()
        })
    } else {
        whole(source, sequence).await
    };
    if let Some(leaving) = &mut held.leaving {
        leaving.stayed();
    }
    let answered = answered.map_err(ApiError::from);
    Ok(with_request_id(answered.unwrap_or_else(axum::response::IntoResponse::into_response), turn))
}

/// Reads a turn to its end.
async fn whole(mut source: Source, mut sequence: Sequence) -> Result<Response, Cause> {
    let mut unread = BytesMut::new();
    loop {
        let Heard::Event(event) = source.next().await? else { continue };
        sequence.write(&event, &mut unread);
        if !event.body.is_terminal() {
            continue;
        }
        let answer = sequence
            .answer()
            .ok_or_else(|| Cause::Internal { message: "a turn ended that was never accepted".to_owned() })?;
        return match &answer.state {
            TurnState::Failed(cause) if *cause != Cause::Cancelled => Err(cause.clone()),
            _ => Ok(json_response(&answer.object())),
        };
    }
}
