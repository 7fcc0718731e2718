//! What one client can take, and what it is told beyond that.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::server::{KEY, PATIENCE, Server, chat, merged};

/// Sends bytes and reads what comes until the server closes.
async fn talk(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("the server closes")
        .unwrap();
    String::from_utf8(answer).unwrap()
}

/// Asks for more than sockets hold, so that it is not over while nobody reads.
fn unread() -> Value {
    json!({"stream": true, "max_tokens": 1900, "ignore_eos": true, "n": 4, "logprobs": true, "top_logprobs": 20})
}

fn head(length: usize) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_over_the_limit_is_refused_unread() {
    let server = Server::with(|config| config.limits.body_bytes_max = 2000).await;
    let response = server.chat(json!({"user": "x".repeat(3000)})).await;
    assert_eq!(response.status(), 413);
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["error"]["code"], "body_too_large");
    assert!(answer["error"]["message"].as_str().unwrap().contains("2000"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_and_bodies_are_given_up() {
    let server = Server::with(|config| config.limits.header_read_ms = 200).await;
    assert_eq!(talk(&server, b"").await, "");
    assert_eq!(talk(&server, b"P").await, "");
    talk(&server, b"GET /healthz HTTP/1.1\r\nhost: loc").await;
    let server = Server::with(|config| config.limits.body_read_ms = 200).await;
    let answer = talk(&server, format!("{}{{\"model\":", head(500)).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("body_timeout"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_over_the_limit_are_refused() {
    let server = Server::with(|config| config.limits.header_bytes_max = 8192).await;
    let request = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-long: {}\r\n\r\n", "x".repeat(9000));
    let answer = talk(&server, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_over_the_limit_are_told_to_come_back() {
    let server = Server::with(|config| config.limits.requests_max = 1).await;
    let mut running = server.chat(unread()).await;
    running.chunk().await.unwrap();
    let refused = server.chat(json!({})).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    let answer: Value = refused.json().await.unwrap();
    assert_eq!(answer["error"]["code"], "overloaded");
    let healthy = server.request("GET", "/healthz").send().await.unwrap();
    assert_eq!(healthy.status(), 200, "health is answered under load");
    drop(running);
    server.until_idle().await;
    assert_eq!(server.chat(json!({})).await.status(), 200, "the place is free again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_over_the_limit_are_told_so() {
    let server = Server::with(|config| config.limits.connections_max = 2).await;
    let _first = TcpStream::connect(server.address).await.unwrap();
    let _second = TcpStream::connect(server.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let answer = talk(&server, b"").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("retry-after") && answer.contains("connections_max"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_cut_off() {
    let server = Server::with(|config| config.limits.stall_ms = 300).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let body = merged(chat(), unread()).to_string();
    stream.write_all(format!("{}{body}", head(body.len())).as_bytes()).await.unwrap();
    let cut_off = async {
        while server.metric("pomona_turns_ended_total{outcome=\"cancelled\"}").await < 1.0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, cut_off).await.expect("it is cut off");
    drop(stream);
}
