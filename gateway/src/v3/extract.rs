//! What handlers take out of a request besides its body: the session of its path, its query, its idempotency key.
//!
//! A text that is no id at all is 400 `invalid_request`; an id of nothing, or of somebody else's, is 404 and comes from
//! the session itself.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::{FromRequestParts, Path};
use hyper::HeaderMap;
use hyper::header::{HeaderName, ORIGIN};
use hyper::http::request::Parts;
use pomona_config::SessionConfig;
use pomona_protocol::SessionId;
use pomona_protocol::limits::{CLIENT_NAME_BYTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX};

use crate::errors::ApiError;

/// Largest number of a log that a client can name; stores count no further.
pub(crate) const SEQ_MAX: u64 = i64::MAX as u64;
/// Milliseconds over which tokens are gathered for one client at most.
const COALESCE_MS_MAX: u64 = 1000;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// An id that stands in the field `param`.
pub(crate) fn parse_id<T: FromStr<Err: Display>>(param: &str, text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|error: T::Err| ApiError::invalid(param, error.to_string()))
}

/// The session of a path.
pub(crate) struct SessionPath(pub(crate) SessionId);

impl<S: Send + Sync> FromRequestParts<S> for SessionPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(id) = path.map_err(|_| ApiError::invalid("id", "the id in the path is no valid text"))?;
        parse_id("id", &id).map(Self)
    }
}

/// The parameters behind the `?`. Those that a route does not know are ignored.
pub(crate) struct Query(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let query = axum::extract::Query::try_from_uri(&parts.uri);
        let axum::extract::Query(pairs) = query
            .map_err(|error| ApiError::invalid("query", format!("the query cannot be read: {error}")))?;
        Ok(Self(pairs))
    }
}

impl Query {
    /// A text; empty is as good as none.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let text = self.given(name)?.filter(|text| !text.is_empty());
        if text.is_some_and(|text| text.contains('\0')) {
            return Err(ApiError::invalid(
                name,
                format!("{name} holds a character that no text has (U+0000)"),
            ));
        }
        Ok(text)
    }

    /// `true` or `false`; some clients write them with a capital letter.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.given(name)? {
            None => Ok(None),
            Some("true" | "True") => Ok(Some(true)),
            Some("false" | "False") => Ok(Some(false)),
            Some(other) => {
                let other: String = other.chars().take(40).collect();
                Err(ApiError::invalid(name, format!("{name} is `{other}`; it is true or false")))
            }
        }
    }

    /// A whole number within `range`.
    pub(crate) fn number(&self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, ApiError> {
        self.given(name)?.map(|text| number(name, text, range)).transpose()
    }

    fn given(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut given = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match (given.next(), given.next()) {
            (_, Some(_)) => Err(ApiError::invalid(name, format!("{name} is given twice"))),
            (first, None) => Ok(first),
        }
    }
}

/// A whole number within `range`, as text.
pub(crate) fn number(name: &str, text: &str, range: RangeInclusive<u64>) -> Result<u64, ApiError> {
    // `parse` takes a sign, which nobody means here.
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).filter(|number| range.contains(number)).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        let message = format!("{name} is `{shown}`; the range is {} to {}", range.start(), range.end());
        ApiError::invalid(name, message)
    })
}

/// The `Idempotency-Key` of a request.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::invalid("idempotency_key", "the header Idempotency-Key is given twice"));
    }
    match value.to_str() {
        Ok(key) => checked_key(key.to_owned()).map(Some),
        Err(_) => {
            Err(ApiError::invalid("idempotency_key", "the header Idempotency-Key is no printable ASCII"))
        }
    }
}

/// The one key of a request that may name it in its header and in its body.
pub(crate) fn one_idempotency_key(
    header: Option<String>,
    field: Option<String>,
) -> Result<Option<String>, ApiError> {
    let field = field.map(checked_key).transpose()?;
    match (header, field) {
        (Some(header), Some(field)) if header != field => {
            let message = "the header Idempotency-Key and the field idempotency_key differ; give one of them";
            Err(ApiError::invalid("idempotency_key", message))
        }
        (header, field) => Ok(header.or(field)),
    }
}

fn checked_key(key: String) -> Result<String, ApiError> {
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX || key.chars().any(char::is_control) {
        let message = format!(
            "the idempotency key has {} bytes; allowed are 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes of printable text",
            key.len()
        );
        return Err(ApiError::invalid("idempotency_key", message));
    }
    Ok(key)
}

/// What the others are to call a client; may be empty.
pub(crate) fn client_name(name: &str) -> Result<String, ApiError> {
    if name.len() > CLIENT_NAME_BYTES_MAX || name.chars().any(char::is_control) {
        let message = format!(
            "name has {} bytes; allowed are up to {CLIENT_NAME_BYTES_MAX} bytes of printable text",
            name.len()
        );
        return Err(ApiError::invalid("name", message));
    }
    Ok(name.to_owned())
}

/// For how long tokens are gathered for a client: what it asks, else what suits browsers if it is one, else not at all.
pub(crate) fn coalesce(
    asked_ms: Option<u64>,
    headers: &HeaderMap,
    config: &SessionConfig,
) -> Result<Duration, ApiError> {
    let is_browser = headers.contains_key(ORIGIN) || headers.contains_key(SEC_FETCH_MODE);
    match asked_ms {
        Some(ms) if ms > COALESCE_MS_MAX => {
            let message = format!("coalesce_ms is {ms}; the range is 0 to {COALESCE_MS_MAX}");
            Err(ApiError::invalid("coalesce_ms", message))
        }
        Some(ms) => Ok(Duration::from_millis(ms)),
        None if is_browser => Ok(Duration::from_millis(config.coalesce_ms)),
        None => Ok(Duration::ZERO),
    }
}

#[cfg(test)]
mod tests;
