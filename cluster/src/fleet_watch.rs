//! What of the fleet is told to dashboards, and when: changes of state at once, starts and ends of turns a moment later
//! together, measurements once a second. One per gateway; its shell numbers what it says and passes it on.

use std::collections::{BTreeMap, BTreeSet};

use pomona_protocol::{
    Download, DownloadId, FleetEventBody, FleetNode, FleetView, ModelId, NodeId, Notice, NoticeId, Principal,
    TurnId,
};

use crate::fleet_rates::Rates;
use crate::fleet_turns::Turns;
use crate::notices::{NoticeLimits, Notices, StoreHealth, Told};

pub use crate::fleet_rates::HISTORY_MAX;

/// Notices that a snapshot lists.
const SNAPSHOT_NOTICES_MAX: usize = 200;

/// Who watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watcher {
    /// The gateway.
    pub node: NodeId,
    /// What people call it.
    pub name: String,
    /// Version of its program.
    pub version: String,
    /// Drawn at each start.
    pub seed: u64,
}

/// What can happen. Times are Unix milliseconds.
#[derive(Clone, Debug)]
pub enum Input {
    /// A member is like this now; turns and rates in it do not count.
    Node(Box<FleetNode>),
    /// A member that was not seen since the start of this process, from the list of members.
    Known(Box<FleetNode>),
    /// A member was taken out of the cluster.
    NodeRemoved(NodeId),
    /// A turn was accepted.
    TurnStarted {
        /// Which.
        id: TurnId,
        /// What was asked.
        model: ModelId,
        /// Who asks.
        by: Principal,
        /// Tokens that an earlier process has shown.
        tokens: u32,
    },
    /// A turn runs at this node from now on.
    TurnPlaced {
        /// Which.
        id: TurnId,
        /// Where.
        node: NodeId,
    },
    /// A turn shows its first token.
    FirstToken {
        /// Time since it was accepted, in milliseconds.
        after_ms: f64,
    },
    /// A turn ended.
    TurnEnded {
        /// Which.
        id: TurnId,
        /// `stop`, `length`, `cancelled`, or the code of the cause.
        outcome: &'static str,
        /// Tokens of its answer.
        tokens: u32,
        /// Time since it was accepted, in milliseconds.
        after_ms: f64,
    },
    /// Starts and ends of turns have waited long enough for others.
    Flush,
    /// A second has passed.
    Second {
        /// Tokens that each running turn has shown.
        tokens: Vec<(TurnId, u32)>,
        /// Turns that wait at the gateway.
        queued: u32,
        /// How the store did.
        store: StoreHealth,
    },
    /// A download is like this now.
    Download(Box<Download>),
    /// A download is not listed any more.
    DownloadRemoved(DownloadId),
    /// Somebody has seen to a notice.
    Acknowledge {
        /// Which.
        id: NoticeId,
        /// Who.
        by: Principal,
    },
    /// This gateway ends and leaves its links: who is out of reach from here on is not lost.
    Closing,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Tell every reader.
    Say(FleetEventBody),
    /// Write this notice down, in place of an older state of it.
    Keep(Notice),
    /// See to it that `Flush` comes soon.
    FlushSoon,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct FleetWatch {
    watcher: Watcher,
    nodes: BTreeMap<NodeId, FleetNode>,
    /// Nodes of which a measurement changed since they were told.
    dirty: BTreeSet<NodeId>,
    turns: Turns,
    rates: Rates,
    notices: Notices,
    downloads: BTreeMap<DownloadId, Download>,
    is_closing: bool,
}

impl FleetWatch {
    /// A machine that knows nobody.
    pub fn new(watcher: Watcher, limits: NoticeLimits) -> Self {
        let notices = Notices::new(limits, watcher.name.clone(), watcher.version.clone(), watcher.seed);
        Self {
            watcher,
            nodes: BTreeMap::new(),
            dirty: BTreeSet::new(),
            turns: Turns::default(),
            rates: Rates::default(),
            notices,
            downloads: BTreeMap::new(),
            is_closing: false,
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now_ms: u64) -> Vec<Effect> {
        match input {
            Input::Node(node) => self.node(*node, now_ms),
            Input::Known(node) => {
                if !self.nodes.contains_key(&node.node) {
                    self.nodes.insert(node.node.clone(), *node);
                }
                Vec::new()
            }
            Input::NodeRemoved(node) => {
                self.notices.forget(&node);
                self.dirty.remove(&node);
                let removed = self.nodes.remove(&node);
                removed.map(|_| Effect::Say(FleetEventBody::NodeRemoved { node })).into_iter().collect()
            }
            Input::TurnStarted { id, model, by, tokens } => {
                self.turns.start(id, model, by, tokens, now_ms);
                vec![Effect::FlushSoon]
            }
            Input::TurnPlaced { id, node } => {
                self.turns.place(id, node);
                Vec::new()
            }
            Input::FirstToken { after_ms } => {
                self.rates.first_token(now_ms, after_ms);
                Vec::new()
            }
            Input::TurnEnded { id, outcome, tokens, after_ms } => {
                self.count(id, tokens);
                self.turns.end(id, outcome);
                self.rates.turn_ended(now_ms, after_ms);
                if self.turns.has_news() { vec![Effect::FlushSoon] } else { Vec::new() }
            }
            Input::Flush => self.turns.tell(false, now_ms).map(Effect::Say).into_iter().collect(),
            Input::Second { tokens, queued, store } => self.second(&tokens, queued, &store, now_ms),
            Input::Download(download) => {
                self.downloads.insert(download.id, (*download).clone());
                vec![Effect::Say(FleetEventBody::Download { download })]
            }
            Input::DownloadRemoved(id) => {
                let removed = self.downloads.remove(&id);
                removed.map(|_| Effect::Say(FleetEventBody::DownloadRemoved { id })).into_iter().collect()
            }
            Input::Acknowledge { id, by } => {
                let notice = self.notices.acknowledge(id, by.to_string(), now_ms);
                notice.into_iter().flat_map(|notice| said(Told { notice, is_new: false })).collect()
            }
            Input::Closing => {
                self.is_closing = true;
                Vec::new()
            }
        }
    }

    /// Takes in the notices of earlier processes.
    pub fn restore(&mut self, notices: Vec<Notice>) {
        self.notices.restore(notices);
    }

    /// This gateway is called so from now on.
    pub fn set_name(&mut self, name: &str) {
        name.clone_into(&mut self.watcher.name);
    }

    /// Notices of this gateway, the newest first.
    pub fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.notices.list()
    }

