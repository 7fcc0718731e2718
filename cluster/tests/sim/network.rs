//! The network between nodes and gateways: ways with delays that can be cut in either direction, and links over them.
//!
//! What is sent on a link comes in order or not at all, as QUIC has it: while a way is cut it waits, and it is lost with
//! the link. Each end notices by itself that it hears nothing: first it suspects, then it gives the link up.

use pomona_protocol::{PathKind, TurnEvent};

use super::event::{Event, Process};
use super::shape::{MS, S};
use super::world::World;

/// A node's end of a link.
pub(crate) const NODE: usize = 0;
/// A gateway's end of a link.
pub(crate) const GATEWAY: usize = 1;

/// Microseconds of silence before an end suspects, and before it gives up.
fn patience(path: PathKind) -> (u64, u64) {
    match path {
        PathKind::Lan => (750 * MS, 2_500 * MS),
        PathKind::Wan => (3 * S, 9 * S),
    }
}

/// What is said on a link. `turn` and `attempt` of an event are for the oracle alone.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    /// The state of the node.
    Report(Box<pomona_protocol::NodeReport>),
    /// The node uses this link from now on. Numbered, because links differ in delay: the word of an older choice may
    /// come after that of a newer one.
    InUse { number: u64 },
    /// The link is closed.
    Goodbye,
    /// An event of a turn.
    Event { stream: u64, turn: usize, attempt: u32, event: TurnEvent },
    /// A turn.
    Open { stream: u64, turn: usize, attempt: u32, model: usize, incarnation: u64, resume: Vec<u32> },
    /// Goes on with a turn.
    Attach { stream: u64, turn: usize, attempt: u32, from: u32 },
    /// Nobody wants this stream any more.
    Reset { stream: u64 },
    /// Load a model.
    Load { model: usize },
    /// Unload a replica of a model.
    Unload { model: usize },
}

/// The way between a node and a gateway over one path.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Way {
    /// One-way delay; `None` when there is no such way.
    pub(crate) delay: Option<u64>,
    /// How many faults cut it, by the end that hears nothing.
    pub(crate) cuts: [u32; 2],
}

/// One end of a link.
#[derive(Clone, Debug, Default)]
pub(crate) struct End {
    /// Whether it was not given up or closed.
    pub(crate) is_open: bool,
    silent_since: Option<u64>,
    arrives_last: u64,
    stuck: Vec<Frame>,
}

/// A connection.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) node: usize,
    pub(crate) gateway: usize,
    pub(crate) path: PathKind,
    /// Generations of the processes that hold the two ends.
    pub(crate) generations: [u32; 2],
    pub(crate) ends: [End; 2],
}

impl Link {
    fn process(&self, side: usize) -> Process {
        if side == NODE { Process::Node(self.node) } else { Process::Gateway(self.gateway) }
    }
}

impl World {
    /// The way of a link's kind.
    pub(crate) fn way(&mut self, node: usize, gateway: usize, path: PathKind) -> &mut Way {
        &mut self.ways[node][gateway][path as usize]
    }

    /// Whether what is sent to this end does not come through.
    pub(crate) fn is_cut(&self, node: usize, gateway: usize, path: PathKind, to: usize) -> bool {
        let way = &self.ways[node][gateway][path as usize];
        way.delay.is_none() || way.cuts[to] > 0
    }

    /// A link whose ends are open as said.
    pub(crate) fn open_link(&mut self, node: usize, gateway: usize, path: PathKind, open: [bool; 2]) -> u64 {
        self.link_last += 1;
        let generations = [self.nodes[node].generation, self.gateways[gateway].generation];
        let end = |is_open| End { is_open, ..End::default() };
        let link = Link { node, gateway, path, generations, ends: [end(open[0]), end(open[1])] };
        self.links.insert(self.link_last, link);
        self.refresh_silence(self.link_last);
        self.link_last
    }

    /// Sends from one end to the other.
    pub(crate) fn send(&mut self, link: u64, from: usize, frame: Frame) {
        let jitter = self.random.range(0, 100);
        let Some(it) = self.links.get_mut(&link).filter(|it| it.ends[from].is_open) else { return };
        let Some(delay) = self.ways[it.node][it.gateway][it.path as usize].delay else { return };
        let end = &mut it.ends[1 - from];
        let at = (self.now + delay + jitter).max(end.arrives_last);
        end.arrives_last = at;
        self.schedule(at, Event::Deliver { link, to: 1 - from, frame: Box::new(frame) });
    }

    /// Something arrives.
    pub(crate) fn deliver(&mut self, link: u64, to: usize, frame: Frame) {
        let Some(it) = self.links.get(&link).filter(|it| it.ends[to].is_open) else { return };
        let is_cut = self.is_cut(it.node, it.gateway, it.path, to);
        let it = self.links.get_mut(&link).expect("invariant: it was there just now");
        if is_cut || !it.ends[to].stuck.is_empty() {
            it.ends[to].stuck.push(frame);
            return;
        }
        let (node, gateway) = (it.node, it.gateway);
        match (to, frame) {
            (_, Frame::Goodbye) => self.lose_end(link, to),
            (NODE, frame) => self.node_hears(node, link, frame),
            (_, frame) => self.gateway_hears(gateway, node, link, frame),
        }
    }

