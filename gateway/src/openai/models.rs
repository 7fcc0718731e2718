//! `GET /v1/models`: what can be asked, in OpenAI's shape, with the card of each model under `pomona`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use pomona_protocol::{Cause, ModelCard, ModelId};
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

fn body(created: u64, card: &ModelCard) -> ModelBody<'_> {
    ModelBody { id: &card.id.0, object: "model", created, owned_by: "pomona", pomona: card }
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
    json_response(&model_list(&shared.handle.models(), shared.started_unix))
}

/// Each model once, however many members have it; the first card speaks for all.
fn model_list(cards: &[ModelCard], created: u64) -> ModelList<'_> {
    let mut seen = BTreeSet::new();
    let cards = cards.iter().filter(|card| seen.insert(&card.id));
    ModelList { object: "list", data: cards.map(|card| body(created, card)).collect() }
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
        Some(card) => Ok(json_response(&body(shared.started_unix, card))),
        None => Err(unknown(&id, &cards).into()),
    }
}

/// Refuses a model that is not served here, before something lasting is made for it. As long as no model is loaded yet,
/// nobody can tell.
pub(crate) fn check_served(shared: &Shared, model: &ModelId) -> Result<(), Cause> {
    let cards = shared.handle.models();
    if cards.is_empty() || cards.iter().any(|card| card.id == *model) {
        return Ok(());
    }
    Err(unknown(&model.0, &cards))
}

fn unknown(model: &str, cards: &[ModelCard]) -> Cause {
    let known: BTreeSet<&str> = cards.iter().map(|card| card.id.0.as_str()).collect();
    let known = known.into_iter().map(str::to_owned).collect();
    Cause::UnknownModel { model: model.chars().take(100).collect(), known }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(id: &str, dtype: &str) -> ModelCard {
        ModelCard {
            id: id.into(),
            architecture: "qwen3".to_owned(),
            parameters: 1,
            dtype: dtype.to_owned(),
            context_tokens: 1,
            vocabulary: 1,
            weight_bytes: 1,
            kv_bytes_per_token: 1,
            ..ModelCard::default()
        }
    }

    #[test]
    fn a_model_of_many_members_is_listed_once() {
        let cards = [card("b", "bf16"), card("a", "f32"), card("b", "f32"), card("c", "bf16")];
        let list = serde_json::to_value(model_list(&cards, 5)).unwrap();
        let entries = list["data"].as_array().unwrap().iter();
        let entries: Vec<_> = entries.map(|entry| (&entry["id"], &entry["pomona"]["dtype"])).collect();
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[0].0, "b");
        assert_eq!(entries[0].1, "bf16", "the first card speaks for all");
        assert_eq!((entries[1].0, entries[2].0), (&"a".into(), &"c".into()));
        assert_eq!(serde_json::to_value(model_list(&[], 5)).unwrap()["data"], serde_json::json!([]));
    }
}
