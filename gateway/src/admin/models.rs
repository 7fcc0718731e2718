//! `/admin/models/{id}`: where a model would fit, and taking it off this gateway's disk. Loading and keeping it is
//! [`super::loading`]'s.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::response::Response;
use hyper::StatusCode;
use pomona_actors::RemoveRefused;
use pomona_protocol::{ModelId, Principal};

use super::loading::MODEL_ID_BYTES_MAX;
use super::path_id;
use crate::errors::ApiError;
use crate::openai::answer::json_response;
use crate::state::Shared;

/// Where a model would fit: what a load of it does on each member, decided as a load decides it.
#[utoipa::path(
    get,
    path = "/admin/models/{id}/placement",
    params(("id" = String, Path, description = "what clients call the model")),
    responses(
        (status = 200, description = "`best`, and of each of `nodes`: whether it fits, what would be unloaded for it, or why not and how many bytes are missing"),
        (status = 400, description = "an id that cannot be taken", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such model", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn placement(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let model = ModelId(path_id(id, MODEL_ID_BYTES_MAX)?);
    Ok(json_response(&shared.handle.placement(&model).await?))
}

/// Takes a model off this gateway's disk, for good. Other members keep what they have.
#[utoipa::path(
    delete,
    path = "/admin/models/{id}",
    params(("id" = String, Path, description = "what clients call the model")),
    responses(
        (status = 204, description = "its files are gone"),
        (status = 400, description = "an id that cannot be taken", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such model lies in this gateway's models folder", body = crate::errors::ErrorBody),
        (status = 409, description = "it is loaded here, a download writes it, it lies outside of the models folder, or this gateway hosts no models", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the disk or the audit fails", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    let model = ModelId(path_id(id, MODEL_ID_BYTES_MAX)?);
    shared.handle.may_remove_model(&model).await.map_err(refused)?;
    // Written down before it is done, as every loss is.
    let sessions = shared.handle.sessions();
    if sessions.store().is_some() {
        sessions.audit(by, "model.removed", model.to_string(), String::new()).await?;
    }
    shared.handle.remove_model(&model).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

fn refused(refused: RemoveRefused) -> ApiError {
    let message = refused.to_string();
    match refused {
        RemoveRefused::Unknown { .. } => ApiError::new(StatusCode::NOT_FOUND, "model_not_found", message),
        RemoveRefused::Loaded { .. } => ApiError::new(StatusCode::CONFLICT, "model_loaded", message),
        RemoveRefused::Downloading { .. } => {
            ApiError::new(StatusCode::CONFLICT, "model_downloading", message)
        }
        RemoveRefused::Elsewhere { .. } => ApiError::new(StatusCode::CONFLICT, "model_elsewhere", message),
        RemoveRefused::Cause(cause) => cause.into(),
    }
}
