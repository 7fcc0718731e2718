//! HTTP on one accepted stream: which version is spoken, and the connection until it ends. [`crate::accept`] calls both.
//!
//! The version is found out before the first byte is read, so that HTTP/1.1 is served without a buffer in between: that
//! would cost each connection another 8 KiB.

use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::guard::{self, Guard};
use crate::state::{Connection, Shared};

/// Streams of one HTTP/2 connection, as many as browsers use.
const HTTP2_STREAMS_MAX: u32 = 128;
/// A silent HTTP/2 peer is asked for a sign of life this often.
const HTTP2_PING: Duration = Duration::from_secs(20);
/// How HTTP/2 begins, as far as no method of HTTP/1.1 begins like it.
const HTTP2_BEGINS: &[u8; 3] = b"PRI";
/// Between two looks at a client that has sent one or two bytes.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Looks at such a client. One that says no more is left to the timers of HTTP/1.1.
const LOOKS_MAX: usize = 10;

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// HTTP/1.0 or 1.1.
    One,
    /// HTTP/2.
    Two,
}

/// What an unencrypted client speaks, by its first bytes, which are left in the socket.
pub(crate) async fn spoken(stream: &TcpStream) -> io::Result<Version> {
    let mut first = [0; HTTP2_BEGINS.len()];
    for _ in 0..LOOKS_MAX {
        let seen = stream.peek(&mut first).await?;
        if seen == HTTP2_BEGINS.len() && first == *HTTP2_BEGINS {
            return Ok(Version::Two);
        }
        if seen == 0 || !HTTP2_BEGINS.starts_with(&first[..seen]) {
            return Ok(Version::One);
        }
        // The socket counts as readable already, so there is nothing to wait for.
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(Version::One)
}

/// Serves requests until the connection ends; begins to end it when the gateway does.
pub(crate) async fn serve<S>(
    shared: &Shared,
    connection: &Connection,
    stream: S,
    version: Version,
    guard: Guard,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &shared.limits;
    let stream = TokioIo::new(stream);
    let service = service_fn(move |request| guard::serve(guard.clone(), request));
    match version {
        Version::One => {
            let http = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_millis(limits.header_read_ms))
                .max_buf_size(limits.header_bytes_max as usize)
                .serve_connection(stream, service)
                .with_upgrades();
            until_over(shared, connection, pin!(http)).await;
        }
        Version::Two => {
            let http = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_header_list_size(limits.header_bytes_max)
                .max_concurrent_streams(HTTP2_STREAMS_MAX)
                .keep_alive_interval(HTTP2_PING)
                .serve_connection(stream, service);
            // Boxed: connections of HTTP/1.1 are not to pay for its size.
            let mut http = Box::pin(http);
            Box::pin(until_over(shared, connection, http.as_mut())).await;
        }
    }
}

/// A connection that can be asked to end behind its running requests.
trait Ends: Future<Output = hyper::Result<()>> {
    fn end(self: Pin<&mut Self>);
}

impl<I, S> Ends for http1::UpgradeableConnection<I, S>
where
    Self: Future<Output = hyper::Result<()>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = axum::body::Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S> Ends for http2::Connection<I, S, TokioExecutor>
where
    Self: Future<Output = hyper::Result<()>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = axum::body::Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    TokioExecutor: hyper::rt::bounds::Http2ServerConnExec<S::Future, axum::body::Body>,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

async fn until_over(shared: &Shared, connection: &Connection, mut http: Pin<&mut impl Ends>) {
    // HTTP's own timer starts with the first byte; this one is for clients that send none.
    let mut silent = pin!(tokio::time::sleep(Duration::from_millis(shared.limits.header_read_ms)));
    let mut was_checked = false;
    let mut ends = false;
    loop {
        tokio::select! {
            served = http.as_mut() => {
                if let Err(error) = served {
                    tracing::debug!(peer = %connection.ends.peer, %error, "connection ended");
                }
                return;
            }
            () = shared.shutdown.cancelled(), if !ends => {
                ends = true;
                http.as_mut().end();
            }
            () = silent.as_mut(), if !was_checked => {
                was_checked = true;
                if !connection.has_asked() {
                    return tracing::debug!(peer = %connection.ends.peer, "connection sent no request in time");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    async fn spoken_by(pieces: &[&[u8]]) -> Version {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, client) = tokio::join!(listener.accept(), TcpStream::connect(address));
        let (stream, mut client) = (accepted.unwrap().0, client.unwrap());
        client.set_nodelay(true).unwrap();
        let send = async {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
                tokio::time::sleep(LOOK_EVERY * 2).await;
            }
            client.shutdown().await.unwrap();
        };
        tokio::join!(spoken(&stream), send).0.unwrap()
    }

    #[tokio::test]
    async fn the_version_is_known_by_the_first_bytes_however_they_come() {
        for (pieces, version) in [
            (&[&b"GET / HTTP/1.1\r\n"[..]][..], Version::One),
            (&[b"POST /v1 HTTP/1.1\r\n"], Version::One),
            (&[b"P", b"R", b"OPFIND / HTTP/1.1"], Version::One),
            (&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], Version::Two),
            (&[b"P", b"R", b"I * HTTP/2.0"], Version::Two),
            (&[b"\x16\x03\x01"], Version::One),
            (&[b"P"], Version::One),
            (&[], Version::One),
        ] {
            assert_eq!(spoken_by(pieces).await, version, "{pieces:?}");
        }
    }
}
