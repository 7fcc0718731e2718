//! `GET /v3/sessions/{id}/events`: a session as server-sent events, from any number of its log on.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use hyper::HeaderMap;
use hyper::body::Frame;
use pomona_protocol::{Principal, SessionAttach};

use crate::errors::ApiError;
use crate::state::{Permit, Shared};
use crate::v3::extract::{Query, SEQ_MAX, SessionPath, client_name, coalesce, number};
use crate::v3::feed::{Feed, Pace, Source, attach};
use crate::v3::sse;

/// Tells a session as it goes on.
///
/// Each event has `event:` (its type) and `data:` (an envelope, see docs/schema/event.v3.json); those of the log have
/// their number as `id:`. The last one is always `cut`; a client that wants more asks again with the last number that it
/// has.
#[utoipa::path(
    get,
    path = "/v3/sessions/{id}/events",
    params(
        ("id" = String, Path, description = "the session: `ses_` and 32 hex digits", pattern = "^ses_[0-9a-f]{32}$"),
        ("after" = Option<u64>, Query, description = "the last number that the client has, 0 for none", maximum = 9223372036854775807_f64),
        ("name" = Option<String>, Query, description = "what the others are to call this client, up to 64 bytes"),
        ("coalesce_ms" = Option<u64>, Query, description = "gathers tokens for this long; browsers get session.coalesce_ms when they say nothing", maximum = 1000),
        ("last-event-id" = Option<String>, Header, description = "as `after`, and goes before it"),
    ),
    responses(
        (status = 200, description = "server-sent events; begins with `retry: 1000`", content_type = "text/event-stream"),
        (status = 400, description = "no session id, no cursor, or a cursor behind the end of the log (`cursor_ahead`)", body = crate::errors::ErrorBody),
        (status = 404, description = "no such session, or somebody else's", body = crate::errors::ErrorBody),
        (status = 410, description = "the cursor lies before what is kept (`cursor_gone`); the header x-pomona-oldest-seq has the oldest number that can be read", body = crate::errors::ErrorBody),
        (status = "4XX", description = "the request cannot be served", body = crate::errors::ErrorBody),
        (status = "5XX", description = "the session cannot be read now", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn stream(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    Extension(permit): Extension<Permit>,
    SessionPath(session): SessionPath,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = match last_event_id(&headers)? {
        Some(after) => after,
        None => query.number("after", 0..=SEQ_MAX)?.unwrap_or(0),
    };
    let name = client_name(query.text("name")?.unwrap_or_default())?;
    let coalesce = coalesce(query.number("coalesce_ms", 0..=u64::MAX)?, &headers, &shared.session)?;
    let pace = Pace { coalesce, heartbeat: Some(Duration::from_secs(shared.api.sse_keep_alive_s)) };
    let wish = SessionAttach::new(session, by, name, after);
    let feed = attach(&shared.handle.sessions(), wish, pace).await?;
    Ok(sse::response(EventBody::new(feed, permit)))
}

/// The number that a browser had seen; an empty one is none.
fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    match value.to_str() {
        Ok("") => Ok(None),
        Ok(text) => number("Last-Event-ID", text.trim(), 0..=SEQ_MAX).map(Some),
        Err(_) => Err(ApiError::invalid("Last-Event-ID", "Last-Event-ID is no number")),
    }
}

/// A body that is written as the session goes on. Dropping it detaches the client; turns go on.
struct EventBody<S> {
    feed: Feed<S>,
    buffer: BytesMut,
    has_ended: bool,
    _permit: Permit,
}

impl<S: Source> EventBody<S> {
    fn new(feed: Feed<S>, permit: Permit) -> Self {
        let mut buffer = BytesMut::new();
        buffer.put_slice(sse::PREAMBLE);
        Self { feed, buffer, has_ended: false, _permit: permit }
    }

    /// Writes what is ready into the buffer.
    fn fill(&mut self, context: &mut Context<'_>) {
        while !self.has_ended && self.buffer.len() < sse::FRAME_BYTES {
            match self.feed.poll_next(context) {
                Poll::Ready(Some(envelope)) => sse::write(&mut self.buffer, envelope.seq, &envelope),
                Poll::Ready(None) => self.has_ended = true,
                Poll::Pending => return,
            }
        }
    }
}

impl<S: Source + Unpin> hyper::body::Body for EventBody<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.fill(context);
        if !self.buffer.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(self.buffer.split().freeze()))));
        }
        if self.has_ended { Poll::Ready(None) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests;
