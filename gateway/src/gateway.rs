//! The gateway's life: bind, serve, end. `node` builds it from its parts; nothing else does.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use hyper::header::HeaderValue;
use pomona_actors::Handle;
use pomona_config::{ApiConfig, GatewayConfig, LimitsConfig, NotificationsConfig, SessionConfig};
use pomona_protocol::ApiPort;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::fleet::Readers;
use crate::hosts::HostPolicy;
use crate::http_service::HttpService;
use crate::keys::KeyRing;
use crate::metrics::Metrics;
use crate::signin::SignInLinks;
use crate::signin::codes::Codes;
use crate::signin::cookie::SignedOut;
use crate::state::Shared;
use crate::tls::{ServerCertificate, Tls, TlsError, TlsSource};
use crate::webhook::{Webhook, WebhookError};
use crate::{accept, routes, web};

/// Seconds for which a client may remember that HTTP/3 is served: a day, as most servers say.
const HTTP3_OFFER_S: u32 = 86_400;
/// Between two looks at when the certificate ends. It lasts for days at least.
const CERTIFICATE_LOOK_EVERY: Duration = Duration::from_secs(60);

/// What a gateway is built from.
pub struct GatewayParts {
    /// Where it listens and whom it trusts.
    pub gateway: GatewayConfig,
    /// What one request may ask.
    pub api: ApiConfig,
    /// Limits of connections, bodies and streams.
    pub limits: LimitsConfig,
    /// Limits of sessions.
    pub session: SessionConfig,
    /// Who else hears of notices.
    pub notifications: NotificationsConfig,
    /// Who may ask.
    pub keys: KeyRing,
    /// The way to the actors.
    pub handle: Handle,
    /// The same that the actors observe with.
    pub metrics: Arc<Metrics>,
    /// Version of the program.
    pub version: String,
    /// How the port is encrypted.
    pub tls: TlsSource,
    /// Fires when nothing new is to be accepted any more and running requests are to end.
    pub shutdown: CancellationToken,
}

