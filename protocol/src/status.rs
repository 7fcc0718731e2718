//! What a gateway tells an admin about itself: the answer of `GET /admin/status`.

use serde::{Deserialize, Serialize};

use crate::{ModelCard, NodeId};

/// One gateway and what it can reach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the program.
    pub version: String,
    /// Name of the cluster.
    pub cluster: String,
    /// Name of the node that this gateway runs on.
    pub node: NodeId,
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
    /// KV blocks in use.
    pub kv_blocks_used: u32,
    /// KV blocks in all.
    pub kv_blocks_total: u32,
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
