//! Reaching a gateway for the first time: several addresses in a staggered race, each judged by itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, IdleTimeout, TransportConfig, VarInt};

use super::error::{DialFailure, JoinError, Tried};
use super::verifier::AuthorityVerifier;
use crate::certificate;
use crate::tls::ALPN_JOIN;

/// How long one address may take, in milliseconds: a few lost packets on a slow way.
const DIAL_MS_MAX: u64 = 5_000;
/// How much later each further address begins, in milliseconds.
const STAGGER_MS: u64 = 200;
/// Network addresses of one host name that are tried.
const RESOLVED_MAX: usize = 4;
/// Silence that ends a first contact, in milliseconds.
const IDLE_MS_MAX: u32 = 20_000;
/// The name in the handshake. The verifier does not look at it: no machine knows its gateway's name before.
const SERVER_NAME: &str = "join.pomona.internal";

/// A socket to dial from, for both kinds of addresses if the system can.
pub(super) fn endpoint(bind: IpAddr) -> Result<Endpoint, JoinError> {
    let wide = if bind == Ipv4Addr::UNSPECIFIED { Ipv6Addr::UNSPECIFIED.into() } else { bind };
    Endpoint::client(SocketAddr::new(wide, 0))
        .or_else(|_| Endpoint::client(SocketAddr::new(bind, 0)))
        .map_err(|source| JoinError::Bind { bind: bind.to_string(), source })
}

/// The first of the addresses where the gateway of this authority answers; how each failed otherwise.
pub(super) async fn first(
    endpoint: &Endpoint,
    addresses: &[String],
    fingerprint: [u8; 32],
) -> Result<(Connection, String), Vec<Tried>> {
    let mut race: FuturesUnordered<_> = addresses
        .iter()
        .enumerate()
        .map(|(place, address)| async move {
            tokio::time::sleep(Duration::from_millis(STAGGER_MS * place as u64)).await;
            let limit = Duration::from_millis(DIAL_MS_MAX);
            let reached = tokio::time::timeout(limit, one(endpoint, address, fingerprint)).await;
            let slow = |_| unreachable(format!("no answer within {} s", limit.as_secs()));
            let reached = reached.map_err(slow).and_then(|reached| reached);
            (place, reached)
        })
        .collect();
    let mut tried = Vec::new();
    while let Some((place, reached)) = race.next().await {
        let address = addresses[place].clone();
        match reached {
            Ok(connection) => return Ok((connection, address)),
            Err(failure) => tried.push((place, Tried { address, failure })),
        }
    }
    tried.sort_by_key(|(place, _)| *place);
    Err(tried.into_iter().map(|(_, tried)| tried).collect())
}

async fn one(endpoint: &Endpoint, address: &str, fingerprint: [u8; 32]) -> Result<Connection, DialFailure> {
    let resolved = tokio::net::lookup_host(address).await.map_err(|error| unreachable(error.to_string()))?;
    let mut last = unreachable("the name has no address".to_owned());
    for remote in resolved.take(RESOLVED_MAX) {
        match connect(endpoint, remote, fingerprint).await {
            Ok(connection) => return Ok(connection),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

async fn connect(
    endpoint: &Endpoint,
    remote: SocketAddr,
    fingerprint: [u8; 32],
) -> Result<Connection, DialFailure> {
    let verifier = Arc::new(AuthorityVerifier::new(fingerprint));
    let config = client_config(&verifier).map_err(|error| unreachable(error.to_string()))?;
    let connecting =
        endpoint.connect_with(config, remote, SERVER_NAME).map_err(|error| unreachable(error.to_string()))?;
    connecting
        .await
        .map_err(|error| verifier.take_failure().unwrap_or_else(|| unreachable(error.to_string())))
}

fn client_config(verifier: &Arc<AuthorityVerifier>) -> Result<ClientConfig, rustls::Error> {
    let mut tls = rustls::ClientConfig::builder_with_provider(certificate::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::<AuthorityVerifier>::clone(verifier))
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN_JOIN.to_vec()];
    let tls = QuicClientConfig::try_from(tls).map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MS_MAX))));
    transport.max_concurrent_bidi_streams(VarInt::from_u32(0));
    transport.max_concurrent_uni_streams(VarInt::from_u32(0));
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

fn unreachable(message: String) -> DialFailure {
    DialFailure::Unreachable { message }
}
