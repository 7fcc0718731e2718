//! What is said to and by `membership`: limits, inputs, effects, and its view for status pages and placement.

use std::time::{Duration, Instant};

use pomona_protocol::{
    ModelId, NodeId, NodeReport, NodeState, PathKind, ReplicaId, ReplicaLoad, ReplicaState,
};

use crate::admission;
use crate::placement::{Host, Hosted};

/// Limits of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MembershipLimits {
    /// Silence on a LAN that makes a member suspect.
    pub lan_suspect: Duration,
    /// Silence on a WAN that makes a member suspect.
    pub wan_suspect: Duration,
    /// Ticks farther apart than this mean that this process stood still, and silence before it says nothing of
    /// others. Several times the interval of ticks, and less than `lan_suspect`.
    pub tick_gap_max: Duration,
    /// Members remembered, linked or not.
    pub members_max: u32,
}

impl MembershipLimits {
    pub(crate) fn suspect_after(&self, path: PathKind) -> Duration {
        match path {
            PathKind::Lan => self.lan_suspect,
            PathKind::Wan => self.wan_suspect,
        }
    }

    /// A round trip to reckon with until one was measured.
    pub(crate) fn rtt_prior(&self, path: PathKind, is_here: bool) -> Duration {
        match path {
            _ if is_here => Duration::ZERO,
            PathKind::Lan => Duration::from_millis(1),
            PathKind::Wan => Duration::from_millis(50),
        }
    }
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Input {
    /// The first link to a member is up, or the member was greeted again. However many connections lie below,
    /// a member is linked or it is not.
    LinkUp {
        /// The member.
        node: NodeId,
        /// What people call it.
        name: String,
        /// Drawn at each start of its process; another one than before means that the old process is gone.
        boot: u64,
        /// Which kind of network it is reached over.
        path: PathKind,
    },
    /// This gateway's own node: it needs no link, and its silence means nothing.
    Local {
        /// The node.
        node: NodeId,
        /// What people call it.
        name: String,
        /// Drawn at the start of this process.
        boot: u64,
    },
    /// The last link to this boot of a member is gone. Ignored for an older boot.
    LinkDown {
        /// The member.
        node: NodeId,
        /// Which of its processes.
        boot: u64,
    },
    /// A member is reached another way, or its round trip was measured anew.
    PathChanged {
        /// The member.
        node: NodeId,
        /// Over which kind of network.
        path: PathKind,
        /// Round trip.
        rtt: Duration,
    },
    /// A report came. Dropped without a link, from another boot than the link's, and when it is not newer than
    /// the last.
    Report(Box<NodeReport>),
    /// An admin wants a member to leave, or to stay after all. Remembered over restarts of the member.
    Drain {
        /// The member.
        node: NodeId,
        /// Whether it leaves.
        on: bool,
    },
    /// A member is one no longer; everything about it is forgotten.
    Remove {
        /// Which.
        node: NodeId,
    },
    /// Time has passed. To be said several times per `tick_gap_max`.
    Tick,
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A replica takes turns.
    ReplicaUp {
        /// Which.
        replica: ReplicaId,
        /// Over whose link it is reached.
        via: NodeId,
        /// How busy it is, and whether it, or the way to it, is suspect.
        load: ReplicaLoad,
        /// Round trip to whom it is reached over.
        rtt: Duration,
        /// Whether it is about to leave.
        is_draining: bool,
    },
    /// A replica that is up is reached another way from now on: new turns go there, running ones may be moved
    /// by `Attach`. It stayed up all the time.
    ReplicaVia {
        /// Which.
        replica: ReplicaId,
        /// Over whose link.
        via: NodeId,
    },
    /// A replica takes no turns any more.
    ReplicaDown {
        /// Which.
        replica: ReplicaId,
    },
    /// A report about a replica that is up.
    ReplicaLoad {
        /// Which.
        replica: ReplicaId,
        /// How busy it is.
        load: ReplicaLoad,
        /// Round trip to whom it is reached over.
        rtt: Duration,
    },
    /// Its node is silent, or its engine makes no step.
    ReplicaSuspect {
        /// Which.
        replica: ReplicaId,
    },
    /// It is suspect no longer.
    ReplicaCleared {
        /// Which.
        replica: ReplicaId,
    },
    /// It is about to leave, or stays after all.
    ReplicaDraining {
        /// Which.
        replica: ReplicaId,
        /// Whether it leaves.
        on: bool,
    },
    /// A member has been silent for too long. Its replicas' effects follow.
    NodeSuspect {
        /// Which.
        node: NodeId,
        /// For how long.
        silence: Duration,
    },
    /// A suspect member was heard again, or has lost its link.
    NodeCleared {
        /// Which.
        node: NodeId,
    },
    /// A member is about to leave. Its replicas' effects follow.
    NodeDraining {
        /// Which.
        node: NodeId,
    },
    /// A member stays after all.
    NodeUndrained {
        /// Which.
        node: NodeId,
    },
    /// The models that the linked members have on disk or in memory.
    ModelsChanged {
        /// All of them, in order.
        models: Vec<ModelId>,
    },
    /// There are too many members; this one was not taken in.
    MemberRefused {
        /// Which.
        node: NodeId,
        /// How many there may be.
        members_max: u32,
    },
}

impl Effect {
    /// What admission is to hear of it, if anything.
    pub fn to_admission(&self) -> Option<admission::Input> {
        match self.clone() {
            Effect::ReplicaUp { replica, load, rtt, is_draining, .. } => {
                Some(admission::Input::ReplicaUp { replica, load, rtt, is_draining })
            }
            Effect::ReplicaDown { replica } => Some(admission::Input::ReplicaDown { replica }),
            Effect::ReplicaLoad { replica, load, rtt } => {
                Some(admission::Input::ReplicaLoad { replica, load, rtt })
            }
            Effect::ReplicaSuspect { replica } => Some(admission::Input::ReplicaSuspect { replica }),
            Effect::ReplicaCleared { replica } => Some(admission::Input::ReplicaCleared { replica }),
            Effect::ReplicaDraining { replica, on } => {
                Some(admission::Input::ReplicaDraining { replica, on })
            }
            Effect::ModelsChanged { models } => Some(admission::Input::Catalog { models }),
            Effect::ReplicaVia { .. }
            | Effect::NodeSuspect { .. }
            | Effect::NodeCleared { .. }
            | Effect::NodeDraining { .. }
            | Effect::NodeUndrained { .. }
            | Effect::MemberRefused { .. } => None,
        }
    }
}

/// A member as it is now.
#[derive(Clone, Copy, Debug)]
pub struct MemberView<'a> {
    /// Its id.
    pub node: &'a NodeId,
    /// What people call it.
    pub name: &'a str,
    /// Its process.
    pub boot: u64,
    /// Whether it is this gateway's own node.
    pub is_here: bool,
    /// How it is reached; `None` while it is not.
    pub path: Option<PathKind>,
    /// Round trip; 0 while it is not reached.
    pub rtt: Duration,
    /// Whether it has been silent for too long.
    pub is_suspect: bool,
    /// Whether it is about to leave.
    pub is_draining: bool,
    /// When its last report came.
    pub heard_at: Option<Instant>,
    /// Its last report, kept while it is offline.
    pub report: Option<&'a NodeReport>,
}

