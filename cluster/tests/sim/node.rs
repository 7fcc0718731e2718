//! A node: its paths to the gateways, its replicas, and the turns that it holds. A model of the real thing, small enough
//! to be right: what it must never do is asserted, what it may do is drawn.

use std::collections::BTreeMap;
use std::time::Duration;

use pomona_cluster::path::{self, Addresses, Path, PathLimits};
use pomona_protocol::ReplicaState;
use pomona_protocol::{
    ModelId, ModelOffer, NodeId, NodeReport, PathKind, ReplicaId, ReplicaLoad, ReplicaReport,
};

use super::engine::Replica;
use super::event::{Event, Process};
use super::network::{Frame, GATEWAY, NODE};
use super::random::mix;
use super::shape::{MS, Shape};
use super::world::World;

/// Time between reports.
pub(crate) const BEAT: u64 = 250 * MS;
/// A dial that nothing answers ends after this.
const DIAL_LONGEST: u64 = 1_000 * MS;

/// A turn that a node works on or holds for whoever attaches.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) attempt: u32,
    pub(crate) model: usize,
    pub(crate) incarnation: u64,
    /// Tokens made so far, those of earlier attempts included.
    pub(crate) made: u32,
    /// Index of the first token that it made itself.
    pub(crate) first: u32,
    pub(crate) prefill_left: u64,
    pub(crate) finished: bool,
    /// Where its events go; `None` while its link is lost.
    pub(crate) route: Option<(u64, u64)>,
    pub(crate) lost_at: u64,
}

/// The way to one gateway.
pub(crate) struct PathShell {
    pub(crate) machine: Path,
    /// Numbers of the dials that count, by path.
    tickets: [u64; 2],
    tick_at: Option<u64>,
    /// How often a link was taken into use.
    uses: u64,
}

/// A node.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) is_alive: bool,
    pub(crate) is_removed: bool,
    pub(crate) generation: u32,
    pub(crate) boot: u64,
    pub(crate) seq: u64,
    pub(crate) frozen: u32,
    pub(crate) wedged: u32,
    pub(crate) mute: u32,
    pub(crate) slow: u64,
    pub(crate) is_draining: bool,
    /// Milliseconds that its wall clock is off; boots are drawn from it, as a careless program would.
    pub(crate) clock_off_ms: i64,
    pub(crate) parked: Vec<Event>,
    pub(crate) paths: Vec<PathShell>,
    pub(crate) replicas: BTreeMap<usize, Replica>,
    pub(crate) incarnations: BTreeMap<usize, u64>,
    pub(crate) held: BTreeMap<usize, Held>,
    addresses: Addresses,
}

impl Node {
    pub(crate) fn new(node: usize, shape: &Shape) -> Self {
        let addresses =
            Addresses { lan: shape.nodes[node].lan.is_some(), wan: shape.nodes[node].wan.is_some() };
        Self {
            id: NodeId(format!("n-{node:02}")),
            is_alive: false,
            is_removed: false,
            generation: 0,
            boot: 0,
            seq: 0,
            frozen: 0,
            wedged: 0,
            mute: 0,
            slow: 1,
            is_draining: false,
            clock_off_ms: 0,
            parked: Vec::new(),
            paths: Vec::new(),
            replicas: BTreeMap::new(),
            incarnations: BTreeMap::new(),
            held: BTreeMap::new(),
            addresses,
        }
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen > 0
    }

    /// Bytes that its replicas take.
    pub(crate) fn memory_used(&self) -> u64 {
        self.replicas.values().map(|replica| replica.memory).sum()
    }

    fn report(&mut self, shape: &Shape, node: usize) -> NodeReport {
        self.seq += 1;
        let replicas = self.replicas.iter().map(|(model, replica)| ReplicaReport {
            replica: ReplicaId {
                node: self.id.clone(),
                model: model_id(*model),
                incarnation: replica.incarnation,
            },
            state: if replica.is_ready { ReplicaState::Ready } else { ReplicaState::Loading },
            card: None,
            memory_bytes: replica.memory,
            is_pinned: false,
            idle_ms: 0,
            restarts: 0,
            engine_pid: None,
            error: None,
            load: ReplicaLoad {
                turns_max: shape.nodes[node].slots,
                running: replica.active.len() as u32,
                waiting: replica.waiting.len() as u32,
                step_ms: (shape.nodes[node].step * self.slow) as f32 / 1e3,
                prefill_tokens_per_s: 2_000.0,
                kv_blocks_used: 0,
                kv_blocks_total: 1_000,
                is_suspect: replica.is_suspect,
            },
            figures: Default::default(),
        });
        let replicas = replicas.collect();
        let offers = shape.models.iter().enumerate().map(|(model, memory)| ModelOffer {
            model: model_id(model),
            memory_bytes: *memory,
            digest: String::new(),
            card: None,
        });
        NodeReport {
            node: self.id.clone(),
            name: self.id.0.clone(),
            boot: self.boot,
            seq: self.seq,
            version: String::new(),
            hosts: true,
            draining: self.is_draining,
            memory_bytes: shape.nodes[node].memory,
            models: offers.collect(),
            replicas,
            store: 0,
            figures: Default::default(),
        }
    }
}

