//! An answer as server-sent events.
//!
//! What a client sees: comments while it waits (`: queued …`, `: prefill`, `: keep-alive`), then chunks, one
//! last chunk with a `finish_reason` per choice, the usage when asked for, and `data: [DONE]`. A failure after
//! the first byte is one `data: {"error": …}`, behind which the stream ends without `[DONE]`.
//! A client that sends `X-Pomona-Events: resumed` is also told when a turn lost its replica and goes on elsewhere, as
//! `event: pomona.resumed` with the number of tokens shown, the code of the cause and the node; others see nothing.
//! Dropping the body, which is what a vanished client leads to, cancels the turns.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use pomona_protocol::{Cause, FinishReason, TurnEvent, Usage};
use serde::Serialize;
use tokio::time::{Instant, Sleep, sleep};

use crate::errors::ApiError;
use crate::openai::answer::add_usage;
use crate::openai::choices::Choices;
use crate::openai::chunks::ChunkWriter;
use crate::state::Permit;

/// What is ready goes out in one write up to this many bytes; more only delays the first of them.
const FRAME_BYTES: usize = 16 * 1024;

/// Names the events that a client wants besides the usual ones.
const EVENTS: HeaderName = HeaderName::from_static("x-pomona-events");

/// What a client wants to see besides the chunks.
pub(crate) struct Asked {
    /// Usage in a last chunk.
    pub(crate) include_usage: bool,
    /// An event when a turn goes on elsewhere.
    pub(crate) tells_resumed: bool,
    /// A comment after this much silence.
    pub(crate) keep_alive: Duration,
}

/// Whether a list of names, as of a header or a query, holds `resumed`.
pub(crate) fn asks_for_resumed(names: &str) -> bool {
    names.split(',').any(|name| name.trim() == "resumed")
}

/// Whether the headers of a request ask for `resumed` events.
pub(crate) fn tells_resumed(headers: &HeaderMap) -> bool {
    let asked = headers.get_all(EVENTS).iter().filter_map(|value| value.to_str().ok());
    asked.into_iter().any(asks_for_resumed)
}

/// The data of `event: pomona.resumed`.
#[derive(Serialize)]
struct ResumedData<'a> {
    /// Which choice.
    index: usize,
    shown: u32,
    cause: &'a str,
    node: &'a str,
}

/// A body that is written as its turns go on.
pub(crate) struct EventStream {
    choices: Choices,
    writer: ChunkWriter,
    /// The event that decided the status, to be written first.
    first: Option<(usize, TurnEvent)>,
    buffer: BytesMut,
    usage: Usage,
    asked: Asked,
    has_ended: bool,
    keep_alive_timer: Pin<Box<Sleep>>,
    last_said: Instant,
    _permit: Permit,
}

impl EventStream {
    pub(crate) fn new(
        choices: Choices,
        first: (usize, TurnEvent),
        writer: ChunkWriter,
        asked: Asked,
        permit: Permit,
    ) -> Self {
        Self {
            choices,
            writer,
            first: Some(first),
            buffer: BytesMut::new(),
            usage: Usage::default(),
            has_ended: false,
            keep_alive_timer: Box::pin(sleep(asked.keep_alive)),
            asked,
            last_said: Instant::now(),
            _permit: permit,
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
            if let Some((choice, event)) = self.first.take() {
                self.write(choice, event);
                continue;
            }
            match self.choices.poll_next(context) {
                Poll::Pending => return,
                Poll::Ready(Some((choice, event))) => self.write(choice, event),
                Poll::Ready(None) => {
                    if self.asked.include_usage {
                        self.writer.usage(self.usage, &mut self.buffer);
                    }
                    self.buffer.put_slice(b"data: [DONE]\n\n");
                    self.has_ended = true;
                }
            }
        }
    }

