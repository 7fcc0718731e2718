//! `GET /v3/ws`: one WebSocket, many sessions.
//!
//! [`open`] answers the handshake; the socket is then served by the connection's own task ([`run`]), so it ends with the
//! connection and counts as one. Words are in [`ws_messages`], what is asked goes through [`ws_lanes`], what is heard comes
//! from [`crate::v3::feeds`], and [`ws_socket`] does one after the other.
//!
//! While a client does not read, nothing is read for it: its sessions fill their buffers and cut it off, which it hears
//! with the cursor at which it may go on, should it read again; one that stands still is cut off by [`crate::stall`].
//!
//! [`ws_messages`]: crate::v3::ws_messages
//! [`ws_lanes`]: crate::v3::ws_lanes
//! [`ws_socket`]: crate::v3::ws_socket

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use hyper::HeaderMap;
use pomona_protocol::Principal;
use pomona_protocol::limits::SESSION_FRAME_BYTES_MAX;
use tokio::sync::oneshot;

use crate::errors::ApiError;
use crate::guard::TRACEPARENT;
use crate::state::{Connection, Permit, Serves, Shared, Upgrade};
use crate::v3::extract::coalesce;
use crate::v3::ws_socket::Socket;
use crate::ws::{choose_protocol, not_a_handshake};

/// The protocol that clients should offer; chosen before one that carries a key.
const PROTOCOL: &str = "pomona.v3";
/// Bytes of envelopes that may wait for a slow reader before its sessions do.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;
/// Beyond this the socket is broken off. One envelope may hold a whole question with every character escaped, and one is
/// taken at a time.
const WRITE_BUFFER_BYTES_MAX: usize = WRITE_BUFFER_BYTES + 6 * SESSION_FRAME_BYTES_MAX;
/// Messages up to this many times `limits.body_bytes_max` are read so that they can be refused by name; larger ones end the
/// socket.
const OVERSIZE_READ: usize = 2;

/// Whose a socket is, and how it is told unless it asks otherwise.
pub(crate) struct Client {
    pub(crate) by: Principal,
    pub(crate) coalesce: Duration,
    /// Whether it opened the socket in a trace of its own.
    pub(crate) is_in_trace: bool,
}

/// Opens a WebSocket for many sessions.
#[utoipa::path(
    get,
    path = "/v3/ws",
    params(("sec-websocket-protocol" = Option<String>, Header, description = "`pomona.v3`; browsers add `pomona.bearer.<key>`")),
    responses(
        (status = 101, description = "JSON messages: `attach`, `detach`, `submit`, `cancel`, `typing` and `ping` from the client, each with an optional `ref`; `reply`, `error`, `pong` and envelopes (docs/schema/event.v3.json) from the server"),
        (status = "4XX", description = "no WebSocket handshake, or no key", body = crate::errors::ErrorBody),
        (status = "5XX", description = "too many requests run already", body = crate::errors::ErrorBody),
    ),
    security(("key" = []))
)]
pub(crate) async fn open(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Arc<Connection>>,
    Extension(by): Extension<Principal>,
    Extension(permit): Extension<Permit>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|_| not_a_handshake())?;
    let upgrade = match choose_protocol(&headers, PROTOCOL) {
        Some(protocol) => upgrade.protocols([protocol]),
        None => upgrade,
    };
    let coalesce = coalesce(None, &headers, &shared.session)?;
    let client = Client { by, coalesce, is_in_trace: headers.contains_key(TRACEPARENT) };
    let (send, socket) = oneshot::channel();
    connection.upgrade_to(Upgrade { socket, permit, serves: Serves::Sessions(client) });
    let limit = (shared.limits.body_bytes_max as usize).saturating_mul(OVERSIZE_READ);
    Ok(upgrade
        .max_message_size(limit)
        .max_frame_size(limit)
        .read_buffer_size(crate::ws::READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            // When nobody takes it, the connection is gone already.
            drop(send.send(socket));
        }))
}

/// Serves the WebSocket that [`open`] left, to its end.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
    permit: Permit,
    client: Client,
    socket: WebSocket,
) {
    Socket::new(shared, connection, permit, client, socket).run().await;
}
