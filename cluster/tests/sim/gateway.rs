//! A gateway: the shell around membership, admission and placement, as the actors build it. Grants reach a turn by message
//! unless it asked just now, as with the real desk; so they come as events of their own.

use std::collections::BTreeMap;
use std::time::Duration;

use pomona_cluster::admission::{self, Admission, AdmissionLimits};
use pomona_cluster::membership::{self, Membership, MembershipLimits};
use pomona_cluster::placement::{self, Assignment, OnDemand, Wanted};
use pomona_cluster::turn;
use pomona_protocol::{Cause, ModelId, NodeId, NodeReport};

use super::broken::Break;
use super::event::{Event, Process};
use super::network::{Frame, GATEWAY};
use super::node::{model_id, model_index, node_index};
use super::shape::{MS, S, Shape};
use super::world::World;

/// Time between ticks.
const TICK: u64 = 50 * MS;
/// Time between plans of placement.
const PLAN: u64 = 500 * MS;
/// A load that no report shows after this was lost on the way.
const LOAD_LOST: u64 = 2 * S;

/// A gateway.
pub(crate) struct Gateway {
    pub(crate) is_alive: bool,
    pub(crate) generation: u32,
    pub(crate) membership: Membership,
    pub(crate) admission: Admission,
    /// Turns by the stream that they listen to.
    pub(crate) streams: BTreeMap<u64, usize>,
    pub(crate) stream_last: u64,
    /// The link that each node uses.
    pub(crate) current: Vec<Option<u64>>,
    /// Newest process of each node that was heard of, and the number of its newest choice of a link.
    pub(crate) newest: Vec<(u32, u64)>,
    /// Newest engine of each (node, model) that a report named, and the start of its node; for the oracle.
    pub(crate) engines: BTreeMap<(usize, usize), (u32, u64)>,
    index: usize,
    assignment: Assignment,
    loads_sent: BTreeMap<(usize, usize), u64>,
    models_asked: Vec<usize>,
    planned_at: u64,
}

fn limits() -> MembershipLimits {
    MembershipLimits {
        lan_suspect: Duration::from_millis(750),
        wan_suspect: Duration::from_secs(3),
        tick_gap_max: Duration::from_millis(400),
        members_max: 100,
    }
}

impl Gateway {
    pub(crate) fn new(index: usize, shape: &Shape) -> Self {
        let admission = AdmissionLimits {
            replica_turns_max: 4,
            queue_max: shape.queue_max,
            wait_max: Duration::from_micros(shape.turn_max),
        };
        Self {
            is_alive: false,
            generation: 0,
            membership: Membership::new(limits()),
            admission: Admission::new(admission),
            streams: BTreeMap::new(),
            stream_last: 0,
            current: vec![None; shape.nodes.len()],
            newest: vec![(0, 0); shape.nodes.len()],
            engines: BTreeMap::new(),
            index,
            assignment: Assignment::new(),
            loads_sent: BTreeMap::new(),
            models_asked: Vec::new(),
            planned_at: 0,
        }
    }
}

impl World {
    pub(crate) fn gateway_start(&mut self, gateway: usize) {
        if self.gateways[gateway].is_alive {
            return;
        }
        let generation = self.gateways[gateway].generation + 1;
        self.gateways[gateway] = Gateway::new(gateway, &self.shape);
        self.gateways[gateway].is_alive = true;
        self.gateways[gateway].generation = generation;
        for model in 0..self.shape.models.len() {
            self.tell_admission(gateway, admission::Input::ModelWanted { model: model_id(model) });
        }
        self.schedule(self.now + TICK, Event::GatewayTick { gateway, generation });
    }

    /// The process dies, and all of its turns with it.
    pub(crate) fn gateway_dies(&mut self, gateway: usize) {
        if !std::mem::replace(&mut self.gateways[gateway].is_alive, false) {
            return;
        }
        for turn in 0..self.turns.len() {
            if self.shape.turns[turn].gateway == gateway && self.turns[turn].is_open() {
                self.abandon(turn);
            }
        }
        for link in self.links_of(Process::Gateway(gateway)) {
            self.drop_end(link, GATEWAY);
        }
    }

    pub(crate) fn gateway_tick(&mut self, gateway: usize) {
        let generation = self.gateways[gateway].generation;
        self.tell_membership(gateway, membership::Input::Tick);
        self.tell_admission(gateway, admission::Input::Tick);
        if self.now >= self.gateways[gateway].planned_at + PLAN {
            self.gateways[gateway].planned_at = self.now;
            self.plan(gateway);
        }
        self.schedule(self.now + TICK, Event::GatewayTick { gateway, generation });
    }

    /// A control message that came outside of any order.
    pub(crate) fn gateway_hears_stray(&mut self, gateway: usize, node: usize, frame: Frame) {
        if let Frame::Report(report) = frame {
            self.take_report(gateway, node, *report);
        }
    }

