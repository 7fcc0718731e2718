//! What can go wrong, and how long it lasts. Drawn with the run, done to the world in `world.rs`.

use std::collections::BTreeMap;

use pomona_protocol::PathKind;

use super::random::Random;
use super::shape::{MS, S, Shape};

/// Which way packets are lost between a node and a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Both ways.
    Both,
    /// What the node says is lost.
    FromNode,
    /// What the gateway says is lost.
    ToNode,
}

/// One fault.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// A node's process dies and comes back with a new boot.
    Crash {
        /// Which.
        node: usize,
        /// How long it is down.
        down: u64,
    },
    /// An engine process dies.
    EngineCrash {
        /// On which node.
        node: usize,
    },
    /// Nothing of a node goes on; then it wakes up and says old things.
    Freeze {
        /// Which.
        node: usize,
        /// For how long.
        lasts: u64,
    },
    /// Beats go on, engines stand.
    Wedge {
        /// Which node's.
        node: usize,
        /// For how long, unless they are killed before.
        lasts: u64,
    },
    /// Engines stand and do not report either, nor do those that replace them.
    Stop {
        /// Which node's.
        node: usize,
        /// For how long.
        lasts: u64,
    },
    /// Steps take many times as long.
    Slow {
        /// Which node's.
        node: usize,
        /// How many times.
        factor: u64,
        /// For how long.
        lasts: u64,
    },
    /// Packets are lost.
    Partition {
        /// Between this node.
        node: usize,
        /// And this gateway; all of them when absent.
        gateway: Option<usize>,
        /// Over this path; both when absent.
        path: Option<PathKind>,
        /// Which way.
        cut: Cut,
        /// For how long.
        lasts: u64,
    },
    /// A switch fails: one path is cut for everybody.
    Blackout {
        /// Which.
        path: PathKind,
        /// For how long.
        lasts: u64,
    },
    /// A node's addresses change.
    Interfaces {
        /// Which.
        node: usize,
    },
    /// A gateway's process dies with all of its turns and comes back.
    GatewayCrash {
        /// Which.
        gateway: usize,
        /// How long it is down.
        down: u64,
    },
    /// A node's wall clock jumps.
    ClockStep {
        /// Which.
        node: usize,
        /// By how many milliseconds.
        by_ms: i64,
    },
    /// Somebody drains a node, and takes that back later.
    Drain {
        /// Which.
        node: usize,
        /// For how long.
        lasts: u64,
    },
    /// Somebody removes a node from the cluster for good.
    Remove {
        /// Which.
        node: usize,
    },
}

impl Fault {
    /// The word of the statistics.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Fault::Crash { .. } => "crash",
            Fault::EngineCrash { .. } => "engine crash",
            Fault::Freeze { .. } => "freeze",
            Fault::Wedge { .. } => "wedge",
            Fault::Stop { .. } => "stop",
            Fault::Slow { .. } => "slow",
            Fault::Partition { cut: Cut::Both, .. } => "partition",
            Fault::Partition { .. } => "one-way partition",
            Fault::Blackout { .. } => "blackout",
            Fault::Interfaces { .. } => "interfaces",
            Fault::GatewayCrash { .. } => "gateway crash",
            Fault::ClockStep { .. } => "clock step",
            Fault::Drain { .. } => "drain",
            Fault::Remove { .. } => "remove",
        }
    }
}

/// Faults by kind.
pub(crate) type FaultCounts = BTreeMap<&'static str, u64>;

/// A fault that is over before `room` has passed.
pub(crate) fn draw_fault(random: &mut Random, shape: &Shape, room: u64) -> Fault {
    let node = random.index(shape.nodes.len());
    let gateway = random.index(shape.gateways);
    let lasts = |random: &mut Random, longest: u64| random.range(50 * MS, longest.min(room).max(51 * MS));
    match random.range(0, 100) {
        0..18 => Fault::Crash { node, down: lasts(random, 4 * S) },
        18..28 => Fault::EngineCrash { node },
        28..42 => Fault::Freeze { node, lasts: lasts(random, 5 * S) },
        42..47 => Fault::Wedge { node, lasts: lasts(random, 4 * S) },
        47..52 => Fault::Stop { node, lasts: lasts(random, 4 * S) },
        52..58 => Fault::Slow { node, factor: random.range(2, 20), lasts: lasts(random, 5 * S) },
        58..60 => Fault::Blackout {
            path: if random.chance(700) { PathKind::Lan } else { PathKind::Wan },
            lasts: lasts(random, 5 * S),
        },
        60..80 => Fault::Partition {
            node,
            gateway: random.chance(500).then_some(gateway),
            path: [None, Some(PathKind::Lan), Some(PathKind::Lan), Some(PathKind::Wan)][random.index(4)],
            cut: [Cut::Both, Cut::Both, Cut::FromNode, Cut::ToNode][random.index(4)],
            lasts: lasts(random, 8 * S),
        },
        80..86 => Fault::Interfaces { node },
        86..89 => Fault::GatewayCrash { gateway, down: lasts(random, 2 * S) },
        89..92 => Fault::ClockStep { node, by_ms: random.range(0, 7_200_000) as i64 - 3_600_000 },
        92..98 => Fault::Drain { node, lasts: lasts(random, 4 * S) },
        // The last node stays, else no turn could end well.
        _ if node > 0 => Fault::Remove { node },
        _ => Fault::EngineCrash { node },
    }
}