/// The name of a model.
pub(crate) fn model_id(model: usize) -> ModelId {
    ModelId(format!("m{model}"))
}

/// The model of a name.
pub(crate) fn model_index(model: &ModelId) -> usize {
    model.0[1..].parse().expect("invariant: models are named `m` and a number")
}

/// The node of an id.
pub(crate) fn node_index(node: &NodeId) -> usize {
    node.0[2..].parse().expect("invariant: nodes are named `n-` and a number")
}

impl World {
    pub(crate) fn node_start(&mut self, node: usize) {
        if self.nodes[node].is_removed || self.nodes[node].is_alive {
            return;
        }
        let now = self.instant();
        let wall = (self.now / MS) as i64 + 10_000_000 + self.nodes[node].clock_off_ms;
        let boot = if self.random.chance(500) { wall as u64 } else { mix(self.random.next()) };
        let it = &mut self.nodes[node];
        it.generation += 1;
        (it.is_alive, it.boot, it.seq) = (true, boot, 0);
        let addresses = it.addresses;
        let shell = || PathShell {
            machine: Path::new(PathLimits::default(), addresses, now),
            tickets: [0, 0],
            tick_at: None,
            uses: 0,
        };
        it.paths = (0..self.gateways.len()).map(|_| shell()).collect();
        for gateway in 0..self.gateways.len() {
            self.path_input(node, gateway, path::Input::Start);
        }
        let generation = self.nodes[node].generation;
        self.schedule(self.now + BEAT, Event::Beat { node, generation });
    }

    /// The process dies.
    pub(crate) fn node_dies(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        if !it.is_alive {
            return;
        }
        it.is_alive = false;
        it.is_draining = false;
        it.parked.clear();
        it.replicas.clear();
        it.incarnations.clear();
        it.held.clear();
        it.paths.clear();
        for link in self.links_of(Process::Node(node)) {
            self.drop_end(link, NODE);
        }
    }

    /// What waited while it was frozen happens now.
    pub(crate) fn wake(&mut self, node: usize) {
        self.nodes[node].frozen = self.nodes[node].frozen.saturating_sub(1);
        if self.nodes[node].is_frozen() {
            return;
        }
        for event in std::mem::take(&mut self.nodes[node].parked) {
            self.play(event);
        }
        for link in self.links_of(Process::Node(node)) {
            self.refresh_silence(link);
        }
    }

    /// Feeds a path machine and does what it says.
    pub(crate) fn path_input(&mut self, node: usize, gateway: usize, input: path::Input) {
        let (now, jitter) = (self.instant(), self.random.unit());
        let generation = self.nodes[node].generation;
        let Some(shell) = self.nodes[node].paths.get_mut(gateway) else { return };
        for effect in shell.machine.handle(input, jitter, now) {
            let Some(shell) = self.nodes[node].paths.get_mut(gateway) else { return };
            match effect {
                path::Effect::Dial { path, after } => {
                    shell.tickets[path as usize] += 1;
                    let ticket = shell.tickets[path as usize];
                    let at = self.now + after.as_micros() as u64;
                    self.schedule(at, Event::DialBegin { node, generation, gateway, path, ticket });
                }
                path::Effect::Stop { path } => shell.tickets[path as usize] += 1,
                path::Effect::Use { link } => {
                    self.stats.path_uses += 1;
                    shell.uses += 1;
                    let number = shell.uses;
                    self.send(link, NODE, Frame::InUse { number });
                    self.send_report(node, gateway);
                    self.note_empty_links(node);
                }
                path::Effect::Close { link } => {
                    self.close_end(link, NODE);
                    self.orphan_turns(node, link);
                }
            }
        }
        self.plan_path_tick(node, gateway);
    }

    fn plan_path_tick(&mut self, node: usize, gateway: usize) {
        let (now, base) = (self.now, self.instant() - Duration::from_micros(self.now));
        let generation = self.nodes[node].generation;
        let Some(shell) = self.nodes[node].paths.get_mut(gateway) else { return };
        let Some(at) = shell.machine.next_tick() else { return };
        let at = (at.saturating_duration_since(base).as_micros() as u64).max(now + MS);
        if shell.tick_at.is_none_or(|planned| planned <= now || at < planned) {
            shell.tick_at = Some(at);
            self.schedule(at, Event::PathTick { node, generation, gateway });
        }
    }

