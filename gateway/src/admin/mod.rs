//! What operators and load balancers ask: is it alive, is it ready, what does it measure, what is going on.
//!
//! [`nodes`], [`tokens`], [`models`] and [`loading`] change the cluster; they check what they are given and leave the
//! rest to the actors. [`fleet`], [`notices`] and [`logs`] are what a dashboard reads, [`hub`] and [`downloads`] bring
//! models, [`policy`] shows the rules.

pub(crate) mod downloads;
pub(crate) mod fleet;
pub(crate) mod hub;
pub(crate) mod loading;
pub(crate) mod logs;
pub(crate) mod models;
pub(crate) mod nodes;
pub(crate) mod notices;
pub(crate) mod policy;
pub(crate) mod tokens;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{HeaderMap, StatusCode};

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use pomona_protocol::limits::NODE_NAME_BYTES_MAX;

use crate::errors::ApiError;
use crate::metrics::Format;
use crate::openai::answer::json_response;
use crate::state::Shared;

/// 200 for as long as the process answers at all.
#[utoipa::path(get, path = "/healthz", responses((status = 200, description = "the process lives")))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// 200 when a turn would find a ready replica.
#[utoipa::path(
    get,
    path = "/readyz",
    responses(
        (status = 200, description = "turns are welcome"),
        (status = 503, description = "why not yet, or no more", body = crate::errors::ErrorBody),
    )
)]
pub(crate) async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let reason = if shared.shutdown.is_cancelled() {
        "the gateway is shutting down"
    } else if !shared.handle.is_ready() {
        "no replica is ready; GET /admin/status shows each one"
    } else {
        return "ready\n".into_response();
    };
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", reason).into_response()
}

/// All metrics of this gateway and its fleet, in Prometheus' text format, or OpenMetrics where that is accepted.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, description = "Prometheus text; needs no key from the same machine", content_type = "text/plain")),
    security((), ("key" = []))
)]
pub(crate) async fn metrics(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let format = Format::wanted(headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()));
    let mut response = shared.metrics_page(format).await?.into_response();
    response.headers_mut().insert(CONTENT_TYPE, format.content_type());
    Ok(response)
}

/// The state of the gateway and of every replica.
#[utoipa::path(
    get,
    path = "/admin/status",
    responses(
        (status = 200, description = "version, turns, clients and every replica with its state"),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn status(State(shared): State<Arc<Shared>>) -> Result<Response, ApiError> {
    Ok(json_response(&shared.handle.status().await?))
}

/// The `{id}` of a path, of at most `bytes_max` bytes.
fn path_id(id: Result<Path<String>, PathRejection>, bytes_max: usize) -> Result<String, ApiError> {
    let Path(id) = id.map_err(|_| ApiError::invalid("id", "the id in the path is no valid text"))?;
    if id.len() > bytes_max {
        let message = format!("the id in the path has {} bytes; at most {bytes_max} are allowed", id.len());
        return Err(ApiError::invalid("id", message));
    }
    Ok(id)
}

/// Checks what people are to call a machine: it is shown in tables and logs, so it must be one short visible line.
fn check_name(param: &str, name: &str) -> Result<(), ApiError> {
    let wrong = if name.is_empty() {
        "is empty".to_owned()
    } else if name.len() > NODE_NAME_BYTES_MAX {
        format!("has {} bytes", name.len())
    } else if name.chars().any(char::is_control) {
        "holds a control character".to_owned()
    } else if name.trim() != name {
        "begins or ends with a space".to_owned()
    } else {
        return Ok(());
    };
    let allowed = format!("1 to {NODE_NAME_BYTES_MAX} bytes of printable text");
    Err(ApiError::invalid(param, format!("{param} {wrong}; allowed are {allowed}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_short_visible_line() {
        for name in ["mac", "Anna's Mac", "büro-7", &"x".repeat(NODE_NAME_BYTES_MAX)] {
            assert!(check_name("name", name).is_ok(), "{name}");
        }
        for (name, says) in [
            ("", "is empty"),
            (" mac", "space"),
            ("a\nb", "control"),
            ("\u{1b}[31m", "control"),
            (&"x".repeat(NODE_NAME_BYTES_MAX + 1), "65 bytes"),
        ] {
            let error = check_name("name", name).unwrap_err();
            assert!(error.message().contains(says), "{}", error.message());
        }
    }
}
