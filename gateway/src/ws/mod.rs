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
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use hyper::header::SEC_WEBSOCKET_PROTOCOL;
use hyper::{HeaderMap, StatusCode};
use tokio::sync::oneshot;

use crate::auth::BEARER_PROTOCOL;
use crate::errors::ApiError;
use crate::state::{Connection, Permit, Shared, Upgrade};

/// The protocol that clients should offer; chosen before one that carries a key.
const PROTOCOL: &str = "pomona.v1";
/// Bytes of events that may wait for a slow reader before the turns do.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// Beyond this the socket is broken off; one event is far smaller.
const WRITE_BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// Opens a WebSocket on which many turns can run.
#[utoipa::path(
    get,
    path = "/v1/chat/stream",
    responses(
        (status = 101, description = "JSON messages: `start`, `cancel` and `ping` from the client; `accepted`, `queued`, `started`, `token`, `finished`, `failed`, `error` and `pong` from the server"),
        (status = "4XX", description = "no WebSocket handshake, or no key", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn open(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Arc<Connection>>,
    Extension(permit): Extension<Permit>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|_| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "websocket_expected",
            "this route takes a WebSocket handshake (HTTP/1.1 upgrade)",
        )
    })?;
    let limit = shared.limits.body_bytes_max as usize;
    let upgrade = match choose_protocol(&headers) {
        Some(protocol) => upgrade.protocols([protocol]),
        None => upgrade,
    };
    let (send, socket) = oneshot::channel();
    connection.upgrade_to(Upgrade { socket, permit });
    Ok(upgrade
        .max_message_size(limit)
        .max_frame_size(limit)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            // When nobody takes it, the connection is gone already.
            drop(send.send(socket));
        }))
}

/// A browser gives up unless one of the protocols that it offered is chosen.
fn choose_protocol(headers: &HeaderMap) -> Option<String> {
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let offered: Vec<&str> = offered.flat_map(|value| value.split(',')).map(str::trim).collect();
    let ours = offered.iter().find(|name| **name == PROTOCOL);
    let chosen = ours.or_else(|| offered.iter().find(|name| name.starts_with(BEARER_PROTOCOL)));
    chosen.map(|&name| name.to_owned())
}

/// Serves the WebSocket that [`open`] left, to its end.
pub(crate) async fn run(shared: &Arc<Shared>, connection: &Arc<Connection>, upgrade: Upgrade) {
    let Upgrade { socket, permit } = upgrade;
    if let Ok(socket) = socket.await {
        session::Session::new(shared, connection, socket).run().await;
    }
    drop(permit);
}