    pub(crate) fn path_tick(&mut self, node: usize, gateway: usize) {
        self.path_input(node, gateway, path::Input::Tick);
    }

    pub(crate) fn dial_begin(&mut self, node: usize, gateway: usize, path: PathKind, ticket: u64) {
        if self.nodes[node].paths[gateway].tickets[path as usize] != ticket {
            return;
        }
        self.stats.dials += 1;
        let generation = self.nodes[node].generation;
        let delay = self.way(node, gateway, path).delay.unwrap_or(0);
        let can = !self.is_cut(node, gateway, path, GATEWAY) && !self.is_cut(node, gateway, path, NODE);
        let (at, reached) = match (can, self.gateways[gateway].is_alive) {
            (true, true) => (self.now + 3 * delay + MS, true),
            (true, false) => (self.now + 2 * delay + MS, false),
            (false, _) => (self.now + DIAL_LONGEST, false),
        };
        self.schedule(at, Event::DialEnd { node, generation, gateway, path, ticket, reached });
    }

    pub(crate) fn dial_end(
        &mut self,
        node: usize,
        gateway: usize,
        path: PathKind,
        ticket: u64,
        reached: bool,
    ) {
        if self.nodes[node].paths[gateway].tickets[path as usize] != ticket {
            return;
        }
        let to_gateway = !self.is_cut(node, gateway, path, GATEWAY) && self.gateways[gateway].is_alive;
        let is_welcome = reached && to_gateway && !self.nodes[node].is_removed;
        let to_node = !self.is_cut(node, gateway, path, NODE);
        if !(is_welcome && to_node) {
            if is_welcome {
                self.open_link(node, gateway, path, [false, true]);
            }
            self.path_input(node, gateway, path::Input::Failed { path });
            return;
        }
        let link = self.open_link(node, gateway, path, [true, true]);
        self.path_input(node, gateway, path::Input::Opened { path, link });
        let rtt = Duration::from_micros(2 * self.way(node, gateway, path).delay.unwrap_or(0));
        self.path_input(node, gateway, path::Input::RoundTrip { link, rtt });
    }

    pub(crate) fn beat(&mut self, node: usize) {
        let generation = self.nodes[node].generation;
        self.check_engines(node);
        for gateway in 0..self.gateways.len() {
            self.send_report(node, gateway);
        }
        self.schedule(self.now + BEAT, Event::Beat { node, generation });
    }

    /// Sends a report over the link in use; now and then another copy comes much later, or instead.
    pub(crate) fn send_report(&mut self, node: usize, gateway: usize) {
        let Some(link) = self.nodes[node].paths.get(gateway).and_then(|shell| shell.machine.in_use()) else {
            return;
        };
        let report = self.nodes[node].report(&self.shape, node);
        if self.is_chaotic() {
            self.stats.strays += 1;
            let at = self.now + self.random.range(50 * MS, 6_000 * MS);
            let frame = Box::new(Frame::Report(Box::new(report.clone())));
            self.schedule(at, Event::Stray { gateway, node, frame });
            if self.random.chance(300) {
                return;
            }
        }
        self.send(link, NODE, Frame::Report(Box::new(report)));
    }

    /// A link is lost for the node.
    pub(crate) fn node_loses(&mut self, node: usize, gateway: usize, link: u64) {
        self.orphan_turns(node, link);
        self.path_input(node, gateway, path::Input::Lost { link });
    }

    /// Tells the path machines which old links carry no turn any more.
    pub(crate) fn note_empty_links(&mut self, node: usize) {
        for link in self.links_of(Process::Node(node)) {
            let is_used =
                self.nodes[node].held.values().any(|held| held.route.is_some_and(|(at, _)| at == link));
            let it = &self.links[&link];
            let gateway = it.gateway;
            let in_use = self.nodes[node].paths.get(gateway).and_then(|shell| shell.machine.in_use());
            if !is_used && it.ends[NODE].is_open && in_use != Some(link) {
                self.path_input(node, gateway, path::Input::Empty { link });
            }
        }
    }
}

impl World {
    /// A gateway says something.
    pub(crate) fn node_hears(&mut self, node: usize, link: u64, frame: Frame) {
        match frame {
            Frame::Open { .. } => self.node_opens(node, link, frame),
            Frame::Attach { stream, turn, attempt, from } => {
                self.node_attaches(node, link, stream, turn, attempt, from);
            }
            Frame::Reset { stream } => self.node_resets(node, link, stream),
            Frame::Load { model } => self.load(node, model),
            Frame::Unload { model } => self.unload(node, model),
            Frame::Report(_) | Frame::InUse { .. } | Frame::Goodbye | Frame::Event { .. } => {}
        }
    }
}
