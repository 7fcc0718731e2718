//! Every error that a client can see, in OpenAI's shape, and the one place where a cause becomes a status.
//!
//! Handlers return [`ApiError`]; the WebSocket reads its code and message. The inner crates know none of it.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use pomona_protocol::Cause;
use serde::Serialize;

/// The client went away before the answer; nginx made the number common.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The code of a refusal, left with its response for whoever counts them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefusalCode(pub(crate) &'static str);

/// An answer that is a refusal.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    kind: &'static str,
    code: &'static str,
    param: Option<String>,
    message: String,
    hint: Hint,
}

/// A header that tells a client what to do instead.
#[derive(Clone, Debug)]
enum Hint {
    None,
    /// Come back after this many seconds.
    RetryAfter(u32),
    /// Use one of these methods.
    Allow(String),
    /// Bring a key.
    Bearer,
    /// Read from this number of a session's log on.
    OldestSeq(u64),
}

/// The oldest number of a log that can be read.
pub(crate) const OLDEST_SEQ: HeaderName = HeaderName::from_static("x-pomona-oldest-seq");

/// OpenAI's `{"error": …}`.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ErrorBody<'a> {
    error: ErrorDetail<'a>,
}

/// What went wrong.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ErrorDetail<'a> {
    /// For people: names the thing, the value and the allowed range.
    message: &'a str,
    /// The family of the error, `invalid_request_error` for instance.
    #[serde(rename = "type")]
    kind: &'a str,
    /// The field that is wrong, when it is one.
    param: Option<&'a str>,
    /// The stable name of the error.
    code: &'a str,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind: kind_of(status), code, param: None, message: message.into(), hint: Hint::None }
    }

    /// A field whose value cannot be taken.
    pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message).with_param(param)
    }

    /// A field that asks for something this server does not do.
    pub(crate) fn unsupported(code: &'static str, param: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message).with_param(param)
    }

    pub(crate) fn unauthorized(message: &str) -> Self {
        let mut error = Self::new(StatusCode::UNAUTHORIZED, "invalid_api_key", message);
        error.hint = Hint::Bearer;
        error
    }

    pub(crate) fn overloaded(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message).retry_after(1)
    }

    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let message = format!("this route takes {allow}");
        let mut error = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
        error.hint = Hint::Allow(allow);
        error
    }

    pub(crate) fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Puts the field under another one, whose part it is.
    pub(crate) fn within(mut self, parent: &str) -> Self {
        self.param = self.param.map(|param| format!("{parent}.{param}"));
        self
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.hint = Hint::RetryAfter(seconds.max(1));
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn body(&self) -> ErrorBody<'_> {
        ErrorBody {
            error: ErrorDetail {
                message: &self.message,
                kind: self.kind,
                param: self.param.as_deref(),
                code: self.code,
            },
        }
    }

    /// The body as bytes; never fails, since it is plain text in a plain shape.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.body()).unwrap_or_default()
    }
}

/// OpenAI's `type` of a status.
fn kind_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}

