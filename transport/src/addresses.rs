//! Where this machine can be reached on its own networks. Asked by whoever makes tokens and greetings.

use std::net::{IpAddr, SocketAddr};

/// Addresses of this machine's interfaces with `port`, for a socket bound to `bind`. Loopback counts only when bound
/// to it. Empty when the system does not tell.
pub fn local_addresses(bind: IpAddr, port: u16) -> Vec<SocketAddr> {
    if !bind.is_unspecified() {
        return vec![SocketAddr::new(bind, port)];
    }
    let mut addresses: Vec<SocketAddr> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .filter(|interface| interface.is_oper_up() && !interface.is_loopback())
        .map(|interface| interface.ip())
        .filter(|ip| is_reachable(*ip) && (ip.is_ipv4() || bind.is_ipv6()))
        .map(|ip| SocketAddr::new(ip, port))
        .collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// Link-local IPv6 addresses need an interface beside them, which no other machine knows.
fn is_reachable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_on_loopback_is_reached_there_alone() {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(local_addresses(loopback, 9), [SocketAddr::new(loopback, 9)]);
    }

    #[test]
    fn a_socket_on_every_address_does_not_name_loopback() {
        let any = IpAddr::from([0, 0, 0, 0]);
        assert!(local_addresses(any, 9).iter().all(|address| !address.ip().is_loopback()));
    }
}
