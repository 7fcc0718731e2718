//! The body of a request, as it arrives. What the service does not read, the client does not get to send.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::server::RequestStream;
use http_body::{Body, Frame, SizeHint};

use super::quic::{Guard, RecvHalf};

/// Why there is no more of a body.
#[derive(Debug, thiserror::Error)]
pub enum Http3BodyError {
    /// It is longer than allowed.
    #[error("the request's body is over the limit of {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The client reset it, or its connection is gone.
    #[error("the request's body from `{remote}` broke off: {message}")]
    Broken {
        /// Who.
        remote: SocketAddr,
        /// How.
        message: String,
    },
}

/// A request's body. Trailers are not looked at.
pub struct Http3Body {
    stream: RequestStream<RecvHalf, Bytes>,
    guard: Arc<Guard>,
    remote: SocketAddr,
    declared: Option<u64>,
    limit: u64,
    left: u64,
    is_over: bool,
}

impl Http3Body {
    pub(super) fn new(
        stream: RequestStream<RecvHalf, Bytes>,
        guard: Arc<Guard>,
        remote: SocketAddr,
        declared: Option<u64>,
        limit: u64,
    ) -> Self {
        Self { stream, guard, remote, declared, limit, left: limit, is_over: false }
    }

    fn next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Http3BodyError>>> {
        let chunk = match ready!(self.stream.poll_recv_data(context)) {
            Ok(Some(mut chunk)) => chunk.copy_to_bytes(chunk.remaining()),
            Ok(None) => return Poll::Ready(None),
            Err(error) => {
                let message = error.to_string();
                return Poll::Ready(Some(Err(Http3BodyError::Broken { remote: self.remote, message })));
            }
        };
        self.guard.delivered();
        let taken = chunk.len() as u64;
        Poll::Ready(Some(match self.left.checked_sub(taken) {
            Some(left) => {
                self.left = left;
                Ok(chunk)
            }
            None => Err(Http3BodyError::TooLarge { limit: self.limit }),
        }))
    }
}

impl Body for Http3Body {
    type Data = Bytes;
    type Error = Http3BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Http3BodyError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let next = ready!(self.next(context));
        self.is_over = !matches!(next, Some(Ok(_)));
        Poll::Ready(next.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }

    fn size_hint(&self) -> SizeHint {
        let taken = self.limit - self.left;
        match self.declared.and_then(|declared| declared.checked_sub(taken)) {
            Some(left) if !self.is_over => SizeHint::with_exact(left),
            _ => SizeHint::default(),
        }
    }
}

impl std::fmt::Debug for Http3Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Http3Body(of {})", self.remote)
    }
}
