//! `/v3/sessions` and `/v3/sessions/{id}`: making, finding, changing and deleting sessions.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use pomona_protocol::limits::SESSIONS_PAGE_MAX;
use pomona_protocol::v3::{ChangeBody, NewSessionBody, TurnBody};
use pomona_protocol::{ModelId, NewSession, Principal, SessionCommand, SessionQuery, SessionReply};

use crate::body::{read_json, read_json_or_default};
use crate::errors::ApiError;
use crate::openai::answer::json_response;
use crate::state::Shared;
use crate::v3::asking::{self, Address};
use crate::v3::bodies::{change, checked_title, new_session, new_session_id, page_body, session_body};
use crate::v3::extract::{Query, SessionPath, idempotency_key, parse_id};

/// Sessions on a page when the client does not say.
const PAGE_DEFAULT: u64 = 50;

/// Makes a session.
#[utoipa::path(
    post,
    path = "/v3/sessions",
    request_body(content = ref("#/components/schemas/NewSession"), content_type = "application/json"),
    params(("idempotency-key" = Option<String>, Header, description = "a repeated request with the same key answers with the same session", max_length = 255)),
    responses(
        (status = 201, description = "the session", content_type = "application/json"),
        (status = 200, description = "the session that the same key made before", content_type = "application/json"),
        (status = "4XX", description = "the session cannot be made like this", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the session cannot be made now; without a model in the body, none may be served yet", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    request: Request,
) -> Result<Response, ApiError> {
    let key = idempotency_key(request.headers())?;
    let body: NewSessionBody = read_json(request, &shared.limits).await?;
    let new = new_session(body, &shared.handle.models())?;
    make(&shared, by, key, new).await
}

/// Makes a session, once per key.
pub(crate) async fn make(
    shared: &Shared,
    by: Principal,
    key: Option<String>,
    new: NewSession,
) -> Result<Response, ApiError> {
    let to = Address::new(new_session_id(by, key.as_deref())?, by);
    let sessions = shared.handle.sessions();
    if key.is_some()
        && let Some(view) = asking::find(&sessions, to).await?
    {
        return Ok(json_response(&session_body(view)));
    }
    let view = asking::view(&sessions, to, SessionCommand::Create(new)).await?;
    Ok((StatusCode::CREATED, json_response(&session_body(view))).into_response())
}

/// Lists sessions, those with the newest event first. Everything that is asked for must hold.
#[utoipa::path(
    get,
    path = "/v3/sessions",
    params(
        ("text" = Option<String>, Query, description = "words that all stand in the title, the questions or the answers"),
        ("title" = Option<String>, Query, description = "a part of the title, in any case"),
        ("model" = Option<String>, Query, description = "the model, exactly"),
        ("tag" = Option<String>, Query, description = "a tag, exactly"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u64>, Query, description = "sessions on a page; 50 when left out", minimum = 1, maximum = 200),
    ),
    responses(
        (status = 200, description = "`sessions`, and `next` when there are more", content_type = "application/json"),
        (status = "4XX", description = "a parameter that cannot be taken", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the store cannot be read now", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    query: Query,
) -> Result<Response, ApiError> {
    let text = |name| query.text(name).map(|text| text.map(str::to_owned));
    let limit = query.number("limit", 1..=u64::from(SESSIONS_PAGE_MAX))?.unwrap_or(PAGE_DEFAULT);
    let query = SessionQuery {
        readable_by: Some(by),
        text: text("text")?,
        title: text("title")?,
        model: text("model")?.map(ModelId),
        tag: text("tag")?,
        cursor: text("cursor")?,
        limit: limit as u32,
    };
    Ok(json_response(&page_body(shared.handle.sessions().list(by, query).await?)))
}

/// One session with all its turns.
#[utoipa::path(
    get,
    path = "/v3/sessions/{id}",
    params(("id" = String, Path, description = "the session: `ses_` and 32 hex digits", pattern = "^ses_[0-9a-f]{32}$")),
    responses(
        (status = 200, description = "the session", content_type = "application/json"),
        (status = 400, description = "no session id", body = crate::errors::ErrorBody),
        (status = 404, description = "no such session, or somebody else's", body = crate::errors::ErrorBody),
        (status = "4XX", description = "the request cannot be served", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the session cannot be read now", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    SessionPath(session): SessionPath,
) -> Result<Response, ApiError> {
    let sessions = shared.handle.sessions();
    let view = asking::view(&sessions, Address::new(session, by), SessionCommand::Show).await?;
    Ok(json_response(&session_body(view)))
}

/// Changes a session; what is left out stays.
#[utoipa::path(
    patch,
    path = "/v3/sessions/{id}",
    params(("id" = String, Path, description = "the session: `ses_` and 32 hex digits", pattern = "^ses_[0-9a-f]{32}$")),
    request_body(content = ref("#/components/schemas/Change"), content_type = "application/json"),
    responses(
        (status = 200, description = "the session as it is now", content_type = "application/json"),
        (status = 400, description = "no session id, or a value that cannot be taken", body = crate::errors::ErrorBody),
        (status = 403, description = "the session may be read alone, or this change is its owner's", body = crate::errors::ErrorBody),
        (status = 404, description = "no such session, or somebody else's", body = crate::errors::ErrorBody),
        (status = 409, description = "the log does not end at `expected_seq`", body = crate::errors::ErrorBody),
        (status = "4XX", description = "the request cannot be served", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the session cannot be written now", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn update(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    SessionPath(session): SessionPath,
    request: Request,
) -> Result<Response, ApiError> {
    let body: ChangeBody = read_json(request, &shared.limits).await?;
    let (change, expected_seq) = change(body)?;
    let sessions = shared.handle.sessions();
    let to = Address::new(session, by);
    asking::done(&sessions, Address { expected_seq, ..to }, SessionCommand::Update(change)).await?;
    let view = asking::view(&sessions, to, SessionCommand::Show).await?;
    Ok(json_response(&session_body(view)))
}

/// Deletes a session with everything that was said in it, for good. Its owner's alone.
#[utoipa::path(
    delete,
    path = "/v3/sessions/{id}",
    params(("id" = String, Path, description = "the session: `ses_` and 32 hex digits", pattern = "^ses_[0-9a-f]{32}$")),
    responses(
        (status = 200, description = "it is gone", content_type = "application/json"),
        (status = 400, description = "no session id", body = crate::errors::ErrorBody),
        (status = 403, description = "it is somebody else's, who shares it", body = crate::errors::ErrorBody),
        (status = 404, description = "no such session, or somebody else's", body = crate::errors::ErrorBody),
        (status = "4XX", description = "the request cannot be served", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the session cannot be deleted now", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    SessionPath(session): SessionPath,
) -> Result<Response, ApiError> {
    let sessions = shared.handle.sessions();
    let done = asking::done(&sessions, Address::new(session, by), SessionCommand::Delete).await?;
    Ok(json_response(&done))
}

/// Makes a session that goes on where another one was.
#[utoipa::path(
    post,
    path = "/v3/sessions/{id}/fork",
    params(
        ("id" = String, Path, description = "the session: `ses_` and 32 hex digits", pattern = "^ses_[0-9a-f]{32}$"),
        ("idempotency-key" = Option<String>, Header, description = "a repeated request with the same key answers with the same session", max_length = 255),
    ),
    request_body(content = ref("#/components/schemas/Fork"), content_type = "application/json"),
    responses(
        (status = 201, description = "the new session, which is the asker's own", content_type = "application/json"),
        (status = 200, description = "the session that the same key made before", content_type = "application/json"),
        (status = 400, description = "no session id, or a value that cannot be taken", body = crate::errors::ErrorBody),
        (status = 404, description = "no such session or turn, or somebody else's", body = crate::errors::ErrorBody),
        (status = "4XX", description = "the request cannot be served", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the session cannot be made now", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn fork(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    SessionPath(session): SessionPath,
    request: Request,
) -> Result<Response, ApiError> {
    let key = idempotency_key(request.headers())?;
    let body: TurnBody = read_json_or_default(request, &shared.limits).await?;
    let turn = body.turn.map(|turn| parse_id("turn", &turn)).transpose()?;
    let title = body.title.map(checked_title).transpose()?;
    let to = new_session_id(by, key.as_deref())?;
    let sessions = shared.handle.sessions();
    if key.is_some()
        && let Some(view) = asking::find(&sessions, Address::new(to, by)).await?
    {
        return Ok(json_response(&session_body(view)));
    }
    match sessions.fork(session, by, turn, title, to).await? {
        SessionReply::View(view) => {
            Ok((StatusCode::CREATED, json_response(&session_body(*view))).into_response())
        }
        other => Err(asking::unexpected(&other).into()),
    }
}
