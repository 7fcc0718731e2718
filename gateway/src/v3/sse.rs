//! Envelopes as server-sent events: the head of the answer and how one event is written.

use std::fmt::Display;

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use pomona_protocol::v3::Envelope;

use crate::v3::envelope::kind;

/// What is ready goes out in one write up to this many bytes; more only delays the first of them.
pub(crate) const FRAME_BYTES: usize = 16 * 1024;

/// What every stream begins with: a browser that lost it comes back after a second.
pub(crate) const PREAMBLE: &[u8] = b"retry: 1000\n\n";

/// 200 with a body that is a stream of events.
pub(crate) fn response<B>(body: B) -> Response
where
    B: hyper::body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + 'static,
{
    streamed(Body::new(body))
}

/// The same for a body that was made already.
pub(crate) fn streamed(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // nginx would otherwise collect the stream before it passes it on.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// One event. `id` is what a browser sends back as `Last-Event-ID`; those that pass have none.
pub(crate) fn write(out: &mut BytesMut, id: Option<impl Display>, envelope: &Envelope) {
    use std::fmt::Write;
    if let Some(id) = id {
        // Writing to a buffer that grows cannot fail.
        let _ = writeln!(out, "id: {id}");
    }
    let _ = write!(out, "event: {}\ndata: ", kind(&envelope.body));
    // Neither can this: an envelope has no map with keys that are no texts.
    let _ = serde_json::to_writer((&mut *out).writer(), envelope);
    out.put_slice(b"\n\n");
}