    pub(crate) fn gateway_hears(&mut self, gateway: usize, node: usize, link: u64, frame: Frame) {
        match frame {
            Frame::Report(report) => self.take_report(gateway, node, *report),
            Frame::InUse { number } => self.use_link(gateway, node, link, number),
            Frame::Event { stream, turn, attempt, event } => {
                self.turn_event(gateway, stream, turn, attempt, event);
            }
            Frame::Goodbye
            | Frame::Open { .. }
            | Frame::Attach { .. }
            | Frame::Reset { .. }
            | Frame::Load { .. }
            | Frame::Unload { .. } => {}
        }
    }

    fn take_report(&mut self, gateway: usize, node: usize, mut report: NodeReport) {
        self.note_engines(gateway, node, &report);
        if self.broken == Some(Break::IgnoreBoot) {
            let members = &self.gateways[gateway].membership;
            let known = members.members().find(|member| *member.node == self.nodes[node].id);
            if let Some(member) = known {
                report.boot = member.boot;
                report.seq = member.report.map_or(1, |report| report.seq + 1);
            }
        }
        self.tell_membership(gateway, membership::Input::Report(Box::new(report)));
    }

    /// Keeps in mind which engines this gateway was told of.
    fn note_engines(&mut self, gateway: usize, node: usize, report: &NodeReport) {
        let generation = self.nodes[node].generation;
        let is_linked = self.gateways[gateway].current[node].is_some();
        if report.boot != self.nodes[node].boot || !is_linked {
            return;
        }
        for replica in &report.replicas {
            let key = (node, model_index(&replica.replica.model));
            let heard = (generation, replica.replica.incarnation);
            let newest = self.gateways[gateway].engines.entry(key).or_insert(heard);
            *newest = heard.max(*newest);
        }
    }

    /// A node says that it uses this link.
    fn use_link(&mut self, gateway: usize, node: usize, link: u64, number: u64) {
        let Some(it) = self.links.get(&link) else { return };
        let (path, generation) = (it.path, it.generations[0]);
        let newest = &mut self.gateways[gateway].newest[node];
        if *newest >= (generation, number) {
            return;
        }
        *newest = (generation, number);
        let before = self.gateways[gateway].current[node].replace(link);
        let rtt = Duration::from_micros(2 * self.way(node, gateway, path).delay.unwrap_or(0));
        let id = self.nodes[node].id.clone();
        let same =
            before.and_then(|old| self.links.get(&old)).is_some_and(|old| old.generations[0] == generation);
        if !same {
            let up = membership::Input::LinkUp {
                node: id.clone(),
                name: id.0.clone(),
                boot: self.nodes[node].boot,
                path,
            };
            self.tell_membership(gateway, up);
        }
        self.tell_membership(gateway, membership::Input::PathChanged { node: id, path, rtt });
        // What is left of an older process of this node is over.
        for old in self.links_of(Process::Node(node)) {
            let it = &self.links[&old];
            if it.gateway == gateway && it.generations[0] < generation && it.ends[GATEWAY].is_open {
                self.lose_end(old, GATEWAY);
            }
        }
        if same {
            self.attach_turns(gateway, node, link);
        }
    }

    pub(crate) fn gateway_loses(&mut self, gateway: usize, node: usize, link: u64) {
        let generation = self.links.get(&link).map_or(0, |it| it.generations[0]);
        if self.gateways[gateway].current[node] == Some(link) {
            self.gateways[gateway].current[node] = None;
            if self.nodes[node].generation == generation {
                let (id, boot) = (self.nodes[node].id.clone(), self.nodes[node].boot);
                self.tell_membership(gateway, membership::Input::LinkDown { node: id, boot });
            } else {
                self.forget_old_boot(gateway, node);
            }
        }
        let message = "the link is gone".to_owned();
        self.fail_streams(gateway, link, Cause::LinkLost { node: self.nodes[node].id.0.clone(), message });
    }

    /// The link of an older process than the newest one went down.
    fn forget_old_boot(&mut self, gateway: usize, node: usize) {
        let id = self.nodes[node].id.clone();
        let known =
            self.gateways[gateway].membership.members().find(|member| *member.node == id).map(|m| m.boot);
        if let Some(boot) = known {
            self.tell_membership(gateway, membership::Input::LinkDown { node: id, boot });
        }
    }

    /// Feeds membership, and admission with what follows.
    pub(crate) fn tell_membership(&mut self, gateway: usize, input: membership::Input) {
        let now = self.instant();
        for effect in self.gateways[gateway].membership.handle(input, now) {
            if !matches!(effect, membership::Effect::ReplicaLoad { .. }) {
                self.note_gateway(gateway, |_| format!("{effect:?}"));
            }
            match &effect {
                membership::Effect::NodeSuspect { .. } => self.stats.suspicions += 1,
                membership::Effect::ReplicaUp { replica, .. } => self.check_replica_up(gateway, replica),
                _ => {}
            }
            if let Some(input) = effect.to_admission() {
                self.tell_admission(gateway, input);
            }
        }
    }

