//! `GET /v3/events`: many sessions as one stream of server-sent events, for browsers, which may hold few streams open.
//!
//! Everything is attached before the first byte, so that a session that cannot be read refuses the request. What happens
//! to one session later is told with its `cut`, and the others go on.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use futures::future::try_join_all;
use hyper::HeaderMap;
use hyper::body::Frame;
use pomona_protocol::v3::{Envelope, EnvelopeBody};
use pomona_protocol::{Principal, SessionAttach, SessionId};

use crate::errors::ApiError;
use crate::state::{Permit, Shared};
use crate::v3::envelope::passing;
use crate::v3::extract::{Query, SEQ_MAX, client_name, coalesce, number, parse_id};
use crate::v3::feed::{Pace, Source, attach};
use crate::v3::feeds::Feeds;
use crate::v3::silence::Silence;
use crate::v3::sse;

/// Sessions of one stream. Each event carries the cursors of all, and a browser sends them back in a header, which 256 of
/// them still fit.
const TOPICS_MAX: usize = 256;

/// Tells many sessions as they go on.
///
/// Each event has `event:` (its type) and `data:` (an envelope, see docs/schema/event.v3.json); those of a log have the
/// cursors of all sessions as `id:`, so that a browser goes on everywhere where it was. The stream ends when every session
/// was cut.
#[utoipa::path(
    get,
    path = "/v3/events",
    params(
        ("topics" = String, Query, description = "sessions, with commas between, up to 256"),
        ("cursors" = Option<String>, Query, description = "for each of them the last number that the client has, with commas between; 0 for all when left out"),
        ("name" = Option<String>, Query, description = "what the others are to call this client, up to 64 bytes"),
        ("coalesce_ms" = Option<u64>, Query, description = "gathers tokens for this long; browsers get session.coalesce_ms when they say nothing", maximum = 1000),
        ("last-event-id" = Option<String>, Header, description = "`ses_…:12,ses_…:3`: goes before the cursors"),
    ),
    responses(
        (status = 200, description = "server-sent events; begins with `retry: 1000`", content_type = "text/event-stream"),
        (status = 400, description = "no topics, no session id, no cursor, or a cursor behind the end of a log (`cursor_ahead`)", body = crate::errors::ErrorBody),
        (status = 404, description = "no such session, or somebody else's", body = crate::errors::ErrorBody),
        (status = 410, description = "a cursor lies before what is kept (`cursor_gone`)", body = crate::errors::ErrorBody),
        (status = "4XX", description = "the request cannot be served", body = crate::errors::ErrorBody),
        (status = "5XX", description = "a session cannot be read now", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn stream(
    State(shared): State<Arc<Shared>>,
    Extension(by): Extension<Principal>,
    Extension(permit): Extension<Permit>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let topics = query.text("topics")?.unwrap_or_default();
    let mut cursors = read_topics(topics, query.text("cursors")?)?;
    if let Some(seen) = headers.get("last-event-id") {
        apply_seen(&mut cursors, seen.to_str().map_err(|_| bad_seen("no printable ASCII"))?)?;
    }
    let name = client_name(query.text("name")?.unwrap_or_default())?;
    let coalesce = coalesce(query.number("coalesce_ms", 0..=u64::MAX)?, &headers, &shared.session)?;
    let pace = Pace { coalesce, heartbeat: None };
    let sessions = shared.handle.sessions();
    let attached = cursors.iter().map(|&(session, after)| {
        let wish = SessionAttach::new(session, by, name.clone(), after);
        attach(&sessions, wish, pace)
    });
    let mut feeds = Feeds::new();
    for (feed, (session, _)) in try_join_all(attached).await?.into_iter().zip(&cursors) {
        feeds.add(*session, feed);
    }
    let keep_alive = Duration::from_secs(shared.api.sse_keep_alive_s);
    Ok(sse::response(TopicsBody::new(feeds, cursors, keep_alive, Some(permit))))
}

/// Sessions and cursors as the query has them.
fn read_topics(topics: &str, cursors: Option<&str>) -> Result<Vec<(SessionId, u64)>, ApiError> {
    if topics.is_empty() {
        return Err(ApiError::invalid("topics", "topics is missing; it lists sessions, with commas between"));
    }
    let given = topics.split(',').count();
    if given > TOPICS_MAX {
        let message = format!("topics has {given} entries; at most {TOPICS_MAX} are allowed");
        return Err(ApiError::invalid("topics", message));
    }
    let mut read: Vec<(SessionId, u64)> = Vec::with_capacity(given);
    for topic in topics.split(',') {
        let session: SessionId = parse_id("topics", topic.trim())?;
        if read.iter().any(|&(known, _)| known == session) {
            return Err(ApiError::invalid("topics", format!("{session} is listed twice")));
        }
        read.push((session, 0));
    }
    let Some(cursors) = cursors else { return Ok(read) };
    let count = cursors.split(',').count();
    if count != given {
        let message = format!("cursors has {count} entries and topics {given}; give as many, or none");
        return Err(ApiError::invalid("cursors", message));
    }
    for (entry, cursor) in read.iter_mut().zip(cursors.split(',')) {
        entry.1 = number("cursors", cursor.trim(), 0..=SEQ_MAX)?;
    }
    Ok(read)
}

/// Puts the cursors of a `Last-Event-ID` in place of those of the query. Sessions that are no topics (any more) are
/// passed over.
fn apply_seen(cursors: &mut [(SessionId, u64)], seen: &str) -> Result<(), ApiError> {
    if seen.trim().is_empty() {
        return Ok(());
    }
    for entry in seen.split(',') {
        let parts = entry.trim().split_once(':');
        let (session, seq) = parts.ok_or_else(|| bad_seen("not of the form `ses_…:12,ses_…:3`"))?;
        let session: SessionId = parse_id("Last-Event-ID", session)?;
        let seq = number("Last-Event-ID", seq, 0..=SEQ_MAX)?;
        if let Some(known) = cursors.iter_mut().find(|known| known.0 == session) {
            known.1 = seq;
        }
    }
    Ok(())
}

fn bad_seen(what: &str) -> ApiError {
    ApiError::invalid("Last-Event-ID", format!("Last-Event-ID is {what}"))
}

/// The cursors of all sessions, as `Last-Event-ID` brings them back.
struct EventId<'a>(&'a [(SessionId, u64)]);

impl fmt::Display for EventId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (session, cursor)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{session}:{cursor}")?;
        }
        Ok(())
    }
}

