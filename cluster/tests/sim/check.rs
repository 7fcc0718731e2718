//! The oracle: what must hold at every step and at the end, and the report when it does not.

use std::fmt;

use pomona_cluster::turn::End;
use pomona_protocol::{Cause, NodeState, ReplicaId, TurnEvent};

use super::engine::answer;
use super::shape::{MS, S};
use super::world::World;

/// Lines that tell where things stood.
const STATE_LINES_MAX: usize = 60;

/// A contract that did not hold.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The seed of the run.
    pub(crate) seed: u64,
    /// The event, counted from the start of the run.
    pub(crate) step: u64,
    /// Virtual time, in microseconds.
    pub(crate) at: u64,
    /// The turn that it is about.
    pub(crate) turn: Option<usize>,
    /// What was seen.
    pub(crate) what: String,
    /// The last events of the turn.
    pub(crate) events: Vec<String>,
    /// The gateways and nodes at that moment.
    pub(crate) state: Vec<String>,
    /// How the shells were broken on purpose.
    pub(crate) broken: Option<&'static str>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} fails at step {} ({} ms): {}", self.seed, self.step, self.at / MS, self.what)?;
        if let Some(turn) = self.turn {
            writeln!(f, "last events of turn {turn}:")?;
        }
        for event in &self.events {
            writeln!(f, "  {event}")?;
        }
        for line in &self.state {
            writeln!(f, "{line}")?;
        }
        let broken = self.broken.map(|name| format!(" --break {name}")).unwrap_or_default();
        write!(f, "again: cargo xtask sim --seeds 1 --seed {}{broken}", self.seed)
    }
}

impl World {
    /// Notes that a contract does not hold; the first one counts.
    pub(crate) fn fail(&mut self, turn: Option<usize>, what: String) {
        if self.failure.is_some() {
            return;
        }
        self.failure = Some(Failure {
            seed: self.seed,
            step: self.step,
            at: self.now,
            turn,
            what,
            events: self.trace.iter().cloned().collect(),
            state: self.describe(turn),
            broken: self.broken.map(super::broken::Break::name),
        });
    }

