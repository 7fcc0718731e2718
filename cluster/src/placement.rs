//! Where replicas are loaded: enough of each wanted model, never over a node's memory, moving as little as
//! possible. Asked by the Fleet actor after each change of members or wishes, and when a turn asks for a model
//! that nobody serves; what it says is done by the nodes' agents.
//!
//! What is there stays there. What is missing goes, model by model, to the node that has the weights on disk,
//! then the fewest replicas, then the most free memory. Room is made only by unloading replicas that nobody
//! wanted, nobody pinned and nobody uses, least recently used ones first. Nothing is ever moved for beauty.
//! How long an idle replica stays is [`crate::retention`]'s.

#[path = "placement_survey.rs"]
mod survey;

use std::collections::{BTreeMap, BTreeSet};

use pomona_protocol::{ModelId, NodeId};

pub use self::survey::{Survey, SurveyedHost, place_on, survey};
pub use crate::placement_words::{
    Assignment, Host, Hosted, Load, OnDemand, Plan, Reason, Refusal, Unload, Wanted,
};

/// What has to be loaded and unloaded so that every wanted model is on as many nodes as it should be. `previous`
/// is the last plan's assignment; it counts where the view does not show a load yet that is under way.
pub fn solve(wanted: &[Wanted], view: &[Host], previous: &Assignment) -> Plan {
    let mut table = Table::new(view, previous, wanted);
    let mut plan = Plan::default();
    // A model named twice counts once, as often as the last one says.
    let counts: BTreeMap<_, _> = wanted.iter().map(|wanted| (&wanted.model, wanted.replicas)).collect();
    for (model, count) in &counts {
        table.keep(model, *count as usize, &mut plan);
    }
    // Every model gets its first replica before any gets its second; large ones find room first.
    let mut missing: Vec<_> =
        counts.iter().map(|(model, count)| (*model, plan.missing(model, *count))).collect();
    missing.sort_by_key(|(model, _)| (std::cmp::Reverse(table.size(model)), *model));
    let rounds = missing.iter().map(|(_, missing)| *missing).max().unwrap_or(0);
    for round in 0..rounds {
        for (model, missing) in missing.iter().filter(|(_, missing)| round < *missing) {
            if plan.refusals.iter().any(|refusal| refusal.model == **model) {
                continue;
            }
            match table.place(model) {
                Ok((unloads, load)) => {
                    plan.assignment.entry((*model).clone()).or_default().insert(load.node.clone());
                    plan.unloads.extend(unloads);
                    plan.loads.push(load);
                }
                Err(reasons) => {
                    let missing = missing - round;
                    plan.refusals.push(Refusal { model: (*model).clone(), missing, reasons });
                }
            }
        }
    }
    plan
}

/// Where to load a model that no replica serves. `wanted` models are not unloaded for it.
pub fn place_on_demand(
    model: &ModelId,
    wanted: &[Wanted],
    view: &[Host],
    previous: &Assignment,
) -> Result<OnDemand, Refusal> {
    let mut table = Table::new(view, previous, wanted);
    if let Some(node) = table.having(model).into_iter().next() {
        return Ok(OnDemand::IsThere(node));
    }
    match table.place(model) {
        Ok((unloads, load)) => Ok(OnDemand::Place { unloads, load }),
        Err(reasons) => Err(Refusal { model: model.clone(), missing: 1, reasons }),
    }
}

impl Plan {
    fn missing(&self, model: &ModelId, count: u32) -> u32 {
        count.saturating_sub(self.assignment.get(model).map_or(0, BTreeSet::len) as u32)
    }
}

/// What to do for one replica, or why no node can take it.
type Placed = Result<(Vec<Unload>, Load), Refusals>;

/// Why each node cannot take a model.
type Refusals = Vec<(NodeId, Reason)>;

/// The nodes while a plan is made.
struct Table {
    rows: BTreeMap<NodeId, Row>,
    sizes: BTreeMap<ModelId, u64>,
}

struct Row {
    host: Host,
    /// What it has or will have, with its bytes and whether it may be unloaded to make room.
    models: BTreeMap<ModelId, Held>,
}

#[derive(Clone, Copy)]
struct Held {
    bytes: u64,
    turns: u32,
    idle_ms: u64,
    is_evictable: bool,
    has_failed: bool,
}