/// A body that is written as the sessions go on. Dropping it detaches the client from all of them; turns go on.
struct TopicsBody<S> {
    feeds: Feeds<S>,
    /// In the order in which they were asked for, those that were cut included.
    cursors: Vec<(SessionId, u64)>,
    buffer: BytesMut,
    silence: Silence,
    _permit: Option<Permit>,
}

impl<S: Source + Unpin> TopicsBody<S> {
    fn new(
        feeds: Feeds<S>,
        cursors: Vec<(SessionId, u64)>,
        keep_alive: Duration,
        permit: Option<Permit>,
    ) -> Self {
        let mut buffer = BytesMut::new();
        buffer.put_slice(sse::PREAMBLE);
        Self { feeds, cursors, buffer, silence: Silence::new(keep_alive), _permit: permit }
    }

    /// Writes what is ready into the buffer.
    fn fill(&mut self, context: &mut Context<'_>) {
        while self.feeds.len() > 0 && self.buffer.len() < sse::FRAME_BYTES {
            let Poll::Ready((session, envelope)) = self.feeds.poll_next(context) else { return };
            self.write(session, &envelope);
        }
    }

    fn write(&mut self, session: SessionId, envelope: &Envelope) {
        let Some(seq) = envelope.seq else {
            return sse::write(&mut self.buffer, None::<u64>, envelope);
        };
        if let Some(known) = self.cursors.iter_mut().find(|known| known.0 == session) {
            known.1 = seq;
        }
        sse::write(&mut self.buffer, Some(EventId(&self.cursors)), envelope);
    }
}

impl<S: Source + Unpin> hyper::body::Body for TopicsBody<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.fill(context);
        if self.buffer.is_empty() {
            if self.feeds.len() == 0 {
                return Poll::Ready(None);
            }
            std::task::ready!(self.silence.poll_limit(context));
            sse::write(&mut self.buffer, None::<u64>, &passing("", EnvelopeBody::Heartbeat {}));
        }
        self.silence.broken();
        Poll::Ready(Some(Ok(Frame::data(self.buffer.split().freeze()))))
    }
}

#[cfg(test)]
mod tests;
