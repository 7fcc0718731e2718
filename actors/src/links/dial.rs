//! One dial of one kind of path: names become addresses, addresses are raced by `transport`.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pomona_cluster::path::Addresses;
use pomona_protocol::join::GatewayAddresses;
use pomona_protocol::{LinkPurpose, NodeId, PathKind};
use pomona_transport::{Candidate, DialError, DialTarget, Link};

use crate::shared::Shared;

/// Addresses of one name that are tried.
const ADDRESSES_PER_NAME_MAX: usize = 8;

/// Where a member may be reached, as `host:port`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Candidates {
    lan: Vec<String>,
    wan: Vec<String>,
}

impl From<GatewayAddresses> for Candidates {
    fn from(addresses: GatewayAddresses) -> Self {
        Self { lan: addresses.lan, wan: addresses.wan }
    }
}

impl Candidates {
    pub(crate) fn kinds(&self) -> Addresses {
        Addresses { lan: !self.lan.is_empty(), wan: !self.wan.is_empty() }
    }

    fn of(&self, path: PathKind) -> &[String] {
        match path {
            PathKind::Lan => &self.lan,
            PathKind::Wan => &self.wan,
        }
    }
}

/// Dials `node` over `path` after a pause.
pub(crate) fn dial(
    shared: &Shared,
    node: &NodeId,
    candidates: &Candidates,
    path: PathKind,
    after: Duration,
) -> impl Future<Output = Result<Link, DialError>> + Send + 'static {
    let names = candidates.of(path).to_vec();
    let (endpoint, node) = (shared.endpoint.clone(), node.clone());
    async move {
        tokio::time::sleep(after).await;
        let candidates = resolve(names, path).await;
        let target = DialTarget { node: Some(node), candidates, purpose: LinkPurpose::Member };
        match endpoint {
            Some(endpoint) => endpoint.dial(target).await,
            None => Err(DialError::NoCandidates),
        }
    }
}

/// LAN addresses are private ones and loopback; all else, names included, works from farther away.
pub(crate) fn kind_of(address: &str) -> PathKind {
    let is_lan = address.parse::<SocketAddr>().is_ok_and(|address| match address.ip() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    });
    if is_lan { PathKind::Lan } else { PathKind::Wan }
}

/// Addresses behind names; a name that leads nowhere is left out, since another may lead somewhere.
pub(crate) async fn resolve(names: Vec<String>, path: PathKind) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for name in names {
        if let Ok(address) = name.parse::<SocketAddr>() {
            candidates.push(Candidate { address, path });
            continue;
        }
        match tokio::net::lookup_host(&name).await {
            Ok(found) => {
                let found = found.take(ADDRESSES_PER_NAME_MAX);
                candidates.extend(found.map(|address| Candidate { address, path }));
            }
            Err(error) => tracing::debug!(name, %error, "a name does not resolve"),
        }
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_of_the_lan_and_all_else_is_farther_away() {
        for lan in ["127.0.0.1:9", "192.168.1.7:9999", "10.0.0.1:1", "[fd00::1]:9", "[::1]:9"] {
            assert_eq!(kind_of(lan), PathKind::Lan, "{lan}");
        }
        for wan in ["198.18.1.2:9", "[2001:db8::1]:9", "mac.example.org:9999", "nonsense"] {
            assert_eq!(kind_of(wan), PathKind::Wan, "{wan}");
        }
    }
}
