//! What operators and load balancers ask: is it alive, is it ready, what does it measure, what is going on.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use crate::errors::ApiError;
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

/// All metrics, in Prometheus' text format.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, description = "Prometheus text; needs no key from the same machine", content_type = "text/plain")),
    security((), ("key" = []))
)]
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let mut response = shared.metrics.render(shared.handle.is_ready()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(prometheus::TEXT_FORMAT));
    response
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
