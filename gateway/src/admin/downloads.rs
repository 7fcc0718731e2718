//! `/admin/downloads`: models that this gateway takes from a hub. How far they are comes with the feed as well. The
//! audit notes who asked for what.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use pomona_actors::{DownloadRefused, NewDownload};
use pomona_protocol::{Download, DownloadId, Principal};
use serde::{Deserialize, Serialize};

use super::path_id;
use crate::body::read_json;
use crate::errors::ApiError;
use crate::openai::answer::json_response;
use crate::state::Shared;
use crate::v3::extract::parse_id;

/// Bytes of a download's id.
const ID_BYTES_MAX: usize = 64;

/// What is to be taken.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DownloadBody {
    /// `owner/name` or `owner/name@revision`.
    repo: String,
    /// Which file of it, with `*` and `?`; what the repository is for when absent.
    file: Option<String>,
    /// What clients are to call the model.
    name: Option<String>,
}

#[derive(Serialize)]
struct DownloadList {
    downloads: Vec<Download>,
}

/// Lists downloads, the newest first.
#[utoipa::path(
    get,
    path = "/admin/downloads",
    responses(
        (status = 200, description = "`downloads`: repository, model, state, bytes, speed, seconds left and error of each"),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Response {
    json_response(&DownloadList { downloads: shared.handle.fleet().downloads })
}

/// Takes a download on. The same one that is under way is answered in its place.
#[utoipa::path(
    post,
    path = "/admin/downloads",
    request_body = DownloadBody,
    responses(
        (status = 202, description = "the download"),
        (status = 200, description = "the same download, which is under way already"),
        (status = 400, description = "a value that cannot be taken", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 408, description = "the body did not come in time", body = crate::errors::ErrorBody),
        (status = 409, description = "this gateway hosts no models", body = crate::errors::ErrorBody),
        (status = 413, description = "the body is too large", body = crate::errors::ErrorBody),
        (status = 415, description = "the body is not `application/json`", body = crate::errors::ErrorBody),
        (status = 503, description = "too many downloads wait", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let DownloadBody { repo, file, name } = read_json(request, &shared.limits).await?;
    let new = NewDownload { repo, file, name, by };
    let (download, is_new) = shared.handle.download(new).await.map_err(refused)?;
    if !is_new {
        return Ok(json_response(&download));
    }
    note(&shared, by, "download.started", &download).await?;
    Ok((StatusCode::ACCEPTED, json_response(&download)).into_response())
}

/// Stops a download; what is on the disk stays.
#[utoipa::path(
    post,
    path = "/admin/downloads/{id}/pause",
    params(("id" = String, Path, description = "the download's id")),
    responses(
        (status = 200, description = "the download, which stands still"),
        (status = 400, description = "an id that is none", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such download", body = crate::errors::ErrorBody),
        (status = 409, description = "it is over, or this gateway hosts no models", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn pause(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let id = read_id(id)?;
    let download = shared.handle.pause_download(id).await.map_err(refused)?;
    note(&shared, by, "download.paused", &download).await?;
    Ok(json_response(&download))
}

/// Goes on with a download that was stopped or failed.
#[utoipa::path(
    post,
    path = "/admin/downloads/{id}/resume",
    params(("id" = String, Path, description = "the download's id")),
    responses(
        (status = 200, description = "the download, which runs or waits"),
        (status = 400, description = "an id that is none", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such download", body = crate::errors::ErrorBody),
        (status = 409, description = "it is done, or this gateway hosts no models", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn resume(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let id = read_id(id)?;
    let download = shared.handle.resume_download(id).await.map_err(refused)?;
    note(&shared, by, "download.resumed", &download).await?;
    Ok(json_response(&download))
}

/// Takes a download off the list: an unfinished one ends and leaves nothing, a model that is done stays.
#[utoipa::path(
    delete,
    path = "/admin/downloads/{id}",
    params(("id" = String, Path, description = "the download's id")),
    responses(
        (status = 204, description = "it is not listed any more"),
        (status = 400, description = "an id that is none", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such download", body = crate::errors::ErrorBody),
        (status = 409, description = "this gateway hosts no models", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    let id = read_id(id)?;
    shared.handle.remove_download(id).await.map_err(refused)?;
    audit(&shared, by, "download.removed", &id.to_string(), "").await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read_id(id: Result<Path<String>, PathRejection>) -> Result<DownloadId, ApiError> {
    parse_id("id", &path_id(id, ID_BYTES_MAX)?)
}

fn refused(refused: DownloadRefused) -> ApiError {
    match refused {
        DownloadRefused::Invalid { parameter, message } => ApiError::invalid(parameter, message),
        DownloadRefused::Unknown => {
            let message = "there is no such download; GET /admin/downloads lists those there are";
            ApiError::new(StatusCode::NOT_FOUND, "download_not_found", message)
        }
        DownloadRefused::Ended => {
            let message = "this download is over; remove it from the list, or ask for it again";
            ApiError::new(StatusCode::CONFLICT, "download_ended", message)
        }
        DownloadRefused::TooMany { waiting_max } => {
            ApiError::overloaded(&format!("{waiting_max} downloads wait already; remove some"))
        }
        DownloadRefused::Cause(cause) => cause.into(),
    }
}

async fn note(shared: &Shared, by: Principal, action: &str, download: &Download) -> Result<(), ApiError> {
    audit(shared, by, action, &download.id.to_string(), &download.repo).await
}

async fn audit(
    shared: &Shared,
    by: Principal,
    action: &str,
    object: &str,
    detail: &str,
) -> Result<(), ApiError> {
    let sessions = shared.handle.sessions();
    if sessions.store().is_none() {
        return Ok(());
    }
    Ok(sessions.audit(by, action, object.to_owned(), detail.to_owned()).await?)
}
