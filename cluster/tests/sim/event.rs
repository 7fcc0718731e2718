//! What can happen at a time, and which process takes it.

use pomona_cluster::turn;
use pomona_protocol::PathKind;

use super::network::Frame;
use super::world::World;

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    Node(usize),
    Gateway(usize),
}

/// What happens at a time.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Deliver {
        link: u64,
        to: usize,
        frame: Box<Frame>,
    },
    Flush {
        link: u64,
        to: usize,
    },
    Silent {
        link: u64,
        side: usize,
        since: u64,
        lost: bool,
    },
    /// A report that comes late or twice, outside of any order.
    Stray {
        gateway: usize,
        node: usize,
        frame: Box<Frame>,
    },
    /// The same for a command.
    StrayCommand {
        node: usize,
        generation: u32,
        frame: Box<Frame>,
    },
    DialBegin {
        node: usize,
        generation: u32,
        gateway: usize,
        path: PathKind,
        ticket: u64,
    },
    DialEnd {
        node: usize,
        generation: u32,
        gateway: usize,
        path: PathKind,
        ticket: u64,
        reached: bool,
    },
    PathTick {
        node: usize,
        generation: u32,
        gateway: usize,
    },
    Beat {
        node: usize,
        generation: u32,
    },
    EngineReady {
        node: usize,
        generation: u32,
        model: usize,
        incarnation: u64,
    },
    EngineStep {
        node: usize,
        generation: u32,
        model: usize,
        incarnation: u64,
    },
    OrphanOver {
        node: usize,
        generation: u32,
        turn: usize,
        lost_at: u64,
    },
    NodeStart {
        node: usize,
    },
    Wake {
        node: usize,
    },
    GatewayStart {
        gateway: usize,
    },
    GatewayTick {
        gateway: usize,
        generation: u32,
    },
    Arrive {
        turn: usize,
    },
    Cancel {
        turn: usize,
    },
    Deadline {
        turn: usize,
    },
    PauseOver {
        turn: usize,
        attempt: u32,
    },
    /// A message to a turn's actor.
    ToTurn {
        turn: usize,
        input: Box<turn::Input>,
    },
    FaultBegin {
        fault: usize,
    },
    FaultEnd {
        fault: usize,
    },
}

impl Event {
    /// Who takes it, and as which generation; `None` for what the world itself does.
    pub(crate) fn owner(&self, world: &World) -> Option<(Process, u32)> {
        let now = |process| Some((process, world.generation(process)));
        match *self {
            Event::Deliver { link, to, .. }
            | Event::Flush { link, to }
            | Event::Silent { link, side: to, .. } => {
                let link = world.links.get(&link)?;
                let process = if to == 0 { Process::Node(link.node) } else { Process::Gateway(link.gateway) };
                Some((process, link.generations[to]))
            }
            Event::Stray { gateway, .. } => now(Process::Gateway(gateway)),
            Event::StrayCommand { node, generation, .. }
            | Event::DialBegin { node, generation, .. }
            | Event::DialEnd { node, generation, .. }
            | Event::PathTick { node, generation, .. }
            | Event::Beat { node, generation }
            | Event::EngineReady { node, generation, .. }
            | Event::EngineStep { node, generation, .. }
            | Event::OrphanOver { node, generation, .. } => Some((Process::Node(node), generation)),
            Event::GatewayTick { gateway, generation } => Some((Process::Gateway(gateway), generation)),
            Event::NodeStart { .. }
            | Event::Wake { .. }
            | Event::GatewayStart { .. }
            | Event::Arrive { .. }
            | Event::Cancel { .. }
            | Event::Deadline { .. }
            | Event::PauseOver { .. }
            | Event::ToTurn { .. }
            | Event::FaultBegin { .. }
            | Event::FaultEnd { .. } => None,
        }
    }
}
