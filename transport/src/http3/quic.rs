//! quinn under h3, for requests. h3-quinn's own streams do not tell when a client stops reading an answer before the
//! next byte is sent, and h3 keeps as much of an unfinished header as a client sends. Both matter here: [`Accepted`]
//! carries the news of the former, [`Guard`] bounds the latter. One-way streams are h3-quinn's as they are.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};
use quinn::{ConnectionError, StoppedError, VarInt};

/// Bytes that are taken from a stream at once.
const CHUNK_BYTES: usize = 64 * 1024;

type Streams = (quinn::SendStream, quinn::RecvStream);
type Accepting = Pin<Box<dyn Future<Output = Result<Streams, ConnectionError>> + Send>>;

/// Done when the client stops the answer, has all of it, or is gone.
pub(super) type Stopped = Pin<Box<dyn Future<Output = Result<Option<VarInt>, StoppedError>> + Send>>;

/// What is known of a request's stream besides what h3 makes of it.
pub(super) struct Accepted {
    pub(super) guard: Arc<Guard>,
    pub(super) stopped: Stopped,
}

/// Where the newest [`Accepted`] lies until the request that h3 makes of it is taken.
#[derive(Clone, Default)]
pub(super) struct AcceptedSlot(Arc<Mutex<Option<Accepted>>>);

impl AcceptedSlot {
    pub(super) fn take(&self) -> Option<Accepted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, accepted: Accepted) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(accepted);
    }
}

/// Shared by both halves of a request's stream and by whoever answers it.
pub(super) struct Guard {
    /// Bytes that were read since something was last made of them.
    unused: AtomicUsize,
    unused_max: usize,
    /// With which code the answer is reset if it is dropped now; 0: it is whole, or h3 answers by itself.
    reset: AtomicU64,
}

impl Guard {
    fn new(header_bytes_max: usize) -> Self {
        let unused_max = header_bytes_max + 2 * CHUNK_BYTES;
        Self { unused: AtomicUsize::new(0), unused_max, reset: AtomicU64::new(0) }
    }

    /// A part of the body has reached the service.
    pub(super) fn delivered(&self) {
        self.unused.store(0, Ordering::Relaxed);
    }

    /// From here on an answer that is dropped is no whole one.
    pub(super) fn begin(&self) {
        self.delivered();
        self.refuse(Code::H3_REQUEST_CANCELLED);
    }

    /// The answer is whole.
    pub(super) fn end(&self) {
        self.reset.store(0, Ordering::Relaxed);
    }

    /// The request was not looked at and may be sent elsewhere.
    pub(super) fn reject(&self) {
        self.refuse(Code::H3_REQUEST_REJECTED);
    }

    /// The answer will be a reset.
    pub(super) fn refuse(&self, code: Code) {
        self.reset.store(code.value(), Ordering::Relaxed);
    }

    /// Whether so many more bytes may be read.
    fn read(&self, bytes: usize) -> bool {
        self.unused.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.unused_max
    }
}

/// A connection whose requests are watched.
pub(super) struct Watched {
    inner: h3_quinn::Connection,
    connection: quinn::Connection,
    accepting: Option<Accepting>,
    accepted: AcceptedSlot,
    header_bytes_max: usize,
}

impl Watched {
    pub(super) fn new(connection: quinn::Connection, header_bytes_max: usize) -> (Self, AcceptedSlot) {
        let inner = h3_quinn::Connection::new(connection.clone());
        let accepted = AcceptedSlot::default();
        let slot = accepted.clone();
        (Self { inner, connection, accepting: None, accepted, header_bytes_max }, slot)
    }
}

impl<B: Buf> quic::Connection<B> for Watched {
    type RecvStream = h3_quinn::RecvStream;
    type OpenStreams = Opener;

