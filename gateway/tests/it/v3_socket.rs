//! The socket of sessions: what it says to what no session has to answer.

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::server::{KEY, PATIENCE, Server};

/// A session that there is not.
const NOWHERE: &str = "ses_00000000000000000000000000000009";

struct Socket {
    inner: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

async fn connect(
    server: &Server,
    headers: &[(&'static str, String)],
) -> Result<(Socket, Option<String>), Error> {
    let mut request = format!("ws://{}/v3/ws", server.address).into_client_request().unwrap();
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
        self.send(Message::text(message.to_string())).await;
    }

    async fn send(&mut self, message: Message) {
        self.inner.send(message).await.unwrap();
    }

    /// The next message that is JSON and no heartbeat; `None` when the socket was closed.
    async fn hear(&mut self) -> Option<Value> {
        loop {
            let message =
                tokio::time::timeout(PATIENCE, self.inner.next()).await.expect("the server answers");
            match message? {
                Ok(Message::Text(text)) => {
                    let said: Value = serde_json::from_str(&text).unwrap();
                    if said["type"] != "heartbeat" {
                        return Some(said);
                    }
                }
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

#[tokio::test]
async fn a_socket_of_sessions_is_opened_with_a_key_in_either_place() {
    let server = Server::start().await;
    let offered = format!("pomona.v3, pomona.bearer.{KEY}");
    let (mut socket, protocol) = connect(&server, &[("sec-websocket-protocol", offered)]).await.unwrap();
    assert_eq!(protocol.as_deref(), Some("pomona.v3"), "the key is not echoed");
    socket.say(json!({"type": "ping", "ref": 7})).await;
    assert_eq!(socket.hear().await.unwrap(), json!({"type": "pong", "ref": 7}));
    assert!(connect(&server, &[]).await.is_err());
    let plain = server.request("GET", "/v3/ws").send().await.unwrap();
    assert_eq!(plain.status(), 400);
    assert_eq!(plain.json::<Value>().await.unwrap()["error"]["code"], "websocket_expected");
}

#[tokio::test]
async fn garbage_is_answered_by_an_error_and_the_socket_stays() {
    let server = Server::with(|config| config.limits.body_bytes_max = 4096).await;
    let mut socket = Socket::open(&server).await;
    let text = |text: &str| Message::text(text.to_owned());
    let submit = |turn: &str| json!({"type": "cancel", "session": NOWHERE, "turn": turn}).to_string();
    for (message, code) in [
        (text(""), "invalid_json"),
        (text("\u{0}"), "invalid_json"),
        (text(&"[".repeat(4000)), "invalid_request"),
        (text("{\"type\":\"paint\"}"), "invalid_request"),
        (text("{\"type\":\"attach\"}"), "invalid_request"),
        (text("{\"type\":\"attach\",\"session\":\"ses_1\"}"), "invalid_request"),
        (text("{\"type\":\"attach\",\"session\":\"ses_\\u0000\"}"), "invalid_request"),
        (text(&submit("turn_x")), "invalid_request"),
        (text(&"x".repeat(8000)), "message_too_large"),
        (Message::binary(vec![0xff, 0, 1, 2]), "invalid_json"),
        (Message::binary(Vec::<u8>::new()), "invalid_json"),
        (Message::binary(br#"{"type":"detach","session":7}"#.to_vec()), "invalid_request"),
    ] {
        socket.send(message.clone()).await;
        let said = socket.hear().await.expect("the socket stays");
        assert_eq!((&said["type"], &said["error"]["code"]), (&"error".into(), &code.into()), "{message:?}");
    }
    socket.send(Message::binary(br#"{"type":"ping"}"#.to_vec())).await;
    assert_eq!(socket.hear().await.unwrap(), json!({"type": "pong"}));
}

#[tokio::test]
async fn each_message_is_answered_once_under_its_own_name() {
    let server = Server::start().await;
    let mut socket = Socket::open(&server).await;
    for (name, kind) in [("a", "attach"), ("b", "detach"), ("c", "cancel"), ("d", "typing")] {
        socket.say(json!({"type": kind, "session": NOWHERE, "ref": name})).await;
    }
    for name in ["a", "b", "c", "d"] {
        let said = socket.hear().await.unwrap();
        assert_eq!((&said["type"], &said["ref"]), (&"error".into(), &name.into()), "{said}");
        assert_eq!(said["session"], NOWHERE);
    }
}

#[tokio::test]
async fn what_cannot_be_read_closes_the_socket_with_a_word() {
    let server = Server::with(|config| config.limits.body_bytes_max = 1024).await;
    let mut socket = Socket::open(&server).await;
    socket.send(Message::text("x".repeat(3000))).await;
    assert_eq!(socket.hear().await.unwrap()["error"]["code"], "message_unreadable");
    assert_eq!(socket.hear().await, None);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_kept_by_its_pongs_and_leaves_with_the_gateway() {
    let server = Server::with(|config| {
        config.api.websocket_ping_s = 2;
        config.api.sse_keep_alive_s = 1;
    })
    .await;
    let mut socket = Socket::open(&server).await;
    let (mut pings, mut heartbeats) = (0, 0);
    while pings < 3 || heartbeats < 2 {
        let message = tokio::time::timeout(PATIENCE, socket.inner.next()).await.expect("a sign of life");
        match message.unwrap().unwrap() {
            Message::Ping(_) => pings += 1,
            Message::Text(text) => {
                let said: Value = serde_json::from_str(&text).unwrap();
                assert_eq!((&said["type"], &said["session"]), (&"heartbeat".into(), &"".into()));
                heartbeats += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    server.shutdown.cancel();
    let closed = loop {
        match tokio::time::timeout(PATIENCE, socket.inner.next()).await.expect("a close") {
            Some(Ok(Message::Close(frame))) => break frame.unwrap(),
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(u16::from(closed.code), 1001);
}

#[tokio::test]
async fn many_topics_are_refused_before_the_first_byte() {
    let server = Server::start().await;
    for (query, param) in [
        (String::new(), "topics"),
        ("topics=ses_1".to_owned(), "topics"),
        (format!("topics={NOWHERE},{NOWHERE}"), "topics"),
        (format!("topics={NOWHERE}&cursors=1,2"), "cursors"),
        (format!("topics={NOWHERE}&cursors=-1"), "cursors"),
        (format!("topics={NOWHERE}&coalesce_ms=1001"), "coalesce_ms"),
        (format!("topics={NOWHERE}&name={}", "x".repeat(65)), "name"),
    ] {
        let answer = server.request("GET", &format!("/v3/events?{query}")).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{query}");
        assert_eq!(answer.json::<Value>().await.unwrap()["error"]["param"], param, "{query}");
    }
    let answer = server.request("GET", &format!("/v3/events?topics={NOWHERE}")).send().await.unwrap();
    assert!(answer.status().is_client_error() || answer.status().is_server_error());
    assert_eq!(answer.headers()["content-type"], "application/json");
}

#[tokio::test]
async fn a_plain_message_is_checked_before_it_is_asked() {
    let server = Server::start().await;
    for (body, param) in [
        (json!({"message": ""}), "message"),
        (json!({"message": "x", "session": "ses_1"}), "session"),
        (json!({"message": "x", "model": ""}), "model"),
    ] {
        let answer = server.post("/v1/chat", &body).await;
        assert_eq!(answer.status(), 400, "{body}");
        assert_eq!(answer.json::<Value>().await.unwrap()["error"]["param"], param, "{body}");
    }
    let answer = server.post("/v1/chat", &json!({"text": "x"})).await;
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "invalid_request");
}
