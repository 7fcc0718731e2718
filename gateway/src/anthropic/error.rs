//! Refusals as Anthropic words them, with its statuses. Handlers of its routes return [`Refusal`]; [`crate::guard`]
//! asks [`refuse`] how to word what it refuses before a handler is reached.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use pomona_protocol::Cause;
use serde::Serialize;

use crate::errors::ApiError;

/// Paths that begin so speak Anthropic's dialect.
const ROUTES: &str = "/v1/messages";
/// Anthropic's own number for "everything is busy", which its clients take as a reason to come back.
const OVERLOADED: u16 = 529;

/// An [`ApiError`] in Anthropic's shape.
#[derive(Debug)]
pub(crate) struct Refusal(ApiError);

/// Anthropic's `{"type": "error", …}`.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RefusalBody<'a> {
    /// `error`.
    #[serde(rename = "type")]
    kind: &'static str,
    error: RefusalDetail<'a>,
}

/// What went wrong.
#[derive(Serialize, utoipa::ToSchema)]
struct RefusalDetail<'a> {
    /// The family of the error, `invalid_request_error` for instance.
    #[serde(rename = "type")]
    kind: &'static str,
    /// For people: names the thing, the value and the allowed range.
    message: &'a str,
    /// The stable name of the error.
    code: &'a str,
}

impl Refusal {
    /// The body, which is also the data of an `error` event.
    pub(crate) fn body(&self) -> RefusalBody<'_> {
        let detail =
            RefusalDetail { kind: kind_of(self.status()), message: self.0.message(), code: self.0.code() };
        RefusalBody { kind: "error", error: detail }
    }

    fn status(&self) -> StatusCode {
        if self.0.code() == "overloaded" {
            return StatusCode::from_u16(OVERLOADED).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        }
        self.0.status()
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<Cause> for Refusal {
    fn from(cause: Cause) -> Self {
        Self(cause.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = serde_json::to_vec(&self.body()).unwrap_or_default();
        let mut response = self.0.into_response();
        *response.status_mut() = status;
        *response.body_mut() = Body::from(body);
        response
    }
}

/// Anthropic's `type` of a status.
fn kind_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        504 => "timeout_error",
        OVERLOADED => "overloaded_error",
        _ => "api_error",
    }
}

/// A refusal in the dialect of the route that it concerns.
pub(crate) fn refuse(template: &str, error: ApiError) -> Response {
    if template.starts_with(ROUTES) { Refusal(error).into_response() } else { error.into_response() }
}

#[cfg(test)]
mod tests {
    use hyper::header::RETRY_AFTER;
    use serde_json::{Value, json};

    use super::*;

    async fn said(template: &str, error: ApiError) -> (u16, Value) {
        let response = refuse(template, error);
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_refusal_is_worded_as_its_route_speaks() {
        let (status, body) = said("/v1/messages", ApiError::unauthorized("no key")).await;
        assert_eq!(status, 401);
        let detail = json!({"type": "authentication_error", "message": "no key", "code": "invalid_api_key"});
        assert_eq!(body, json!({"type": "error", "error": detail}));
        let (_, body) = said("/v1/messages/count_tokens", ApiError::invalid("x", "bad")).await;
        assert_eq!(body["error"]["type"], "invalid_request_error");
        let (_, body) = said("/v1/chat/completions", ApiError::invalid("x", "bad")).await;
        assert_eq!((&body["type"], &body["error"]["param"]), (&Value::Null, &json!("x")));
    }

    #[test]
    fn causes_get_anthropics_statuses() {
        let unknown = Cause::UnknownModel { model: "x".into(), known: vec![] };
        let busy = Cause::Overloaded { waiting: 1, limit: 1, retry_after_s: 7 };
        for (cause, status, kind) in [
            (unknown, 404, "not_found_error"),
            (Cause::ContextExceeded { prompt_tokens: 9, context_tokens: 8 }, 400, "invalid_request_error"),
            (Cause::IdempotencyMismatch { key: "k".into() }, 422, "invalid_request_error"),
            (Cause::SessionConflict { expected: 1, head: 2 }, 409, "conflict_error"),
            (Cause::Internal { message: "x".into() }, 500, "api_error"),
            (busy.clone(), 529, "overloaded_error"),
        ] {
            let refusal = Refusal::from(cause);
            assert_eq!((refusal.status().as_u16(), refusal.body().error.kind), (status, kind));
        }
        assert_eq!(Refusal::from(busy).into_response().headers()[RETRY_AFTER], "7");
    }
}