    fn poll_accept_recv(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::RecvStream, ConnectionErrorIncoming>> {
        quic::Connection::<B>::poll_accept_recv(&mut self.inner, context)
    }

    fn poll_accept_bidi(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::BidiStream, ConnectionErrorIncoming>> {
        let accepting = self.accepting.get_or_insert_with(|| {
            let connection = self.connection.clone();
            Box::pin(async move { connection.accept_bi().await })
        });
        let streams = ready!(accepting.as_mut().poll(context));
        self.accepting = None;
        let (send, receive) = streams.map_err(connection_error)?;
        let guard = Arc::new(Guard::new(self.header_bytes_max));
        self.accepted.put(Accepted { guard: Arc::clone(&guard), stopped: Box::pin(send.stopped()) });
        let send = SendHalf { stream: send, writing: None, guard: Arc::clone(&guard) };
        Poll::Ready(Ok(Both { send, receive: RecvHalf { stream: receive, guard } }))
    }

    fn opener(&self) -> Opener {
        Opener { inner: quic::Connection::<B>::opener(&self.inner) }
    }
}

impl<B: Buf> quic::OpenStreams<B> for Watched {
    type BidiStream = Both<B>;
    type SendStream = h3_quinn::SendStream<B>;

    fn poll_open_bidi(&mut self, _context: &mut Context<'_>) -> Poll<Result<Both<B>, StreamErrorIncoming>> {
        Poll::Ready(Err(no_requests()))
    }

    fn poll_open_send(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::SendStream, StreamErrorIncoming>> {
        quic::OpenStreams::<B>::poll_open_send(&mut self.inner, context)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        quic::OpenStreams::<B>::close(&mut self.inner, code, reason);
    }
}

/// Opens one-way streams.
pub(super) struct Opener {
    inner: h3_quinn::OpenStreams,
}

impl<B: Buf> quic::OpenStreams<B> for Opener {
    type BidiStream = Both<B>;
    type SendStream = h3_quinn::SendStream<B>;

    fn poll_open_bidi(&mut self, _context: &mut Context<'_>) -> Poll<Result<Both<B>, StreamErrorIncoming>> {
        Poll::Ready(Err(no_requests()))
    }

    fn poll_open_send(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Self::SendStream, StreamErrorIncoming>> {
        quic::OpenStreams::<B>::poll_open_send(&mut self.inner, context)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        quic::OpenStreams::<B>::close(&mut self.inner, code, reason);
    }
}

/// The stream of one request.
pub(super) struct Both<B: Buf> {
    send: SendHalf<B>,
    receive: RecvHalf,
}

impl<B: Buf> quic::BidiStream<B> for Both<B> {
    type SendStream = SendHalf<B>;
    type RecvStream = RecvHalf;

    fn split(self) -> (SendHalf<B>, RecvHalf) {
        (self.send, self.receive)
    }
}

impl<B: Buf> quic::RecvStream for Both<B> {
    type Buf = Bytes;

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.receive.poll_data(context)
    }

    fn stop_sending(&mut self, code: u64) {
        self.receive.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.receive.recv_id()
    }
}

impl<B: Buf> quic::SendStream<B> for Both<B> {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(context)
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(context)
    }

    fn reset(&mut self, code: u64) {
        self.send.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

/// Where the answer goes. Dropped in the middle, it is reset, so that nobody takes a part for the whole.
pub(super) struct SendHalf<B: Buf> {
    stream: quinn::SendStream,
    writing: Option<WriteBuf<B>>,
    guard: Arc<Guard>,
}

impl<B: Buf> quic::SendStream<B> for SendHalf<B> {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        while let Some(writing) = self.writing.as_mut().filter(|writing| writing.has_remaining()) {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, writing.chunk()));
            writing.advance(written.map_err(write_error)?);
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        if self.writing.is_some() {
            let message = "data was sent before there was room".to_owned();
            let connection_error = ConnectionErrorIncoming::InternalError(message);
            return Err(StreamErrorIncoming::ConnectionErrorIncoming { connection_error });
        }
        self.writing = Some(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        Poll::Ready(self.stream.finish().map_err(|error| StreamErrorIncoming::Unknown(Box::new(error))))
    }

    fn reset(&mut self, code: u64) {
        reset(&mut self.stream, code);
    }

    fn send_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}

impl<B: Buf> Drop for SendHalf<B> {
    fn drop(&mut self) {
        let code = self.guard.reset.load(Ordering::Relaxed);
        if code != 0 {
            reset(&mut self.stream, code);
        }
    }
}

/// Where the request comes from.
pub(super) struct RecvHalf {
    stream: quinn::RecvStream,
    guard: Arc<Guard>,
}

impl quic::RecvStream for RecvHalf {
    type Buf = Bytes;

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let chunk = ready!(pin!(self.stream.read_chunk(CHUNK_BYTES, true)).poll(context));
        let Some(chunk) = chunk.map_err(read_error)? else { return Poll::Ready(Ok(None)) };
        if self.guard.read(chunk.bytes.len()) {
            return Poll::Ready(Ok(Some(chunk.bytes)));
        }
        let code = Code::H3_EXCESSIVE_LOAD;
        self.guard.refuse(code);
        self.stop_sending(code.value());
        Poll::Ready(Err(StreamErrorIncoming::StreamTerminated { error_code: code.value() }))
    }

    fn stop_sending(&mut self, code: u64) {
        // It fails when the client has ended the stream already.
        let _ = self.stream.stop(VarInt::from_u64(code).unwrap_or(VarInt::MAX));
    }

    fn recv_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}

impl Drop for RecvHalf {
    fn drop(&mut self) {
        quic::RecvStream::stop_sending(self, Code::H3_NO_ERROR.value());
    }
}

fn reset(stream: &mut quinn::SendStream, code: u64) {
    // It fails when the stream has ended already.
    let _ = stream.reset(VarInt::from_u64(code).unwrap_or(VarInt::MAX));
}

fn stream_id(id: quinn::StreamId) -> StreamId {
    u64::from(VarInt::from(id)).try_into().expect("invariant: both numbers have 62 bits")
}

fn no_requests() -> StreamErrorIncoming {
    StreamErrorIncoming::Unknown("a server opens no requests".into())
}

fn connection_error(error: ConnectionError) -> ConnectionErrorIncoming {
    match error {
        ConnectionError::ApplicationClosed(closed) => {
            ConnectionErrorIncoming::ApplicationClose { error_code: closed.error_code.into() }
        }
        ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        other => ConnectionErrorIncoming::Undefined(Arc::new(other)),
    }
}

fn read_error(error: quinn::ReadError) -> StreamErrorIncoming {
    match error {
        quinn::ReadError::Reset(code) => StreamErrorIncoming::StreamTerminated { error_code: code.into() },
        quinn::ReadError::ConnectionLost(error) => lost(error),
        other => StreamErrorIncoming::Unknown(Box::new(other)),
    }
}

fn write_error(error: quinn::WriteError) -> StreamErrorIncoming {
    match error {
        quinn::WriteError::Stopped(code) => StreamErrorIncoming::StreamTerminated { error_code: code.into() },
        quinn::WriteError::ConnectionLost(error) => lost(error),
        other => StreamErrorIncoming::Unknown(Box::new(other)),
    }
}

fn lost(error: ConnectionError) -> StreamErrorIncoming {
    StreamErrorIncoming::ConnectionErrorIncoming { connection_error: connection_error(error) }
}