impl Row {
    fn used(&self) -> u64 {
        let models: u64 = self.models.values().fold(0, |sum, held| sum.saturating_add(held.bytes));
        models.saturating_add(self.host.memory_bytes_of_others)
    }

    fn free(&self) -> u64 {
        self.host.memory_bytes.saturating_sub(self.used())
    }

    /// Models that may go: what was used least recently first, then the largest, so that fewer go.
    fn evictable(&self) -> Vec<(&ModelId, u64)> {
        let mut held: Vec<_> = self.models.iter().filter(|(_, held)| held.is_evictable).collect();
        held.sort_by_key(|(model, held)| {
            (std::cmp::Reverse(held.idle_ms), std::cmp::Reverse(held.bytes), *model)
        });
        held.into_iter().map(|(model, held)| (model, held.bytes)).collect()
    }

    fn has_weights(&self, model: &ModelId) -> bool {
        self.host.offers.iter().any(|offer| offer.model == *model)
    }

    /// What goes so that `needs` bytes are free, if that helps at all. What turns out to be no help once larger ones
    /// go as well stays, the one that was used last first.
    fn evictions(&self, needs: u64) -> Option<Vec<ModelId>> {
        let fits = |used: u64| used.saturating_add(needs) <= self.host.memory_bytes;
        let mut used = self.used();
        let mut out = Vec::new();
        for (model, bytes) in self.evictable() {
            if fits(used) {
                break;
            }
            used = used.saturating_sub(bytes);
            out.push((model, bytes));
        }
        if !fits(used) {
            return None;
        }
        for at in (0..out.len()).rev() {
            let with = used.saturating_add(out[at].1);
            if fits(with) {
                used = with;
                out.remove(at);
            }
        }
        Some(out.into_iter().map(|(model, _)| model.clone()).collect())
    }
}

impl Table {
    fn new(view: &[Host], previous: &Assignment, wanted: &[Wanted]) -> Self {
        let mut sizes: BTreeMap<ModelId, u64> = BTreeMap::new();
        for offer in view.iter().flat_map(|host| &host.offers) {
            let size = sizes.entry(offer.model.clone()).or_default();
            *size = offer.memory_bytes.max(*size);
        }
        let wanted: BTreeSet<_> = wanted.iter().map(|wanted| wanted.model.clone()).collect();
        let rows = view.iter().map(|host| {
            let mut models = BTreeMap::new();
            for hosted in &host.replicas {
                let offered = host.offers.iter().find(|offer| offer.model == hosted.model);
                let known =
                    offered.map(|offer| offer.memory_bytes).or_else(|| sizes.get(&hosted.model).copied());
                let bytes = match hosted.memory_bytes {
                    // One that failed has no process any more.
                    _ if hosted.has_failed => 0,
                    0 => known.unwrap_or(0),
                    bytes => bytes,
                };
                let is_free = hosted.turns == 0 && !hosted.is_pinned && !wanted.contains(&hosted.model);
                let held = Held {
                    bytes,
                    turns: hosted.turns,
                    idle_ms: hosted.idle_ms,
                    is_evictable: is_free && !hosted.has_failed,
                    has_failed: hosted.has_failed,
                };
                models.insert(hosted.model.clone(), held);
            }
            (host.node.clone(), Row { host: host.clone(), models })
        });
        let mut table = Self { rows: rows.collect(), sizes };
        table.reckon_with(previous);
        table
    }

    /// Counts in what was told to load and is not in the view yet.
    fn reckon_with(&mut self, previous: &Assignment) {
        for (model, nodes) in previous {
            for node in nodes {
                let bytes = self.bytes_on(node, model);
                if let Some(row) = self.rows.get_mut(node) {
                    let held = Held { bytes, turns: 0, idle_ms: 0, is_evictable: false, has_failed: false };
                    row.models.entry(model.clone()).or_insert(held);
                }
            }
        }
    }

    fn size(&self, model: &ModelId) -> u64 {
        self.sizes.get(model).copied().unwrap_or(0)
    }

    /// A node's own offer knows best; without one the largest counts.
    fn bytes_on(&self, node: &NodeId, model: &ModelId) -> u64 {
        let offers = self.rows.get(node).map_or(&[][..], |row| &row.host.offers);
        offers.iter().find(|offer| offer.model == *model).map_or_else(|| self.size(model), |o| o.memory_bytes)
    }

