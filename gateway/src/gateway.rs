//! The gateway's life: bind, serve, end. `node` builds it from its parts; nothing else does.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use pomona_actors::Handle;
use pomona_config::{ApiConfig, GatewayConfig, LimitsConfig};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::hosts::HostPolicy;
use crate::keys::KeyRing;
use crate::metrics::Metrics;
use crate::state::Shared;
use crate::{accept, routes};

/// What a gateway is built from.
pub struct GatewayParts {
    /// Where it listens and whom it trusts.
    pub gateway: GatewayConfig,
    /// What one request may ask.
    pub api: ApiConfig,
    /// Limits of connections, bodies and streams.
    pub limits: LimitsConfig,
    /// Who may ask.
    pub keys: KeyRing,
    /// The way to the actors.
    pub handle: Handle,
    /// The same that the actors observe with.
    pub metrics: Arc<Metrics>,
    /// Version of the program.
    pub version: String,
}

/// Why no port could be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is reachable from outside, and nothing is encrypted.
    #[error(
        "gateway.bind = {bind} can be reached from other machines, and the API is not encrypted yet; set gateway.insecure (--insecure) on a network you trust, or bind to 127.0.0.1"
    )]
    Insecure {
        /// The address.
        bind: IpAddr,
    },
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
    /// Its shutdown token is put in place by [`Gateway::serve`].
    shared: Shared,
}

impl Gateway {
    /// Opens the port: the configured one, else the first free one of the fallback range.
    pub async fn bind(parts: GatewayParts) -> Result<Self, BindError> {
        let GatewayParts { gateway, api, limits, keys, handle, metrics, version } = parts;
        if !gateway.bind.is_loopback() && !gateway.insecure {
            return Err(BindError::Insecure { bind: gateway.bind });
        }
        let (listener, fell_back_from) = listen(&gateway).await?;
        let local_addr = listener.local_addr().map_err(|source| BindError::Io {
            address: SocketAddr::new(gateway.bind, gateway.port),
            source,
        })?;
        let shared = Shared {
            requests: Arc::new(Semaphore::new(limits.requests_max as usize)),
            hosts: HostPolicy::new(&gateway),
            fingerprint: format!("pomona-{version}"),
            started_unix: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            shutdown: CancellationToken::new(),
            api,
            limits,
            keys,
            handle,
            metrics,
            version,
        };
        Ok(Self { listener, local_addr, fell_back_from, shared })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The configured port, when it was taken and another one is used.
    pub fn fell_back_from(&self) -> Option<u16> {
        self.fell_back_from
    }

    /// Serves until `shutdown` fires; then accepts nothing new, lets running requests end, and returns when
    /// all connections are done or when `kill` fires.
    pub async fn serve(self, shutdown: CancellationToken, kill: CancellationToken) -> Served {
        let shared = Arc::new(Shared { shutdown, ..self.shared });
        let metrics = Arc::clone(&shared.metrics);
        let mut helpers = JoinSet::new();
        helpers.spawn(async move { metrics.watch_lag().await });
        let router = routes::router(Arc::clone(&shared));
        let connections_cut = accept::run(self.listener, shared, router, kill).await;
        helpers.shutdown().await;
        Served { connections_cut }
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
}
