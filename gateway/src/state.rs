//! What requests share: the state of the gateway, and the connection that a request came on.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::ws::WebSocket;
use pomona_actors::{Client, Handle};
use pomona_config::{ApiConfig, LimitsConfig};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use crate::errors::ApiError;
use crate::hosts::HostPolicy;
use crate::keys::KeyRing;
use crate::metrics::Metrics;

/// Everything that a handler may need; one per gateway.
pub(crate) struct Shared {
    pub(crate) api: ApiConfig,
    pub(crate) limits: LimitsConfig,
    pub(crate) keys: KeyRing,
    pub(crate) hosts: HostPolicy,
    pub(crate) handle: Handle,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) version: String,
    /// Unix time of the start, in seconds.
    pub(crate) started_unix: u64,
    /// `system_fingerprint` of every answer: changes when answers may.
    pub(crate) fingerprint: String,
    pub(crate) requests: Arc<Semaphore>,
    pub(crate) shutdown: CancellationToken,
}

impl Shared {
    /// The right to work on a request; it travels with the work and ends with it.
    pub(crate) fn permit(&self) -> Result<Permit, ApiError> {
        let permit = Arc::clone(&self.requests).try_acquire_owned();
        permit.map(|permit| Permit(Arc::new(permit))).map_err(|_| {
            let limit = self.limits.requests_max;
            ApiError::overloaded(&format!("{limit} requests run already (limits.requests_max)"))
        })
    }
}

/// See [`Shared::permit`].
#[derive(Clone)]
pub(crate) struct Permit(#[expect(dead_code, reason = "held for its drop")] Arc<OwnedSemaphorePermit>);

/// A TCP connection. Its Client actor lives as long as the last request or WebSocket on it.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    has_asked: AtomicBool,
    upgrade: Mutex<Option<Upgrade>>,
}

/// A WebSocket that the connection's task is to serve once HTTP has let go of the socket.
pub(crate) struct Upgrade {
    pub(crate) socket: oneshot::Receiver<WebSocket>,
    pub(crate) permit: Permit,
}

impl Connection {
    pub(crate) fn new(client: Client, peer: SocketAddr, local: SocketAddr) -> Self {
        Self { client, peer, local, has_asked: AtomicBool::new(false), upgrade: Mutex::new(None) }
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
