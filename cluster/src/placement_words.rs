//! What is said to and by `placement`: wishes, hosts, plans and refusals.

use std::collections::{BTreeMap, BTreeSet};

use pomona_protocol::{ModelId, ModelOffer, NodeId};

/// A wish of the config or of an admin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which model.
    pub model: ModelId,
    /// On how many nodes; 0 unloads it everywhere.
    pub replicas: u32,
}

/// A node that could host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Which.
    pub node: NodeId,
    /// Whether its policy lets it host at all.
    pub hosts: bool,
    /// It is about to leave: it gets nothing new, and what it has must be elsewhere.
    pub is_draining: bool,
    /// It is silent: it keeps what it has and gets nothing new.
    pub is_suspect: bool,
    /// Bytes that models may take.
    pub memory_bytes: u64,
    /// Bytes of them that something other than `replicas` takes; 0 as a rule.
    pub memory_bytes_of_others: u64,
    /// Models on its disk.
    pub offers: Vec<ModelOffer>,
    /// What it has loaded, is loading or failed to load.
    pub replicas: Vec<Hosted>,
}

/// A replica on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosted {
    /// Which model.
    pub model: ModelId,
    /// Bytes that it takes; 0 while unknown, then its offer's number counts.
    pub memory_bytes: u64,
    /// Restarting was given up: it serves nobody, and another try on this node would end the same way.
    pub has_failed: bool,
    /// Turns that it has.
    pub turns: u32,
    /// Its node keeps it: by its own config, or because an admin pinned it. It is not unloaded to make room.
    pub is_pinned: bool,
    /// Milliseconds since its last turn; what was idle longest makes room first.
    pub idle_ms: u64,
}

/// Which nodes are to have which model.
pub type Assignment = BTreeMap<ModelId, BTreeSet<NodeId>>;

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// First these.
    pub unloads: Vec<Unload>,
    /// Then these; those that are under way already are not repeated.
    pub loads: Vec<Load>,
    /// What cannot be had.
    pub refusals: Vec<Refusal>,
    /// Where the wanted models are once all is done: the next call's `previous`. Take out what failed.
    pub assignment: Assignment,
}

/// A replica to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Which model.
    pub model: ModelId,
    /// Where.
    pub node: NodeId,
    /// Bytes that it takes there.
    pub memory_bytes: u64,
    /// Whose disk has the weights, when the node's own does not.
    pub fetch_from: Vec<NodeId>,
}

/// A replica to be unloaded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unload {
    /// Which model.
    pub model: ModelId,
    /// Where.
    pub node: NodeId,
}

/// Why a model is not on as many nodes as wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("model `{model}` lacks {missing} of its replicas: {}", join(reasons))]
pub struct Refusal {
    /// Which model.
    pub model: ModelId,
    /// Replicas that are missing.
    pub missing: u32,
    /// Why no node can take one, by node; empty when there is none.
    pub reasons: Vec<(NodeId, Reason)>,
}

fn join(reasons: &[(NodeId, Reason)]) -> String {
    if reasons.is_empty() {
        return "no node is linked".to_owned();
    }
    reasons.iter().map(|(node, reason)| format!("{node}: {reason}")).collect::<Vec<_>>().join("; ")
}

/// Why a node does not take a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It has one.
    #[error("has it already")]
    HasIt,
    /// Its policy.
    #[error("hosts no models")]
    HostsNone,
    /// It is about to leave.
    #[error("is draining")]
    Draining,
    /// It is silent.
    #[error("is silent")]
    Suspect,
    /// It could not load it.
    #[error("failed to load it")]
    Failed,
    /// Nobody has the weights.
    #[error("nobody linked has its weights")]
    NoWeights,
    /// Too little memory.
    #[error("lacks {lacks} bytes (needs {needs}, has {free} free or idle of {memory})")]
    Memory {
        /// Bytes that the model takes.
        needs: u64,
        /// Bytes that are free, or would be if idle replicas went.
        free: u64,
        /// Bytes in all.
        memory: u64,
        /// What is missing.
        lacks: u64,
    },
}

/// Where a model that somebody asked for can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnDemand {
    /// It is loaded, or being loaded, here.
    IsThere(NodeId),
    /// Do this.
    Place {
        /// First unload these, on the same node.
        unloads: Vec<Unload>,
        /// Then load it.
        load: Load,
    },
}
