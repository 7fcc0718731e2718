//! The turns of a session: asking, editing, answering once more, cancelling, choosing a branch.
//!
//! A turn belongs to its session. It goes on when the client that asked it leaves, so these routes hold no place under
//! `limits.requests_max`: the session's own limits apply.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use pomona_protocol::v3::{AcceptedBody, AskBody, TurnBody};
use pomona_protocol::{Cause, Principal, SessionCommand, SessionView, TurnId, TurnOrigin};

use crate::body::{read_json, read_json_or_default};
use crate::errors::ApiError;
use crate::openai::answer::json_response;
use crate::state::{RequestSpan, Shared};
use crate::v3::asking::{self, Address};
use crate::v3::bodies::Asked;
use crate::v3::extract::{SessionPath, idempotency_key, parse_id};

/// Asks something.
#[utoipa::path(
    post,
    path = "/v3/sessions/{id}/turns",
    params(
        ("id" = String, Path, description = "the session: `ses_` and 32 hex digits", pattern = "^ses_[0-9a-f]{32}$"),
        ("idempotency-key" = Option<String>, Header, description = "as the field `idempotency_key`", max_length = 255),
    ),
    request_body(content = ref("#/components/schemas/Ask"), content_type = "application/json"),
    responses(
        (status = 202, description = "the turn was accepted and will be answered", content_type = "application/json"),
        (status = 200, description = "the same key asked this before", content_type = "application/json"),
        (status = 400, description = "no session id, or a value that cannot be taken", body = crate::errors::ErrorBody),
        (status = 403, description = "the session may be read alone", body = crate::errors::ErrorBody),
        (status = 404, description = "no such session or turn, or somebody else's", body = crate::errors::ErrorBody),
        (status = 409, description = "the log does not end at `expected_seq`", body = crate::errors::ErrorBody),
        (status = 422, description = "the idempotency key was used for something else", body = crate::errors::ErrorBody),
        (status = 429, description = "too many turns of this session wait", body = crate::errors::ErrorBody),
        (status = "4XX", description = "the request cannot be served", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the turn cannot be accepted now", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn ask(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    SessionPath(session): SessionPath,
    request: Request,
) -> Result<Response, ApiError> {
    let trace = RequestSpan::context_of(&request);
    let header = idempotency_key(request.headers())?;
    let body: AskBody = read_json(request, &shared.limits).await?;
    let asked = Asked::read(body, header, shared.api.messages_max)?;
    let to = Address { session, by, expected_seq: asked.expected_seq, trace };
    let accepted = asking::accepted(&shared.handle.sessions(), to, asked.into_ask()?).await?;
    Ok(accepted_response(&accepted))
}

/// Asks something else in place of a turn, on a branch of its own.
#[utoipa::path(
    post,
    path = "/v3/sessions/{id}/edit",
    params(
        ("id" = String, Path, description = "the session: `ses_` and 32 hex digits", pattern = "^ses_[0-9a-f]{32}$"),
        ("idempotency-key" = Option<String>, Header, description = "as the field `idempotency_key`", max_length = 255),
    ),
    request_body(content = ref("#/components/schemas/Ask"), content_type = "application/json"),
    responses(
        (status = 202, description = "the turn was accepted and will be answered", content_type = "application/json"),
        (status = 200, description = "the same key asked this before", content_type = "application/json"),
        (status = 400, description = "no session id, or a value that cannot be taken", body = crate::errors::ErrorBody),
        (status = 403, description = "the session may be read alone", body = crate::errors::ErrorBody),
        (status = 404, description = "no such session or turn, or somebody else's", body = crate::errors::ErrorBody),
        (status = 409, description = "the log does not end at `expected_seq`", body = crate::errors::ErrorBody),
        (status = 422, description = "the idempotency key was used for something else", body = crate::errors::ErrorBody),
        (status = 429, description = "too many turns of this session wait", body = crate::errors::ErrorBody),
        (status = "4XX", description = "the request cannot be served", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the turn cannot be accepted now", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn edit(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    SessionPath(session): SessionPath,
    request: Request,
) -> Result<Response, ApiError> {
    let trace = RequestSpan::context_of(&request);
    let header = idempotency_key(request.headers())?;
    let body: AskBody = read_json(request, &shared.limits).await?;
    let asked = Asked::read(body, header, shared.api.messages_max)?;
    branch(&shared, Address { trace, ..Address::new(session, by) }, asked, Asked::into_edit).await
}

/// Answers the question of a turn once more, on a branch of its own.
#[utoipa::path(
    post,
    path = "/v3/sessions/{id}/regenerate",
    params(
        ("id" = String, Path, description = "the session: `ses_` and 32 hex digits", pattern = "^ses_[0-9a-f]{32}$"),
        ("idempotency-key" = Option<String>, Header, description = "as the field `idempotency_key`", max_length = 255),
    ),
    request_body(content = ref("#/components/schemas/Ask"), content_type = "application/json"),
    responses(
        (status = 202, description = "the turn was accepted and will be answered", content_type = "application/json"),
        (status = 200, description = "the same key asked this before", content_type = "application/json"),
        (status = 400, description = "no session id, or a value that cannot be taken", body = crate::errors::ErrorBody),
        (status = 403, description = "the session may be read alone", body = crate::errors::ErrorBody),
        (status = 404, description = "no such session or turn, or somebody else's", body = crate::errors::ErrorBody),
        (status = 409, description = "the log does not end at `expected_seq`", body = crate::errors::ErrorBody),
        (status = 422, description = "the idempotency key was used for something else", body = crate::errors::ErrorBody),
        (status = 429, description = "too many turns of this session wait", body = crate::errors::ErrorBody),
        (status = "4XX", description = "the request cannot be served", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the turn cannot be accepted now", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn regenerate(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    SessionPath(session): SessionPath,
    request: Request,
) -> Result<Response, ApiError> {
    let trace = RequestSpan::context_of(&request);
    let header = idempotency_key(request.headers())?;
    let body: AskBody = read_json_or_default(request, &shared.limits).await?;
    let asked = Asked::read(body, header, shared.api.messages_max)?;
    branch(&shared, Address { trace, ..Address::new(session, by) }, asked, Asked::into_regenerate).await
}

/// Makes a sibling of the turn that is named, or of the last one.
async fn branch(
    shared: &Shared,
    to: Address,
    asked: Asked,
    command: fn(Asked, TurnId) -> Result<SessionCommand, ApiError>,
) -> Result<Response, ApiError> {
    let sessions = shared.handle.sessions();
    let (first, repeated) = match asked.turn {
        Some(turn) => (turn, None),
        None => last_turn(&asking::view(&sessions, to, SessionCommand::Show).await?)?,
    };
    let to = Address { expected_seq: asked.expected_seq, ..to };
    let has_key = asked.ask.idempotency_key.is_some();
    let accepted = asking::accepted(&sessions, to, command(asked.clone(), first)?).await;
    let accepted = match (accepted, repeated) {
        // The first request with this key made the last turn, so it spoke of the one in whose place that stands.
        (Err(Cause::IdempotencyMismatch { .. }), Some(turn)) if has_key => {
            asking::accepted(&sessions, to, command(asked, turn)?).await
        }
        (accepted, _) => accepted,
    };
    Ok(accepted_response(&accepted?))
}

/// The last turn of the active branch, and the one in whose place it stands.
fn last_turn(view: &SessionView) -> Result<(TurnId, Option<TurnId>), ApiError> {
    let none = || ApiError::invalid("turn", "turn is missing, and the session has no turn yet");
    let last = view.active.ok_or_else(none)?;
    let origin = view.turns.iter().find(|turn| turn.turn == last).map(|turn| turn.origin);
    let replaced = match origin {
        Some(TurnOrigin::Edited { of } | TurnOrigin::Regenerated { of }) => Some(of),
        Some(TurnOrigin::Asked | TurnOrigin::Imported) | None => None,
    };
    Ok((last, replaced))
}

/// Ends a turn, or the one that runs; those that wait stay. Also done when the turn has ended already.
#[utoipa::path(
    post,
    path = "/v3/sessions/{id}/cancel",
    params(("id" = String, Path, description = "the session: `ses_` and 32 hex digits", pattern = "^ses_[0-9a-f]{32}$")),
    request_body(content = ref("#/components/schemas/Turn"), content_type = "application/json"),
    responses(
        (status = 200, description = "it ends, or has ended; `turn.finished` says so in the log", content_type = "application/json"),
        (status = 400, description = "no session id, or no turn id", body = crate::errors::ErrorBody),
        (status = 403, description = "the session may be read alone", body = crate::errors::ErrorBody),
        (status = 404, description = "no such session or turn, or somebody else's", body = crate::errors::ErrorBody),
        (status = "4XX", description = "the request cannot be served", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the turn cannot be cancelled now", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn cancel(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    SessionPath(session): SessionPath,
    request: Request,
) -> Result<Response, ApiError> {
    let turn = named_turn(read_json_or_default(request, &shared.limits).await?)?;
    let to = Address::new(session, by);
    let done = asking::done(&shared.handle.sessions(), to, SessionCommand::Cancel { turn }).await?;
    Ok(json_response(&done))
}

/// Makes the branch that ends with a turn the active one.
#[utoipa::path(
    post,
    path = "/v3/sessions/{id}/choose",
    params(("id" = String, Path, description = "the session: `ses_` and 32 hex digits", pattern = "^ses_[0-9a-f]{32}$")),
    request_body(content = ref("#/components/schemas/ChosenTurn"), content_type = "application/json"),
    responses(
        (status = 200, description = "it is the active one", content_type = "application/json"),
        (status = 400, description = "no session id, or no turn id", body = crate::errors::ErrorBody),
        (status = 403, description = "the session may be read alone", body = crate::errors::ErrorBody),
        (status = 404, description = "no such session or turn, or somebody else's", body = crate::errors::ErrorBody),
        (status = "4XX", description = "the request cannot be served", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the session cannot be written now", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn choose(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    SessionPath(session): SessionPath,
    request: Request,
) -> Result<Response, ApiError> {
    let turn = named_turn(read_json(request, &shared.limits).await?)?;
    let leaf =
        turn.ok_or_else(|| ApiError::invalid("turn", "turn is missing; name the last one of a branch"))?;
    let to = Address::new(session, by);
    let done = asking::done(&shared.handle.sessions(), to, SessionCommand::Choose { leaf }).await?;
    Ok(json_response(&done))
}

fn named_turn(body: TurnBody) -> Result<Option<TurnId>, ApiError> {
    if body.title.is_some() {
        return Err(ApiError::invalid("title", "title is for `/fork`; leave it out here"));
    }
    body.turn.map(|turn| parse_id("turn", &turn)).transpose()
}

/// 202 for a turn that this request made, 200 for one that an earlier one did.
fn accepted_response(accepted: &AcceptedBody) -> Response {
    let status = if accepted.is_new { StatusCode::ACCEPTED } else { StatusCode::OK };
    (status, json_response(accepted)).into_response()
}
