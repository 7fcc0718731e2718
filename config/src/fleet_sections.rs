//! The sections of everything that crosses machines: encryption for clients, membership, links, the fleet, weights.

use std::net::IpAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the certificate for clients comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    /// Off on loopback, `authority` elsewhere.
    #[default]
    Auto,
    /// None; clients speak plain HTTP.
    Off,
    /// The cluster's own authority signs it; clients have to trust that.
    Authority,
    /// From files.
    Files,
    /// From an ACME server, for a public name.
    Acme,
}

/// How the API is encrypted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// Where the certificate comes from.
    pub mode: TlsMode,
    /// Certificate chain in PEM, for `files`.
    pub certificate: Option<PathBuf>,
    /// Private key in PEM, for `files`.
    pub key: Option<PathBuf>,
    /// Names in the certificate besides the machine's own, for `authority`; the public names, for `acme`.
    pub names: Vec<String>,
    /// Directory of the ACME server; empty means Let's Encrypt.
    pub acme_directory: Option<String>,
    /// Mail address for the ACME server; empty means none.
    pub acme_contact: Option<String>,
    /// Authority of the ACME server in PEM, when it is a private one.
    pub acme_root: Option<PathBuf>,
    /// Offer HTTP/3 on the UDP port of the same number.
    pub http3: bool,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            mode: TlsMode::Auto,
            certificate: None,
            key: None,
            names: Vec::new(),
            acme_directory: None,
            acme_contact: None,
            acme_root: None,
            http3: true,
        }
    }
}

/// What this machine is in its cluster, and where members reach it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterConfig {
    /// Name of the cluster; counts when the authority is made, and is fixed from then on.
    pub name: String,
    /// What people call this machine; empty means its host name.
    pub node_name: Option<String>,
    /// Whether this machine hosts models; false makes it a client: it never loads or stores one.
    pub hosts: bool,
    /// Address for member links.
    pub bind: IpAddr,
    /// UDP port for member links, 1 to 65535; 0 means the gateway's number, or any free one on a node.
    pub port: u16,
    /// Addresses at which this gateway is reached from anywhere, as `host:port`.
    pub wan_addresses: Vec<String>,
    /// Announce this gateway on the LAN by mDNS, and look for it there.
    pub mdns: bool,
    /// Hours that a member's certificate lasts, 24 to 720; it is renewed at two thirds.
    pub certificate_hours: u32,
    /// Members that may be linked at once, 1 to 10000.
    pub members_max: u32,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            name: "orchard".to_owned(),
            node_name: None,
            hosts: true,
            bind: IpAddr::from([0, 0, 0, 0]),
            port: 0,
            wan_addresses: Vec::new(),
            mdns: true,
            certificate_hours: 720,
            members_max: 1024,
        }
    }
}

/// How a congested path is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Congestion {
    /// Takes loss for congestion.
    Cubic,
    /// Takes a growing round trip for congestion; holds on where loss is no sign of it, as on radio.
    #[default]
    Bbr,
}

/// QUIC between members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LinkConfig {
    /// Milliseconds between keep-alives on a LAN, 50 to 60000.
    pub lan_keep_alive_ms: u64,
    /// Milliseconds without a packet before a LAN link is given up, 500 to 600000.
    pub lan_idle_ms: u64,
    /// Milliseconds between keep-alives on a WAN, 50 to 60000.
    pub wan_keep_alive_ms: u64,
    /// Milliseconds without a packet before a WAN link is given up, 500 to 600000.
    pub wan_idle_ms: u64,
    /// Congestion control on a WAN.
    pub wan_congestion: Congestion,
    /// Milliseconds that the LAN is tried before the WAN joins the race, 0 to 10000.
    pub wan_head_start_ms: u64,
    /// Milliseconds before the first new try of a lost link, 10 to 60000.
    pub redial_base_ms: u64,
    /// Longest pause between tries in milliseconds, 10 to 600000.
    pub redial_ms_max: u64,
    /// Milliseconds for a greeting, 100 to 60000.
    pub greeting_ms: u64,
    /// Turns and transfers on one link at once, 16 to 65536.
    pub streams_max: u32,
    /// Send several packets by one system call where the network card allows it.
    pub segmentation_offload: bool,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            lan_keep_alive_ms: 500,
            lan_idle_ms: 2_500,
            wan_keep_alive_ms: 2_000,
            wan_idle_ms: 9_000,
            wan_congestion: Congestion::Bbr,
            wan_head_start_ms: 250,
            redial_base_ms: 100,
            redial_ms_max: 5_000,
            greeting_ms: 4_000,
            streams_max: 4_096,
            segmentation_offload: true,
        }
    }
}

/// How the fleet is watched and what it is to serve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FleetConfig {
    /// Milliseconds between a node's reports, 50 to 500.
    pub beat_ms: u64,
    /// Milliseconds without a report before a node on the LAN is suspect, 100 to 60000.
    pub lan_suspect_ms: u64,
    /// Milliseconds without a report before a node on a WAN is suspect, 100 to 60000.
    pub wan_suspect_ms: u64,
    /// Milliseconds that a node holds a turn whose link was lost, 0 to 3600000.
    pub orphan_grace_ms: u64,
    /// Bytes of events that a node holds per turn for whoever attaches again, 4096 to 2^30.
    pub held_bytes_max: u64,
    /// Replicas wanted, as `model=count`; models that are not named stay where they were started.
    pub replicas: Vec<String>,
    /// Load a model that somebody on the fleet has when a turn asks for it.
    pub load_on_demand: bool,
    /// Models that this machine keeps once they are loaded, whatever else is wanted and however idle they are.
    pub pinned: Vec<String>,
    /// Milliseconds without a turn after which a model is unloaded, 1000 to 31536000000; 0 means never.
    pub idle_unload_ms: u64,
    /// The same for single models, as `model=milliseconds`.
    pub idle_unload_of: Vec<String>,
    /// Bytes that models may take on this machine, 0 to 2^50; 0 means three quarters of its memory.
    pub memory_bytes: u64,
}

impl Default for FleetConfig {
    fn default() -> Self {
        Self {
            beat_ms: 250,
            lan_suspect_ms: 750,
            wan_suspect_ms: 3_000,
            orphan_grace_ms: 30_000,
            held_bytes_max: 1024 * 1024,
            replicas: Vec::new(),
            load_on_demand: true,
            pinned: Vec::new(),
            idle_unload_ms: 0,
            idle_unload_of: Vec::new(),
            memory_bytes: 0,
        }
    }
}

/// Weights between machines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WeightsConfig {
    /// Bytes per second that one machine gives away while it answers turns, 65536 to 2^40.
    pub busy_bytes_per_s_max: u64,
    /// Bytes per second that one machine gives away otherwise, 0 to 2^40; 0 means no limit.
    pub idle_bytes_per_s_max: u64,
    /// Machines that one model is taken from at once, 1 to 64.
    pub sources_max: u32,
    /// Transfers that one machine gives at once, 1 to 256.
    pub transfers_max: u32,
}

impl Default for WeightsConfig {
    fn default() -> Self {
        Self {
            busy_bytes_per_s_max: 32 * 1024 * 1024,
            idle_bytes_per_s_max: 0,
            sources_max: 4,
            transfers_max: 8,
        }
    }
}