    fn write(&mut self, choice: usize, event: TurnEvent) {
        let out = &mut self.buffer;
        match event {
            TurnEvent::Queued { ahead } => out.put_slice(format!(": queued, {ahead} ahead\n\n").as_bytes()),
            TurnEvent::Resumed { shown, cause, node } if self.asked.tells_resumed => {
                let data = ResumedData { index: choice, shown, cause: &cause, node: &node.0 };
                write_event(out, "pomona.resumed", &data);
            }
            TurnEvent::Resumed { .. } | TurnEvent::Prefill { .. } => {}
            TurnEvent::Started { .. } => out.put_slice(b": prefill\n\n"),
            TurnEvent::Tokens { text, marks, logprobs, .. } => {
                self.writer.text(choice, &text, &marks, &logprobs, out);
            }
            TurnEvent::Finished { reason: FinishReason::Cancelled, .. } => self.fail(Cause::Cancelled),
            TurnEvent::Finished { reason, text, marks, usage, stop, embedding: _ } => {
                self.writer.text(choice, &text, &marks, &[], out);
                self.writer.end(choice, reason, stop.as_deref(), out);
                add_usage(&mut self.usage, usage, self.choices.counts_prompt(choice));
            }
            TurnEvent::Failed { cause } => self.fail(cause),
        }
    }

    /// Says why, and cancels the other choices.
    fn fail(&mut self, cause: Cause) {
        ChunkWriter::failure(&ApiError::from(cause), &mut self.buffer);
        self.choices = Choices::new(Vec::new(), 1);
        self.has_ended = true;
    }

    /// A comment when nothing was said for long enough.
    fn poll_keep_alive(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            std::task::ready!(self.keep_alive_timer.as_mut().poll(context));
            let due = self.last_said + self.asked.keep_alive;
            let now = Instant::now();
            if due <= now {
                self.last_said = now;
                self.keep_alive_timer.as_mut().reset(now + self.asked.keep_alive);
                return Poll::Ready(Bytes::from_static(b": keep-alive\n\n"));
            }
            self.keep_alive_timer.as_mut().reset(due);
        }
    }
}

/// An event with a name, which clients that read `data` alone do not expect.
fn write_event<T: Serialize>(out: &mut BytesMut, name: &str, data: &T) {
    let Ok(data) = serde_json::to_vec(data) else { return };
    out.put_slice(b"event: ");
    out.put_slice(name.as_bytes());
    out.put_slice(b"\ndata: ");
    out.put_slice(&data);
    out.put_slice(b"\n\n");
}

impl hyper::body::Body for EventStream {
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
        self.poll_keep_alive(context).map(|comment| Some(Ok(Frame::data(comment))))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pomona_protocol::{NodeId, TurnId};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::openai::chunks::Shape;
    use crate::openai::plan::AnswerHead;
    use crate::state::Permit;

    async fn said(tells_resumed: bool) -> String {
        let head = AnswerHead { turn: TurnId(1), model: "tiny".into(), created: 0 };
        let writer = ChunkWriter::new(Shape::Chat, &head, "f", &[TurnId(1)], false);
        let resumed =
            TurnEvent::Resumed { shown: 7, cause: "link_lost".to_owned(), node: NodeId::from("n-1") };
        let asked = Asked { include_usage: false, tells_resumed, keep_alive: Duration::from_secs(9) };
        let permit = Permit::of(Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(), None);
        let stream = EventStream::new(Choices::new(Vec::new(), 1), (0, resumed), writer, asked, permit);
        let bytes = axum::body::to_bytes(Body::new(stream), 1000).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_move_is_told_to_those_who_ask() {
        let expected = "event: pomona.resumed\n\
                        data: {\"index\":0,\"shown\":7,\"cause\":\"link_lost\",\"node\":\"n-1\"}\n\ndata: [DONE]\n\n";
        assert_eq!(said(true).await, expected);
        assert_eq!(said(false).await, "data: [DONE]\n\n");
    }

    #[test]
    fn events_are_asked_for_by_name() {
        for (value, expected) in [
            ("resumed", true),
            ("other, resumed", true),
            ("Resumed", false),
            ("", false),
            ("resumedx", false),
        ] {
            let headers: HeaderMap = [(EVENTS, HeaderValue::from_static(value))].into_iter().collect();
            assert_eq!(tells_resumed(&headers), expected, "{value}");
        }
    }
}
