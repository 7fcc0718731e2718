//! `/admin/nodes`: the members of the cluster, by id or by name.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use hyper::StatusCode;
use pomona_protocol::NodeStatus;
use pomona_protocol::limits::NODE_NAME_BYTES_MAX;
use serde::{Deserialize, Serialize};

use super::{check_name, path_id};
use crate::body::read_json;
use crate::errors::ApiError;
use crate::openai::answer::json_response;
use crate::state::Shared;

#[derive(Serialize)]
struct NodeList {
    nodes: Vec<NodeStatus>,
}

/// A member's new name.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenameBody {
    /// 1 to 64 bytes of printable text.
    name: String,
}

/// Lists the members, this machine first.
#[utoipa::path(
    get,
    path = "/admin/nodes",
    responses(
        (status = 200, description = "`nodes`: id, name, role, state, path, memory, models and replicas of each"),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Result<Response, ApiError> {
    Ok(json_response(&NodeList { nodes: shared.handle.nodes().await? }))
}

/// One member.
#[utoipa::path(
    get,
    path = "/admin/nodes/{id}",
    params(("id" = String, Path, description = "the member's id or name")),
    responses(
        (status = 200, description = "its entry of the list"),
        (status = 400, description = "an id or a body that cannot be taken", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such member", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let id = path_id(id, NODE_NAME_BYTES_MAX)?;
    Ok(json_response(&shared.handle.node(&id).await?))
}

/// Takes a member out of the cluster, at once and for good: its certificate is worth nothing any more.
#[utoipa::path(
    delete,
    path = "/admin/nodes/{id}",
    params(("id" = String, Path, description = "the member's id or name")),
    responses(
        (status = 204, description = "it is no member any more; it comes back with a new token alone"),
        (status = 400, description = "an id or a body that cannot be taken", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such member", body = crate::errors::ErrorBody),
        (status = 409, description = "another gateway holds the authority", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    let id = path_id(id, NODE_NAME_BYTES_MAX)?;
    shared.handle.remove_node(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Has a member hand its turns over and take no new ones.
#[utoipa::path(
    post,
    path = "/admin/nodes/{id}/drain",
    params(("id" = String, Path, description = "the member's id or name")),
    responses(
        (status = 200, description = "its entry of the list; it drains"),
        (status = 400, description = "an id or a body that cannot be taken", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such member", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn drain(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let id = path_id(id, NODE_NAME_BYTES_MAX)?;
    Ok(json_response(&shared.handle.drain_node(&id, true).await?))
}

/// Lets a member that drained take turns again.
#[utoipa::path(
    post,
    path = "/admin/nodes/{id}/undrain",
    params(("id" = String, Path, description = "the member's id or name")),
    responses(
        (status = 200, description = "its entry of the list; it takes turns"),
        (status = 400, description = "an id or a body that cannot be taken", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such member", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn undrain(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let id = path_id(id, NODE_NAME_BYTES_MAX)?;
    Ok(json_response(&shared.handle.drain_node(&id, false).await?))
}

/// Gives a member another name.
#[utoipa::path(
    post,
    path = "/admin/nodes/{id}/rename",
    params(("id" = String, Path, description = "the member's id or name")),
    request_body = RenameBody,
    responses(
        (status = 200, description = "its entry of the list, under its new name"),
        (status = 400, description = "a name that cannot be taken", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such member", body = crate::errors::ErrorBody),
        (status = 409, description = "another gateway holds the authority", body = crate::errors::ErrorBody),
        (status = 408, description = "the body did not come in time", body = crate::errors::ErrorBody),
        (status = 413, description = "the body is too large", body = crate::errors::ErrorBody),
        (status = 415, description = "the body is not `application/json`", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn rename(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let id = path_id(id, NODE_NAME_BYTES_MAX)?;
    let body: RenameBody = read_json(request, &shared.limits).await?;
    check_name("name", &body.name)?;
    Ok(json_response(&shared.handle.rename_node(&id, &body.name).await?))
}
