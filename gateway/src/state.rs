//! What requests share: the state of the gateway, and the connection that a request came on.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::UNIX_EPOCH;

use axum::extract::ws::WebSocket;
use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::{Request, StatusCode};
use pomona_actors::{Client, Handle, Insight, Span};
use pomona_config::{ApiConfig, GatewayConfig, LimitsConfig, SessionConfig};
use pomona_protocol::TraceContext;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::fleet::Readers;
use crate::errors::ApiError;
use crate::hosts::HostPolicy;
use crate::keys::{KeyId, KeyRing};
use crate::metrics::{Door, Format, Metrics};
use crate::signin::codes::Codes;
use crate::signin::cookie::SignedOut;
use crate::tls::Tls;
use crate::v3;

/// Everything that a handler may need; one per gateway.
pub(crate) struct Shared {
    pub(crate) gateway: GatewayConfig,
    pub(crate) api: ApiConfig,
    pub(crate) limits: LimitsConfig,
    pub(crate) session: SessionConfig,
    pub(crate) keys: KeyRing,
    /// Links that sign browsers in.
    pub(crate) codes: Codes,
    /// Browsers that signed out.
    pub(crate) signed_out: SignedOut,
    pub(crate) hosts: HostPolicy,
    /// What the web app's page may do.
    pub(crate) page_policy: HeaderValue,
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
    /// Readers of the fleet's feed and of logs.
    pub(crate) readers: Readers,
    pub(crate) tls: Option<Tls>,
    /// Tells clients on encrypted connections where HTTP/3 is served, once it is.
    pub(crate) alt_svc: OnceLock<HeaderValue>,
    /// The text of `/openapi.json`, once somebody asked for it.
    pub(crate) description: OnceLock<Bytes>,
    pub(crate) shutdown: CancellationToken,
    /// Cancels the turns of clients that left.
    pub(crate) farewells: TaskTracker,
}

impl Shared {
    /// The page of metrics.
    pub(crate) async fn metrics_page(&self, format: Format) -> Result<Vec<u8>, ApiError> {
        let used = |places: &Semaphore, max: u32| {
            (max.saturating_sub(u32::try_from(places.available_permits()).unwrap_or(u32::MAX)), max)
        };
        let ends = self.tls.as_ref().and_then(|tls| tls.certificate().validity()).map(|(_, ends)| ends);
        let ends = ends.and_then(|ends| ends.duration_since(UNIX_EPOCH).ok());
        let door = Door {
            is_ready: self.handle.is_ready(),
            connections: used(&self.connections, self.limits.connections_max),
            requests: used(&self.requests, self.limits.requests_max),
            certificate_expires_unix_s: ends.map_or(0, |since| since.as_secs()),
        };
        // Without the actors there is still what this process knows by itself.
        let insight = self.handle.insight().await.unwrap_or_else(|cause| {
            tracing::warn!(%cause, "a page of metrics is without the fleet");
            Insight::default()
        });
        // Writing some thousand lines takes longer than a thread that serves turns may be held.
        let metrics = Arc::clone(&self.metrics);
        let page = tokio::task::spawn_blocking(move || metrics.render(format, door, &insight)).await;
        page.map_err(|_| {
            let message = "writing the page of metrics failed";
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message)
        })
    }

    pub(crate) fn too_many_connections(&self) -> ApiError {
        let limit = self.limits.connections_max;
        ApiError::overloaded(&format!("{limit} connections are open already (limits.connections_max)"))
    }

    /// The right to work on a request of this key; it travels with the work and ends with it.
    pub(crate) fn permit(&self, key: Option<KeyId>, span: Option<RequestSpan>) -> Result<Permit, ApiError> {
        let permit = Arc::clone(&self.requests).try_acquire_owned();
        permit.map(|place| Permit { span, ..Permit::of(place, key) }).map_err(|_| {
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
    span: Option<RequestSpan>,
    _place: Arc<OwnedSemaphorePermit>,
}

/// On whose account turns run, and in which span.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Whose {
    pub(crate) key: Option<KeyId>,
    pub(crate) trace: Option<TraceContext>,
}

/// The span of a request: it ends when nobody works on the request any more.
#[derive(Clone)]
pub(crate) struct RequestSpan(Arc<Mutex<Span>>);

impl RequestSpan {
    pub(crate) fn new(span: Span) -> Self {
        Self(Arc::new(Mutex::new(span)))
    }

    /// Notes what was answered.
    pub(crate) fn answered(&self, status: u16) {
        let mut span = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        span.set("http.response.status_code", u64::from(status));
        if status >= 500 {
            span.fail("server_error");
        }
    }

    /// The span of a request that holds no place.
    pub(crate) fn context_of<B>(request: &Request<B>) -> Option<TraceContext> {
        request.extensions().get::<RequestSpan>().map(RequestSpan::context)
    }

    fn context(&self) -> TraceContext {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).context()
    }
}

impl Permit {
    pub(crate) fn of(place: OwnedSemaphorePermit, key: Option<KeyId>) -> Self {
        Self { key, span: None, _place: Arc::new(place) }
    }

    /// On whose account the work is.
    pub(crate) fn whose(&self) -> Whose {
        Whose { key: self.key, trace: self.span.as_ref().map(RequestSpan::context) }
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
