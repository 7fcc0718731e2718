//! `/admin/fleet` and `/admin/events`: what a dashboard shows, at one moment and as it changes; and ending a turn that
//! it shows.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use pomona_actors::FleetFeed;
use pomona_protocol::{FleetEvent, TurnId};

use super::path_id;
use crate::errors::ApiError;
use crate::openai::answer::json_response;
use crate::state::Shared;
use crate::v3::extract::parse_id;
use crate::v3::sse::{FRAME_BYTES, PREAMBLE, streamed};

/// Readers of the feed at once. A dashboard needs one; more are pages that were left open.
const READERS_MAX: u32 = 64;
/// Bytes of a turn's id.
const TURN_ID_BYTES_MAX: usize = 64;

/// Places of readers.
#[derive(Default)]
pub(crate) struct Readers(AtomicU32);

/// A place; dropping it gives it back.
pub(super) struct Reader(Arc<Shared>);

impl Reader {
    pub(super) fn take(shared: &Arc<Shared>) -> Result<Self, ApiError> {
        let taken = shared.readers.0.fetch_add(1, Ordering::Relaxed);
        let place = Self(Arc::clone(shared));
        if taken >= READERS_MAX {
            return Err(ApiError::overloaded(&format!("{READERS_MAX} readers follow the fleet already")));
        }
        Ok(place)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.readers.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The whole fleet at this moment.
#[utoipa::path(
    get,
    path = "/admin/fleet",
    responses(
        (status = 200, description = "`nodes` with machine and replicas, `turns` that run, `rates` and their `history`, open `notices`"),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn view(State(shared): State<Arc<Shared>>) -> Response {
    let mut response = json_response(&shared.handle.fleet());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Tells the fleet as it changes.
///
/// Each event has `id:`, `event:` (its type) and `data:`. The first is a `snapshot`, as `/admin/fleet` answers it; then
/// come `node`, `node_removed`, `turns`, `rates` and `notice`. Who comes back with the last id gets what it missed, or a
/// snapshot. A reader that is too slow gets `cut` and may come back.
#[utoipa::path(
    get,
    path = "/admin/events",
    params(("last-event-id" = Option<String>, Header, description = "the last id that the reader has seen")),
    responses(
        (status = 200, description = "server-sent events; begins with `retry: 1000`", content_type = "text/event-stream"),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 503, description = "too many readers", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn events(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let reader = Reader::take(&shared)?;
    let seen = headers.get("last-event-id").and_then(|seen| seen.to_str().ok());
    let feed = shared.handle.watch_fleet(seen);
    let telling = Telling { feed, shared, is_first: true, is_over: false, _reader: reader };
    let stream = futures::stream::unfold(telling, |mut telling| async move {
        telling.next().await.map(|bytes| (Ok::<Bytes, Infallible>(bytes), telling))
    });
    Ok(streamed(Body::from_stream(stream)))
}

/// Ends a turn that runs, whoever asked for it.
#[utoipa::path(
    post,
    path = "/admin/turns/{id}/cancel",
    params(("id" = String, Path, description = "the turn's id, as `/admin/fleet` has it")),
    responses(
        (status = 202, description = "it is being ended; its client hears that it was cancelled"),
        (status = 400, description = "an id that is none", body = crate::errors::ErrorBody),
        (status = 401, description = "no key, or a wrong one", body = crate::errors::ErrorBody),
        (status = 404, description = "no such turn runs at this gateway", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn cancel_turn(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    let id: TurnId = parse_id("id", &path_id(id, TURN_ID_BYTES_MAX)?)?;
    if shared.handle.cancel_turn(id) {
        tracing::info!(turn = %id, "an admin ends a turn");
        return Ok(StatusCode::ACCEPTED);
    }
    let message = format!("no turn {id} runs at this gateway; GET /admin/fleet lists those that do");
    Err(ApiError::new(StatusCode::NOT_FOUND, "turn_not_found", message))
}

/// One reader's stream.
struct Telling {
    feed: FleetFeed,
    shared: Arc<Shared>,
    is_first: bool,
    is_over: bool,
    _reader: Reader,
}

impl Telling {
    /// The next piece of the stream; `None` at its end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let mut buffer = BytesMut::new();
        if std::mem::take(&mut self.is_first) {
            buffer.put_slice(PREAMBLE);
        }
        let keep_alive = Duration::from_secs(self.shared.api.sse_keep_alive_s);
        let event = tokio::select! {
            biased;
            () = self.shared.shutdown.cancelled() => Some(self.feed.cut("shutting_down")),
            next = tokio::time::timeout(keep_alive, self.feed.next()) => match next {
                Err(_) => {
                    buffer.put_slice(b": heartbeat\n\n");
                    return Some(buffer.freeze());
                }
                Ok(event) => event,
            },
        };
        let event = event?;
        self.write(&mut buffer, &event);
        // What is there already goes out in the same write.
        while !self.is_over && buffer.len() < FRAME_BYTES {
            let Some(event) = self.feed.next_ready() else { break };
            self.write(&mut buffer, &event);
        }
        Some(buffer.freeze())
    }

    fn write(&mut self, buffer: &mut BytesMut, event: &FleetEvent) {
        use std::fmt::Write;
        self.is_over = event.body.kind() == "cut";
        // Writing to a buffer that grows cannot fail, and an event has no map with keys that are no texts.
        let _ = write!(buffer, "id: {}\nevent: {}\ndata: ", self.feed.id_of(event), event.body.kind());
        let _ = serde_json::to_writer((&mut *buffer).writer(), event);
        buffer.put_slice(b"\n\n");
    }
}