    /// What waited for a cut to heal arrives, in order.
    pub(crate) fn flush(&mut self, link: u64, to: usize) {
        let Some(it) = self.links.get_mut(&link).filter(|it| it.ends[to].is_open) else { return };
        let (node, gateway, path) = (it.node, it.gateway, it.path);
        if self.is_cut(node, gateway, path, to) {
            return;
        }
        let it = self.links.get_mut(&link).expect("invariant: it was there just now");
        for frame in std::mem::take(&mut it.ends[to].stuck) {
            self.deliver(link, to, frame);
        }
    }

    /// An end is given up, and its process is told.
    pub(crate) fn lose_end(&mut self, link: u64, side: usize) {
        let Some(it) = self.links.get_mut(&link) else { return };
        if !std::mem::replace(&mut it.ends[side].is_open, false) {
            return;
        }
        let (node, gateway) = (it.node, it.gateway);
        self.refresh_silence(link);
        match side {
            NODE => self.node_loses(node, gateway, link),
            _ => self.gateway_loses(gateway, node, link),
        }
        self.forget_link(link);
    }

    /// An end is closed by its own process, which tells the other.
    pub(crate) fn close_end(&mut self, link: u64, side: usize) {
        self.send(link, side, Frame::Goodbye);
        self.drop_end(link, side);
    }

    /// An end is gone and nobody is told, as with a killed process.
    pub(crate) fn drop_end(&mut self, link: u64, side: usize) {
        if let Some(it) = self.links.get_mut(&link) {
            it.ends[side].is_open = false;
            self.refresh_silence(link);
            self.forget_link(link);
        }
    }

    fn forget_link(&mut self, link: u64) {
        if self.links.get(&link).is_some_and(|it| it.ends.iter().all(|end| !end.is_open)) {
            self.links.remove(&link);
        }
    }

    /// Looks again at which ends of a link hear something.
    pub(crate) fn refresh_silence(&mut self, link: u64) {
        let Some(it) = self.links.get(&link) else { return };
        let (suspect_after, lost_after) = patience(it.path);
        for side in [NODE, GATEWAY] {
            let it = &self.links[&link];
            if !it.ends[side].is_open {
                continue;
            }
            let other = it.process(1 - side);
            let speaks = it.ends[1 - side].is_open
                && self.is_awake(other)
                && self.generation(other) == it.generations[1 - side];
            let hears = speaks && !self.is_cut(it.node, it.gateway, it.path, side);
            let (node, gateway) = (it.node, it.gateway);
            let since = it.ends[side].silent_since;
            let end = &mut self.links.get_mut(&link).expect("invariant: it was there just now").ends[side];
            match (hears, since) {
                (true, Some(since)) => {
                    end.silent_since = None;
                    if side == NODE && self.now >= since + suspect_after {
                        self.path_input(node, gateway, pomona_cluster::path::Input::Cleared { link });
                    }
                }
                (false, None) => {
                    end.silent_since = Some(self.now);
                    let since = self.now;
                    self.schedule(since + suspect_after, Event::Silent { link, side, since, lost: false });
                    self.schedule(since + lost_after, Event::Silent { link, side, since, lost: true });
                }
                _ => {}
            }
        }
    }

    /// An end has heard nothing since `since`, if that still holds.
    pub(crate) fn on_silent(&mut self, link: u64, side: usize, since: u64, lost: bool) {
        let Some(it) = self.links.get(&link) else { return };
        if !it.ends[side].is_open || it.ends[side].silent_since != Some(since) {
            return;
        }
        let (node, gateway) = (it.node, it.gateway);
        match (lost, side) {
            (true, _) => self.lose_end(link, side),
            (false, NODE) => self.path_input(node, gateway, pomona_cluster::path::Input::Suspect { link }),
            (false, _) => {}
        }
    }

    /// Cuts ways or heals them.
    pub(crate) fn cut(&mut self, node: usize, gateway: usize, path: PathKind, ends: &[usize], is_cut: bool) {
        for &to in ends {
            let cuts = &mut self.way(node, gateway, path).cuts[to];
            *cuts = if is_cut { *cuts + 1 } else { cuts.saturating_sub(1) };
        }
        let delay = self.way(node, gateway, path).delay.unwrap_or(0);
        for link in self.links_of(Process::Node(node)) {
            let it = &self.links[&link];
            if it.gateway == gateway && it.path == path {
                self.refresh_silence(link);
                if !is_cut {
                    for &to in ends {
                        // QUIC repeats what was lost after at most a probe timeout.
                        self.schedule(self.now + delay + 20 * MS, Event::Flush { link, to });
                    }
                }
            }
        }
    }

    /// Links with an end at this process.
    pub(crate) fn links_of(&self, process: Process) -> Vec<u64> {
        let at = |link: &Link| match process {
            Process::Node(node) => link.node == node,
            Process::Gateway(gateway) => link.gateway == gateway,
        };
        self.links.iter().filter(|(_, link)| at(link)).map(|(id, _)| *id).collect()
    }
}
