//! A client of h3 and the server over loopback.

use std::future::poll_fn;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::task::Poll;

use bytes::Buf;
use futures::future::BoxFuture;
use h3::client::{RequestStream, SendRequest};
use h3::error::Code;
use http::StatusCode;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;
use tower::service_fn;

use super::*;
use crate::certificate;

mod endpoint;
mod limits;

type Answer = BoxBody<Bytes, String>;
type Stream = RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

#[expect(clippy::disallowed_methods, reason = "the handle is owned by the test")]
fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(tokio::spawn(work))
}

/// A server's certificate and key, and how a client trusts it.
fn trust() -> (CertificateDer<'static>, PrivateKeyDer<'static>, quinn::ClientConfig) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(certificate::provider());
    let client = client.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let mut client = client.with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = vec![b"h3".to_vec()];
    let client = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(client).unwrap()));
    (certificate, PrivatePkcs8KeyDer::from(key.serialize_der()).into(), client)
}

fn endpoints() -> (quinn::Endpoint, quinn::Endpoint) {
    let (certificate, key, client) = trust();
    let server = rustls::ServerConfig::builder_with_provider(certificate::provider());
    let server = server.with_protocol_versions(&[&rustls::version::TLS13]).unwrap().with_no_client_auth();
    let mut server = server.with_single_cert(vec![certificate], key).unwrap();
    server.alpn_protocols = vec![b"h3".to_vec()];
    let server = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(server).unwrap()));
    let server = quinn::Endpoint::server(server, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    (server, dialler(client))
}

fn dialler(config: quinn::ClientConfig) -> quinn::Endpoint {
    let mut dialler = quinn::Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    dialler.set_default_client_config(config);
    dialler
}

/// A connected client, and the end of the server's work.
struct World {
    client: SendRequest<h3_quinn::OpenStreams, Bytes>,
    served: AbortOnDropHandle<Result<(), Http3Error>>,
    stop: Option<oneshot::Sender<()>>,
    _driver: AbortOnDropHandle<()>,
    connection: quinn::Connection,
    endpoints: (quinn::Endpoint, quinn::Endpoint),
}

type Handler = fn(Request<Http3Body>) -> BoxFuture<'static, Response<Answer>>;

impl World {
    async fn new<H>(handler: H, limits: Http3Limits) -> Self
    where
        H: Fn(Request<Http3Body>) -> BoxFuture<'static, Response<Answer>> + Clone + Send + 'static,
    {
        let (server, dialler) = endpoints();
        let address = server.local_addr().unwrap();
        let accepting = server.clone();
        let (stop, stopping) = oneshot::channel();
        let served = spawn(async move {
            let connection = accepting.accept().await.unwrap().await.unwrap();
            let service = service_fn(move |request| {
                let answer = handler(request);
                async move { Ok(answer.await) }
            });
            let shutdown = async { stopping.await.unwrap_or_default() };
            serve_http3(Http3Connection::new(connection), service, limits, shutdown).await
        });
        let connection = dialler.connect(address, "localhost").unwrap().await.unwrap();
        let (mut driver, client) =
            h3::client::new(h3_quinn::Connection::new(connection.clone())).await.unwrap();
        let driver = spawn(async move {
            poll_fn(|context| driver.poll_close(context)).await;
        });
        Self { client, served, stop: Some(stop), _driver: driver, connection, endpoints: (server, dialler) }
    }

    async fn send(&mut self, request: Request<()>) -> Stream {
        self.client.send_request(request).await.unwrap()
    }
}

fn post(path: &str) -> Request<()> {
    Request::post(format!("https://localhost{path}")).body(()).unwrap()
}

