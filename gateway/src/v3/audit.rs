//! `GET /v3/audit`: who did what, as far as it was the asker.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use pomona_protocol::{Cause, Principal};
use serde::Serialize;

use crate::errors::ApiError;
use crate::openai::answer::json_response;
use crate::state::Shared;
use crate::v3::extract::{Query, SEQ_MAX};

/// Lines of one answer at most.
const LINES_MAX: u32 = 1000;
/// Lines of one answer when the client does not say.
const LINES_DEFAULT: u64 = 100;

/// Some lines of the audit.
#[derive(Serialize)]
struct AuditBody {
    lines: Vec<AuditLine>,
    /// `after` for the lines behind these; missing when there are none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// Who did what.
#[derive(Serialize)]
struct AuditLine {
    /// From 1; lines of other keys leave gaps.
    number: u64,
    at: u64,
    by: String,
    action: String,
    object: String,
    detail: String,
    /// SHA-256 over the hash of the line before and this one, in hex.
    hash: String,
}

/// Lists what the asking key did, the oldest first.
#[utoipa::path(
    get,
    path = "/v3/audit",
    params(
        ("after" = Option<u64>, Query, description = "the last line that the client has, 0 for none", maximum = 9223372036854775807_f64),
        ("limit" = Option<u64>, Query, description = "lines; 100 when left out", minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, description = "`lines`: number, at, by, action, object, detail and hash of each; `next` when there may be more", content_type = "application/json"),
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
    let after = query.number("after", 0..=SEQ_MAX)?.unwrap_or(0);
    let limit = query.number("limit", 1..=u64::from(LINES_MAX))?.unwrap_or(LINES_DEFAULT);
    let missing = || Cause::StoreFailed { message: "this gateway has none".to_owned() };
    let store = shared.handle.sessions().store().ok_or_else(missing)?;
    let records = store.audit_lines(after, limit as u32, Some(by)).await.map_err(Cause::from)?;
    let is_full = records.len() as u64 == limit;
    let next = records.last().filter(|_| is_full).map(|record| record.number);
    let lines = records.into_iter().map(|record| AuditLine {
        number: record.number,
        at: record.entry.at_ms,
        by: record.entry.by.to_string(),
        action: record.entry.action,
        object: record.entry.object,
        detail: record.entry.detail,
        hash: record.hash,
    });
    Ok(json_response(&AuditBody { lines: lines.collect(), next }))
}
