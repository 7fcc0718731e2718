//! HTTP/3 for clients: one QUIC connection in, requests to a `tower` service, streamed answers out. The gateway calls
//! [`serve_http3`] for each [`Http3Connection`] of its endpoint, with the router that also serves TCP.
//!
//! A client that goes away, or resets one request, drops the future or the body that works for it at once, also while
//! nothing is being sent; so the engine stops. Waiting for a slow client is flow control: the body is not polled.

mod body;
mod error;
mod quic;
mod request;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::Service;
use tracing::{debug, error};

pub use self::body::{Http3Body, Http3BodyError};
pub use self::error::Http3Error;

use self::quic::Watched;
use self::request::Work;
use crate::streams::Connection;

/// A connection on which a client speaks HTTP/3.
#[derive(Debug)]
pub struct Http3Connection {
    connection: Connection,
}

impl Http3Connection {
    /// Takes what came in as [`crate::Incoming::Http3`].
    pub fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Where the client is. It may move.
    pub fn remote(&self) -> SocketAddr {
        self.connection.remote_address()
    }
}

/// Where the client of a request is; among the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// What one client may take.
#[derive(Clone, Copy, Debug)]
pub struct Http3Limits {
    /// Bytes of all header fields of a request as HTTP/3 counts them: names, values and 32 each.
    pub header_bytes_max: usize,
    /// Bytes of a request's body.
    pub body_bytes_max: u64,
    /// Requests of one connection that run at once; more wait.
    pub requests_max: usize,
    /// How long a request's header may take.
    pub header_time: Duration,
    /// How long requests may go on after shutdown began.
    pub drain_time: Duration,
}

impl Default for Http3Limits {
    fn default() -> Self {
        Self {
            header_bytes_max: 64 * 1024,
            body_bytes_max: pomona_protocol::limits::REQUEST_FRAME_BYTES_MAX as u64,
            requests_max: 256,
            header_time: Duration::from_secs(10),
            drain_time: Duration::from_secs(30),
        }
    }
}

/// Serves a connection until the client leaves, or until `shutdown` is done and the running requests are too. Dropping
/// the future drops every request and closes the connection.
pub async fn serve_http3<S, B, F>(
    connection: Http3Connection,
    service: S,
    limits: Http3Limits,
    shutdown: F,
) -> Result<(), Http3Error>
where
    S: Service<Request<Http3Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display + Send,
    F: Future<Output = ()>,
{
    let remote = connection.remote();
    let (watched, accepted) = Watched::new(connection.connection, limits.header_bytes_max);
    let mut http = h3::server::builder()
        .max_field_section_size(limits.header_bytes_max as u64)
        .build::<_, Bytes>(watched)
        .await?;
    let mut requests = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut drained_by: Option<Instant> = None;
    while drained_by.is_none() || !requests.is_empty() {
        let has_room = requests.len() < limits.requests_max;
        tokio::select! {
            request = http.accept(), if has_room => {
                let Some(request) = request? else { break };
                let Some(stream) = accepted.take() else { continue };
                if drained_by.is_some() {
                    stream.guard.reject();
                    continue;
                }
                let work = Work { request, stream, service: service.clone(), limits, remote };
                requests.spawn(work.run());
            }
            Some(ended) = requests.join_next() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => debug!(%error, %remote, "an HTTP/3 request ended early"),
                Err(error) => error!(%error, %remote, "an HTTP/3 request panicked"),
            },
            () = &mut shutdown, if drained_by.is_none() => {
                // One more than was accepted: a client takes that number for the first that it may send elsewhere.
                http.shutdown(1).await?;
                drained_by = Some(Instant::now() + limits.drain_time);
            }
            () = until(drained_by) => break,
        }
    }
    Ok(())
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