/// Why no port could be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is reachable from outside, and nothing is encrypted.
    #[error(
        "gateway.bind = {bind} can be reached from other machines, and tls.mode is off; set tls.mode to authority, files or acme, or gateway.insecure (--insecure) on a network you trust, or bind to 127.0.0.1"
    )]
    Insecure {
        /// The address.
        bind: IpAddr,
    },
    /// The port was to be encrypted and cannot be.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Notices were to be sent and cannot be.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// The port and all its fallbacks are in use.
    #[error("{}", taken_message(*.bind, *.port, *.fallback))]
    PortTaken {
        /// The address.
        bind: IpAddr,
        /// The configured port.
        port: u16,
        /// First and last port tried after it, when there are any.
        fallback: Option<(u16, u16)>,
    },
    /// The system refused for another reason.
    #[error("cannot listen on {address}: {source}")]
    Io {
        /// What was tried.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

fn taken_message(bind: IpAddr, port: u16, fallback: Option<(u16, u16)>) -> String {
    let tried = match fallback {
        Some((first, last)) => format!("port {port} and ports {first} to {last} of {bind} are in use"),
        None => format!("port {port} of {bind} is in use"),
    };
    format!("{tried}; set gateway.port (--port) to a free one")
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Connections that were still open when the kill token fired.
    pub connections_cut: usize,
}

/// An open port and what answers on it.
pub struct Gateway {
    listener: TcpListener,
    local_addr: SocketAddr,
    fell_back_from: Option<u16>,
    shared: Arc<Shared>,
    router: Router,
    webhook: Option<Webhook>,
}

impl Gateway {
    /// Opens the port and builds a gateway behind it.
    pub async fn bind(parts: GatewayParts) -> Result<Self, BindError> {
        let door = Door::open(&parts.gateway).await?;
        Self::behind(door, parts)
    }

    /// Reads the certificate and builds a gateway behind a port that is open already.
    pub fn behind(door: Door, parts: GatewayParts) -> Result<Self, BindError> {
        let GatewayParts {
            gateway,
            api,
            limits,
            session,
            notifications,
            keys,
            handle,
            metrics,
            version,
            tls,
            shutdown,
        } = parts;
        let tls = Tls::new(tls)?;
        let webhook = Webhook::of(&notifications)?;
        if tls.is_none() && !gateway.bind.is_loopback() && !gateway.insecure {
            return Err(BindError::Insecure { bind: gateway.bind });
        }
        let Door { listener, local_addr, fell_back_from } = door;
        let shared = Arc::new(Shared {
            requests: Arc::new(Semaphore::new(limits.requests_max as usize)),
            connections: Arc::new(Semaphore::new(limits.connections_max as usize)),
            hosts: HostPolicy::new(&gateway, tls.as_ref().map(Tls::names).unwrap_or_default()),
            page_policy: web::policy(&gateway.addresses),
            fingerprint: format!("pomona-{version}"),
            started_unix: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            alt_svc: OnceLock::new(),
            description: OnceLock::new(),
            tls,
            farewells: TaskTracker::new(),
            readers: Readers::default(),
            codes: Codes::default(),
            signed_out: SignedOut::default(),
            shutdown,
            gateway,
            api,
            limits,
            session,
            keys,
            handle,
            metrics,
            version,
        });
        let api = ApiPort {
            port: local_addr.port(),
            is_encrypted: shared.tls.is_some(),
            is_loopback: local_addr.ip().is_loopback(),
        };
        shared.handle.note_api(api);
        let router = routes::router(Arc::clone(&shared));
        Ok(Self { listener, local_addr, fell_back_from, shared, router, webhook })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The configured port, when it was taken and another one is used.
    pub fn fell_back_from(&self) -> Option<u16> {
        self.fell_back_from
    }

    /// What makes links that sign browsers in, also while it serves.
    pub fn sign_in_links(&self) -> SignInLinks {
        SignInLinks(Arc::clone(&self.shared))
    }

    /// Whether clients speak HTTPS.
    pub fn is_encrypted(&self) -> bool {
        self.shared.tls.is_some()
    }

    /// The certificate that clients are shown, for whoever serves HTTP/3; it stays the same object when it is renewed.
    /// Under ACME it may be empty still.
    pub fn certificate(&self) -> Option<Arc<ServerCertificate>> {
        self.shared.tls.as_ref().map(|tls| Arc::clone(tls.certificate()))
    }

    /// What answers the requests of HTTP/3 connections.
    pub fn http_service(&self) -> HttpService {
        HttpService::new(Arc::clone(&self.shared), self.router.clone())
    }

    /// Tells clients on encrypted connections that HTTP/3 is served on this UDP port. Counts once.
    pub fn offer_http3(&self, port: u16) {
        if let Ok(value) = HeaderValue::try_from(format!("h3=\":{port}\"; ma={HTTP3_OFFER_S}")) {
            self.shared.alt_svc.get_or_init(|| value);
        }
    }

    /// Serves until the shutdown token fires; then accepts nothing new, lets running requests end, and returns when
    /// all connections are done or when `kill` fires.
    pub async fn serve(self, kill: CancellationToken) -> Served {
        let Self { listener, shared, router, webhook, .. } = self;
        let mut helpers = JoinSet::new();
        if let Some(webhook) = webhook {
            helpers.spawn(webhook.run(shared.handle.clone()));
        }
        let kept = Arc::clone(&shared);
        helpers.spawn(async move {
            if let Some(tls) = &kept.tls {
                tls.keep().await;
            }
        });
        let kept = Arc::clone(&shared);
        helpers.spawn(async move {
            while let Some(tls) = &kept.tls {
                if let Some((begins, ends)) = tls.certificate().validity() {
                    kept.handle.note_server_certificate(begins, ends);
                }
                tokio::time::sleep(CERTIFICATE_LOOK_EVERY).await;
            }
        });
        let farewells = shared.farewells.clone();
        let connections_cut = accept::run(listener, shared, router, kill).await;
        farewells.close();
        farewells.wait().await;
        helpers.shutdown().await;
        Served { connections_cut }
    }
}

/// An open port that nobody answers on yet. Connections wait in the system's queue.
pub struct Door {
    listener: TcpListener,
    local_addr: SocketAddr,
    fell_back_from: Option<u16>,
}

impl Door {
    /// Opens the configured port, else the first free one of the fallback range.
    pub async fn open(config: &GatewayConfig) -> Result<Self, BindError> {
        let (listener, fell_back_from) = listen(config).await?;
        let local_addr = listener
            .local_addr()
            .map_err(|source| BindError::Io { address: SocketAddr::new(config.bind, config.port), source })?;
        Ok(Self { listener, local_addr, fell_back_from })
    }

    /// Where it is.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

/// The listener, and the configured port when it is another one.
async fn listen(config: &GatewayConfig) -> Result<(TcpListener, Option<u16>), BindError> {
    let GatewayConfig { bind, port, fallback_port_first: first, fallback_port_last: last, .. } = *config;
    let has_fallback = port != 0 && first != 0 && first <= last;
    let fallback = has_fallback.then_some((first, last));
    let further = fallback.map(|(first, last)| first..=last).into_iter().flatten();
    for candidate in std::iter::once(port).chain(further) {
        let address = SocketAddr::new(bind, candidate);
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok((listener, (candidate != port).then_some(port))),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(source) => return Err(BindError::Io { address, source }),
        }
    }
    Err(BindError::PortTaken { bind, port, fallback })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(port: u16, first: u16, last: u16) -> GatewayConfig {
        GatewayConfig {
            port,
            fallback_port_first: first,
            fallback_port_last: last,
            ..GatewayConfig::default()
        }
    }

    #[tokio::test]
    async fn a_taken_port_falls_back_or_is_named() {
        let (holder, _) = listen(&config(0, 0, 0)).await.unwrap();
        let taken = holder.local_addr().unwrap().port();
        let (_spare, free) = {
            let (spare, _) = listen(&config(0, 0, 0)).await.unwrap();
            let port = spare.local_addr().unwrap().port();
            drop(spare);
            ((), port)
        };
        let (listener, from) = listen(&config(taken, free, free)).await.unwrap();
        assert_eq!((listener.local_addr().unwrap().port(), from), (free, Some(taken)));
        let message = listen(&config(taken, taken, taken)).await.unwrap_err().to_string();
        assert!(message.contains(&taken.to_string()) && message.contains("--port"), "{message}");
    }

    #[test]
    fn an_open_port_is_refused_with_every_remedy() {
        let message = BindError::Insecure { bind: IpAddr::from([0, 0, 0, 0]) }.to_string();
        for remedy in ["tls.mode", "--insecure", "127.0.0.1"] {
            assert!(message.contains(remedy), "{message}");
        }
    }
}
