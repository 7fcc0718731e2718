//! The API as a service, as HTTP/3 calls it: without a TCP connection.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, Response};
use pomona_gateway::{ConnectError, HttpConnection};
use serde_json::{Value, json};

use crate::server::{KEY, Server, chat, merged};

const PEER: &str = "192.0.2.7:50000";
const LOCAL: &str = "192.0.2.1:9999";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

async fn ask(
    connection: &HttpConnection,
    uri: &str,
    key: Option<&str>,
    body: &Value,
) -> Response<axum::body::Body> {
    let request = Request::builder().method("POST").uri(uri).header("content-type", "application/json");
    let request = match key {
        Some(key) => request.header("authorization", format!("Bearer {key}")),
        None => request,
    };
    let request = request.body(Full::new(Bytes::from(body.to_string()))).unwrap();
    tower::Service::call(&mut connection.clone(), request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_guard_of_tcp_stands_here_as_well() {
    let server = Server::start().await;
    let connection = server.service.connect(address(PEER), address(LOCAL)).await.unwrap();
    let chats = "https://192.0.2.1:9999/v1/chat/completions";
    assert_eq!(ask(&connection, chats, None, &chat()).await.status(), 401);
    assert_eq!(ask(&connection, chats, Some("pom_wrong"), &chat()).await.status(), 401);
    assert_eq!(
        ask(&connection, "https://evil.example/v1/chat/completions", Some(KEY), &chat()).await.status(),
        403
    );
    assert_eq!(ask(&connection, "https://192.0.2.1:9999/v1/models", Some(KEY), &chat()).await.status(), 405);
    assert_eq!(ask(&connection, "https://192.0.2.1:9999/metrics", None, &chat()).await.status(), 405);
    let answer = ask(&connection, chats, Some(KEY), &merged(chat(), json!({"stream": true}))).await;
    assert_eq!(answer.status(), 200);
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(crate::streams::read(std::str::from_utf8(&text).unwrap()).is_done);
    let mut metrics = Request::builder().uri("https://192.0.2.1:9999/metrics").body(Full::default()).unwrap();
    *metrics.version_mut() = hyper::Version::HTTP_3;
    let refused =
        tower::Service::<Request<Full<Bytes>>>::call(&mut connection.clone(), metrics).await.unwrap();
    assert_eq!(refused.status(), 401, "the peer is not this machine");
    let mut upgrade = Request::builder().uri("https://192.0.2.1:9999/v1/chat/stream");
    upgrade = upgrade.header("authorization", format!("Bearer {KEY}")).version(hyper::Version::HTTP_3);
    let upgrade = upgrade.body(Full::<Bytes>::default()).unwrap();
    let refused = tower::Service::call(&mut connection.clone(), upgrade).await.unwrap();
    assert_eq!(refused.status(), 400, "a WebSocket needs TCP");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_answer_ends_its_turns() {
    let server = Server::start().await;
    let connection = server.service.connect(address(PEER), address(LOCAL)).await.unwrap();
    let long = merged(chat(), json!({"stream": true, "max_tokens": 1900, "ignore_eos": true}));
    let chats = "https://localhost/v1/chat/completions";
    let mut answer = ask(&connection, chats, Some(KEY), &long).await;
    answer.frame().await.unwrap().unwrap();
    drop(answer);
    server.until_idle().await;
    let mut answer = ask(&connection, chats, Some(KEY), &long).await;
    answer.frame().await.unwrap().unwrap();
    drop(connection);
    assert!(answer.frame().await.is_some(), "a response outlives its connection's handle");
    drop(answer);
    server.until_idle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_all_kinds_are_counted_together() {
    let server = Server::with(|config| config.limits.connections_max = 2).await;
    let first = server.service.connect(address(PEER), address(LOCAL)).await.unwrap();
    let _second = server.service.connect(address(PEER), address(LOCAL)).await.unwrap();
    let refused = server.service.connect(address(PEER), address(LOCAL)).await;
    assert!(matches!(refused.err().unwrap(), ConnectError::TooMany { limit: 2 }));
    drop(first);
    server.service.connect(address(PEER), address(LOCAL)).await.unwrap();
}
