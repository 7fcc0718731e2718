//! Virtual time: a queue of events, the processes they belong to, and the loop that plays them.
//!
//! A frozen process takes no event; what came meanwhile waits and is played when it wakes, so that it then says old
//! things. A process that died takes none either: each start is a generation, and events of older ones are dropped.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use super::broken::Break;
use super::check::Failure;
use super::event::{Event, Process};
use super::gateway::Gateway;
use super::network::{Link, Way};
use super::node::Node;
use super::random::{Random, mix};
use super::report::Stats;
use super::shape::{MS, S, Shape};
use super::turns::TurnRun;

/// Events of one run; more mean that something goes round in circles.
const EVENTS_MAX: u64 = 30_000_000;

struct Queued {
    at: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Everything of one run.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) shape: Shape,
    pub(crate) broken: Option<Break>,
    /// The turn whose events are kept for the report.
    pub(crate) traced: Option<usize>,
    /// Microseconds since the start.
    pub(crate) now: u64,
    /// Events played.
    pub(crate) step: u64,
    pub(crate) random: Random,
    pub(crate) ways: Vec<Vec<[Way; 2]>>,
    pub(crate) links: BTreeMap<u64, Link>,
    pub(crate) link_last: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) turns: Vec<TurnRun>,
    /// Accepted turns that have not ended.
    pub(crate) open_turns: u64,
    pub(crate) stats: Stats,
    pub(crate) failure: Option<Failure>,
    pub(crate) trace: std::collections::VecDeque<String>,
    base: Instant,
    queue: BinaryHeap<Reverse<Queued>>,
    order: u64,
}

