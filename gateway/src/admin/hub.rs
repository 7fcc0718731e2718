//! `/admin/hub`: what the hub has that downloads come from, so that a person can choose. The gateway asks on behalf of
//! a page, with its own token, which it tells nobody.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use pomona_actors::{HubFailure, HubRefused};

use crate::errors::ApiError;
use crate::openai::answer::json_response;
use crate::state::Shared;
use crate::v3::extract::Query;

/// Bytes of what is searched for.
const TEXT_BYTES_MAX: usize = 200;
/// Models of one answer at most.
const MODELS_MAX: u64 = 50;
/// Models of one answer when the client does not say.
const MODELS_DEFAULT: u64 = 20;

/// Looks for models at the hub.
#[utoipa::path(
    get,
    path = "/admin/hub/models",
    params(
        ("q" = String, Query, description = "what names or tags hold, 1 to 200 bytes"),
        ("limit" = Option<u64>, Query, description = "models; 20 when left out", minimum = 1, maximum = 50),
    ),
    responses(
        (status = 200, description = "`hub` and `models`: repository, downloads, likes, age, tags and whether it asks for consent; `has_search` is false where the hub has none"),
        (status = 400, description = "a parameter that cannot be taken", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 409, description = "this gateway hosts no models, or knows no hub", body = crate::errors::ErrorBody),
        (status = 502, description = "the hub does not answer, or not as it should", body = crate::errors::ErrorBody),
        (status = 503, description = "too many ask the hub already", body = crate::errors::ErrorBody),
        (status = 504, description = "the hub takes too long", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn search(State(shared): State<Arc<Shared>>, query: Query) -> Result<Response, ApiError> {
    let text = query.text("q")?.map(str::trim).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| ApiError::invalid("q", "q is missing; it says what to look for"))?;
    if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
        let allowed = format!("1 to {TEXT_BYTES_MAX} bytes of printable text");
        let message = format!("q has {} bytes; allowed are {allowed}", text.len());
        return Err(ApiError::invalid("q", message));
    }
    let limit = query.number("limit", 1..=MODELS_MAX)?.unwrap_or(MODELS_DEFAULT);
    let found = shared.handle.search_hub(text, limit as usize).await.map_err(refused)?;
    Ok(unkept(json_response(&found)))
}

/// What a repository of the hub offers.
#[utoipa::path(
    get,
    path = "/admin/hub/model",
    params(("repo" = String, Query, description = "`owner/name` or `owner/name@revision`")),
    responses(
        (status = 200, description = "`choices` with pattern, name, format, quantisation, files and bytes of each, the `default` among them, and the room on this gateway's disk"),
        (status = 400, description = "a parameter that cannot be taken", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "the hub has no such repository or revision", body = crate::errors::ErrorBody),
        (status = 409, description = "this gateway hosts no models, or knows no hub", body = crate::errors::ErrorBody),
        (status = 502, description = "the hub does not answer, or not as it should, or gives it to nobody like us", body = crate::errors::ErrorBody),
        (status = 503, description = "too many ask the hub already", body = crate::errors::ErrorBody),
        (status = 504, description = "the hub takes too long", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn look(State(shared): State<Arc<Shared>>, query: Query) -> Result<Response, ApiError> {
    let repo = query.text("repo")?;
    let repo = repo.ok_or_else(|| ApiError::invalid("repo", "repo is missing; it is owner/name"))?;
    let offered = shared.handle.look_at_hub(repo).await.map_err(refused)?;
    Ok(unkept(json_response(&offered)))
}

/// What a hub says is true for a moment.
fn unkept(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refused(refused: HubRefused) -> ApiError {
    match refused {
        HubRefused::Repo { message } => ApiError::invalid("repo", message),
        HubRefused::Busy { questions_max } => {
            ApiError::overloaded(&format!("{questions_max} questions to the hub run already"))
        }
        HubRefused::NoHub => {
            let message = "this gateway knows no hub: HF_TOKEN or HF_ENDPOINT of its process makes no sense, and its log says why";
            ApiError::new(StatusCode::CONFLICT, "no_hub", message)
        }
        HubRefused::Hub { failure, message } => {
            // A refusal of the hub is none of ours: 401 and 403 would send people to sign in here.
            let (status, code) = match failure {
                HubFailure::Unreachable => (StatusCode::BAD_GATEWAY, "hub_unreachable"),
                HubFailure::Late => (StatusCode::GATEWAY_TIMEOUT, "hub_timeout"),
                HubFailure::Unknown => (StatusCode::NOT_FOUND, "hub_model_not_found"),
                HubFailure::Denied => (StatusCode::BAD_GATEWAY, "hub_denied"),
                HubFailure::Invalid => (StatusCode::BAD_GATEWAY, "hub_invalid"),
            };
            ApiError::new(status, code, message)
        }
        HubRefused::Cause(cause) => cause.into(),
    }
}
