//! The API for connections that this crate does not accept itself: HTTP/3, whose sockets belong to `transport`.
//!
//! The composition root takes an [`HttpService`] from [`crate::Gateway::http_service`], asks it for an
//! [`HttpConnection`] per QUIC connection, and has `transport` call that for each request. Guards, limits, metrics and
//! handlers are the ones of TCP; connections of both kinds share `limits.connections_max`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::{BoxError, Router};
use bytes::Bytes;
use hyper::{Request, Response};
use pomona_protocol::Cause;
use tokio::sync::OwnedSemaphorePermit;
use tower::Service;

use crate::guard::{self, Guard};
use crate::state::{Connection, Ends, Shared};

/// Makes an [`HttpConnection`] per connection. Cheap to clone.
#[derive(Clone)]
pub struct HttpService {
    shared: Arc<Shared>,
    router: Router,
}

/// Why a connection cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// As many are open as may be.
    #[error("{limit} connections are open already (limits.connections_max)")]
    TooMany {
        /// How many may be.
        limit: u32,
    },
    /// The actors are not there (any more).
    #[error("the connection gets no client: {0}")]
    NoClient(#[from] Cause),
}

impl HttpService {
    pub(crate) fn new(shared: Arc<Shared>, router: Router) -> Self {
        Self { shared, router }
    }

    /// What answers the requests of one connection: it has a place among the connections and a Client actor, which end
    /// with the last clone and the last response. `local` is the address at which `peer` arrived, as far as known: a
    /// `Host` that is an address must be this one.
    pub async fn connect(&self, peer: SocketAddr, local: SocketAddr) -> Result<HttpConnection, ConnectError> {
        let limit = self.shared.limits.connections_max;
        let place = Arc::clone(&self.shared.connections).try_acquire_owned();
        let place = Arc::new(place.map_err(|_| ConnectError::TooMany { limit })?);
        let client = self.shared.handle.connect().await?;
        // HTTP/3 is not offered on HTTP/3.
        let ends = Ends { peer, local, is_encrypted: false };
        let connection = Arc::new(Connection::new(client, ends));
        let guard = Guard { shared: Arc::clone(&self.shared), router: self.router.clone(), connection };
        Ok(HttpConnection { guard, place })
    }
}

/// Answers the requests of one connection. Always ready; how many requests run at once is for the caller's stream
/// limit and `limits.requests_max`. Dropping the response's body cancels its turns.
#[derive(Clone)]
pub struct HttpConnection {
    guard: Guard,
    place: Arc<OwnedSemaphorePermit>,
}

impl<B> Service<Request<B>> for HttpConnection
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { guard, place } = self.clone();
        Box::pin(async move {
            let response = guard::serve(guard, request).await;
            drop(place);
            response
        })
    }
}
