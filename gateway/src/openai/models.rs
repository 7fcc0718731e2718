//! `GET /v1/models`: what can be asked, in OpenAI's shape, with the card of each model under `pomona`.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use pomona_protocol::{Cause, ModelCard};
use serde::Serialize;

use crate::errors::ApiError;
use crate::openai::answer::json_response;
use crate::state::Shared;

#[derive(Serialize)]
struct ModelList<'a> {
    object: &'static str,
    data: Vec<ModelBody<'a>>,
}

#[derive(Serialize)]
struct ModelBody<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
    pomona: &'a ModelCard,
}

fn body<'a>(shared: &Shared, card: &'a ModelCard) -> ModelBody<'a> {
    ModelBody {
        id: &card.id.0,
        object: "model",
        created: shared.started_unix,
        owned_by: "pomona",
        pomona: card,
    }
}

/// Lists the models that can be asked.
#[utoipa::path(
    get,
    path = "/v1/models",
    responses(
        (status = 200, description = "OpenAI's model list; each entry has its capability card under `pomona`"),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Response {
    let cards = shared.handle.models();
    json_response(&ModelList { object: "list", data: cards.iter().map(|card| body(&shared, card)).collect() })
}

/// One model.
#[utoipa::path(
    get,
    path = "/v1/models/{id}",
    params(("id" = String, Path, description = "what clients call the model")),
    responses(
        (status = 200, description = "the entry of the model list"),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such model", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::invalid("id", "the id is no valid text"))?;
    let cards = shared.handle.models();
    match cards.iter().find(|card| card.id.0 == id) {
        Some(card) => Ok(json_response(&body(&shared, card))),
        None => {
            let known = cards.iter().map(|card| card.id.0.clone()).collect();
            Err(Cause::UnknownModel { model: id.chars().take(100).collect(), known }.into())
        }
    }
}
