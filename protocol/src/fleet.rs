//! What a node says of itself to its gateways, on change and at every beat. Each report is whole, so that a lost
//! one costs nothing, and numbered, so that an old one that comes late is dropped.

use serde::{Deserialize, Serialize};

use crate::{ModelCard, ModelId, NodeFigures, NodeId, ReplicaFigures, ReplicaId, ReplicaState};

/// What a member of the cluster may do, as its certificate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerRole {
    /// Hosts models and answers turns that gateways send.
    Node,
    /// Sends turns; may host models as well.
    Gateway,
}

impl PeerRole {
    /// The word of commands, certificates and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            PeerRole::Node => "node",
            PeerRole::Gateway => "gateway",
        }
    }
}

/// Which kind of network a link runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathKind {
    /// The local network, loopback included.
    Lan,
    /// Anything farther away.
    Wan,
}

impl PathKind {
    /// The word of commands and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            PathKind::Lan => "lan",
            PathKind::Wan => "wan",
        }
    }
}

/// The whole state of one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Who reports.
    pub node: NodeId,
    /// What people call it.
    pub name: String,
    /// Drawn at each start of the process; another one means that the node was restarted.
    pub boot: u64,
    /// Counts the reports of one boot, from 1.
    pub seq: u64,
    /// Version of the program.
    pub version: String,
    /// Whether it hosts models at all (the host policy).
    pub hosts: bool,
    /// Whether it is about to leave: it finishes or hands over its turns and takes no new ones.
    pub draining: bool,
    /// Bytes that models may take on this node, weights and KV together.
    pub memory_bytes: u64,
    /// Models whose weights lie on its disk, by name.
    pub models: Vec<ModelOffer>,
    /// Its replicas, loading and failed ones included.
    pub replicas: Vec<ReplicaReport>,
    /// Names the store that it shares with other gateways; 0 for none.
    #[serde(default)]
    pub store: u64,
    /// What it has counted.
    #[serde(default)]
    pub figures: NodeFigures,
}

/// A model that a node could load without fetching anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelOffer {
    /// What clients call it.
    pub model: ModelId,
    /// Bytes that a replica takes in memory, weights and KV together.
    pub memory_bytes: u64,
    /// Names the content: hex of SHA-256 over the manifest of its files. Two nodes with the same digest give
    /// the same answers on the same kind of chip. Empty while it is being computed.
    #[serde(default)]
    pub digest: String,
    /// What its files say of it; `None` when they say nothing that is understood.
    #[serde(default)]
    pub card: Option<Box<ModelCard>>,
}

/// One replica and its load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicaReport {
    /// Which.
    pub replica: ReplicaId,
    /// What it is doing; turns may be sent in `Ready` alone.
    pub state: ReplicaState,
    /// The model, once it was loaded.
    pub card: Option<ModelCard>,
    /// Bytes that it takes in memory, weights and KV together.
    pub memory_bytes: u64,
    /// Whether its node keeps it: by its configuration, or because an admin pinned it. It is ended neither to make
    /// room for another one nor for being idle.
    #[serde(default)]
    pub is_pinned: bool,
    /// Milliseconds since it had a turn; 0 while it has one.
    #[serde(default)]
    pub idle_ms: u64,
    /// Restarts since the start of the node.
    pub restarts: u64,
    /// Process id of the engine.
    pub engine_pid: Option<u32>,
    /// Why it failed, when it did.
    pub error: Option<String>,
    /// What it is working on.
    pub load: ReplicaLoad,
    /// What it has counted.
    #[serde(default)]
    pub figures: ReplicaFigures,
}

/// How busy a replica is and how fast; what routing predicts milliseconds from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplicaLoad {
    /// Turns that it may have at once.
    pub turns_max: u32,
    /// Sequences in its batch.
    pub running: u32,
    /// Turns that wait for a place in its batch.
    pub waiting: u32,
    /// Milliseconds of a step with the present batch, smoothed; 0 before the first one. Without work it comes back
    /// to the best that was shown.
    pub step_ms: f32,
    /// Prompt tokens per second while prefilling, smoothed; 0 before the first one. Comes back as well.
    pub prefill_tokens_per_s: f32,
    /// KV blocks in use.
    pub kv_blocks_used: u32,
    /// KV blocks in all.
    pub kv_blocks_total: u32,
    /// It is silent, or has work and made no step for longer than its kind of step takes. Turns move away; they
    /// would come to no harm if it went on.
    pub is_suspect: bool,
}
