//! Finding a gateway on the local network by mDNS. A gateway announces itself while it runs; a machine that joins, or
//! a member whose addresses have all gone stale, asks. What comes back is a hint and no more: who answers there still
//! has to show a certificate. Where mDNS does not work, everything goes on without it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use mdns_sd::{IfKind, ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo};
use pomona_protocol::NodeId;
use pomona_protocol::join::GatewayAddresses;
use tracing::{debug, warn};

use crate::registry::check_name;

/// What gateways are called among the services of a network.
const SERVICE: &str = "_pomona._udp.local.";
/// Gateways of one cluster that are taken from one search.
const FOUND_MAX: usize = 8;
/// Addresses that are taken from one gateway.
const ADDRESSES_MAX: usize = 16;
/// How much longer a search goes on after its first find, in milliseconds: other gateways answer at the same time.
const MORE_MS: u64 = 400;
/// Hex digits of the fingerprint that are told: enough to tell clusters apart, no more is needed.
const FINGERPRINT_DIGITS: usize = 16;

/// What a gateway tells its network.
#[derive(Clone, Debug)]
pub struct AnnounceParts {
    /// Fingerprint of its authority.
    pub fingerprint: [u8; 32],
    /// Its id.
    pub node: NodeId,
    /// What people call it.
    pub name: String,
    /// Address that it takes member links at; unspecified for all of the machine.
    pub bind: IpAddr,
    /// UDP port of it.
    pub port: u16,
}

/// Holds an announcement; dropping it says goodbye.
pub struct Announcement {
    daemon: ServiceDaemon,
    full_name: String,
}

impl std::fmt::Debug for Announcement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Announcement({})", self.full_name)
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // The daemon's thread ends either way; without the goodbye others find out when the entry ages.
        let _ = self.daemon.unregister(&self.full_name);
        let _ = self.daemon.shutdown();
    }
}

/// Announces a gateway until the result is dropped. `None` on loopback, where nobody is to hear of it, and where mDNS
/// does not work, which is logged.
pub fn announce(parts: &AnnounceParts) -> Option<Announcement> {
    if parts.bind.is_loopback() {
        return None;
    }
    let announced = start(parts.bind).and_then(|daemon| {
        let service = service_of(parts)?;
        let full_name = service.get_fullname().to_owned();
        daemon.register(service)?;
        Ok(Announcement { daemon, full_name })
    });
    announced.inspect_err(|error| warn!(%error, "cannot announce this gateway by mDNS")).ok()
}

/// Gateways of the cluster with this fingerprint that answer within `limit`. Empty on loopback, and where mDNS does
/// not work, which is logged.
pub async fn browse(fingerprint: &[u8; 32], bind: IpAddr, limit: Duration) -> Vec<GatewayAddresses> {
    if bind.is_loopback() {
        return Vec::new();
    }
    let mut found = BTreeMap::new();
    let browsed = async {
        let daemon = start(bind)?;
        let events = daemon.browse(SERVICE)?;
        let mut until = tokio::time::Instant::now() + limit;
        while let Ok(Ok(event)) = tokio::time::timeout_at(until, events.recv_async()).await {
            let ServiceEvent::ServiceResolved(service) = event else { continue };
            let Some(gateway) = gateway_of(&service, fingerprint) else { continue };
            debug!(node = %gateway.node, addresses = ?gateway.lan, "found a gateway by mDNS");
            until = until.min(tokio::time::Instant::now() + Duration::from_millis(MORE_MS));
            if found.len() < FOUND_MAX {
                found.insert(gateway.node.clone(), gateway);
            }
        }
        daemon.shutdown().map(drop)
    };
    let browsed: Result<(), mdns_sd::Error> = browsed.await;
    if let Err(error) = browsed {
        warn!(%error, "cannot look for gateways by mDNS");
    }
    found.into_values().collect()
}

/// A daemon on the interfaces that `bind` means; never on loopback.
fn start(bind: IpAddr) -> Result<ServiceDaemon, mdns_sd::Error> {
    let daemon = ServiceDaemon::new()?;
    if bind.is_unspecified() {
        daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
    } else {
        daemon.disable_interface(IfKind::All)?;
        daemon.enable_interface(IfKind::Addr(bind))?;
    }
    Ok(daemon)
}

fn service_of(parts: &AnnounceParts) -> Result<ServiceInfo, mdns_sd::Error> {
    let host = format!("{}.local.", parts.node);
    let texts = texts_of(&parts.fingerprint, &parts.node, &parts.name);
    let addresses: Vec<IpAddr> = if parts.bind.is_unspecified() { Vec::new() } else { vec![parts.bind] };
    let service =
        ServiceInfo::new(SERVICE, &parts.node.0, &host, addresses.as_slice(), parts.port, &texts[..])?;
    if !parts.bind.is_unspecified() {
        return Ok(service);
    }
    let mut service = service.enable_addr_auto();
    if parts.bind.is_ipv4() {
        service.set_interfaces(vec![IfKind::IPv4]);
    }
    Ok(service)
}

/// What the TXT record says.
fn texts_of(fingerprint: &[u8; 32], node: &NodeId, name: &str) -> [(&'static str, String); 3] {
    [("fp", digits_of(fingerprint)), ("node", node.0.clone()), ("name", name.to_owned())]
}

fn digits_of(fingerprint: &[u8; 32]) -> String {
    let bytes = &fingerprint[..FINGERPRINT_DIGITS / 2];
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn gateway_of(service: &ResolvedService, fingerprint: &[u8; 32]) -> Option<GatewayAddresses> {
    let text = |key: &str| service.get_property_val_str(key);
    let addresses = service.get_addresses().iter().map(mdns_sd::ScopedIp::to_ip_addr);
    read(text, addresses, service.get_port(), fingerprint)
}

/// What a gateway of this cluster told; `None` for others and for what no gateway of ours would say.
fn read<'a>(
    text: impl Fn(&str) -> Option<&'a str>,
    addresses: impl Iterator<Item = IpAddr>,
    port: u16,
    fingerprint: &[u8; 32],
) -> Option<GatewayAddresses> {
    if text("fp")? != digits_of(fingerprint) || port == 0 {
        return None;
    }
    let node = text("node").filter(|node| is_id(node))?;
    let name = text("name").and_then(|name| check_name(name).ok())?;
    let mut lan: Vec<_> =
        addresses.filter(is_reachable).map(|ip| std::net::SocketAddr::new(ip, port)).collect();
    lan.sort();
    lan.dedup();
    lan.truncate(ADDRESSES_MAX);
    if lan.is_empty() {
        return None;
    }
    let lan = lan.iter().map(ToString::to_string).collect();
    Some(GatewayAddresses { node: NodeId::from(node), name: name.to_owned(), lan, wan: Vec::new() })
}

fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix("n-").unwrap_or_default();
    digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// Link-local IPv6 addresses mean nothing without an interface beside them.
fn is_reachable(ip: &IpAddr) -> bool {
    let is_local = match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !is_local && !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast()
}

#[cfg(test)]
mod tests;