impl MemberView<'_> {
    /// How it is, in one word.
    pub fn state(&self) -> NodeState {
        match self.path {
            None => NodeState::Offline,
            Some(_) if self.is_draining => NodeState::Draining,
            Some(_) if self.is_suspect => NodeState::Suspect,
            Some(_) => NodeState::Alive,
        }
    }

    /// The member as placement looks at it; `None` unless it is linked and has reported.
    pub fn to_host(&self) -> Option<Host> {
        let report = self.report.filter(|_| self.path.is_some())?;
        let own = report.replicas.iter().filter(|replica| replica.replica.node == *self.node);
        let replicas = own.map(|replica| Hosted {
            model: replica.replica.model.clone(),
            memory_bytes: replica.memory_bytes,
            has_failed: replica.state == ReplicaState::Failed,
            turns: replica.load.running.saturating_add(replica.load.waiting),
            is_pinned: replica.is_pinned,
            idle_ms: replica.idle_ms,
        });
        Some(Host {
            node: self.node.clone(),
            hosts: report.hosts,
            is_draining: self.is_draining,
            is_suspect: self.is_suspect,
            memory_bytes: report.memory_bytes,
            memory_bytes_of_others: 0,
            offers: report.models.clone(),
            replicas: replicas.collect(),
        })
    }
}