    /// Everything at this moment.
    pub fn view(&self, now_ms: u64) -> FleetView {
        let (turns, turns_left_out) = self.turns.list(now_ms);
        let mut downloads: Vec<Download> = self.downloads.values().cloned().collect();
        downloads.sort_by_key(|download| std::cmp::Reverse((download.started_unix_ms, download.id)));
        let open = self.notices.list().filter(|notice| notice.acknowledged.is_none());
        FleetView {
            at_unix_ms: now_ms,
            gateway: self.watcher.node.clone(),
            name: self.watcher.name.clone(),
            version: self.watcher.version.clone(),
            nodes: self.nodes.values().map(|node| self.measured(node)).collect(),
            turns,
            turns_left_out,
            rates: self.rates.newest(),
            history: self.rates.history(),
            notices: open.take(SNAPSHOT_NOTICES_MAX).cloned().collect(),
            downloads,
        }
    }

    fn node(&mut self, node: FleetNode, now_ms: u64) -> Vec<Effect> {
        let before = self.nodes.insert(node.node.clone(), node.clone());
        let told =
            if self.is_closing { Vec::new() } else { self.notices.judge(before.as_ref(), &node, now_ms) };
        let mut effects = Vec::new();
        match before {
            Some(before) if before == node => {}
            Some(before) if !has_turned(&before, &node) => {
                self.dirty.insert(node.node);
            }
            _ => {
                self.dirty.remove(&node.node);
                effects.push(self.say_node(&node));
            }
        }
        effects.extend(told.into_iter().flat_map(said));
        effects
    }

    fn second(
        &mut self,
        tokens: &[(TurnId, u32)],
        queued: u32,
        store: &StoreHealth,
        now_ms: u64,
    ) -> Vec<Effect> {
        for (id, tokens) in tokens {
            self.count(*id, *tokens);
        }
        let speeds = |rates: &Rates, nodes: &BTreeMap<NodeId, FleetNode>| -> Vec<f64> {
            nodes.values().map(|node| speed(rates, node)).collect()
        };
        let before = speeds(&self.rates, &self.nodes);
        let rates = self.rates.sample(now_ms, self.turns.count(), queued);
        let now = speeds(&self.rates, &self.nodes);
        for ((node, before), now) in self.nodes.keys().zip(before).zip(now) {
            if before != now {
                self.dirty.insert(node.clone());
            }
        }
        let mut effects = vec![Effect::Say(FleetEventBody::Rates { rates })];
        effects.extend(self.turns.tell(true, now_ms).map(Effect::Say));
        for node in std::mem::take(&mut self.dirty) {
            effects.extend(self.nodes.get(&node).map(|node| self.say_node(node)));
        }
        effects.extend(self.notices.judge_store(store, now_ms).into_iter().flat_map(said));
        effects
    }

    /// Counts tokens of a turn for the rates.
    fn count(&mut self, id: TurnId, tokens: u32) {
        if let Some((from, new)) = self.turns.advance(id, tokens) {
            self.rates.add_tokens(from, new);
        }
    }

    fn say_node(&self, node: &FleetNode) -> Effect {
        Effect::Say(FleetEventBody::Node { node: Box::new(self.measured(node)) })
    }

    /// A node with what this gateway measures of it.
    fn measured(&self, node: &FleetNode) -> FleetNode {
        let mut node = node.clone();
        node.turns = self.turns.count_at(&node.node);
        for replica in &mut node.replicas {
            replica.tokens_per_s = self.rates.of_replica(&node.node, &replica.model);
        }
        node.tokens_per_s = speed(&self.rates, &node);
        node
    }
}

/// Tokens per second of all replicas of a node.
fn speed(rates: &Rates, node: &FleetNode) -> f64 {
    node.replicas.iter().map(|replica| rates.of_replica(&node.node, &replica.model)).sum()
}

/// A notice is written down and told.
fn said(told: Told) -> [Effect; 2] {
    let Told { notice, .. } = told;
    [Effect::Keep(notice.clone()), Effect::Say(FleetEventBody::Notice { notice })]
}

/// Whether more changed than a measurement.
fn has_turned(before: &FleetNode, now: &FleetNode) -> bool {
    let is_other_replica =
        |(before, now): (&pomona_protocol::FleetReplica, &pomona_protocol::FleetReplica)| {
            (&before.model, before.state, before.restarts, before.is_pinned, &before.error)
                != (&now.model, now.state, now.restarts, now.is_pinned, &now.error)
        };
    (&before.name, before.state, before.path, &before.version, before.hosts, before.machine.thermal)
        != (&now.name, now.state, now.path, &now.version, now.hosts, now.machine.thermal)
        || before.replicas.len() != now.replicas.len()
        || before.replicas.iter().zip(&now.replicas).any(is_other_replica)
}

#[cfg(test)]
#[path = "fleet_watch_tests.rs"]
mod tests;
