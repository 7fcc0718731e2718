//! The gateways that are asked: their addresses, keys and connections. Names are resolved once, before the run, so that no
//! latency holds the time of a resolver.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Uri;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::broken::Broken;
use super::chain::lock;
use super::http::{Connection, Head};
use super::processes::is_of_this_machine;
use super::socket::Socket;
use super::stream::Stream;

/// A gateway that takes no connection for so long takes none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest part of a refusal that is looked at for its code.
const CODE_BYTES_MAX: usize = 64;

/// A gateway cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The address makes no sense.
    #[error("{url} is no address of a gateway: {reason}; expected http://HOST:PORT")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody knows its name.
    #[error("{url} leads nowhere: {reason}")]
    Name {
        /// What was given.
        url: String,
        /// What the resolver said.
        reason: String,
    },
    /// No encrypted connection can be made.
    #[error("no encrypted connection can be made: {0}")]
    Encryption(String),
}

/// One gateway.
pub struct Target {
    /// Scheme, host and port.
    pub url: String,
    address: SocketAddr,
    /// Host and port as requests name them.
    authority: String,
    key: Option<String>,
    encryption: Option<(TlsConnector, ServerName<'static>)>,
    idle: Mutex<Vec<Connection>>,
    sockets: Mutex<Vec<Socket>>,
}

impl Target {
    /// Finds the gateway at `url`. `key` goes with each request, and `authority`, certificates in PEM, is trusted besides
    /// those that the system trusts.
    pub async fn find(url: &str, key: Option<&str>, authority: Option<&[u8]>) -> Result<Self, TargetError> {
        let bad = |reason: String| TargetError::Url { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| bad(error.to_string()))?;
        let is_encrypted = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad("the scheme is neither http nor https".to_owned())),
        };
        let host = uri.host().ok_or_else(|| bad("it has no host".to_owned()))?;
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
        let unknown = |reason: String| TargetError::Name { url: url.to_owned(), reason };
        let found = tokio::net::lookup_host((bare.as_str(), port)).await;
        let found: Vec<SocketAddr> = found.map_err(|error| unknown(error.to_string()))?.collect();
        let address = reachable(&found).await.ok_or_else(|| unknown("the name has no address".to_owned()))?;
        let encryption = if is_encrypted {
            let name = ServerName::try_from(bare).map_err(|error| bad(error.to_string()))?;
            Some((connector(authority)?, name))
        } else {
            None
        };
        Ok(Self {
            url: format!("{}://{host}:{port}", uri.scheme_str().unwrap_or_default()),
            address,
            authority: format!("{host}:{port}"),
            key: key.map(str::to_owned),
            encryption,
            idle: Mutex::default(),
            sockets: Mutex::default(),
        })
    }

    /// A request in bytes.
    pub(super) fn request(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256 + body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nuser-agent: pomona-loadtest\r\n{headers}",
            self.authority
        );
        bytes.extend_from_slice(head.as_bytes());
        if let Some(key) = &self.key {
            bytes.extend_from_slice(format!("authorization: Bearer {key}\r\n").as_bytes());
        }
        if method == "POST" || !body.is_empty() {
            let length = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
            bytes.extend_from_slice(length.as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        bytes
    }

    /// The key, for the head of a WebSocket.
    pub(super) fn bearer(&self) -> Option<String> {
        self.key.as_ref().map(|key| format!("Bearer {key}"))
    }

    /// Host and port as requests name them.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether it runs on this machine.
    pub(super) fn is_of_this_machine(&self) -> bool {
        is_of_this_machine(self.address.ip())
    }

    /// A connection: one that was used before, when there is one.
    pub(super) async fn connection(&self) -> Result<Connection, Broken> {
        loop {
            let idle = lock(&self.idle).pop();
            match idle {
                Some(connection) if connection.is_stale() => {}
                Some(connection) => return Ok(connection),
                None => return self.connect().await,
            }
        }
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<Connection, Broken> {
        let connecting = async {
            let tcp = TcpStream::connect(self.address).await?;
            tcp.set_nodelay(true)?;
            Ok(match &self.encryption {
                None => Stream::Plain(tcp),
                Some((connector, name)) => {
                    Stream::Encrypted(Box::new(connector.connect(name.clone(), tcp).await?))
                }
            })
        };
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        let connected = connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        connected.map(Connection::new).map_err(Broken::Connect)
    }

    /// Keeps a connection whose answer was read to its end.
    pub(super) fn keep(&self, connection: Connection, head: &Head) {
        if head.keeps && head.framing.is_over() {
            lock(&self.idle).push(connection);
        }
    }

    /// A WebSocket that has no turn: one that was used before, when there is one.
    pub(super) async fn socket(&self) -> Result<Socket, Broken> {
        loop {
            let idle = lock(&self.sockets).pop();
            match idle {
                Some(mut socket) => {
                    if !socket.is_stale() {
                        return Ok(socket);
                    }
                }
                None => return Socket::open(self).await,
            }
        }
    }

    /// Keeps a WebSocket whose turn has ended.
    pub(super) fn keep_socket(&self, socket: Socket) {
        lock(&self.sockets).push(socket);
    }

    /// Closes what is kept, so that a gateway that rests has no connection of the run.
    pub(super) fn release(&self) {
        lock(&self.idle).clear();
        lock(&self.sockets).clear();
    }

    /// Asks over a kept connection and reads the whole answer. A refusal is an error.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> Result<Vec<u8>, Broken> {
        let request = self.request(method, path, headers, body);
        let (mut connection, mut head) = self.send(&request, || ()).await?;
        let answer = connection.body(&mut head).await?;
        let status = head.status;
        self.keep(connection, &head);
        if (200..300).contains(&status) { Ok(answer) } else { Err(refusal(status, &answer)) }
    }

    /// Sends a request and reads up to the body of its answer. A kept connection that the gateway closed at the same moment,
    /// before it said anything, gives way to a new one, as with every other client. `leaves` is called right before the first
    /// byte leaves.
    pub(super) async fn send(
        &self,
        request: &[u8],
        mut leaves: impl FnMut() + Send,
    ) -> Result<(Connection, Head), Broken> {
        let mut connection = self.connection().await?;
        let was_used = connection.is_used;
        leaves();
        let answered = async {
            connection.send(request).await?;
            connection.head().await
        };
        match answered.await {
            Ok(head) => Ok((connection, head)),
            Err(Broken::Lost(_) | Broken::NoEnd) if was_used => {
                let mut connection = self.connect().await?;
                leaves();
                connection.send(request).await?;
                let head = connection.head().await?;
                Ok((connection, head))
            }
            Err(broken) => Err(broken),
        }
    }
}

