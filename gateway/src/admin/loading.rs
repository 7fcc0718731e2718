//! `/admin/models/{id}/load`, `/unload`, `/pin` and `/unpin`: which models are to be ready, where, and which of them
//! stay. The first two return before it is done; `GET /admin/nodes` shows how far it is. The audit notes who asked.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Request, State};
use hyper::StatusCode;
use pomona_protocol::{ModelId, Principal};
use serde::Deserialize;

use super::{check_name, path_id};
use crate::body::read_json;
use crate::errors::ApiError;
use crate::state::Shared;

/// Longest name of a model that is looked for.
pub(super) const MODEL_ID_BYTES_MAX: usize = 256;

/// Where. An empty body means anywhere.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhereBody {
    /// Id or name of a member; when absent, the best place for a load and every place for an unload.
    node: Option<String>,
}

/// Has a model loaded. On a member that is named room is made as anywhere: by unloading what nobody uses.
#[utoipa::path(
    post,
    path = "/admin/models/{id}/load",
    params(("id" = String, Path, description = "what clients call the model")),
    request_body = Option<WhereBody>,
    responses(
        (status = 202, description = "it will be loaded"),
        (status = 400, description = "an id or a body that cannot be taken", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such model, or no such member", body = crate::errors::ErrorBody),
        (status = 409, description = "the member does not host models", body = crate::errors::ErrorBody),
        (status = 408, description = "the body did not come in time", body = crate::errors::ErrorBody),
        (status = 413, description = "the body is too large", body = crate::errors::ErrorBody),
        (status = 415, description = "the body is not `application/json`", body = crate::errors::ErrorBody),
        (status = 503, description = "it fits nowhere, or not on that member, also after unloading what nobody uses; the message says how many bytes are missing", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn load(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
    request: Request<Body>,
) -> Result<StatusCode, ApiError> {
    let (model, node) = asked(&shared, id, request).await?;
    note(&shared, by, "model.loaded", &model, node.as_deref()).await?;
    shared.handle.load_model(&model, node.as_deref()).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Has the replicas of a model ended.
#[utoipa::path(
    post,
    path = "/admin/models/{id}/unload",
    params(("id" = String, Path, description = "what clients call the model")),
    request_body = Option<WhereBody>,
    responses(
        (status = 202, description = "its replicas take no new turns and end"),
        (status = 400, description = "an id or a body that cannot be taken", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such model, or no such member", body = crate::errors::ErrorBody),
        (status = 408, description = "the body did not come in time", body = crate::errors::ErrorBody),
        (status = 413, description = "the body is too large", body = crate::errors::ErrorBody),
        (status = 415, description = "the body is not `application/json`", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn unload(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
    request: Request<Body>,
) -> Result<StatusCode, ApiError> {
    let (model, node) = asked(&shared, id, request).await?;
    note(&shared, by, "model.unloaded", &model, node.as_deref()).await?;
    shared.handle.unload_model(&model, node.as_deref()).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Has a model stay once it is loaded: it is ended neither to make room nor for being idle.
#[utoipa::path(
    post,
    path = "/admin/models/{id}/pin",
    params(("id" = String, Path, description = "what clients call the model")),
    request_body = Option<WhereBody>,
    responses(
        (status = 204, description = "the member keeps it, or every member that has it, over restarts as well"),
        (status = 400, description = "an id or a body that cannot be taken", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such model, or no such member", body = crate::errors::ErrorBody),
        (status = 409, description = "the member does not host models", body = crate::errors::ErrorBody),
        (status = 408, description = "the body did not come in time", body = crate::errors::ErrorBody),
        (status = 413, description = "the body is too large", body = crate::errors::ErrorBody),
        (status = 415, description = "the body is not `application/json`", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn pin(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
    request: Request<Body>,
) -> Result<StatusCode, ApiError> {
    let (model, node) = asked(&shared, id, request).await?;
    note(&shared, by, "model.pinned", &model, node.as_deref()).await?;
    shared.handle.pin_model(&model, node.as_deref(), true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes that back.
#[utoipa::path(
    post,
    path = "/admin/models/{id}/unpin",
    params(("id" = String, Path, description = "what clients call the model")),
    request_body = Option<WhereBody>,
    responses(
        (status = 204, description = "what the configuration pins stays pinned"),
        (status = 400, description = "an id or a body that cannot be taken", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such model, or no such member", body = crate::errors::ErrorBody),
        (status = 409, description = "the member does not host models", body = crate::errors::ErrorBody),
        (status = 408, description = "the body did not come in time", body = crate::errors::ErrorBody),
        (status = 413, description = "the body is too large", body = crate::errors::ErrorBody),
        (status = 415, description = "the body is not `application/json`", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn unpin(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
    request: Request<Body>,
) -> Result<StatusCode, ApiError> {
    let (model, node) = asked(&shared, id, request).await?;
    note(&shared, by, "model.unpinned", &model, node.as_deref()).await?;
    shared.handle.pin_model(&model, node.as_deref(), false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Writes down who asks for what, before it is done.
async fn note(
    shared: &Shared,
    by: Principal,
    action: &str,
    model: &ModelId,
    node: Option<&str>,
) -> Result<(), ApiError> {
    let place = node.unwrap_or("anywhere").to_owned();
    Ok(shared.handle.sessions().audit(by, action, model.to_string(), place).await?)
}

/// The model of the path and the member of the body.
async fn asked(
    shared: &Shared,
    id: Result<Path<String>, PathRejection>,
    request: Request<Body>,
) -> Result<(ModelId, Option<String>), ApiError> {
    let model = ModelId(path_id(id, MODEL_ID_BYTES_MAX)?);
    if request.body().is_end_stream() {
        return Ok((model, None));
    }
    let body: WhereBody = read_json(request, &shared.limits).await?;
    if let Some(node) = &body.node {
        check_name("node", node)?;
    }
    Ok((model, body.node))
}
