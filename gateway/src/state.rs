//! What requests share: the state of the gateway, and the connection that a request came on.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::extract::ws::WebSocket;
use hyper::header::HeaderValue;
use pomona_actors::{Client, Handle};
use pomona_config::{ApiConfig, LimitsConfig, SessionConfig};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::errors::ApiError;
use crate::hosts::HostPolicy;
use crate::keys::{KeyId, KeyRing};
use crate::metrics::Metrics;
use crate::tls::Tls;
use crate::v3;

/// Everything that a handler may need; one per gateway.
pub(crate) struct Shared {
    pub(crate) api: ApiConfig,
    pub(crate) limits: LimitsConfig,
    pub(crate) session: SessionConfig,
    pub(crate) keys: KeyRing,
    pub(crate) hosts: HostPolicy,
    pub(crate) handle: Handle,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) version: String,
    /// Unix time of the start, in seconds.
    pub(crate) started_unix: u64,
    /// `system_fingerprint` of every answer: changes when answers may.
    pub(crate) fingerprint: String,
    /// Places for requests that work on turns.
    pub(crate) requests: Arc<Semaphore>,
    /// Places for connections, TCP and QUIC together.
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) tls: Option<Tls>,
    /// Tells clients on encrypted connections where HTTP/3 is served, once it is.
    pub(crate) alt_svc: OnceLock<HeaderValue>,
    pub(crate) shutdown: CancellationToken,
    /// Cancels the turns of clients that left.
    pub(crate) farewells: TaskTracker,
}

impl Shared {
    pub(crate) fn too_many_connections(&self) -> ApiError {
        let limit = self.limits.connections_max;
        ApiError::overloaded(&format!("{limit} connections are open already (limits.connections_max)"))
    }

    /// The right to work on a request of this key; it travels with the work and ends with it.
    pub(crate) fn permit(&self, key: Option<KeyId>) -> Result<Permit, ApiError> {
        let permit = Arc::clone(&self.requests).try_acquire_owned();
        permit.map(|place| Permit::of(place, key)).map_err(|_| {
            let limit = self.limits.requests_max;
            ApiError::overloaded(&format!("{limit} requests run already (limits.requests_max)"))
        })
    }
}

/// See [`Shared::permit`].
#[derive(Clone)]
pub(crate) struct Permit {
    /// Whose work it is; routes that take permits need a key.
    pub(crate) key: Option<KeyId>,
    _place: Arc<OwnedSemaphorePermit>,
}

impl Permit {
    pub(crate) fn of(place: OwnedSemaphorePermit, key: Option<KeyId>) -> Self {
        Self { key, _place: Arc::new(place) }
    }
}

/// The two ends of a connection, and what is between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    /// Whether it is TLS over TCP, so that HTTP/3 may be offered on it.
    pub(crate) is_encrypted: bool,
}

/// A TCP or QUIC connection. Its Client actor lives as long as the last request or WebSocket on it.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) ends: Ends,
    has_asked: AtomicBool,
    upgrade: Mutex<Option<Upgrade>>,
}

/// A WebSocket that the connection's task is to serve once HTTP has let go of the socket.
pub(crate) struct Upgrade {
    pub(crate) socket: oneshot::Receiver<WebSocket>,
    pub(crate) permit: Permit,
    /// What it is for.
    pub(crate) serves: Serves,
}

/// What a WebSocket is for.
pub(crate) enum Serves {
    /// Turns that end with it.
    Turns {
        /// Whether the client asked for `resumed` messages.
        tells_resumed: bool,
    },
    /// Sessions.
    Sessions(v3::ws::Client),
}

impl Connection {
    pub(crate) fn new(client: Client, ends: Ends) -> Self {
        Self { client, ends, has_asked: AtomicBool::new(false), upgrade: Mutex::new(None) }
    }

    /// Notes that a whole request head arrived.
    pub(crate) fn asked(&self) {
        self.has_asked.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// Leaves a WebSocket for the connection's task.
    pub(crate) fn upgrade_to(&self, upgrade: Upgrade) {
        *self.upgrade.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade);
    }

    pub(crate) fn take_upgrade(&self) -> Option<Upgrade> {
        self.upgrade.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
