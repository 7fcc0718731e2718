//! Request bodies: read within limits, then parsed. Handlers call [`read_json`] or
//! [`read_json_or_default`], and nothing else reads a body.

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

/// Longest name of a field that is shown, in characters; who writes a longer one knows where it is.
const FIELD_CHARS_MAX: usize = 100;

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

/// As [`read_json`]; no body at all is as good as an empty object.
pub(crate) async fn read_json_or_default<T: DeserializeOwned + Default>(
    request: Request<Body>,
    limits: &LimitsConfig,
) -> Result<T, ApiError> {
    if request.body().is_end_stream() { Ok(T::default()) } else { read_json(request, limits).await }
}

/// Parses JSON; an error names the place and the field, and tells bad JSON from a value of the wrong type.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let refusal = |code, message| ApiError::new(StatusCode::BAD_REQUEST, code, message);
    let error = match serde_json::from_slice(bytes) {
        // Types with fields are read from a list of their values too, which nobody means.
        Ok(_) if bytes.trim_ascii_start().starts_with(b"[") => {
            return Err(refusal("invalid_request", "the body is a list; an object is expected".to_owned()));
        }
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let message = format!("the body is not as expected: {error}");
    if !error.is_data() {
        return Err(refusal("invalid_json", message));
    }
    let error = refusal("invalid_request", message);
    Err(match field_of_fault::<T>(bytes) {
        Some(field) => error.with_param(field),
        None => error,
    })
}

/// The field whose value cannot be taken. Reads once more, since what can be read shall not pay for this.
fn field_of_fault<T: DeserializeOwned>(bytes: &[u8]) -> Option<String> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let error = serde_path_to_error::deserialize::<_, T>(&mut json).err()?;
    let path: String = error.path().to_string().chars().take(FIELD_CHARS_MAX).collect();
    path.starts_with(char::is_alphabetic).then_some(path)
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

/// Reads some of a body that is refused. Many clients read no answer before they have sent everything, and would see a
/// broken connection in place of the reason.
async fn discard(body: &mut Body, limit: usize) {
    let mut read = 0;
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > limit {
            return;
        }
    }
}

/// All bytes of a body. A body in one piece is not copied.
async fn collect(mut body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let too_large = || {
        let message = format!("the body is larger than {limit} bytes (limits.body_bytes_max)");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    };
    if body.size_hint().lower() > limit as u64 {
        discard(&mut body, limit.saturating_mul(2)).await;
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

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Numbers {
        n: Vec<u32>,
    }

    async fn read(body: impl Into<Body>, content_type: &str) -> Result<Vec<u32>, &'static str> {
        let request = Request::builder().header(CONTENT_TYPE, content_type).body(body.into()).unwrap();
        let limits = LimitsConfig { body_bytes_max: 16, body_read_ms: 50, ..LimitsConfig::default() };
        let read: Result<Numbers, _> = read_json(request, &limits).await;
        read.map(|numbers| numbers.n).map_err(|error| error.code())
    }

    fn in_pieces(pieces: &'static [&'static str]) -> Body {
        let pieces = pieces.iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes())));
        Body::from_stream(futures::stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_body_is_read_however_it_is_cut() {
        assert_eq!(read(r#"{"n":[1, 2]}"#, "application/json").await, Ok(vec![1, 2]));
        let pieces = in_pieces(&["{\"n\":[1", ", ", "2]}"]);
        assert_eq!(read(pieces, "Application/JSON; charset=utf-8").await, Ok(vec![1, 2]));
    }

    #[test]
    fn a_field_that_cannot_be_taken_is_named() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Outer {
            #[serde(rename = "inner")]
            _inner: Vec<Inner>,
        }
        #[derive(Debug, serde::Deserialize)]
        struct Inner {
            #[serde(rename = "number")]
            _number: u32,
        }
        let field = |text: &str| {
            let error = parse::<Outer>(text.as_bytes()).unwrap_err();
            let body: serde_json::Value = serde_json::from_slice(&error.to_json()).unwrap();
            body["error"]["param"].as_str().map(str::to_owned)
        };
        for (text, expected) in [
            (r#"{"inner": [{"number": 1}, {"number": -1}]}"#, Some("inner[1].number")),
            (r#"{"inner": {}}"#, Some("inner")),
            (r#"{"inner": [], "outer": 1}"#, Some("outer")),
            ("{}", None),
            ("[1]", None),
        ] {
            assert_eq!(field(text).as_deref(), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn a_bad_body_is_refused_by_name() {
        assert_eq!(read("{}", "text/plain").await, Err("unsupported_media_type"));
        assert_eq!(read(r#"{"n":[1,2,3,4,5]}"#, "application/json").await, Err("body_too_large"));
        let long = in_pieces(&["{\"n\":[1, 2", ", 3, 4, 5", ", 6]}"]);
        assert_eq!(read(long, "application/json").await, Err("body_too_large"));
        assert_eq!(read(r#"{"n":[NaN]}"#, "application/json").await, Err("invalid_json"));
        assert_eq!(read(r#"{"n":["a"]}"#, "application/json").await, Err("invalid_request"));
        assert_eq!(read(" [[1]]", "application/json").await, Err("invalid_request"));
        assert_eq!(read(vec![b'"', 0xff, b'"'], "application/json").await, Err("invalid_json"));
        let never = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read(never, "application/json").await, Err("body_timeout"));
    }
}
