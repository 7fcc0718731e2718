//! Many turns over one socket.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::server::{KEY, PATIENCE, Server, chat, merged};

struct Socket {
    inner: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

async fn connect(
    server: &Server,
    headers: &[(&'static str, String)],
) -> Result<(Socket, Option<String>), Error> {
    let mut request = format!("ws://{}/v1/chat/stream", server.address).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let (inner, response) = connect_async(request).await?;
    let protocol = response.headers().get("sec-websocket-protocol");
    Ok((Socket { inner }, protocol.map(|value| value.to_str().unwrap().to_owned())))
}

impl Socket {
    async fn open(server: &Server) -> Self {
        connect(server, &[("authorization", format!("Bearer {KEY}"))]).await.unwrap().0
    }

    async fn say(&mut self, message: Value) {
        self.inner.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn start(&mut self, id: &str, changes: Value) {
        self.say(merged(merged(chat(), changes), json!({"type": "start", "id": id}))).await;
    }

    /// The next message that is JSON; `None` when the socket was closed.
    async fn hear(&mut self) -> Option<Value> {
        loop {
            let message =
                tokio::time::timeout(PATIENCE, self.inner.next()).await.expect("the server answers");
            match message? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    async fn hear_until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.hear().await.expect("the socket stays open");
            if message["type"] == kind {
                return message;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_turns_run_side_by_side_and_each_ends_once() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    let names: BTreeSet<String> = (0..8).map(|index| format!("turn {index}")).collect();
    for name in &names {
        socket.start(name, json!({"max_tokens": 12, "ignore_eos": true})).await;
    }
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut next_index: BTreeMap<String, u64> = BTreeMap::new();
    let mut open = names.clone();
    while !open.is_empty() {
        let message = socket.hear().await.unwrap();
        let id = message["id"].as_str().unwrap().to_owned();
        let kind = message["type"].as_str().unwrap().to_owned();
        assert!(open.contains(&id), "something behind the end: {message}");
        match kind.as_str() {
            "accepted" => assert!(message["turn"].as_str().unwrap().starts_with("turn_")),
            "token" => {
                let expected = next_index.entry(id.clone()).or_default();
                assert_eq!(message["index"], *expected, "nothing is missing or twice");
                *expected += message["count"].as_u64().unwrap();
            }
            "finished" => {
                assert_eq!(
                    (&message["reason"], &message["usage"]["completion_tokens"]),
                    (&json!("length"), &json!(12))
                );
                open.remove(&id);
            }
            _ => {}
        }
        let kinds = seen.entry(id).or_default();
        if kinds.last() != Some(&kind) {
            kinds.push(kind);
        }
    }
    for (id, kinds) in seen {
        let kinds: Vec<_> = kinds.into_iter().filter(|kind| kind != "queued").collect();
        assert_eq!(kinds, ["accepted", "started", "token", "finished"], "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_is_cancelled_while_it_streams_and_others_go_on() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    socket.start("long", json!({"max_tokens": 1900, "ignore_eos": true})).await;
    socket.hear_until("token").await;
    socket.start("short", json!({"max_tokens": 5, "ignore_eos": true})).await;
    socket.say(json!({"type": "cancel", "id": "long"})).await;
    let mut reasons = BTreeMap::new();
    while reasons.len() < 2 {
        let ended = socket.hear_until("finished").await;
        let reason = ended["reason"].as_str().unwrap().to_owned();
        assert!(reasons.insert(ended["id"].as_str().unwrap().to_owned(), reason).is_none());
    }
    assert_eq!(reasons["long"], "cancelled");
    assert_eq!(reasons["short"], "length");
    server.until_idle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_understood_is_told_and_the_socket_stays() {
    let server = Server::with(|config| config.api.websocket_turns_max = 1).await;
    let mut socket = Socket::open(&server).await;
    for (message, code) in [
        ("{\"type\": \"start\"", "invalid_json"),
        ("[]", "invalid_request"),
        ("{\"type\": \"dance\", \"id\": \"a\"}", "invalid_request"),
        ("{\"type\": \"start\"}", "invalid_request"),
        ("{\"type\": \"cancel\", \"id\": \"nobody\"}", "unknown_turn"),
    ] {
        socket.inner.send(Message::text(message)).await.unwrap();
        let answer = socket.hear().await.unwrap();
        assert_eq!((&answer["type"], &answer["error"]["code"]), (&json!("error"), &json!(code)), "{message}");
    }
    for (changes, code) in [
        (json!({"messages": []}), "invalid_request"),
        (json!({"n": 2}), "invalid_request"),
        (json!({"model": "nobody"}), "model_not_found"),
    ] {
        socket.start("refused", changes).await;
        let failed = socket.hear_until("failed").await;
        assert_eq!((&failed["id"], &failed["error"]["code"]), (&json!("refused"), &json!(code)));
    }
    socket.start("first", json!({"max_tokens": 1900, "ignore_eos": true})).await;
    socket.hear_until("token").await;
    socket.start("first", json!({})).await;
    assert_eq!(socket.hear_until("error").await["error"]["code"], "duplicate_id");
    socket.start("second", json!({})).await;
    assert_eq!(socket.hear_until("failed").await["error"]["code"], "overloaded");
    socket.say(json!({"type": "ping"})).await;
    socket.hear_until("pong").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_closes_takes_its_turns_along() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    for id in ["a", "b", "c"] {
        socket.start(id, json!({"max_tokens": 1900, "ignore_eos": true})).await;
    }
    socket.hear_until("token").await;
    drop(socket);
    server.until_idle().await;
    assert!(server.metric("pomona_turns_ended_total{outcome=\"cancelled\"}").await >= 1.0);
    assert_eq!(server.metric("pomona_turns_ended_total{outcome=\"length\"}").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_shows_its_key_as_a_protocol() {
    let server = Server::start().await;
    let bearer = format!("pomona.bearer.{KEY}");
    for (offered, chosen) in
        [(format!("pomona.v1, {bearer}"), "pomona.v1"), (bearer.clone(), bearer.as_str())]
    {
        let (mut socket, protocol) = connect(&server, &[("sec-websocket-protocol", offered)]).await.unwrap();
        assert_eq!(protocol.as_deref(), Some(chosen));
        socket.say(json!({"type": "ping"})).await;
        assert_eq!(socket.hear().await.unwrap()["type"], "pong");
    }
    for headers in [vec![], vec![("sec-websocket-protocol", "pomona.bearer.pom_wrong".to_owned())]] {
        let Err(Error::Http(response)) = connect(&server, &headers).await else {
            panic!("opened without a key")
        };
        assert_eq!(response.status(), 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_over_the_limit_closes_the_socket() {
    let server = Server::with(|config| config.limits.body_bytes_max = 2000).await;
    let mut socket = Socket::open(&server).await;
    socket.start("a", json!({"user": "x".repeat(3000)})).await;
    assert_eq!(socket.hear().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_answers_no_ping_is_closed() {
    let server = Server::with(|config| config.api.websocket_ping_s = 1).await;
    // Nobody polls this socket, so nothing answers its pings.
    let mut socket = Socket::open(&server).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(socket.hear().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_lets_turns_end_and_then_closes() {
    let mut server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    socket.start("last", json!({"max_tokens": 1900, "ignore_eos": true})).await;
    socket.hear_until("token").await;
    server.shutdown.cancel();
    socket.start("late", json!({})).await;
    assert_eq!(socket.hear_until("failed").await["error"]["code"], "shutting_down");
    socket.hear_until("token").await;
    socket.say(json!({"type": "cancel", "id": "last"})).await;
    assert_eq!(socket.hear_until("finished").await["id"], "last");
    assert_eq!(socket.hear().await, None);
    let served = tokio::time::timeout(PATIENCE, server.task.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(served.connections_cut, 0);
}
