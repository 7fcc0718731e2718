//! The turns of this gateway that run, and what of them is to be told next. Part of [`crate::fleet_watch`].

use std::collections::{BTreeMap, BTreeSet};

use pomona_protocol::limits::FEED_TURNS_MAX;
use pomona_protocol::{
    EndedTurn, FleetEventBody, ModelId, NodeId, Principal, RunningTurn, TurnId, TurnProgress,
};

/// Starts and ends that are told with one event. Those above it are left out; the counts of the rates have them.
const TOLD_MAX: usize = 500;

/// A turn that runs.
#[derive(Clone, Debug)]
struct Turn {
    model: ModelId,
    by: Principal,
    started_ms: u64,
    node: Option<NodeId>,
    tokens: u32,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    running: BTreeMap<TurnId, Turn>,
    /// How many run at each node.
    by_node: BTreeMap<NodeId, u32>,
    started: BTreeSet<TurnId>,
    moved: BTreeSet<TurnId>,
    ended: Vec<EndedTurn>,
}

impl Turns {
    /// A turn was accepted.
    pub(crate) fn start(&mut self, id: TurnId, model: ModelId, by: Principal, tokens: u32, now_ms: u64) {
        self.running.insert(id, Turn { model, by, started_ms: now_ms, node: None, tokens });
        if self.started.len() < TOLD_MAX {
            self.started.insert(id);
        }
    }

    /// It runs at this node from now on.
    pub(crate) fn place(&mut self, id: TurnId, node: NodeId) {
        let Some(turn) = self.running.get_mut(&id) else { return };
        *self.by_node.entry(node.clone()).or_default() += 1;
        let left = turn.node.replace(node);
        self.moved.insert(id);
        self.leave(left);
    }

    /// It has shown so many tokens; gives those that are new, and where they come from.
    pub(crate) fn advance(&mut self, id: TurnId, tokens: u32) -> Option<(Option<(NodeId, ModelId)>, u64)> {
        let turn = self.running.get_mut(&id)?;
        let new = tokens.saturating_sub(turn.tokens);
        turn.tokens = turn.tokens.max(tokens);
        if new > 0 {
            self.moved.insert(id);
        }
        Some((turn.node.clone().map(|node| (node, turn.model.clone())), u64::from(new)))
    }

    /// It ended.
    pub(crate) fn end(&mut self, id: TurnId, outcome: &str) {
        let Some(turn) = self.running.remove(&id) else { return };
        self.moved.remove(&id);
        self.leave(turn.node);
        let is_told = !self.started.remove(&id);
        // One that began and ended between two events was never shown; the rates count it.
        if is_told && self.ended.len() < TOLD_MAX {
            let (id, outcome) = (id.to_string(), outcome.to_owned());
            self.ended.push(EndedTurn { id, outcome, tokens: turn.tokens });
        }
    }

    /// How many run.
    pub(crate) fn count(&self) -> u32 {
        self.running.len() as u32
    }

    /// How many run at a node.
    pub(crate) fn count_at(&self, node: &NodeId) -> u32 {
        self.by_node.get(node).copied().unwrap_or(0)
    }

    fn leave(&mut self, node: Option<NodeId>) {
        let Some(node) = node else { return };
        if let Some(count) = self.by_node.get_mut(&node) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_node.remove(&node);
            }
        }
    }

    /// Those that run, the oldest first, and how many more there are.
    pub(crate) fn list(&self, now_ms: u64) -> (Vec<RunningTurn>, u32) {
        let mut oldest: Vec<_> = self.running.iter().collect();
        oldest.sort_by_key(|(id, turn)| (turn.started_ms, **id));
        let left_out = oldest.len().saturating_sub(FEED_TURNS_MAX) as u32;
        (
            oldest.into_iter().take(FEED_TURNS_MAX).map(|(id, turn)| shown(*id, turn, now_ms)).collect(),
            left_out,
        )
    }

    /// Whether starts or ends wait to be told.
    pub(crate) fn has_news(&self) -> bool {
        !self.started.is_empty() || !self.ended.is_empty()
    }

    /// What there is to tell; progress only when it is asked for, which is once a second.
    pub(crate) fn tell(&mut self, with_progress: bool, now_ms: u64) -> Option<FleetEventBody> {
        let started = std::mem::take(&mut self.started);
        let moved = if with_progress { std::mem::take(&mut self.moved) } else { BTreeSet::new() };
        let started: Vec<_> = started
            .iter()
            .filter_map(|id| self.running.get(id).map(|turn| shown(*id, turn, now_ms)))
            .collect();
        let moved: Vec<_> = moved
            .iter()
            .take(FEED_TURNS_MAX)
            .filter_map(|id| self.running.get(id).map(|turn| progress(*id, turn)))
            .collect();
        let ended = std::mem::take(&mut self.ended);
        let is_empty = started.is_empty() && moved.is_empty() && ended.is_empty();
        (!is_empty).then_some(FleetEventBody::Turns { started, moved, ended })
    }
}

fn shown(id: TurnId, turn: &Turn, now_ms: u64) -> RunningTurn {
    RunningTurn {
        id: id.to_string(),
        model: turn.model.0.clone(),
        node: turn.node.clone(),
        key: turn.by.to_string(),
        started_unix_ms: turn.started_ms,
        age_ms: now_ms.saturating_sub(turn.started_ms),
        tokens: turn.tokens,
    }
}

fn progress(id: TurnId, turn: &Turn) -> TurnProgress {
    TurnProgress { id: id.to_string(), node: turn.node.clone(), tokens: turn.tokens }
}
