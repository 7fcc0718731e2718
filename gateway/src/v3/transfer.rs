//! `/v3/sessions/{id}/export` and `/v3/sessions/import`: a conversation as a file, and back.
//!
//! What is exported is the active branch, turns that have ended; what is imported becomes a new session.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use pomona_config::{ApiConfig, SessionConfig};
use pomona_protocol::said::check_marks;
use pomona_protocol::v3::{
    ExportBody, ExportTurn, InputBody, MessageBody, NewSessionBody, mark_bodies, marks_of,
};
use pomona_protocol::{ImportedTurn, NewSession, Principal, SessionCommand, SessionView, TurnView};

use crate::body::read_json;
use crate::errors::ApiError;
use crate::openai::answer::json_response;
use crate::state::Shared;
use crate::v3::asking::{self, Address};
use crate::v3::bodies::{checked_model, messages, new_session};
use crate::v3::extract::{Query, SessionPath, idempotency_key};
use crate::v3::markdown::markdown;
use crate::v3::sessions::make;

/// Names the format of a file, and its version.
const FORMAT: &str = "pomona.session.v3";
/// Longest part of a file's name that comes from a title, in bytes.
const FILE_NAME_BYTES_MAX: usize = 60;

/// A session as a file: its active branch, with the answers.
#[utoipa::path(
    get,
    path = "/v3/sessions/{id}/export",
    params(
        ("id" = String, Path, description = "the session: `ses_` and 32 hex digits", pattern = "^ses_[0-9a-f]{32}$"),
        ("format" = Option<String>, Query, description = "`json` (when left out), which can be imported again, or `md`, for reading", pattern = "^(json|md)?$"),
    ),
    responses(
        (status = 200, description = "the file", content((serde_json::Value = "application/json"), (String = "text/markdown"))),
        (status = 400, description = "no session id, or no such format", body = crate::errors::ErrorBody),
        (status = 404, description = "no such session, or somebody else's", body = crate::errors::ErrorBody),
        (status = "4XX", description = "the request cannot be served", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the session cannot be read now", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn export(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    SessionPath(session): SessionPath,
    query: Query,
) -> Result<Response, ApiError> {
    let format = query.text("format")?.unwrap_or("json");
    if !matches!(format, "json" | "md") {
        let shown: String = format.chars().take(40).collect();
        return Err(ApiError::invalid("format", format!("format is `{shown}`; known are json and md")));
    }
    let sessions = shared.handle.sessions();
    let view = asking::view(&sessions, Address::new(session, by), SessionCommand::Show).await?;
    sessions.audit(by, "session.exported", session.to_string(), format.to_owned()).await?;
    let file_name = file_name(&view, format);
    let mut response = if format == "md" {
        let mut response = Response::new(axum::body::Body::from(markdown(&view)));
        let kind = HeaderValue::from_static("text/markdown; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    } else {
        json_response(&export_body(view))
    };
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{file_name}\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// Makes a session from a file.
#[utoipa::path(
    post,
    path = "/v3/sessions/import",
    params(("idempotency-key" = Option<String>, Header, description = "a repeated request with the same key answers with the same session", max_length = 255)),
    request_body(content = ref("#/components/schemas/Export"), content_type = "application/json"),
    responses(
        (status = 201, description = "the session", content_type = "application/json"),
        (status = 200, description = "the session that the same key made before", content_type = "application/json"),
        (status = "4XX", description = "this is no session of a known format, or one beyond a limit", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the session cannot be made now", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn import(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    request: Request,
) -> Result<Response, ApiError> {
    let key = idempotency_key(request.headers())?;
    let body: ExportBody = read_json(request, &shared.limits).await?;
    let new = imported(body, &shared.api, &shared.session)?;
    make(&shared, by, key, new).await
}

/// Turns of the active branch that have ended, the first one first.
pub(crate) fn branch(view: &SessionView) -> Vec<&TurnView> {
    let by_id: HashMap<_, _> = view.turns.iter().map(|turn| (turn.turn, turn)).collect();
    let turn = |id| by_id.get(&id).copied();
    let last = view.active.and_then(turn);
    // Bounded, whatever the parents say.
    let back = std::iter::successors(last, |each| each.parent.and_then(turn)).take(view.turns.len());
    let mut turns: Vec<_> = back.filter(|turn| turn.state.is_ended()).collect();
    turns.reverse();
    turns
}

fn export_body(view: SessionView) -> ExportBody {
    let turns = branch(&view).into_iter().map(|turn| ExportTurn {
        input: turn.input.iter().cloned().map(MessageBody::from).collect(),
        answer: turn.answer.clone(),
        marks: mark_bodies(&turn.marks),
        model: turn.model.0.clone(),
        usage: turn.usage,
    });
    let turns = turns.collect();
    ExportBody {
        format: FORMAT.to_owned(),
        title: view.title,
        tags: view.tags,
        model: view.settings.model.0,
        system: view.settings.system,
        turns,
    }
}

fn imported(body: ExportBody, api: &ApiConfig, limits: &SessionConfig) -> Result<NewSession, ApiError> {
    if body.format != FORMAT {
        let shown: String = body.format.chars().take(40).collect();
        let message = format!("format is `{shown}`; this server reads `{FORMAT}`");
        return Err(ApiError::invalid("format", message));
    }
    let (given, turns_max) = (body.turns.len(), limits.turns_max);
    if given > turns_max as usize {
        let message =
            format!("turns has {given} entries; at most {turns_max} are allowed (session.turns_max)");
        return Err(ApiError::invalid("turns", message));
    }
    let settings = NewSessionBody {
        title: Some(body.title),
        tags: body.tags,
        model: Some(body.model),
        system: body.system,
        ..NewSessionBody::default()
    };
    let turns = body.turns.into_iter().enumerate().map(|(index, turn)| {
        imported_turn(turn, api.messages_max).map_err(|error| error.within(&format!("turns[{index}]")))
    });
    Ok(NewSession { turns: turns.collect::<Result<_, _>>()?, ..new_session(settings, &[])? })
}

fn imported_turn(turn: ExportTurn, messages_max: u32) -> Result<ImportedTurn, ApiError> {
    let marks = marks_of(&turn.marks);
    check_marks(&turn.answer, &marks)
        .map_err(|wrong| ApiError::invalid("marks", format!("marks do not fit the answer: {wrong}")))?;
    Ok(ImportedTurn {
        input: messages(InputBody::Messages(turn.input), messages_max)?,
        answer: turn.answer,
        marks,
        model: checked_model(Some(turn.model), &[])?,
        usage: turn.usage,
    })
}

/// A name that every file system and every header takes: letters, digits and single hyphens.
fn file_name(view: &SessionView, format: &str) -> String {
    let mut name = String::new();
    for letter in view.title.chars().flat_map(char::to_lowercase) {
        if name.len() >= FILE_NAME_BYTES_MAX {
            break;
        }
        if letter.is_ascii_alphanumeric() {
            name.push(letter);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() { format!("{}.{format}", view.id) } else { format!("{name}.{format}") }
}

#[cfg(test)]
mod tests;