/// The first address that takes a connection, since `localhost` is two of them and a gateway mostly listens on one. Where
/// none does, the first, so that the run says what became of it.
async fn reachable(found: &[SocketAddr]) -> Option<SocketAddr> {
    if found.len() > 1 {
        for address in found {
            if let Ok(Ok(_)) = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                return Some(*address);
            }
        }
    }
    found.first().copied()
}

/// What a refusal says: the code of the gateway, else the status.
pub(super) fn refusal(status: u16, body: &[u8]) -> Broken {
    Broken::Refused(code_of(body).unwrap_or_else(|| status.to_string()))
}

/// The code of an error in JSON, in OpenAI's shape.
pub(super) fn code_of(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let code = ["code", "type"].iter().find_map(|field| body["error"][*field].as_str())?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!code.is_empty() && code.len() <= CODE_BYTES_MAX && code.chars().all(plain)).then(|| code.to_owned())
}

fn connector(authority: Option<&[u8]>) -> Result<TlsConnector, TargetError> {
    let failed = |error: &dyn std::fmt::Display| TargetError::Encryption(error.to_string());
    let mut roots = RootCertStore::empty();
    let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = authority {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| failed(&error))?;
            roots.add(certificate).map_err(|error| failed(&error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| failed(&error))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_known_by_its_code_and_else_by_its_status() {
        for (body, expected) in [
            (&br#"{"error":{"code":"overloaded","type":"x"}}"#[..], "overloaded"),
            (br#"{"error":{"code":null,"type":"server_error"}}"#, "server_error"),
            (br#"{"error":{"code":"a prompt of somebody"}}"#, "503"),
            (b"<html>", "503"),
            (b"", "503"),
        ] {
            assert_eq!(refusal(503, body).code(), expected);
        }
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_named() {
        for (url, reason) in [("ftp://x", "neither http"), ("nothing", "neither http"), ("http://", "")] {
            let error = Target::find(url, None, None).await.err().map(|error| error.to_string()).unwrap();
            assert!(error.contains(url) && error.contains(reason), "{error}");
        }
        let target = Target::find("http://127.0.0.1:9", Some("k"), None).await.unwrap();
        let request = String::from_utf8(target.request("GET", "/metrics", "", b"")).unwrap();
        assert!(request.starts_with("GET /metrics HTTP/1.1\r\nhost: 127.0.0.1:9\r\n"), "{request}");
        assert!(request.ends_with("authorization: Bearer k\r\n\r\n"), "{request}");
    }
}
