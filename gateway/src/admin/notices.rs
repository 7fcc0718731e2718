//! `/admin/notifications`: what an admin should hear of, and saying that somebody has seen to it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use hyper::StatusCode;
use pomona_protocol::{Notice, NoticeId, Principal};
use serde::Serialize;

use super::path_id;
use crate::errors::ApiError;
use crate::openai::answer::json_response;
use crate::state::Shared;
use crate::v3::extract::{Query, parse_id};

/// Notices of one answer at most.
const NOTICES_MAX: u32 = 10_000;
/// Notices of one answer when the client does not say.
const NOTICES_DEFAULT: u64 = 100;
/// Bytes of a notice's id.
const ID_BYTES_MAX: usize = 64;

#[derive(Serialize)]
struct NoticeList {
    notifications: Vec<Notice>,
}

/// Lists notices, the newest first.
#[utoipa::path(
    get,
    path = "/admin/notifications",
    params(
        ("limit" = Option<u64>, Query, description = "notices; 100 when left out", minimum = 1, maximum = 10000),
        ("open" = Option<bool>, Query, description = "true: only those that nobody has acknowledged"),
    ),
    responses(
        (status = 200, description = "`notifications`: id, time, kind, severity, node, model, message, repeats and who acknowledged each"),
        (status = 400, description = "a parameter that cannot be taken", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the store cannot be read now", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn list(State(shared): State<Arc<Shared>>, query: Query) -> Result<Response, ApiError> {
    let limit = query.number("limit", 1..=u64::from(NOTICES_MAX))?.unwrap_or(NOTICES_DEFAULT);
    let only_open = query.flag("open")?.unwrap_or(false);
    let all = shared.handle.notices(NOTICES_MAX).await?;
    let wanted = all.into_iter().filter(|notice| !only_open || notice.acknowledged.is_none());
    Ok(json_response(&NoticeList { notifications: wanted.take(limit as usize).collect() }))
}

/// Says that somebody has seen to a notice. A second time changes nothing.
#[utoipa::path(
    post,
    path = "/admin/notifications/{id}/ack",
    params(("id" = String, Path, description = "the notice's id")),
    responses(
        (status = 200, description = "the notice, with who acknowledged it"),
        (status = 400, description = "an id that is none", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such notice", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the store cannot be read now", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn acknowledge(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let id: NoticeId = parse_id("id", &path_id(id, ID_BYTES_MAX)?)?;
    match shared.handle.acknowledge(id, by).await? {
        Some(notice) => Ok(json_response(&notice)),
        None => {
            let message = format!("there is no notice {id}; GET /admin/notifications lists those there are");
            Err(ApiError::new(StatusCode::NOT_FOUND, "notice_not_found", message))
        }
    }
}
