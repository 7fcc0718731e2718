//! The events of a turn as a body of server-sent events, in whatever dialect.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use pomona_protocol::{Cause, SessionEvent};
use tokio::time::{Instant, Sleep, sleep};

use crate::state::Permit;
use crate::turnlog::leaving::Leaving;
use crate::turnlog::source::{Heard, Source};

/// What is ready goes out in one write up to this many bytes; more only delays the first of them.
const FRAME_BYTES: usize = 16 * 1024;

/// How an API words the events of a turn.
pub(crate) trait Dialect: Send + Unpin + 'static {
    /// What is said when nothing was said for a while.
    const KEEP_ALIVE: &'static [u8];
    /// Words an event of the log.
    fn write(&mut self, event: &SessionEvent, out: &mut BytesMut);
    /// Says that the events end here although the turn does not.
    fn cut(&mut self, cause: Cause, out: &mut BytesMut);
}

/// What a body holds besides its events.
#[derive(Default)]
pub(crate) struct Held {
    /// Cancels the turn when the client leaves.
    pub(crate) leaving: Option<Leaving>,
    /// The place of the request.
    pub(crate) _permit: Option<Permit>,
}

/// A body that is written as its turn goes on.
pub(crate) struct TurnBody<D> {
    source: Source,
    /// What was heard before the body began.
    heard: VecDeque<Heard>,
    dialect: D,
    buffer: BytesMut,
    held: Held,
    has_ended: bool,
    keep_alive: Duration,
    timer: Pin<Box<Sleep>>,
    last_said: Instant,
}

impl<D: Dialect> TurnBody<D> {
    pub(crate) fn new(
        source: Source,
        heard: Vec<Heard>,
        dialect: D,
        held: Held,
        keep_alive: Duration,
    ) -> Self {
        Self {
            source,
            heard: heard.into(),
            dialect,
            buffer: BytesMut::new(),
            held,
            has_ended: false,
            keep_alive,
            timer: Box::pin(sleep(keep_alive)),
            last_said: Instant::now(),
        }
    }

    pub(crate) fn into_response(self) -> Response {
        let mut response = Response::new(Body::new(self));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // nginx would otherwise collect the stream before it passes it on.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }

    /// Writes what is ready into the buffer.
    fn fill(&mut self, context: &mut Context<'_>) {
        while !self.has_ended && self.buffer.len() < FRAME_BYTES {
            let heard = match self.heard.pop_front() {
                Some(heard) => Ok(heard),
                None => match self.source.poll_next(context) {
                    Poll::Pending => return,
                    Poll::Ready(heard) => heard,
                },
            };
            match heard {
                Ok(Heard::Event(event)) => {
                    self.dialect.write(&event, &mut self.buffer);
                    if event.body.is_terminal() {
                        self.end();
                    }
                }
                Ok(Heard::Queued) => self.buffer.put_slice(D::KEEP_ALIVE),
                Err(cause) => {
                    self.dialect.cut(cause, &mut self.buffer);
                    self.end();
                }
            }
        }
    }

    fn end(&mut self) {
        self.has_ended = true;
        if let Some(leaving) = &mut self.held.leaving {
            leaving.stayed();
        }
    }

    fn poll_keep_alive(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            ready!(self.timer.as_mut().poll(context));
            let now = Instant::now();
            let due = self.last_said + self.keep_alive;
            if due <= now {
                self.last_said = now;
                self.timer.as_mut().reset(now + self.keep_alive);
                return Poll::Ready(Bytes::from_static(D::KEEP_ALIVE));
            }
            self.timer.as_mut().reset(due);
        }
    }
}

impl<D: Dialect> hyper::body::Body for TurnBody<D> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.fill(context);
        if !self.buffer.is_empty() {
            self.last_said = Instant::now();
            return Poll::Ready(Some(Ok(Frame::data(self.buffer.split().freeze()))));
        }
        if self.has_ended {
            return Poll::Ready(None);
        }
        self.poll_keep_alive(context).map(|said| Some(Ok(Frame::data(said))))
    }
}

/// One server-sent event with a name.
pub(crate) fn put_event<T: serde::Serialize + ?Sized>(out: &mut BytesMut, name: &str, data: &T) {
    out.put_slice(b"event: ");
    out.put_slice(name.as_bytes());
    out.put_slice(b"\ndata: ");
    put_json(out, data);
    out.put_slice(b"\n\n");
}

/// Plain values into memory: neither can fail.
pub(crate) fn put_json<T: serde::Serialize + ?Sized>(out: &mut BytesMut, value: &T) {
    if let Err(error) = serde_json::to_writer(out.writer(), value) {
        tracing::error!(%error, "an event does not serialise");
    }
}
