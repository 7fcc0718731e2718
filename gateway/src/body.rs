//! Request bodies: read within limits, then parsed. Handlers call [`read_json`] and nothing else reads a body.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Request, StatusCode};
use pomona_config::LimitsConfig;
use serde::de::DeserializeOwned;

use crate::errors::ApiError;

/// Reads and parses the body of a request.
pub(crate) async fn read_json<T: DeserializeOwned>(
    request: Request<Body>,
    limits: &LimitsConfig,
) -> Result<T, ApiError> {
    check_content_type(request.headers())?;
    let limit = limits.body_bytes_max as usize;
    let within = Duration::from_millis(limits.body_read_ms);
    let bytes = tokio::time::timeout(within, collect(request.into_body(), limit)).await.map_err(|_| {
        let message = format!("the body did not arrive within {} ms", limits.body_read_ms);
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", message)
    })??;
    parse(&bytes)
}

/// Parses JSON; an error names the place, and tells bad JSON from a value of the wrong type.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let code = if error.is_data() { "invalid_request" } else { "invalid_json" };
        ApiError::new(StatusCode::BAD_REQUEST, code, format!("the body is not as expected: {error}"))
    })
}

fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let value = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or("unreadable"));
    let essence = value.map(|value| value.split(';').next().unwrap_or_default().trim());
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    let given: String = essence.unwrap_or("none").chars().take(100).collect();
    let message = format!("content type is `{given}`; this route takes `application/json`");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message))
}

/// All bytes of a body. A body in one piece is not copied.
async fn collect(mut body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let too_large = || {
        let message = format!("the body is larger than {limit} bytes (limits.body_bytes_max)");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|_| {
            ApiError::new(StatusCode::BAD_REQUEST, "body_incomplete", "the body ended before it was complete")
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + all.len() + data.len() > limit {
            return Err(too_large());
        }
        if all.is_empty() && first.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(body: impl Into<Body>, content_type: &str) -> Result<Vec<u32>, &'static str> {
        let request = Request::builder().header(CONTENT_TYPE, content_type).body(body.into()).unwrap();
        let limits = LimitsConfig { body_bytes_max: 16, body_read_ms: 50, ..LimitsConfig::default() };
        read_json(request, &limits).await.map_err(|error| error.code())
    }

    fn in_pieces(pieces: &'static [&'static str]) -> Body {
        let pieces = pieces.iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes())));
        Body::from_stream(futures::stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_body_is_read_however_it_is_cut() {
        assert_eq!(read("[1, 2]", "application/json").await, Ok(vec![1, 2]));
        assert_eq!(
            read(in_pieces(&["[1", ", ", "2]"]), "Application/JSON; charset=utf-8").await,
            Ok(vec![1, 2])
        );
    }

    #[tokio::test]
    async fn a_bad_body_is_refused_by_name() {
        assert_eq!(read("[1]", "text/plain").await, Err("unsupported_media_type"));
        assert_eq!(read("[1, 2, 3, 4, 5, 6]", "application/json").await, Err("body_too_large"));
        let long = in_pieces(&["[1, 2, 3", ", 4, 5, 6", ", 7]"]);
        assert_eq!(read(long, "application/json").await, Err("body_too_large"));
        assert_eq!(read("[NaN]", "application/json").await, Err("invalid_json"));
        assert_eq!(read("[\"a\"]", "application/json").await, Err("invalid_request"));
        assert_eq!(read(vec![b'"', 0xff, b'"'], "application/json").await, Err("invalid_json"));
        let never = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read(never, "application/json").await, Err("body_timeout"));
    }
}
