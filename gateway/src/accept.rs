//! Connections: one task and one Client actor each, from `accept` to the last byte, with or without TLS.
//!
//! [`crate::Gateway::serve`] runs [`run`]. Every task is owned by its JoinSet; when the shutdown token fires
//! nothing new is accepted and running requests end, when the kill token fires what is left is dropped.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse;
use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::errors::ApiError;
use crate::guard::Guard;
use crate::http::{self, Version};
use crate::stall::StallGuard;
use crate::state::{Connection, Ends, Serves, Shared};
use crate::tls::Tls;
use crate::tls::handshake::{self, Greeted};
use crate::ws;

/// Pause after a failed accept: descriptors are mostly what is missing, and trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Clients over the limit that are told so at once; further ones are just closed.
const REFUSALS_MAX: usize = 64;
/// How long telling them may take.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// Accepts until `shutdown`, then waits for connections to end or for `kill`. Returns how many were cut.
pub(crate) async fn run(
    listener: TcpListener,
    shared: Arc<Shared>,
    router: Router,
    kill: CancellationToken,
) -> usize {
    let mut connections = JoinSet::new();
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.shutdown.cancelled() => break,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Ok(place) = Arc::clone(&shared.connections).try_acquire_owned() {
            connections.spawn(connection(Arc::clone(&shared), router.clone(), stream, peer, place));
        } else if shared.tls.is_some() {
            // Telling it would need the handshake that there is no room for.
            tracing::debug!(%peer, "connection over the limit was closed");
        } else if let Ok(place) = Arc::clone(&refusals).try_acquire_owned() {
            let error = shared.too_many_connections();
            connections.spawn(async move {
                refuse(stream, error).await;
                drop(place);
            });
        }
    }
    drop(listener);
    tracing::info!(connections = connections.len(), "gateway stopped accepting");
    let ended = async { while connections.join_next().await.is_some() {} };
    let was_killed = tokio::select! {
        () = ended => false,
        () = kill.cancelled() => true,
    };
    let cut = if was_killed { connections.len() } else { 0 };
    connections.shutdown().await;
    cut
}

/// Without it each small write waits for the previous one's acknowledgement, up to 40 ms.
pub(crate) fn configure(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)
}

/// The life of one connection.
async fn connection(
    shared: Arc<Shared>,
    router: Router,
    stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
) {
    let local = match configure(&stream).and_then(|()| stream.local_addr()) {
        Ok(local) => local,
        Err(error) => return tracing::debug!(%peer, %error, "connection was gone at once"),
    };
    let ends = Ends { peer, local, is_encrypted: shared.tls.is_some() };
    match &shared.tls {
        None => {
            let within = Duration::from_millis(shared.limits.header_read_ms);
            let version = tokio::select! {
                version = tokio::time::timeout(within, http::spoken(&stream)) => version,
                () = shared.shutdown.cancelled() => return,
            };
            let Ok(Ok(version)) = version else {
                return tracing::debug!(%peer, "connection sent no request in time");
            };
            let stalls = Duration::from_millis(shared.limits.stall_ms);
            converse(&shared, router, StallGuard::new(stream, stalls), version, ends).await;
        }
        Some(tls) => {
            if let Some(stream) = greeted(&shared, tls, stream, peer).await {
                let is_two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let version = if is_two { Version::Two } else { Version::One };
                // It stays in its box: plain connections are not to pay for its size.
                Box::pin(converse(&shared, router, stream, version, ends)).await;
            }
        }
    }
    drop(place);
}

/// The stream within TLS; `None` when there is nobody to talk to.
async fn greeted(
    shared: &Shared,
    tls: &Tls,
    stream: TcpStream,
    peer: SocketAddr,
) -> Option<Box<TlsStream<StallGuard<TcpStream>>>> {
    let within = Duration::from_millis(shared.limits.header_read_ms);
    let deadline = tokio::time::Instant::now() + within;
    let outcome = match tokio::time::timeout_at(deadline, handshake::begins_tls(&stream)).await {
        Ok(Ok(true)) => {
            let stream = StallGuard::new(stream, Duration::from_millis(shared.limits.stall_ms));
            match tokio::time::timeout_at(deadline, Box::pin(tls.greet(stream))).await {
                Ok(Ok(Greeted::Http(stream))) => {
                    shared.metrics.handshake_ended("done");
                    return Some(stream);
                }
                Ok(Ok(Greeted::Checked)) => "acme",
                Ok(Err(error)) => {
                    tracing::debug!(%peer, %error, "handshake failed");
                    "failed"
                }
                Err(_) => "too_slow",
            }
        }
        Ok(Ok(false)) => {
            let message = "this port speaks https; put https:// in front of its address";
            refuse(stream, ApiError::new(StatusCode::BAD_REQUEST, "https_expected", message)).await;
            "plain_http"
        }
        Ok(Err(_)) => "failed",
        Err(_) => "too_slow",
    };
    shared.metrics.handshake_ended(outcome);
    None
}

/// Everything that is said over a stream, until it ends.
async fn converse<S>(shared: &Arc<Shared>, router: Router, stream: S, version: Version, ends: Ends)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let client = match shared.handle.connect().await {
        Ok(client) => client,
        Err(cause) => return refuse(stream, cause.into()).await,
    };
    let connection = Arc::new(Connection::new(client, ends));
    let guard = Guard { shared: Arc::clone(shared), router, connection: Arc::clone(&connection) };
    http::serve(shared, &connection, stream, version, guard).await;
    if let Some(upgrade) = connection.take_upgrade() {
        let route = match upgrade.serves {
            Serves::Turns { .. } => "/v1/chat/stream",
            Serves::Sessions(_) => "/v3/ws",
        };
        let polls = shared.handle.long_polls();
        Box::pin(polls.watch(route, ws::run(shared, &connection, upgrade))).await;
    }
}

/// Tells a client why it is not served, without reading what it asks.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, error: ApiError) {
    let body = error.to_json();
    let response = error.into_response();
    let retry = if response.status() == StatusCode::BAD_REQUEST { "" } else { "retry-after: 1\r\n" };
    let head = format!(
        "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{retry}connection: close\r\n\r\n",
        response.status(),
        body.len()
    );
    let told = async {
        stream.write_all(&[head.as_bytes(), &body].concat()).await?;
        stream.shutdown().await?;
        // Closing with unread bytes would reset the connection and lose what was said.
        let mut unread = [0; 4096];
        while stream.read(&mut unread).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    if !matches!(tokio::time::timeout(REFUSAL_TIME, told).await, Ok(Ok(()))) {
        tracing::debug!("a refused client did not listen");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_sockets_send_small_writes_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, _client) = tokio::join!(listener.accept(), TcpStream::connect(address));
        let (stream, _) = accepted.unwrap();
        assert!(!stream.nodelay().unwrap(), "the system's default");
        configure(&stream).unwrap();
        assert!(stream.nodelay().unwrap());
    }
}
