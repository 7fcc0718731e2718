//! The same API within TLS.

use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pomona_gateway::{ServerCertificate, TlsSource};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::server::{KEY, PATIENCE, Server, chat, merged};

/// A certificate for a name and for loopback, which is its own authority.
pub(crate) fn made(name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned(), "127.0.0.1".to_owned()]).unwrap();
    (made.cert.der().clone(), made.signing_key.into())
}

fn held(name: &str) -> (Arc<ServerCertificate>, CertificateDer<'static>) {
    let (certificate, key) = made(name);
    (Arc::new(ServerCertificate::new(vec![certificate.clone()], key).unwrap()), certificate)
}

/// A client that trusts one authority alone.
pub(crate) struct TlsClient<'a> {
    pub(crate) trusts: &'a CertificateDer<'static>,
    pub(crate) name: &'a str,
    pub(crate) protocols: &'a [&'a str],
    pub(crate) version: &'static SupportedProtocolVersion,
}

impl<'a> TlsClient<'a> {
    pub(crate) fn of(trusts: &'a CertificateDer<'static>, name: &'a str) -> Self {
        Self { trusts, name, protocols: &["http/1.1"], version: &version::TLS13 }
    }

    pub(crate) async fn connect(
        &self,
        address: std::net::SocketAddr,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.trusts.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(&[self.version]).unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = self.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(self.name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

fn request(method: &str, path: &str, host: &str, body: &Value) -> Request<Full<Bytes>> {
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    let request = Request::builder().method(method).header("authorization", format!("Bearer {KEY}"));
    let request = request.header("content-type", "application/json");
    let request = if host.is_empty() { request.uri(path) } else { request.uri(path).header("host", host) };
    request.body(Full::new(body)).unwrap()
}

async fn text(response: Response<hyper::body::Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_versions_of_http_and_tls_are_spoken() {
    let (held, trusted) = held("orchard.local");
    let server = Server::encrypted(TlsSource::Held(held), |_| {}, |gateway| gateway.offer_http3(4433)).await;
    let body = merged(chat(), json!({"stream": true, "max_tokens": 64, "ignore_eos": true}));
    let mut answers = Vec::new();
    for (protocols, version, expected) in [
        (&["h2", "http/1.1"][..], &version::TLS13, Some("h2")),
        (&["h2"], &version::TLS12, Some("h2")),
        (&["http/1.1"], &version::TLS13, Some("http/1.1")),
        (&[], &version::TLS12, None),
    ] {
        let client = TlsClient { trusts: &trusted, name: "orchard.local", protocols, version };
        let stream = client.connect(server.address).await.unwrap();
        let agreed =
            stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        assert_eq!(agreed.as_deref(), expected);
        let mut drivers = JoinSet::new();
        let response = if agreed.as_deref() == Some("h2") {
            let (mut sender, driver) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .unwrap();
            drivers.spawn(async { drop(driver.await) });
            let uri = "https://orchard.local/v1/chat/completions";
            sender.send_request(request("POST", uri, "", &body)).await.unwrap()
        } else {
            let (mut sender, driver) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
            drivers.spawn(async { drop(driver.await) });
            sender
                .send_request(request("POST", "/v1/chat/completions", "orchard.local", &body))
                .await
                .unwrap()
        };
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["alt-svc"], "h3=\":4433\"; ma=86400");
        assert!(!response.headers().contains_key("strict-transport-security"));
        let stream = crate::streams::read(&text(response).await);
        assert!(stream.is_done);
        answers.push(stream.text(0));
    }
    assert!(!answers[0].is_empty() && answers.iter().all(|answer| *answer == answers[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http3_is_not_offered_in_the_clear() {
    let server = Server::encrypted(TlsSource::Off, |_| {}, |gateway| gateway.offer_http3(4433)).await;
    let response = server.request("GET", "/healthz").send().await.unwrap();
    assert!(!response.headers().contains_key("alt-svc"));
}

/// What a client gets that speaks without TLS, or that is slow, on an encrypted port.
async fn answer_to(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    drop(read.expect("the server closes"));
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_speaks_no_tls_is_told_so_and_who_is_slow_is_given_up() {
    let (held, trusted) = held("orchard.local");
    let change = |config: &mut pomona_config::Config| config.limits.header_read_ms = 2_000;
    let server = Server::encrypted(TlsSource::Held(held), change, |_| {}).await;
    let answer = answer_to(&server, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("this port speaks https") && answer.contains("https_expected"), "{answer}");
    assert!(answer_to(&server, b"").await.is_empty());
    assert!(answer_to(&server, &[0x16]).await.is_empty());
    assert!(answer_to(&server, &[0x16, 3, 1, 0x40, 0, 1, 0, 0]).await.is_empty());
    // A TLS record that holds no hello.
    let garbage = [&[0x16, 3, 1, 0, 200][..], &[7; 200]].concat();
    answer_to(&server, &garbage).await;
    let mut stream = TlsClient::of(&trusted, "orchard.local").connect(server.address).await.unwrap();
    let head = format!(
        "GET /metrics HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    for series in [
        "{outcome=\"plain_http\"} 1",
        "{outcome=\"too_slow\"} 3",
        "{outcome=\"failed\"} 1",
        "{outcome=\"done\"} 1",
    ] {
        assert!(page.contains(&format!("pomona_tls_handshakes_total{series}\n")), "{series}");
    }
    // Within TLS a silent client is given up as well.
    let mut silent = TlsClient::of(&trusted, "orchard.local").connect(server.address).await.unwrap();
    let mut nothing = Vec::new();
    drop(tokio::time::timeout(PATIENCE, silent.read_to_end(&mut nothing)).await.expect("the server closes"));
    assert!(nothing.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_certificate_serves_new_connections_and_spares_old_ones() {
    let (held, old) = held("old.example");
    let server = Server::encrypted(TlsSource::Held(Arc::clone(&held)), |_| {}, |_| {}).await;
    let stream = TlsClient::of(&old, "old.example").connect(server.address).await.unwrap();
    let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let mut drivers = JoinSet::new();
    drivers.spawn(async { drop(driver.await) });
    let (new, key) = made("new.example");
    held.replace(vec![new.clone()], key).unwrap();
    let models = || request("GET", "/v1/models", "localhost", &Value::Null);
    assert_eq!(sender.send_request(models()).await.unwrap().status(), 200);
    assert!(TlsClient::of(&old, "old.example").connect(server.address).await.is_err());
    assert!(TlsClient::of(&new, "new.example").connect(server.address).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets_run_within_tls() {
    use futures::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    let (held, trusted) = held("orchard.local");
    let server = Server::encrypted(TlsSource::Held(held), |_| {}, |_| {}).await;
    let stream = TlsClient::of(&trusted, "orchard.local").connect(server.address).await.unwrap();
    let mut request = "wss://orchard.local/v1/chat/stream?events=resumed".into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {KEY}").parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    let start = merged(chat(), json!({"type": "start", "id": "a"}));
    socket.send(Message::text(start.to_string())).await.unwrap();
    loop {
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        let Message::Text(text) = message else { continue };
        let said: Value = serde_json::from_str(&text).unwrap();
        assert_ne!(said["type"], "failed", "{said}");
        if said["type"] == "finished" {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_port_may_be_bound_anywhere() {
    let (held, trusted) = held("orchard.local");
    let anywhere = |config: &mut pomona_config::Config| config.gateway.bind = IpAddr::from([0, 0, 0, 0]);
    let server = Server::encrypted(TlsSource::Held(held), anywhere, |gateway| {
        assert!(gateway.is_encrypted() && gateway.certificate().is_some());
    })
    .await;
    let address = (IpAddr::from([127, 0, 0, 1]), server.address.port()).into();
    TlsClient::of(&trusted, "orchard.local").connect(address).await.unwrap();
}
