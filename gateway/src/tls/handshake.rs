//! The first bytes of a connection on an encrypted port. [`crate::accept`] calls `greet` under the limit of a request
//! head, so that nobody holds a place by being slow.

use std::io;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::{ACME_PROTOCOL, Tls};
use crate::stall::StallGuard;

/// First byte of a TLS record that holds a handshake.
const HANDSHAKE_RECORD: u8 = 0x16;

/// What a client turned out to be.
pub(crate) enum Greeted {
    /// One that speaks TLS, and HTTP within it.
    Http(Box<TlsStream<StallGuard<TcpStream>>>),
    /// An ACME server that looked at the answer to its challenge; it wants nothing else.
    Checked,
}

/// Whether the first byte begins a TLS handshake. It is left in the socket.
pub(crate) async fn begins_tls(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first == [HANDSHAKE_RECORD]),
    }
}

impl Tls {
    /// Shakes hands. A place among those that compute is taken after the client's hello has arrived, so that silent
    /// clients hold none.
    pub(crate) async fn greet(&self, stream: StallGuard<TcpStream>) -> io::Result<Greeted> {
        let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
        let _place = self.handshakes.acquire().await.map_err(io::Error::other)?;
        let is_check =
            hello.client_hello().alpn().is_some_and(|mut offered| offered.any(|name| name == ACME_PROTOCOL));
        match &self.challenge_config {
            Some(config) if is_check => {
                hello.into_stream(Arc::clone(config)).await?.shutdown().await?;
                Ok(Greeted::Checked)
            }
            _ => Ok(Greeted::Http(Box::new(hello.into_stream(Arc::clone(&self.config)).await?))),
        }
    }
}