impl World {
    /// The world of a seed, before anything happened.
    pub(crate) fn new(seed: u64, broken: Option<Break>, traced: Option<usize>) -> Self {
        let shape = Shape::draw(seed);
        let way = |delay| Way { delay, cuts: [0, 0] };
        let ways =
            shape.nodes.iter().map(|node| vec![[way(node.lan), way(node.wan)]; shape.gateways]).collect();
        let base = Instant::now();
        let mut world = Self {
            seed,
            broken,
            traced,
            now: 0,
            step: 0,
            random: Random::new(mix(seed ^ 0x51)),
            ways,
            links: BTreeMap::new(),
            link_last: 0,
            nodes: (0..shape.nodes.len()).map(|node| Node::new(node, &shape)).collect(),
            gateways: (0..shape.gateways).map(|gateway| Gateway::new(gateway, &shape)).collect(),
            turns: shape.turns.iter().map(TurnRun::new).collect(),
            open_turns: 0,
            stats: Stats::default(),
            failure: None,
            trace: std::collections::VecDeque::new(),
            base,
            queue: BinaryHeap::new(),
            order: 0,
            shape,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for gateway in 0..self.gateways.len() {
            self.schedule(0, Event::GatewayStart { gateway });
        }
        for node in 0..self.nodes.len() {
            let at = self.random.range(0, 100 * MS);
            self.schedule(at, Event::NodeStart { node });
        }
        for turn in 0..self.turns.len() {
            let shape = &self.shape.turns[turn];
            let (at, cancel_at) = (shape.at, shape.cancel_at);
            self.schedule(at, Event::Arrive { turn });
            if let Some(at) = cancel_at {
                self.schedule(at, Event::Cancel { turn });
            }
        }
        for fault in 0..self.shape.faults.len() {
            self.schedule(self.shape.faults[fault].0, Event::FaultBegin { fault });
        }
    }

    /// Plays the run to its end.
    pub(crate) fn run(&mut self) {
        let arrivals_over = self.shape.turns.last().map_or(0, |turn| turn.at) + 1;
        let all_over = self.shape.turn_max + arrivals_over + 60 * S;
        let mut quiet_at = None;
        while self.failure.is_none() {
            let Some(Reverse(queued)) = self.queue.pop() else { break };
            self.now = queued.at;
            self.step += 1;
            self.play(queued.event);
            if self.open_turns == 0 && self.now > arrivals_over.max(self.shape.calm_at) && quiet_at.is_none()
            {
                // Orphans are over and links settled by then.
                quiet_at = Some(self.now + self.shape.orphan_grace + 12 * S);
            }
            if quiet_at.is_some_and(|at| self.now >= at) {
                break;
            }
            if self.now > all_over || self.step > EVENTS_MAX {
                self.fail(None, format!("{} turns have not ended after {} s", self.open_turns, self.now / S));
            }
        }
        if self.failure.is_none() {
            self.check_end();
        }
        self.stats.clusters = 1;
        self.stats.events = self.step;
    }

    /// Puts an event into the queue.
    pub(crate) fn schedule(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.queue.push(Reverse(Queued { at: at.max(self.now), order: self.order, event }));
    }

    /// Whether this control message goes astray.
    pub(crate) fn is_chaotic(&mut self) -> bool {
        self.now < self.shape.calm_at && self.random.chance(self.shape.control_chaos)
    }

    /// The machines' time.
    pub(crate) fn instant(&self) -> Instant {
        self.base + Duration::from_micros(self.now)
    }

    /// Whether a process runs.
    pub(crate) fn is_awake(&self, process: Process) -> bool {
        match process {
            Process::Node(node) => self.nodes[node].is_alive && !self.nodes[node].is_frozen(),
            Process::Gateway(gateway) => self.gateways[gateway].is_alive,
        }
    }

    /// Which start of it runs.
    pub(crate) fn generation(&self, process: Process) -> u32 {
        match process {
            Process::Node(node) => self.nodes[node].generation,
            Process::Gateway(gateway) => self.gateways[gateway].generation,
        }
    }

    /// Plays one event, unless its process is gone, or later when it is frozen.
    pub(crate) fn play(&mut self, event: Event) {
        if let Some((process, generation)) = event.owner(self) {
            if generation != self.generation(process) {
                return;
            }
            match process {
                Process::Node(node) if !self.nodes[node].is_alive => return,
                Process::Gateway(gateway) if !self.gateways[gateway].is_alive => return,
                Process::Node(node) if self.nodes[node].is_frozen() => {
                    self.nodes[node].parked.push(event);
                    return;
                }
                _ => {}
            }
        }
        self.do_event(event);
    }

    fn do_event(&mut self, event: Event) {
        match event {
            Event::Deliver { link, to, frame } => self.deliver(link, to, *frame),
            Event::Flush { link, to } => self.flush(link, to),
            Event::Silent { link, side, since, lost } => self.on_silent(link, side, since, lost),
            Event::Stray { gateway, node, frame } => self.gateway_hears_stray(gateway, node, *frame),
            Event::StrayCommand { node, frame, .. } => self.node_hears(node, 0, *frame),
            Event::DialBegin { node, gateway, path, ticket, .. } => {
                self.dial_begin(node, gateway, path, ticket)
            }
            Event::DialEnd { node, gateway, path, ticket, reached, .. } => {
                self.dial_end(node, gateway, path, ticket, reached);
            }
            Event::PathTick { node, gateway, .. } => self.path_tick(node, gateway),
            Event::Beat { node, .. } => self.beat(node),
            Event::EngineReady { node, model, incarnation, .. } => {
                self.engine_ready(node, model, incarnation)
            }
            Event::EngineStep { node, model, incarnation, .. } => self.engine_step(node, model, incarnation),
            Event::OrphanOver { node, turn, lost_at, .. } => self.orphan_over(node, turn, lost_at),
            Event::NodeStart { node } => self.node_start(node),
            Event::Wake { node } => self.wake(node),
            Event::GatewayStart { gateway } => self.gateway_start(gateway),
            Event::GatewayTick { gateway, .. } => self.gateway_tick(gateway),
            Event::Arrive { turn } => self.arrive(turn),
            Event::Cancel { turn } => self.turn_input(turn, pomona_cluster::turn::Input::Cancel),
            Event::Deadline { turn } => self.turn_input(turn, pomona_cluster::turn::Input::Tick),
            Event::PauseOver { turn, attempt } => {
                self.turn_input(turn, pomona_cluster::turn::Input::PauseOver { attempt });
            }
            Event::ToTurn { turn, input } => self.turn_input(turn, *input),
            Event::FaultBegin { fault } => self.fault_begin(fault),
            Event::FaultEnd { fault } => self.fault_end(fault),
        }
    }

    /// Notes something for the report of a failure; free while nobody traces.
    pub(crate) fn note(&mut self, turn: usize, text: impl FnOnce(&Self) -> String) {
        if self.traced != Some(turn) {
            return;
        }
        let line = text(self);
        self.keep_line(line);
    }

    /// The same for what a gateway does for all of its turns.
    pub(crate) fn note_gateway(&mut self, gateway: usize, text: impl FnOnce(&Self) -> String) {
        if self.traced.is_some_and(|turn| self.shape.turns[turn].gateway == gateway) {
            let line = format!("gateway: {}", text(self));
            self.keep_line(line);
        }
    }

    fn keep_line(&mut self, text: String) {
        let line = format!("{:>10.3} ms  {text}", self.now as f64 / 1e3);
        if self.trace.len() == 40 {
            self.trace.pop_front();
        }
        self.trace.push_back(line);
    }
}
