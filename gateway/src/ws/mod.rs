//! `GET /v1/chat/stream`: many turns over one WebSocket.
//!
//! [`open`] answers the handshake; the socket is then served by the connection's own task ([`run`]), so it
//! ends with the connection and counts as one. Words are in [`messages`], running turns in [`turns`].
//!
//! One task reads commands and writes events. A slow reader therefore slows its own turns, whose events wait
//! in bounded channels, and a reader that stands still is cut off by [`crate::stall`].

mod messages;
mod session;
mod turns;

use std::sync::Arc;

use axum::Extension;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use hyper::header::SEC_WEBSOCKET_PROTOCOL;
use hyper::{HeaderMap, StatusCode};
use tokio::sync::oneshot;

use crate::auth::BEARER_PROTOCOL;
use crate::errors::ApiError;
use crate::openai::sse::asks_for_resumed;
use crate::state::{Connection, Permit, Serves, Shared, Upgrade};
use crate::v3;

/// The protocol that clients should offer; chosen before one that carries a key.
const PROTOCOL: &str = "pomona.v1";
/// Bytes that one read may take. What clients say is short; the library's 128 KiB would be most of an idle WebSocket.
pub(crate) const READ_BUFFER_BYTES: usize = 4 * 1024;
/// Bytes of events that may wait for a slow reader before the turns do.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// Beyond this the socket is broken off; one event is far smaller.
const WRITE_BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// Opens a WebSocket on which many turns can run.
#[utoipa::path(
    get,
    path = "/v1/chat/stream",
    params(("events" = Option<String>, Query, description = "`resumed`: says when a turn goes on at another node")),
    responses(
        (status = 101, description = "JSON messages: `start`, `cancel` and `ping` from the client; `accepted`, `queued`, `started`, `resumed` (when asked for), `token`, `finished`, `failed`, `error` and `pong` from the server"),
        (status = "4XX", description = "no WebSocket handshake, or no key", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn open(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Arc<Connection>>,
    Extension(permit): Extension<Permit>,
    query: RawQuery,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|_| not_a_handshake())?;
    let limit = shared.limits.body_bytes_max as usize;
    let upgrade = match choose_protocol(&headers, PROTOCOL) {
        Some(protocol) => upgrade.protocols([protocol]),
        None => upgrade,
    };
    let (send, socket) = oneshot::channel();
    let serves = Serves::Turns { tells_resumed: tells_resumed(&query) };
    connection.upgrade_to(Upgrade { socket, permit, serves });
    Ok(upgrade
        .max_message_size(limit)
        .max_frame_size(limit)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            // When nobody takes it, the connection is gone already.
            drop(send.send(socket));
        }))
}

/// A request that opens no WebSocket.
pub(crate) fn not_a_handshake() -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "websocket_expected",
        "this route takes a WebSocket handshake (HTTP/1.1 upgrade)",
    )
}

/// The protocol to answer a handshake with: ours, else the one that carries the key. A browser gives up unless one of
/// those that it offered is chosen.
pub(crate) fn choose_protocol(headers: &HeaderMap, ours: &str) -> Option<String> {
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let offered: Vec<&str> = offered.flat_map(|value| value.split(',')).map(str::trim).collect();
    let ours = offered.iter().find(|name| **name == ours);
    let chosen = ours.or_else(|| offered.iter().find(|name| name.starts_with(BEARER_PROTOCOL)));
    chosen.map(|&name| name.to_owned())
}

/// Whether `events=resumed` is asked for. A browser cannot set headers here, so it stands in the address.
fn tells_resumed(RawQuery(query): &RawQuery) -> bool {
    let pairs = query.as_deref().unwrap_or_default().split('&');
    pairs.filter_map(|pair| pair.strip_prefix("events=")).any(asks_for_resumed)
}

/// Serves the WebSocket that [`open`], or [`v3::ws::open`], left, to its end.
pub(crate) async fn run(shared: &Arc<Shared>, connection: &Arc<Connection>, upgrade: Upgrade) {
    let Upgrade { socket, permit, serves } = upgrade;
    let Ok(socket) = socket.await else { return };
    match serves {
        Serves::Turns { tells_resumed } => {
            session::Session::new(shared, connection, permit, tells_resumed, socket).run().await;
        }
        // In a box: connections without such a socket are not to pay for its size.
        Serves::Sessions(client) => {
            Box::pin(v3::ws::run(shared, connection, permit, client, socket)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_asked_for_in_the_address() {
        for (query, expected) in [
            (Some("events=resumed"), true),
            (Some("a=b&events=x,resumed"), true),
            (Some("event=resumed"), false),
            (Some("events="), false),
            (None, false),
        ] {
            assert_eq!(tells_resumed(&RawQuery(query.map(str::to_owned))), expected, "{query:?}");
        }
    }

    #[test]
    fn a_move_is_said_with_the_tokens_that_stand() {
        let said = messages::Said::Resumed { id: "a", shown: 7, cause: "link_lost", node: "n-1" };
        let expected = serde_json::json!(
            {"type": "resumed", "id": "a", "shown": 7, "cause": "link_lost", "node": "n-1"}
        );
        assert_eq!(serde_json::to_value(&said).unwrap(), expected);
    }
}
