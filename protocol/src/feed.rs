//! What a gateway tells a dashboard: the whole fleet at one moment (`GET /admin/fleet`) and what changes afterwards
//! (`GET /admin/events`). Nothing here holds a word of a conversation.

use serde::{Deserialize, Serialize};

use crate::{
    Download, DownloadId, MachineFigures, NodeId, NodeState, Notice, PathKind, PeerRole, ReplicaState,
};

/// The whole fleet at one moment, as one gateway sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FleetView {
    /// When, in Unix milliseconds.
    pub at_unix_ms: u64,
    /// The gateway that tells.
    pub gateway: NodeId,
    /// What people call it.
    pub name: String,
    /// Version of its program.
    pub version: String,
    /// Every member.
    pub nodes: Vec<FleetNode>,
    /// Turns of this gateway that run, the oldest first; at most [`crate::limits::FEED_TURNS_MAX`].
    pub turns: Vec<RunningTurn>,
    /// Further turns that run and are not listed.
    pub turns_left_out: u32,
    /// The newest rates.
    pub rates: RateSample,
    /// Rates of the last minutes, one for each second, the oldest first.
    pub history: Vec<RateSample>,
    /// Notices that nobody has acknowledged, the newest first.
    pub notices: Vec<Notice>,
    /// Downloads of this gateway, the newest first.
    #[serde(default)]
    pub downloads: Vec<Download>,
}

/// A member of the fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FleetNode {
    /// Its id.
    pub node: NodeId,
    /// What people call it.
    pub name: String,
    /// What its certificate lets it do.
    pub role: PeerRole,
    /// How it is.
    pub state: NodeState,
    /// Which kind of network it is reached over; `None` while it is not, and for this gateway itself.
    pub path: Option<PathKind>,
    /// Round trip to it in milliseconds; 0 while it is not reached.
    pub rtt_ms: f64,
    /// Version of its program, once it was seen.
    pub version: Option<String>,
    /// Whether it hosts models.
    pub hosts: bool,
    /// Whether it is this gateway's own node.
    pub is_here: bool,
    /// Its machine, as far as the system says.
    pub machine: MachineFigures,
    /// When that of its certificates ends of whose life the least is left, in seconds since 1970; 0 when it has none.
    pub certificate_expires_unix_s: u64,
    /// Seconds that this certificate lasts in all; 0 when that is not known.
    pub certificate_life_s: u64,
    /// Bytes that models may take there.
    pub model_bytes_max: u64,
    /// Bytes that its replicas take.
    pub model_bytes_used: u64,
    /// Turns of this gateway that run there.
    pub turns: u32,
    /// Tokens per second that this gateway gets from there.
    pub tokens_per_s: f64,
    /// Its replicas.
    pub replicas: Vec<FleetReplica>,
}

/// A replica of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FleetReplica {
    /// What clients call its model.
    pub model: String,
    /// What it is doing.
    pub state: ReplicaState,
    /// Restarts since the start of its node.
    pub restarts: u64,
    /// Bytes that it takes in memory, weights and KV together.
    pub memory_bytes: u64,
    /// Sequences in its batch.
    pub sequences: u32,
    /// Turns that wait for a place in its batch.
    pub waiting: u32,
    /// KV blocks in use.
    pub kv_blocks_used: u32,
    /// KV blocks in all.
    pub kv_blocks_total: u32,
    /// Tokens per second that this gateway gets from it.
    pub tokens_per_s: f64,
    /// Whether it is kept, whatever else is wanted.
    pub is_pinned: bool,
    /// Why it failed, when it did.
    pub error: Option<String>,
}

/// A turn that runs, without a word of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunningTurn {
    /// Its id; `POST /admin/turns/{id}/cancel` ends it.
    pub id: String,
    /// The model that was asked for.
    pub model: String,
    /// Where it runs; `None` while it waits.
    pub node: Option<NodeId>,
    /// Who asked: the id of the key.
    pub key: String,
    /// When it was accepted, in Unix milliseconds.
    pub started_unix_ms: u64,
    /// Milliseconds since then.
    pub age_ms: u64,
    /// Tokens so far.
    pub tokens: u32,
}

/// A turn that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndedTurn {
    /// Its id.
    pub id: String,
    /// `stop`, `length`, `cancelled`, or the code of the cause.
    pub outcome: String,
    /// Tokens of its answer.
    pub tokens: u32,
}

/// How far a running turn has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnProgress {
    /// Its id.
    pub id: String,
    /// Where it runs; `None` while it waits.
    pub node: Option<NodeId>,
    /// Tokens so far.
    pub tokens: u32,
}

/// Half and 95 of 100 measurements were at most this, in milliseconds; 0 when there was none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Half of them.
    pub p50: f64,
    /// 95 of 100.
    pub p95: f64,
    /// How many there were.
    pub count: u32,
}

/// What happened in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RateSample {
    /// Its end, in Unix milliseconds.
    pub at_unix_ms: u64,
    /// Tokens shown per second.
    pub tokens_per_s: f64,
    /// Turns that ended per second.
    pub turns_per_s: f64,
    /// Turns that run.
    pub turns_running: u32,
    /// Turns that wait at the gateway.
    pub turns_queued: u32,
    /// From acceptance to the first token, over the last minute.
    pub first_token_ms: Quantiles,
    /// From acceptance to the end, over the last minute.
    pub turn_ms: Quantiles,
}

/// One event of the feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FleetEvent {
    /// Its number within this process of the gateway; a snapshot has that of the last event in it.
    pub number: u64,
    /// When it happened, in Unix milliseconds.
    pub at_unix_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub body: FleetEventBody,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FleetEventBody {
    /// Everything; what follows changes it.
    Snapshot {
        /// The fleet.
        fleet: Box<FleetView>,
    },
    /// A member is like this from now on.
    Node {
        /// The whole of it.
        node: Box<FleetNode>,
    },
    /// A member was taken out of the cluster.
    NodeRemoved {
        /// Which.
        node: NodeId,
    },
    /// Turns began, moved on or ended.
    Turns {
        /// Those that were accepted.
        started: Vec<RunningTurn>,
        /// Those that got a place or further tokens.
        moved: Vec<TurnProgress>,
        /// Those that ended.
        ended: Vec<EndedTurn>,
    },
    /// The rates of the last second.
    Rates {
        /// The rates.
        rates: RateSample,
    },
    /// A notice was made, repeated or acknowledged.
    Notice {
        /// The whole of it.
        notice: Notice,
    },
    /// A download is like this from now on.
    Download {
        /// The whole of it.
        download: Box<Download>,
    },
    /// A download is not listed any more.
    DownloadRemoved {
        /// Which.
        id: DownloadId,
    },
    /// The reader was too slow, or the gateway ends; come back with the last id.
    Cut {
        /// `slow` or `shutting_down`.
        reason: String,
    },
}

impl FleetEventBody {
    /// The word by which clients tell it from others.
    pub fn kind(&self) -> &'static str {
        match self {
            FleetEventBody::Snapshot { .. } => "snapshot",
            FleetEventBody::Node { .. } => "node",
            FleetEventBody::NodeRemoved { .. } => "node_removed",
            FleetEventBody::Turns { .. } => "turns",
            FleetEventBody::Rates { .. } => "rates",
            FleetEventBody::Notice { .. } => "notice",
            FleetEventBody::Download { .. } => "download",
            FleetEventBody::DownloadRemoved { .. } => "download_removed",
            FleetEventBody::Cut { .. } => "cut",
        }
    }
}