    /// Feeds admission; what it says reaches the turns by message.
    pub(crate) fn tell_admission(&mut self, gateway: usize, input: admission::Input) {
        let now = self.instant();
        for effect in self.gateways[gateway].admission.handle(input, now) {
            self.post(gateway, effect);
        }
    }

    /// Brings an effect of admission to its turn, as a message.
    pub(crate) fn post(&mut self, gateway: usize, effect: admission::Effect) {
        let (ticket, input) = match effect {
            admission::Effect::Grant { ticket, replica, .. } => {
                (ticket, turn::Input::Placed { attempt: ticket.attempt, replica })
            }
            admission::Effect::Refuse { ticket, cause } => {
                (ticket, turn::Input::Refused { attempt: ticket.attempt, cause })
            }
            admission::Effect::Move { ticket, cause } => {
                self.stats.moves += 1;
                (ticket, turn::Input::Move { attempt: ticket.attempt, cause })
            }
            admission::Effect::Queued { .. } => return,
            admission::Effect::WantModel { model } => {
                self.note_gateway(gateway, |_| format!("wants {model}"));
                self.gateways[gateway].models_asked.push(model_index(&model));
                return;
            }
        };
        let turn = ticket.turn.0 as usize;
        self.schedule(self.now, Event::ToTurn { turn, input: Box::new(input) });
    }

    fn wanted(&self) -> Vec<Wanted> {
        let wishes = self.shape.wanted.iter().enumerate();
        let wishes = wishes
            .filter_map(|(model, replicas)| Some(Wanted { model: model_id(model), replicas: (*replicas)? }));
        wishes.collect()
    }

    /// The gateway that was first keeps as many replicas as wanted; each loads what its own turns ask for.
    fn plan(&mut self, gateway: usize) {
        self.forget_lost_loads(gateway);
        let hosts = self.gateways[gateway].membership.hosts();
        let wanted = self.wanted();
        if self.gateways[gateway].index == 0 {
            let plan = placement::solve(&wanted, &hosts, &self.gateways[gateway].assignment);
            for unload in &plan.unloads {
                self.command(gateway, &unload.node, &unload.model, false);
            }
            for load in &plan.loads {
                self.command(gateway, &load.node, &load.model, true);
            }
            self.gateways[gateway].assignment = plan.assignment;
        }
        let mut asked = std::mem::take(&mut self.gateways[gateway].models_asked);
        asked.sort_unstable();
        asked.dedup();
        for model in asked {
            let previous = &self.gateways[gateway].assignment;
            match placement::place_on_demand(&model_id(model), &wanted, &hosts, previous) {
                Ok(OnDemand::IsThere(_)) | Err(_) => {}
                Ok(OnDemand::Place { unloads, load }) => {
                    for unload in &unloads {
                        self.command(gateway, &unload.node, &unload.model, false);
                    }
                    self.command(gateway, &load.node, &load.model, true);
                }
            }
            // It asks until the model is up: a command may be lost, a node may refuse.
            let is_up = self.gateways[gateway]
                .membership
                .direct_replicas()
                .iter()
                .any(|replica| replica.replica.model == model_id(model));
            if !is_up {
                self.gateways[gateway].models_asked.push(model);
            }
        }
    }

    /// What is assigned but in no report was lost: its command on the way, or with its node, unless it was sent just now.
    fn forget_lost_loads(&mut self, gateway: usize) {
        let now = self.now;
        let it = &mut self.gateways[gateway];
        it.loads_sent.retain(|_, at| *at + LOAD_LOST >= now);
        for (model, nodes) in &mut it.assignment {
            nodes.retain(|node| {
                let key = (model_index(model), node_index(node));
                let member = it.membership.members().find(|member| member.node == node);
                let report = member.and_then(|member| member.report);
                let has =
                    report.is_some_and(|report| report.replicas.iter().any(|it| it.replica.model == *model));
                has || it.loads_sent.contains_key(&key)
            });
        }
    }

    fn command(&mut self, gateway: usize, node: &NodeId, model: &ModelId, is_load: bool) {
        let (node, model) = (node_index(node), model_index(model));
        let Some(link) = self.gateways[gateway].current[node] else { return };
        let now = self.now;
        self.note_gateway(gateway, |_| format!("tells node {node}: load m{model}: {is_load}"));
        if is_load {
            self.gateways[gateway].loads_sent.insert((model, node), now);
        }
        let frame = if is_load { Frame::Load { model } } else { Frame::Unload { model } };
        if self.is_chaotic() {
            self.stats.strays += 1;
            let at = self.now + self.random.range(50 * MS, 3_000 * MS);
            let generation = self.nodes[node].generation;
            self.schedule(at, Event::StrayCommand { node, generation, frame: Box::new(frame.clone()) });
            if self.random.chance(300) {
                return;
            }
        }
        self.send(link, GATEWAY, frame);
    }
}
