//! Where a model would fit, as a gateway tells an admin: the answer of `GET /admin/models/{id}/placement`.

use serde::{Deserialize, Serialize};

use crate::{ModelId, NodeId};

/// A model and every member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The model.
    pub model: ModelId,
    /// Bytes of its weights; 0 when unknown.
    pub weight_bytes: u64,
    /// Bytes of its KV; 0 when the weights are unknown.
    pub kv_bytes: u64,
    /// Where one more replica would go; `None` when no member can take one.
    pub best: Option<NodeId>,
    /// Every member, this machine first.
    pub nodes: Vec<ModelPlace>,
}

/// What a load on one member would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelPlace {
    /// The member.
    pub node: NodeId,
    /// What people call it.
    pub name: String,
    /// Whether it can take the model, if need be after `unloads`.
    pub fits: bool,
    /// Bytes that the model takes there.
    pub needs_bytes: u64,
    /// Bytes for models that are free before anything is unloaded.
    pub free_bytes: u64,
    /// Bytes that models may take there.
    pub max_bytes: u64,
    /// What would be unloaded to make room.
    pub unloads: Vec<PlaceUnload>,
    /// Whether the files lie on its disk.
    pub has_weights: bool,
    /// Who has them, when it does not.
    pub fetch_from: Vec<NodeId>,
    /// Bytes that are free on its disk; 0 when unknown.
    pub disk_bytes_free: u64,
    /// Why it takes none; `None` when it fits.
    pub reason: Option<NoPlace>,
    /// Bytes of memory that are missing, when that is why.
    pub lacks_bytes: u64,
}

/// A replica that would go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceUnload {
    /// Its model.
    pub model: ModelId,
    /// Bytes that it takes.
    pub memory_bytes: u64,
}

/// Why a member takes no replica of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoPlace {
    /// It has one.
    HasIt,
    /// Its policy.
    HostsNone,
    /// It is about to leave.
    Draining,
    /// It is silent.
    Suspect,
    /// It could not load it before.
    Failed,
    /// Nobody who is linked has the files.
    NoWeights,
    /// Too little memory, also after unloading what nobody uses.
    Memory,
    /// There is no link to it.
    Offline,
}
