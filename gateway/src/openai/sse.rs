//! An answer as server-sent events.
//!
//! What a client sees: comments while it waits (`: queued …`, `: prefill`, `: keep-alive`), then chunks, one
//! last chunk with a `finish_reason` per choice, the usage when asked for, and `data: [DONE]`. A failure after
//! the first byte is one `data: {"error": …}`, behind which the stream ends without `[DONE]`.
//! Dropping the body, which is what a vanished client leads to, cancels the turns.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use pomona_protocol::{Cause, FinishReason, TurnEvent, Usage};
use tokio::time::{Instant, Sleep, sleep};

use crate::errors::ApiError;
use crate::openai::answer::add_usage;
use crate::openai::choices::Choices;
use crate::openai::chunks::ChunkWriter;
use crate::state::Permit;

/// What is ready goes out in one write up to this many bytes; more only delays the first of them.
const FRAME_BYTES: usize = 16 * 1024;

/// A body that is written as its turns go on.
pub(crate) struct EventStream {
    choices: Choices,
    writer: ChunkWriter,
    /// The event that decided the status, to be written first.
    first: Option<(usize, TurnEvent)>,
    buffer: BytesMut,
    usage: Usage,
    include_usage: bool,
    has_ended: bool,
    keep_alive: Duration,
    keep_alive_timer: Pin<Box<Sleep>>,
    last_said: Instant,
    _permit: Permit,
}

impl EventStream {
    pub(crate) fn new(
        choices: Choices,
        first: (usize, TurnEvent),
        writer: ChunkWriter,
        include_usage: bool,
        keep_alive: Duration,
        permit: Permit,
    ) -> Self {
        Self {
            choices,
            writer,
            first: Some(first),
            buffer: BytesMut::new(),
            usage: Usage::default(),
            include_usage,
            has_ended: false,
            keep_alive,
            keep_alive_timer: Box::pin(sleep(keep_alive)),
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
                    if self.include_usage {
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
            TurnEvent::Started { .. } => out.put_slice(b": prefill\n\n"),
            TurnEvent::Tokens { text, logprobs, .. } => self.writer.text(choice, &text, &logprobs, out),
            TurnEvent::Finished { reason: FinishReason::Cancelled, .. } => self.fail(Cause::Cancelled),
            TurnEvent::Finished { reason, text, usage } => {
                self.writer.text(choice, &text, &[], out);
                self.writer.end(choice, reason, out);
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
            let due = self.last_said + self.keep_alive;
            let now = Instant::now();
            if due <= now {
                self.last_said = now;
                self.keep_alive_timer.as_mut().reset(now + self.keep_alive);
                return Poll::Ready(Bytes::from_static(b": keep-alive\n\n"));
            }
            self.keep_alive_timer.as_mut().reset(due);
        }
    }
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
