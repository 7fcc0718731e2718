//! Machines without machines: network namespaces that a test makes itself and that are gone with it. Linux only, and
//! only for an administrator; [`available`] says why not.
//!
//! Each host has two cables. `lan0` leads to one bridge, which this process is on as well. `wan0` leads to this
//! process alone, which is where a [`crate::relay::Relay`] stands in for the internet: hosts do not reach each other
//! by it.

mod commands;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};

use commands::{ip, ip_quietly};

/// Hosts of one network; the second cables take four addresses each out of 256.
pub const HOSTS_MAX: usize = 63;

/// Why there are no namespaces here; `None` when there are.
pub fn available() -> Option<String> {
    static WHY_NOT: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    WHY_NOT.get_or_init(commands::probe).clone()
}

/// Some hosts, a bridge between them, and a second cable from each to this process.
pub struct Lan {
    /// Begins all names; holds the id of this process, so that nobody else's are touched.
    prefix: String,
    /// The two middle bytes of its addresses.
    network: [u8; 2],
    hosts: Vec<Host>,
}

struct Host {
    name: String,
    namespace: String,
    address: Mutex<Ipv4Addr>,
}

impl Host {
    fn address(&self) -> Ipv4Addr {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lan {
    /// Makes the hosts with these names.
    pub fn new(names: &[&str]) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        ensure!(names.len() <= HOSTS_MAX, "{} hosts, at most {HOSTS_MAX}", names.len());
        commands::remove_leftovers();
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let network = commands::free_network(process, count)?;
        let mut lan = Self { prefix: format!("pm{process:x}x{count:x}"), network, hosts: Vec::new() };
        let bridge = lan.bridge();
        ip(&format!("link add {bridge} type bridge forward_delay 0"))?;
        ip(&format!("address add {}/24 dev {bridge}", lan.own_address()))?;
        ip(&format!("link set {bridge} up"))?;
        for name in names {
            // Known before it is made, so that a half-made one is removed as well.
            let index = lan.hosts.len();
            let namespace = format!("{}-{name}", lan.prefix);
            lan.hosts.push(Host {
                name: (*name).to_owned(),
                namespace,
                address: Mutex::new(lan.lan_address(index)),
            });
            lan.make(index).with_context(|| format!("host {name} cannot be made"))?;
        }
        Ok(lan)
    }

    /// Where the host is on the LAN.
    pub fn address(&self, host: &str) -> Result<Ipv4Addr> {
        Ok(self.hosts[self.index(host)?].address())
    }

    /// Where this process is on the LAN.
    pub fn own_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.network[0], self.network[1], 1)
    }

    /// Where the host is at the end of its second cable. This process reaches it there, other hosts do not.
    pub fn wan_address(&self, host: &str) -> Result<Ipv4Addr> {
        Ok(self.wan_end(self.index(host)?, 2))
    }

    /// Where this process is reached by all hosts over their second cables: the place for a relay.
    pub fn internet(&self) -> Ipv4Addr {
        self.wan_end(0, 1)
    }

    /// What to put before a command so that it runs on the host.
    pub fn enter(&self, host: &str) -> Result<Vec<String>> {
        let namespace = &self.hosts[self.index(host)?].namespace;
        Ok(["ip", "netns", "exec", namespace].map(str::to_owned).to_vec())
    }

    /// A UDP socket of this process that is on the host.
    pub fn socket(&self, host: &str, address: SocketAddr) -> Result<UdpSocket> {
        let namespace = &self.hosts[self.index(host)?].namespace;
        commands::inside(namespace, move || UdpSocket::bind(address))?
            .with_context(|| format!("{address} cannot be bound on {host}"))
    }

    /// Cuts the host off the LAN somewhere far away: its own plug still looks fine.
    pub fn cut(&self, host: &str) -> Result<()> {
        ip(&format!("link set {} nomaster", self.lan_plug(self.index(host)?)))
    }

    /// Pulls the host's plug of the LAN, which it sees.
    pub fn unplug(&self, host: &str) -> Result<()> {
        ip(&format!("link set {} down", self.lan_plug(self.index(host)?)))
    }

    /// Undoes [`Lan::cut`] and [`Lan::unplug`].
    pub fn heal(&self, host: &str) -> Result<()> {
        ip(&format!("link set {} master {} up", self.lan_plug(self.index(host)?), self.bridge()))
    }

    /// Pulls the host's second plug, which it sees. What it does not see is a relay that cuts.
    pub fn unplug_wan(&self, host: &str) -> Result<()> {
        ip(&format!("link set {} down", self.wan_plug(self.index(host)?)))
    }

    /// Undoes [`Lan::unplug_wan`].
    pub fn heal_wan(&self, host: &str) -> Result<()> {
        ip(&format!("link set {} up", self.wan_plug(self.index(host)?)))
    }

    /// Gives the host another address on the LAN, as a router does that forgot it.
    pub fn change_address(&self, host: &str) -> Result<Ipv4Addr> {
        let Host { namespace, address, .. } = &self.hosts[self.index(host)?];
        let mut address = address.lock().unwrap_or_else(PoisonError::into_inner);
        let [a, b, c, last] = address.octets();
        // Each host has three of its own.
        let step = HOSTS_MAX as u8 + 1;
        *address = Ipv4Addr::new(a, b, c, (last - 2 + step) % (3 * step) + 2);
        ip(&format!("-netns {namespace} address flush dev lan0"))?;
        ip(&format!("-netns {namespace} address add {address}/24 dev lan0"))?;
        Ok(*address)
    }

    fn make(&self, index: usize) -> Result<()> {
        let (namespace, address) = (&self.hosts[index].namespace, self.hosts[index].address());
        let (lan_plug, wan_plug) = (self.lan_plug(index), self.wan_plug(index));
        ip(&format!("netns add {namespace}"))?;
        ip(&format!("link add {lan_plug} type veth peer name lan0 netns {namespace}"))?;
        ip(&format!("link add {wan_plug} type veth peer name wan0 netns {namespace}"))?;
        ip(&format!("link set {lan_plug} master {} up", self.bridge()))?;
        ip(&format!("address add {}/30 dev {wan_plug}", self.wan_end(index, 1)))?;
        ip(&format!("link set {wan_plug} up"))?;
        let inside = |command: String| ip(&format!("-netns {namespace} {command}"));
        inside("link set lo up".to_owned())?;
        inside(format!("address add {address}/24 dev lan0"))?;
        inside("link set lan0 up".to_owned())?;
        inside(format!("address add {}/30 dev wan0", self.wan_end(index, 2)))?;
        inside("link set wan0 up".to_owned())?;
        // The one way out, and no default one: other hosts stay out of reach even where this system forwards.
        if index > 0 {
            inside(format!("route add {}/32 via {}", self.internet(), self.wan_end(index, 1)))?;
        }
        Ok(())
    }

    fn index(&self, host: &str) -> Result<usize> {
        let found = self.hosts.iter().position(|known| known.name == host);
        found.with_context(|| format!("there is no host {host}"))
    }

    fn bridge(&self) -> String {
        format!("{}b", self.prefix)
    }

    fn lan_plug(&self, index: usize) -> String {
        format!("{}l{index:x}", self.prefix)
    }

    fn wan_plug(&self, index: usize) -> String {
        format!("{}w{index:x}", self.prefix)
    }

    fn lan_address(&self, index: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, self.network[0], self.network[1], index as u8 + 2)
    }

    /// One of the two ends of a host's second cable; the addresses are those set aside for measuring networks.
    fn wan_end(&self, index: usize, end: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18 + self.network[0] % 2, self.network[1], index as u8 * 4 + end)
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for (index, host) in self.hosts.iter().enumerate() {
            ip_quietly(&format!("link del {}", self.lan_plug(index)));
            ip_quietly(&format!("link del {}", self.wan_plug(index)));
            ip_quietly(&format!("netns del {}", host.namespace));
        }
        ip_quietly(&format!("link del {}", self.bridge()));
    }
}

#[cfg(test)]
mod tests;