fn full(text: impl Into<Bytes>) -> Answer {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

async fn chunk(stream: &mut Stream) -> Option<Bytes> {
    stream.recv_data().await.unwrap().map(|mut chunk| chunk.copy_to_bytes(chunk.remaining()))
}

async fn rest(stream: &mut Stream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(chunk) = chunk(stream).await {
        all.extend_from_slice(&chunk);
    }
    all
}

const ECHO: Handler = |request| {
    Box::pin(async move {
        let address = request.extensions().get::<PeerAddress>().map(|address| address.0.ip().is_loopback());
        let status = match request.into_body().collect().await {
            Ok(body) => {
                return Response::builder()
                    .header("connection", "close")
                    .body(full(body.to_bytes()))
                    .unwrap();
            }
            Err(Http3BodyError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Err(_) => StatusCode::BAD_REQUEST,
        };
        Response::builder().status(status).body(full(format!("{address:?}"))).unwrap()
    })
};

#[tokio::test]
async fn a_body_comes_back_as_it_was_sent() {
    let mut world = World::new(ECHO, Http3Limits::default()).await;
    for text in [Vec::new(), b"apple".to_vec(), vec![7; 3_000_000]] {
        let mut stream = world.send(post("/echo")).await;
        stream.send_data(text.clone().into()).await.unwrap();
        stream.finish().await.unwrap();
        let response = stream.recv_response().await.unwrap();
        assert_eq!((response.status(), response.headers().get("connection")), (StatusCode::OK, None));
        assert_eq!(rest(&mut stream).await, text);
    }
}

#[tokio::test]
async fn the_service_learns_where_its_client_is() {
    let handler: Handler = |request| {
        let address = request.extensions().get::<PeerAddress>().copied();
        Box::pin(async move { Response::new(full(format!("{}", address.unwrap().0))) })
    };
    let mut world = World::new(handler, Http3Limits::default()).await;
    let mut stream = world.send(post("/")).await;
    stream.finish().await.unwrap();
    stream.recv_response().await.unwrap();
    let address = world.endpoints.1.local_addr().unwrap();
    assert_eq!(rest(&mut stream).await, address.to_string().into_bytes());
}

/// A body that gives what the test hands it, and tells when it is dropped.
fn by_hand(chunks: mpsc::Receiver<Bytes>, dropped: mpsc::Sender<()>) -> Answer {
    let stream = futures::stream::unfold((chunks, dropped), |(mut chunks, dropped)| async {
        let chunk = chunks.recv().await?;
        Some((Ok(http_body::Frame::data(chunk)), (chunks, dropped)))
    });
    // The receiver is moved in and out by the stream; a Mutex makes it shareable for the box.
    BoxBody::new(StreamBody::new(SyncStream(std::sync::Mutex::new(Box::pin(stream)))))
}

type Frames = std::pin::Pin<Box<dyn futures::Stream<Item = Result<http_body::Frame<Bytes>, String>> + Send>>;

struct SyncStream(std::sync::Mutex<Frames>);

impl futures::Stream for SyncStream {
    type Item = Result<http_body::Frame<Bytes>, String>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> Poll<Option<Self::Item>> {
        self.get_mut().0.get_mut().unwrap().as_mut().poll_next(context)
    }
}

/// Feeds one body, and tells when it was dropped.
type Fed = (mpsc::Sender<Bytes>, mpsc::Receiver<()>);

/// Answers each request with a body that the test feeds; hands over the feeding end and the news of its drop.
fn fed() -> (
    impl Fn(Request<Http3Body>) -> BoxFuture<'static, Response<Answer>> + Clone + Send + 'static,
    mpsc::Receiver<Fed>,
) {
    let (bodies, handed) = mpsc::channel(8);
    let handler = move |_request| -> BoxFuture<'static, Response<Answer>> {
        let bodies = bodies.clone();
        Box::pin(async move {
            let (feed, chunks) = mpsc::channel(1);
            let (dropped, news) = mpsc::channel(1);
            bodies.send((feed, news)).await.unwrap();
            Response::new(by_hand(chunks, dropped))
        })
    };
    (handler, handed)
}

#[tokio::test]
async fn streamed_chunks_arrive_one_by_one() {
    let (handler, mut handed) = fed();
    let mut world = World::new(handler, Http3Limits::default()).await;
    let mut stream = world.send(post("/stream")).await;
    stream.finish().await.unwrap();
    stream.recv_response().await.unwrap();
    let (feed, mut dropped) = handed.recv().await.unwrap();
    for number in 0..64 {
        let sent = Bytes::from(format!("chunk {number}"));
        feed.send(sent.clone()).await.unwrap();
        assert_eq!(chunk(&mut stream).await, Some(sent));
    }
    drop(feed);
    assert_eq!(chunk(&mut stream).await, None);
    assert_eq!(dropped.recv().await, None);
}

#[tokio::test]
async fn a_client_that_reads_no_more_drops_the_body_at_once() {
    let (handler, mut handed) = fed();
    let mut world = World::new(handler, Http3Limits::default()).await;
    let mut stream = world.send(post("/stream")).await;
    stream.finish().await.unwrap();
    stream.recv_response().await.unwrap();
    let (feed, mut dropped) = handed.recv().await.unwrap();
    feed.send(Bytes::from("one")).await.unwrap();
    assert_eq!(chunk(&mut stream).await, Some(Bytes::from("one")));
    drop(stream);
    // Nothing is fed any more: the news alone has to drop it.
    assert_eq!(dropped.recv().await, None);
    assert!(feed.is_closed());
}

#[tokio::test]
async fn a_client_that_leaves_drops_what_works_for_it() {
    let (started, mut news) = mpsc::channel::<mpsc::Sender<()>>(8);
    let handler = move |_request| -> BoxFuture<'static, Response<Answer>> {
        let started = started.clone();
        Box::pin(async move {
            let (dropped, gone) = mpsc::channel::<()>(1);
            started.send(dropped.clone()).await.unwrap();
            let _held = gone;
            std::future::pending().await
        })
    };
    let mut world = World::new(handler, Http3Limits::default()).await;
    let mut stream = world.send(post("/never")).await;
    stream.finish().await.unwrap();
    let one = news.recv().await.unwrap();
    stream.stop_sending(Code::H3_REQUEST_CANCELLED);
    one.closed().await;
    let mut stream = world.send(post("/never")).await;
    stream.finish().await.unwrap();
    let other = news.recv().await.unwrap();
    world.connection.close(0u32.into(), b"gone");
    other.closed().await;
    assert!((&mut world.served).await.unwrap().is_err());
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_whole_answer() {
    let handler: Handler = |_request| {
        Box::pin(async {
            let frames = [Ok(http_body::Frame::data(Bytes::from("half"))), Err("engine lost".to_owned())];
            Response::new(BoxBody::new(StreamBody::new(futures::stream::iter(frames))))
        })
    };
    let mut world = World::new(handler, Http3Limits::default()).await;
    let mut stream = world.send(post("/")).await;
    stream.finish().await.unwrap();
    // The reset may overtake the answer; it never looks whole.
    let read = async {
        stream.recv_response().await?;
        while stream.recv_data().await?.is_some() {}
        Ok::<_, h3::error::StreamError>(())
    };
    assert!(read.await.is_err());
}

#[tokio::test]
async fn shutdown_lets_running_requests_end_and_takes_no_new_ones() {
    let (handler, mut handed) = fed();
    let mut world = World::new(handler, Http3Limits::default()).await;
    let mut stream = world.send(post("/stream")).await;
    stream.finish().await.unwrap();
    stream.recv_response().await.unwrap();
    let (feed, _dropped) = handed.recv().await.unwrap();
    world.stop.take().unwrap().send(()).unwrap();
    let refused = loop {
        let Ok(mut late) = world.client.send_request(post("/late")).await else { break true };
        if late.finish().await.is_err() || late.recv_response().await.is_err() {
            break true;
        }
    };
    assert!(refused);
    feed.send(Bytes::from("last words")).await.unwrap();
    drop(feed);
    assert_eq!(rest(&mut stream).await, b"last words");
    assert!((&mut world.served).await.unwrap().is_ok());
}