    /// Nodes that have this model or will, and stay.
    fn having(&self, model: &ModelId) -> Vec<NodeId> {
        let rows = self.rows.iter().filter(|(_, row)| {
            row.host.hosts
                && !row.host.is_draining
                && row.models.get(model).is_some_and(|held| !held.has_failed)
        });
        rows.map(|(node, _)| node.clone()).collect()
    }

    /// Keeps what is there, up to `count`, and unloads the rest: idle ones first, never from draining nodes,
    /// which unload by leaving.
    fn keep(&mut self, model: &ModelId, count: usize, plan: &mut Plan) {
        let mut nodes = self.having(model);
        nodes.sort_by_key(|node| {
            let row = self.rows.get(node);
            let turns = row.and_then(|row| row.models.get(model)).map_or(0, |held| held.turns);
            (row.is_some_and(|row| row.host.is_suspect), std::cmp::Reverse(turns), node.clone())
        });
        for node in nodes.split_off(nodes.len().min(count)) {
            if let Some(row) = self.rows.get_mut(&node) {
                row.models.remove(model);
            }
            plan.unloads.push(Unload { model: model.clone(), node });
        }
        plan.assignment.insert(model.clone(), nodes.into_iter().collect());
    }

    /// Loads a model on the best node that can take it.
    fn place(&mut self, model: &ModelId) -> Placed {
        let (node, evictions) = self.best(model)?;
        let memory_bytes = self.bytes_on(&node, model);
        let fetch_from = self.sources(&node, model);
        if let Some(row) = self.rows.get_mut(&node) {
            row.models.retain(|model, _| !evictions.contains(model));
            let held =
                Held { bytes: memory_bytes, turns: 0, idle_ms: 0, is_evictable: false, has_failed: false };
            row.models.insert(model.clone(), held);
        }
        let unloads = evictions.into_iter().map(|model| Unload { model, node: node.clone() }).collect();
        Ok((unloads, Load { model: model.clone(), node, memory_bytes, fetch_from }))
    }

    /// The best node that can take a model, and what goes from it first; or why no node can.
    fn best(&self, model: &ModelId) -> Result<(NodeId, Vec<ModelId>), Refusals> {
        let mut best = None;
        let mut reasons = Vec::new();
        for (node, row) in &self.rows {
            match self.fits(row, model) {
                Ok(evictions) => {
                    let after = row.models.len() - evictions.len();
                    let free = std::cmp::Reverse(row.free());
                    let rank = (evictions.len(), !row.has_weights(model), after, free, node.clone());
                    if best.as_ref().is_none_or(|(other, _)| rank < *other) {
                        best = Some((rank, evictions));
                    }
                }
                Err(reason) => reasons.push((node.clone(), reason)),
            }
        }
        best.map(|((.., node), evictions)| (node, evictions)).ok_or(reasons)
    }

    /// Whose disk has the weights, when a node's own does not.
    fn sources(&self, node: &NodeId, model: &ModelId) -> Vec<NodeId> {
        let sources = self.rows.iter().filter(|(_, row)| row.has_weights(model));
        let sources: Vec<_> = sources.map(|(node, _)| node.clone()).collect();
        if sources.contains(node) { Vec::new() } else { sources }
    }

    /// What has to go from a node so that it can take a model, or why it cannot.
    fn fits(&self, row: &Row, model: &ModelId) -> Result<Vec<ModelId>, Reason> {
        match row.models.get(model) {
            _ if !row.host.hosts => return Err(Reason::HostsNone),
            _ if row.host.is_draining => return Err(Reason::Draining),
            Some(held) if held.has_failed => return Err(Reason::Failed),
            Some(_) => return Err(Reason::HasIt),
            None if row.host.is_suspect => return Err(Reason::Suspect),
            None if !self.sizes.contains_key(model) => return Err(Reason::NoWeights),
            None => {}
        }
        self.room(row, model)
    }

    /// What has to go from a node so that its memory holds a model.
    fn room(&self, row: &Row, model: &ModelId) -> Result<Vec<ModelId>, Reason> {
        let needs = self.bytes_on(&row.host.node, model);
        row.evictions(needs).ok_or_else(|| {
            let free =
                row.evictable().iter().fold(row.free(), |free, (_, bytes)| free.saturating_add(*bytes));
            Reason::Memory { needs, free, memory: row.host.memory_bytes, lacks: needs.saturating_sub(free) }
        })
    }
}

#[cfg(test)]
#[path = "placement_tests.rs"]
mod tests;