/// The one table from causes to statuses.
pub(crate) fn status_of(cause: &Cause) -> StatusCode {
    match cause {
        Cause::UnknownModel { .. }
        | Cause::UnknownNode { .. }
        | Cause::UnknownSession { .. }
        | Cause::UnknownTurn { .. } => StatusCode::NOT_FOUND,
        Cause::NotAHost { .. } | Cause::NotTheAuthority { .. } | Cause::SessionConflict { .. } => {
            StatusCode::CONFLICT
        }
        Cause::SessionForbidden { .. } => StatusCode::FORBIDDEN,
        Cause::IdempotencyMismatch { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Cause::CursorGone { .. } => StatusCode::GONE,
        Cause::SessionQueueFull { .. } => StatusCode::TOO_MANY_REQUESTS,
        Cause::StoreFull { .. } => StatusCode::INSUFFICIENT_STORAGE,
        Cause::SessionMoved | Cause::SessionLimit { .. } | Cause::StoreFailed { .. } => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Cause::InvalidRequest { .. }
        | Cause::ContextExceeded { .. }
        | Cause::Template { .. }
        | Cause::CursorAhead { .. }
        | Cause::KvExhausted { .. } => StatusCode::BAD_REQUEST,
        Cause::Overloaded { .. } => StatusCode::TOO_MANY_REQUESTS,
        Cause::DeadlineExceeded { .. } => StatusCode::GATEWAY_TIMEOUT,
        Cause::ModelUnavailable { .. }
        | Cause::EngineLost { .. }
        | Cause::EngineStalled { .. }
        | Cause::AttemptsExhausted { .. }
        | Cause::LinkLost { .. }
        | Cause::NodeSuspect { .. }
        | Cause::NodeDraining { .. }
        | Cause::TurnNotHeld
        | Cause::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        Cause::Cancelled => {
            StatusCode::from_u16(CLIENT_CLOSED_REQUEST).unwrap_or(StatusCode::REQUEST_TIMEOUT)
        }
        Cause::Protocol { .. } | Cause::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Cause> for ApiError {
    fn from(cause: Cause) -> Self {
        let error = Self::new(status_of(&cause), cause.code(), cause.to_string());
        match cause {
            Cause::InvalidRequest { parameter, .. } => error.with_param(parameter),
            Cause::UnknownModel { .. } => error.with_param("model"),
            Cause::ContextExceeded { .. } => error.with_param("messages"),
            Cause::Overloaded { retry_after_s, .. } => error.retry_after(retry_after_s),
            Cause::ShuttingDown
            | Cause::ModelUnavailable { .. }
            | Cause::EngineLost { .. }
            | Cause::EngineStalled { .. }
            | Cause::LinkLost { .. }
            | Cause::NodeSuspect { .. }
            | Cause::NodeDraining { .. }
            | Cause::TurnNotHeld
            | Cause::SessionMoved
            | Cause::SessionQueueFull { .. }
            | Cause::SessionLimit { .. }
            | Cause::StoreFailed { .. }
            | Cause::AttemptsExhausted { .. } => error.retry_after(1),
            Cause::CursorAhead { .. } => error.with_param("after"),
            Cause::CursorGone { oldest } => {
                let mut error = error.with_param("after");
                error.hint = Hint::OldestSeq(oldest);
                error
            }
            Cause::SessionConflict { .. } => error.with_param("expected_seq"),
            Cause::IdempotencyMismatch { .. } => error.with_param("idempotency_key"),
            Cause::Template { .. }
            | Cause::UnknownSession { .. }
            | Cause::UnknownTurn { .. }
            | Cause::SessionForbidden { .. }
            | Cause::StoreFull { .. }
            | Cause::UnknownNode { .. }
            | Cause::NotAHost { .. }
            | Cause::NotTheAuthority { .. }
            | Cause::DeadlineExceeded { .. }
            | Cause::Protocol { .. }
            | Cause::KvExhausted { .. }
            | Cause::Cancelled
            | Cause::Internal { .. } => error,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.to_json()));
        *response.status_mut() = self.status;
        response.extensions_mut().insert(RefusalCode(self.code));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self.hint {
            Hint::None => {}
            Hint::RetryAfter(seconds) => drop(headers.insert(RETRY_AFTER, HeaderValue::from(seconds))),
            Hint::Allow(methods) => {
                if let Ok(methods) = HeaderValue::try_from(methods) {
                    headers.insert(ALLOW, methods);
                }
            }
            Hint::OldestSeq(oldest) => drop(headers.insert(OLDEST_SEQ, HeaderValue::from(oldest))),
            Hint::Bearer => drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overload_says_when_to_come_back() {
        let cause = Cause::Overloaded { waiting: 9, limit: 9, retry_after_s: 7 };
        let response = ApiError::from(cause).into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[RETRY_AFTER], "7");
    }

    #[test]
    fn a_cursor_below_what_is_kept_is_told_the_oldest_number() {
        let response = ApiError::from(Cause::CursorGone { oldest: 42 }).into_response();
        assert_eq!(response.status(), 410);
        assert_eq!(response.headers()[OLDEST_SEQ], "42");
    }

    #[test]
    fn a_wrong_field_is_named_in_param() {
        let cause = Cause::InvalidRequest { parameter: "top_p".into(), message: "is 3".into() };
        let body: serde_json::Value = serde_json::from_slice(&ApiError::from(cause).to_json()).unwrap();
        assert_eq!(body["error"]["param"], "top_p");
        assert_eq!(body["error"]["code"], "invalid_request");
        assert_eq!(body["error"]["type"], "invalid_request_error");
    }
}
