//! What a gateway tells an admin about itself: the answer of `GET /admin/status`.

use serde::{Deserialize, Serialize};

use crate::{ModelCard, ModelOffer, NodeFigures, NodeId, PathKind, PeerRole, ReplicaFigures};

/// One gateway and what it can reach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Name of the cluster.
    pub cluster: String,
    /// Id of the node that this gateway runs on.
    pub node: NodeId,
    /// What people call that node.
    #[serde(default)]
    pub name: String,
    /// Milliseconds since its start.
    pub uptime_ms: u64,
    /// Whether new turns are refused because the process is going down.
    pub draining: bool,
    /// Turns that run.
    pub turns_active: u32,
    /// Turns that wait at the gateway.
    pub turns_queued: u32,
    /// Open client connections.
    pub clients: u32,
    /// Every replica that is wanted.
    pub replicas: Vec<ReplicaStatus>,
}

/// One replica, as its node's Model actor sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicaStatus {
    /// The node that owns it.
    pub node: NodeId,
    /// What clients call its model.
    pub model: String,
    /// What it is doing.
    pub state: ReplicaState,
    /// Counts its engine processes.
    pub incarnation: u64,
    /// Restarts since the start of the node.
    pub restarts: u64,
    /// Process id of the engine, when it is a process of its own.
    pub engine_pid: Option<u32>,
    /// The model, once it was loaded.
    pub card: Option<ModelCard>,
    /// Turns that the gateway has sent to it.
    pub turns: u32,
    /// Whether its node keeps it, whatever else is wanted.
    #[serde(default)]
    pub is_pinned: bool,
    /// Milliseconds since it had a turn; 0 while it has one.
    #[serde(default)]
    pub idle_ms: u64,
    /// KV blocks in use.
    pub kv_blocks_used: u32,
    /// KV blocks in all.
    pub kv_blocks_total: u32,
    /// Sequences in its batch.
    #[serde(default)]
    pub running: u32,
    /// Turns that wait for a place in its batch.
    #[serde(default)]
    pub waiting: u32,
    /// What it has counted since it was loaded.
    #[serde(default)]
    pub figures: ReplicaFigures,
    /// Why it failed, when it did.
    pub error: Option<String>,
}

/// What a replica is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplicaState {
    /// Weights are being read.
    Loading,
    /// Turns are welcome.
    Ready,
    /// The engine was lost and is about to be started again.
    Restarting,
    /// Restarting was given up.
    Failed,
}

impl ReplicaState {
    /// The word that status pages and metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            ReplicaState::Loading => "loading",
            ReplicaState::Ready => "ready",
            ReplicaState::Restarting => "restarting",
            ReplicaState::Failed => "failed",
        }
    }
}

/// A member of the cluster as a gateway sees it: `GET /admin/nodes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its id: stable, made from its key.
    pub node: NodeId,
    /// What people call it.
    pub name: String,
    /// What its certificate lets it do.
    pub role: PeerRole,
    /// How it is.
    pub state: NodeState,
    /// How it is reached; `None` while it is not.
    pub path: Option<PathStatus>,
    /// Version of its program, once it was seen.
    pub version: Option<String>,
    /// Whether it hosts models.
    pub hosts: bool,
    /// Whether it is this gateway's own node.
    pub is_here: bool,
    /// Milliseconds since its last report; `None` when there was none since this gateway's start.
    pub seen_ms_ago: Option<u64>,
    /// When it joined, in milliseconds since 1970; 0 when unknown.
    pub joined_unix_ms: u64,
    /// Bytes that models may take.
    pub memory_bytes: u64,
    /// Bytes that its replicas take.
    pub memory_bytes_used: u64,
    /// Turns of this gateway that run there.
    pub turns: u32,
    /// Models on its disk.
    pub models: Vec<ModelOffer>,
    /// Its replicas.
    pub replicas: Vec<ReplicaStatus>,
    /// What it has counted, by its last report.
    #[serde(default)]
    pub figures: NodeFigures,
}

/// How a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// It reports.
    Alive,
    /// It has been silent for so long that turns move away.
    Suspect,
    /// It finishes or hands over its turns and takes no new ones.
    Draining,
    /// There is no link to it.
    Offline,
}

impl NodeState {
    /// The word that tables and metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            NodeState::Alive => "alive",
            NodeState::Suspect => "suspect",
            NodeState::Draining => "draining",
            NodeState::Offline => "offline",
        }
    }
}

/// The way to a member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathStatus {
    /// LAN or WAN.
    pub kind: PathKind,
    /// The other side's address.
    pub address: String,
    /// Round trip, in milliseconds.
    pub rtt_ms: f64,
    /// Milliseconds since this path is used.
    pub since_ms: u64,
    /// How often the path has changed since the start of this process.
    pub switches: u64,
}

/// What `POST /admin/tokens` is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewToken {
    /// What a machine becomes with it.
    pub role: PeerRole,
    /// Seconds until it expires, 1 to 2592000.
    pub ttl_s: u64,
    /// Machines that may join with it, 1 to 1000.
    pub uses: u32,
    /// Name of the machine; its own host name when absent.
    #[serde(default)]
    pub name: Option<String>,
}

/// What `POST /admin/tokens` answers. The token is shown this once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreatedToken {
    /// The token.
    pub token: String,
    /// Its id, for listing and revoking.
    pub id: String,
    /// When it expires, in milliseconds since 1970.
    pub expires_unix_ms: u64,
    /// Addresses in it.
    pub addresses: Vec<String>,
}

/// A token that may still be used: `GET /admin/tokens`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenStatus {
    /// Its id.
    pub id: String,
    /// What a machine becomes with it.
    pub role: PeerRole,
    /// Name that it fixes.
    pub name: Option<String>,
    /// When it expires, in milliseconds since 1970.
    pub expires_unix_ms: u64,
    /// Machines that may still join with it.
    pub uses_left: u32,
}