    /// Where things stand, for whoever looks for the reason.
    fn describe(&self, turn: Option<usize>) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(turn) = turn {
            let shape = &self.shape.turns[turn];
            lines.push(format!(
                "turn {turn}: gateway {}, model m{}, {} tokens",
                shape.gateway, shape.model, shape.tokens
            ));
        }
        lines.push(format!("wanted {:?}, model bytes {:?}", self.shape.wanted, self.shape.models));
        for (index, gateway) in self.gateways.iter().enumerate() {
            let (placed, queued) = (gateway.admission.placed(), gateway.admission.queued());
            lines.push(format!(
                "gateway {index}: alive {}, {placed} placed, {queued} queued",
                gateway.is_alive
            ));
            for member in gateway.membership.members() {
                let replicas = member.report.iter().flat_map(|report| &report.replicas);
                let words = replicas.map(|it| {
                    format!(
                        " {}#{} {:?} {}+{}",
                        it.replica.model, it.replica.incarnation, it.state, it.load.running, it.load.waiting
                    )
                });
                let words: String = words.collect();
                lines.push(format!("  {} {:?} boot {:x}{words}", member.node, member.state(), member.boot));
            }
        }
        for (index, node) in self.nodes.iter().enumerate() {
            let replicas: Vec<_> =
                node.replicas.iter().map(|(model, it)| (*model, it.incarnation, it.is_ready)).collect();
            let paths: Vec<_> = node.paths.iter().map(|shell| shell.machine.view().kind).collect();
            let memory = self.shape.nodes[index].memory;
            lines.push(format!(
                "node {index}: boot {:x}, alive {}, removed {}, memory {memory}, replicas {replicas:?}, paths {paths:?}, held {}",
                node.boot,
                node.is_alive,
                node.is_removed,
                node.held.len()
            ));
        }
        lines.truncate(STATE_LINES_MAX);
        lines
    }

    /// A client sees an event.
    pub(crate) fn on_shown(&mut self, turn: usize, attempt: u32, event: &TurnEvent) {
        let TurnEvent::Tokens { first, ids, .. } = event else { return };
        self.note(turn, |_| format!("shows {} tokens from {first} of attempt {attempt}", ids.len()));
        let (shown, newest) = (self.turns[turn].shown, self.turns[turn].newest);
        if self.turns[turn].terminals > 0 {
            self.fail(Some(turn), "a token after the terminal event".to_owned());
        }
        if attempt != newest {
            self.fail(Some(turn), format!("a token of attempt {attempt} while {newest} is the newest"));
        }
        if *first != shown {
            self.fail(Some(turn), format!("tokens from {first} where {shown} were shown"));
        }
        let wrong = (shown..).zip(ids).find(|(index, id)| answer(turn, *index) != **id);
        if let Some((index, id)) = wrong {
            self.fail(Some(turn), format!("token {index} is {id} and should be {}", answer(turn, index)));
        }
        self.turns[turn].shown += ids.len() as u32;
        self.stats.tokens += ids.len() as u64;
    }

    /// A client sees the end.
    pub(crate) fn on_terminal(&mut self, turn: usize, end: &End) {
        self.note(turn, |_| format!("ends: {end:?}"));
        let it = &mut self.turns[turn];
        it.terminals += 1;
        let (terminals, shown, age) = (it.terminals, it.shown, self.now - it.born);
        let shape = &self.shape.turns[turn];
        let (tokens, cancel_at) = (shape.tokens, shape.cancel_at);
        if terminals > 1 {
            self.fail(Some(turn), format!("{terminals} terminal events"));
        }
        if age > self.shape.turn_max + 100 * MS {
            self.fail(Some(turn), format!("it ended {} ms after its birth", age / MS));
        }
        match end {
            End::Finished if shown != tokens => {
                self.fail(Some(turn), format!("it finished with {shown} of {tokens} tokens"));
            }
            End::Cancelled if cancel_at.is_none_or(|at| at > self.now) => {
                self.fail(Some(turn), "nobody cancelled it".to_owned());
            }
            End::Failed(cause) => self.on_failed(turn, cause),
            End::Finished => self.stats.finished += 1,
            End::Cancelled => self.stats.cancelled += 1,
        }
    }

    /// A turn may fail only while something is wrong, or when its time was short from the start.
    fn on_failed(&mut self, turn: usize, cause: &Cause) {
        *self.stats.failed.entry(cause.code()).or_insert(0) += 1;
        let is_calm = self.now > self.shape.calm_at + 5 * S || self.shape.faults.is_empty();
        let is_fair = match cause {
            Cause::DeadlineExceeded { .. } => self.shape.is_tight,
            Cause::Overloaded { .. } => self.shape.is_tight,
            Cause::AttemptsExhausted { .. } => !is_calm,
            _ => false,
        };
        if !is_fair {
            self.fail(Some(turn), format!("it failed: {cause}"));
        }
    }

    /// A node is about to compute behind these tokens.
    pub(crate) fn check_resume(&mut self, turn: usize, resume: &[u32]) {
        let wrong = (0..).zip(resume).find(|(index, id)| answer(turn, *index) != **id);
        if let Some((index, _)) = wrong {
            self.fail(Some(turn), format!("the resumed token {index} is not what was shown"));
        }
    }

    /// A node has loaded something.
    pub(crate) fn check_memory(&mut self, node: usize) {
        let (used, memory) = (self.nodes[node].memory_used(), self.shape.nodes[node].memory);
        if used > memory {
            self.fail(None, format!("replicas take {used} of {memory} bytes on node {node}"));
        }
    }

    /// A gateway takes a replica for ready.
    pub(crate) fn check_replica_up(&mut self, gateway: usize, replica: &ReplicaId) {
        let node = super::node::node_index(&replica.node);
        let it = &self.nodes[node];
        let is_newest = self.gateways[gateway].newest[node].0 == it.generation && it.is_alive;
        // What the newest process never had cannot be up.
        let never = it
            .incarnations
            .get(&super::node::model_index(&replica.model))
            .is_none_or(|last| *last < replica.incarnation);
        let key = (node, super::node::model_index(&replica.model));
        let newest = self.gateways[gateway].engines.get(&key).copied();
        if newest.is_some_and(|(generation, last)| generation == it.generation && replica.incarnation < last)
        {
            self.fail(
                None,
                format!("gateway {gateway} takes {replica} for ready after it heard of a newer engine"),
            );
            return;
        }
        if is_newest && never {
            self.fail(
                None,
                format!("gateway {gateway} takes {replica} for ready, which the node's process never had"),
            );
        }
    }

    /// An attempt is about to run.
    pub(crate) fn check_attempt(&mut self, turn: usize, gateway: usize, node: usize, replica: &ReplicaId) {
        if self.turns[turn].stream.is_some() {
            self.fail(Some(turn), format!("two attempts run at once (gateway {gateway}, node {node})"));
        }
        let placed = self.gateways[gateway].admission.placed_at(replica);
        let slots = self.shape.nodes[node].slots;
        if placed > slots {
            self.fail(Some(turn), format!("{placed} places at {replica}, which has {slots}"));
        }
    }

    /// The fleet has come to rest: everybody is linked, and every wanted model is up.
    fn check_rest(&mut self) {
        for gateway in 0..self.gateways.len() {
            let it = &self.gateways[gateway];
            if !it.is_alive {
                continue;
            }
            let well = |node: &super::node::Node| {
                let member = it.membership.members().find(|member| *member.node == node.id);
                member.is_some_and(|member| member.state() == NodeState::Alive && member.boot == node.boot)
            };
            let lost = self.nodes.iter().position(|node| node.is_alive && !node.is_removed && !well(node));
            let up = it.membership.direct_replicas();
            let missing = (0..self.shape.models.len()).find(|&model| {
                let is_up = up.iter().any(|replica| replica.replica.model == super::node::model_id(model));
                self.shape.wanted[model].is_some() && !is_up
            });
            if let Some(node) = lost {
                let member = it.membership.members().find(|member| *member.node == self.nodes[node].id);
                let state = member.map(|member| (member.state(), member.boot));
                let path = self.nodes[node].paths.get(gateway).map(|shell| shell.machine.view());
                let what = format!("gateway {gateway} takes node {node} for {state:?}, which sees {path:?}");
                self.fail(None, what);
            }
            if let Some(model) = missing {
                self.fail(None, format!("gateway {gateway} has no replica of m{model}, which is wanted"));
            }
        }
    }

    /// Everything is over.
    pub(crate) fn check_end(&mut self) {
        for gateway in 0..self.gateways.len() {
            let it = &self.gateways[gateway];
            let (placed, queued, streams) = (it.admission.placed(), it.admission.queued(), it.streams.len());
            if it.is_alive && (placed, queued, streams) != (0, 0, 0) {
                let what = format!(
                    "gateway {gateway} is left with {placed} places, {queued} waiting, {streams} streams"
                );
                self.fail(None, what);
            }
        }
        for node in 0..self.nodes.len() {
            let it = &self.nodes[node];
            let busy: usize =
                it.replicas.values().map(|replica| replica.active.len() + replica.waiting.len()).sum();
            if it.is_alive && (busy > 0 || !it.held.is_empty()) {
                let held = it.held.first_key_value().map(|(turn, held)| (*turn, held.clone()));
                self.fail(None, format!("node {node} is left with {busy} sequences and holds {held:?}"));
            }
        }
        self.check_rest();
        let unended =
            self.turns.iter().position(|turn| turn.accepted && !turn.abandoned && turn.terminals != 1);
        if let Some(turn) = unended {
            let terminals = self.turns[turn].terminals;
            self.fail(Some(turn), format!("it has {terminals} terminal events at the end"));
        }
    }
}
