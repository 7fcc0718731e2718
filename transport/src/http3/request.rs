//! One request from header to last byte. Runs as a task of its connection; ends when the answer has arrived, or when
//! nobody wants it any more.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h3::error::{Code, StreamError};
use h3::server::{RequestResolver, RequestStream};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use tower::{Service, ServiceExt};

use super::body::Http3Body;
use super::quic::{Accepted, Guard, SendHalf, Watched};
use super::{Http3Limits, PeerAddress};

/// How long a client may take to confirm the end of its answer, in milliseconds; a task that waits costs little, and
/// one that does not could close the connection over the last packets.
const DELIVERY_MS_MAX: u64 = 10_000;
/// Fields that mean something on TCP only, and that HTTP/3 forbids.
const TCP_FIELDS: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Why a request got no whole answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("no header within {} ms", .0.as_millis())]
    Slow(Duration),
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("the client wants no answer any more")]
    Cancelled,
    #[error("the answer broke off: {0}")]
    Answer(String),
}

/// A request and what it takes to answer it.
pub(super) struct Work<S> {
    pub(super) request: RequestResolver<Watched, Bytes>,
    pub(super) stream: Accepted,
    pub(super) service: S,
    pub(super) limits: Http3Limits,
    pub(super) remote: SocketAddr,
}

impl<S> Work<S> {
    pub(super) async fn run<B>(self) -> Result<(), RequestError>
    where
        S: Service<Request<Http3Body>, Response = Response<B>, Error = Infallible> + Send,
        S::Future: Send,
        B: Body<Data = Bytes> + Send,
        B::Error: std::fmt::Display + Send,
    {
        let Accepted { guard, mut stopped } = self.stream;
        let limit = self.limits.header_time;
        // Pinned here, so that the stream is still there when the guard hears how it is to end.
        let mut resolving = pin!(self.request.resolve_request());
        let Ok(resolved) = tokio::time::timeout(limit, &mut resolving).await else {
            guard.refuse(Code::H3_REQUEST_INCOMPLETE);
            return Err(RequestError::Slow(limit));
        };
        let (head, stream) = resolved?;
        guard.begin();
        let (mut send, receive) = stream.split();
        let declared = content_length(head.headers());
        if declared.is_some_and(|declared| declared > self.limits.body_bytes_max) {
            return too_large(&mut send, &guard).await;
        }
        let limit = self.limits.body_bytes_max;
        let body = Http3Body::new(receive, Arc::clone(&guard), self.remote, declared, limit);
        let mut request = head.map(|()| body);
        request.extensions_mut().insert(PeerAddress(self.remote));
        tokio::select! {
            biased;
            _ = &mut stopped => return Err(RequestError::Cancelled),
            answered = answer(&mut send, self.service, request) => answered?,
        }
        guard.end();
        // Also ends when the client stops reading now, or is gone.
        let _ = tokio::time::timeout(Duration::from_millis(DELIVERY_MS_MAX), stopped).await;
        Ok(())
    }
}

/// Asks the service and passes its answer on, frame by frame; each waits until the client has room for it.
async fn answer<S, B>(
    send: &mut RequestStream<SendHalf<Bytes>, Bytes>,
    service: S,
    request: Request<Http3Body>,
) -> Result<(), RequestError>
where
    S: Service<Request<Http3Body>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let has_body = request.method() != Method::HEAD;
    let Ok(response) = service.oneshot(request).await;
    let (mut head, body) = response.into_parts();
    for field in &TCP_FIELDS {
        head.headers.remove(field);
    }
    send.send_response(Response::from_parts(head, ())).await?;
    let mut body = pin!(body);
    while has_body && let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| RequestError::Answer(error.to_string()))?;
        match frame.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => send.send_data(data).await?,
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    send.send_trailers(trailers).await?;
                }
                break;
            }
        }
    }
    send.finish().await?;
    Ok(())
}

/// Refuses a body by its declared length, before any of it is read.
async fn too_large(
    send: &mut RequestStream<SendHalf<Bytes>, Bytes>,
    guard: &Guard,
) -> Result<(), RequestError> {
    let mut refusal = Response::new(());
    *refusal.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    send.send_response(refusal).await?;
    send.finish().await?;
    guard.end();
    Ok(())
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
