//! Who is a member, who is alive, and which replicas can be reached over which link. One per gateway.
//!
//! The Fleet actor wraps this machine: it feeds in links, reports and time, and passes most effects on to
//! [`crate::admission`] ([`Effect::to_admission`]). A replica is up while it is `Ready` in the newest report of
//! a member that is linked. Several members may offer the same replica: its own node, and gateways that reach
//! it; the shortest way is used, and another one as soon as that is gone. Silence makes a member suspect, never
//! dead: dead is who lost its link or started anew.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use pomona_protocol::{ModelId, NodeId, NodeReport, PathKind, ReplicaId, ReplicaLoad, ReplicaReport};

use crate::membership_member::{Link, Member};
use crate::placement::Host;

pub use crate::membership_words::{Effect, Input, MemberView, MembershipLimits};

/// Replicas of one report that are looked at; a gateway offers those of its whole fleet.
const REPORT_REPLICAS_MAX: usize = 4096;
/// Models of one report that are looked at.
const REPORT_MODELS_MAX: usize = 1024;

/// The machine.
#[derive(Clone, Debug)]
pub struct Membership {
    limits: MembershipLimits,
    members: BTreeMap<NodeId, Member>,
    /// Who offers a replica, in any state.
    offers: BTreeMap<ReplicaId, BTreeSet<NodeId>>,
    up: BTreeMap<ReplicaId, Up>,
    models: BTreeSet<ModelId>,
    ticked_at: Option<Instant>,
    /// Silence from before this does not count: this process itself stood still.
    awake_since: Option<Instant>,
}

/// What was said of a replica that is up.
#[derive(Clone, Debug, PartialEq)]
struct Up {
    via: NodeId,
    is_suspect: bool,
    is_draining: bool,
}

impl Membership {
    /// A machine that knows nobody.
    pub fn new(limits: MembershipLimits) -> Self {
        Self {
            limits,
            members: BTreeMap::new(),
            offers: BTreeMap::new(),
            up: BTreeMap::new(),
            models: BTreeSet::new(),
            ticked_at: None,
            awake_since: None,
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        match input {
            Input::LinkUp { node, name, boot, path } => self.link_up(node, name, boot, path, false, now),
            Input::Local { node, name, boot } => self.link_up(node, name, boot, PathKind::Lan, true, now),
            Input::LinkDown { node, boot } => self.link_down(&node, boot),
            Input::PathChanged { node, path, rtt } => {
                let Some(link) = self.members.get_mut(&node).and_then(|member| member.link.as_mut()) else {
                    return Vec::new();
                };
                (link.path, link.rtt) = (path, rtt);
                self.settle_member(&node, &[])
            }
            Input::Report(report) => self.report(*report, now),
            Input::Drain { node, on } => {
                let Some(member) = self.members.get_mut(&node) else { return Vec::new() };
                member.drain_wish = on;
                self.settle_drain(&node)
            }
            Input::Remove { node } => {
                let Some(boot) = self.members.get(&node).map(|member| member.boot) else { return Vec::new() };
                let effects = self.link_down(&node, boot);
                self.forget(&node);
                effects
            }
            Input::Tick => self.tick(now),
        }
    }

    /// Every member, linked or not, in the order of ids.
    pub fn members(&self) -> impl Iterator<Item = MemberView<'_>> {
        self.members.iter().map(|(node, member)| MemberView {
            node,
            name: &member.name,
            boot: member.boot,
            is_here: member.is_here,
            path: member.link.map(|link| link.path),
            rtt: member.link.map_or(Duration::ZERO, |link| link.rtt),
            is_suspect: member.is_silent,
            is_draining: member.is_draining,
            heard_at: member.heard_at,
            report: member.report.as_ref(),
        })
    }

    /// The members as placement looks at them: those that are linked and have reported.
    pub fn hosts(&self) -> Vec<Host> {
        self.members().filter_map(|member| member.to_host()).collect()
    }

    /// Over whose link a replica that is up is reached.
    pub fn via(&self, replica: &ReplicaId) -> Option<&NodeId> {
        self.up.get(replica).map(|up| &up.via)
    }

    /// The replicas that this gateway reaches over their own nodes' links: what it may offer to other gateways.
    /// Offering what was itself offered would let two gateways hold a dead replica up for each other.
    pub fn direct_replicas(&self) -> Vec<ReplicaReport> {
        let direct = self.up.iter().filter(|(replica, up)| up.via == replica.node && !up.is_draining);
        direct
            .filter_map(|(replica, up)| {
                let mut report = self.members.get(&up.via)?.offer(replica)?.clone();
                report.load.is_suspect = up.is_suspect;
                Some(report)
            })
            .collect()
    }

    fn link_up(
        &mut self,
        node: NodeId,
        name: String,
        boot: u64,
        path: PathKind,
        is_here: bool,
        now: Instant,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        match self.members.get(&node).map(|member| member.boot) {
            Some(old) if old != boot => {
                effects.extend(self.link_down(&node, old));
                let drain_wish = self.members.get(&node).is_some_and(|member| member.drain_wish);
                let is_draining = self.members.get(&node).is_some_and(|member| member.is_draining);
                self.forget(&node);
                let mut fresh = Member::new(name, boot);
                (fresh.drain_wish, fresh.is_draining) = (drain_wish, is_draining);
                self.members.insert(node.clone(), fresh);
            }
            Some(_) => {}
            None if self.has_room() => {
                self.members.insert(node.clone(), Member::new(name, boot));
            }
            None => return vec![Effect::MemberRefused { node, members_max: self.limits.members_max }],
        }
        let Some(member) = self.members.get_mut(&node) else { return effects };
        member.is_here = is_here;
        match &mut member.link {
            Some(link) => link.path = path,
            None => {
                let rtt = self.limits.rtt_prior(path, is_here);
                member.link = Some(Link { path, rtt, up_at: now, has_reported: false });
            }
        }
        effects.extend(self.settle_drain(&node));
        effects.extend(self.settle_member(&node, &[]));
        effects.extend(self.settle_models());
        effects
    }

    /// Makes room by forgetting a member without a link.
    fn has_room(&mut self) -> bool {
        if self.members.len() < self.limits.members_max as usize {
            return true;
        }
        let offline = self.members.iter().find(|(_, member)| member.link.is_none());
        let Some(node) = offline.map(|(node, _)| node.clone()) else { return false };
        self.forget(&node);
        true
    }

    fn forget(&mut self, node: &NodeId) {
        let Some(member) = self.members.remove(node) else { return };
        let old: Vec<_> = member.replicas().iter().map(|report| report.replica.clone()).collect();
        self.change_offers(node, &old);
    }

    fn link_down(&mut self, node: &NodeId, boot: u64) -> Vec<Effect> {
        let Some(member) = self.members.get_mut(node).filter(|member| member.boot == boot) else {
            return Vec::new();
        };
        member.link = None;
        let was_silent = std::mem::take(&mut member.is_silent);
        let mut effects = self.settle_member(node, &[]);
        if was_silent {
            effects.push(Effect::NodeCleared { node: node.clone() });
        }
        effects.extend(self.settle_models());
        effects
    }

    fn report(&mut self, mut report: NodeReport, now: Instant) -> Vec<Effect> {
        report.replicas.truncate(REPORT_REPLICAS_MAX);
        report.models.truncate(REPORT_MODELS_MAX);
        let node = report.node.clone();
        let Some(member) = self.members.get_mut(&node) else { return Vec::new() };
        let last = member.report.as_ref().map_or(0, |report| report.seq);
        let Some(link) = &mut member.link else { return Vec::new() };
        if report.boot != member.boot || report.seq <= last {
            return Vec::new();
        }
        link.has_reported = true;
        member.heard_at = Some(now);
        member.name.clone_from(&report.name);
        let was_silent = std::mem::take(&mut member.is_silent);
        let offered = |report: &NodeReport| (report.hosts, report.models.clone());
        let before = member.report.as_ref().map(offered);
        let old = member.set_report(report);
        let models_changed = old.is_some() || before != member.report.as_ref().map(offered);
        if let Some(old) = &old {
            self.change_offers(&node, old);
        }
        let mut effects = Vec::new();
        if was_silent {
            effects.push(Effect::NodeCleared { node: node.clone() });
        }
        effects.extend(self.settle_drain(&node));
        effects.extend(self.settle_member(&node, &old.unwrap_or_default()));
        effects.extend(self.loads(&node));
        if models_changed {
            effects.extend(self.settle_models());
        }
        effects
    }

    /// Writes down who offers what, after a member's list has changed from `old`.
    fn change_offers(&mut self, node: &NodeId, old: &[ReplicaId]) {
        for replica in old {
            if let Some(nodes) = self.offers.get_mut(replica) {
                nodes.remove(node);
                if nodes.is_empty() {
                    self.offers.remove(replica);
                }
            }
        }
        for report in self.members.get(node).map(Member::replicas).unwrap_or_default() {
            self.offers.entry(report.replica.clone()).or_default().insert(node.clone());
        }
    }

    /// The numbers of every replica that is reached over this member.
    fn loads(&self, node: &NodeId) -> Vec<Effect> {
        let Some((member, link)) = self.members.get(node).and_then(|member| Some((member, member.link?)))
        else {
            return Vec::new();
        };
        let reached = member.replicas().iter().filter(|report| self.via(&report.replica) == Some(node));
        reached
            .map(|report| Effect::ReplicaLoad {
                replica: report.replica.clone(),
                load: report.load,
                rtt: link.rtt,
            })
            .collect()
    }

    /// Says what changed for the replicas that a member offers, or offered until now.
    fn settle_member(&mut self, node: &NodeId, old: &[ReplicaId]) -> Vec<Effect> {
        let current = self.members.get(node).map(Member::replicas).unwrap_or_default();
        let current = current.iter().map(|report| &report.replica);
        let replicas: BTreeSet<_> = current.chain(old).cloned().collect();
        replicas.into_iter().flat_map(|replica| self.settle(replica)).collect()
    }

    fn settle(&mut self, replica: ReplicaId) -> Vec<Effect> {
        let best = self.best(&replica);
        let before = self.up.remove(&replica);
        let Some((after, load, rtt)) = best else {
            return before.map(|_| Effect::ReplicaDown { replica }).into_iter().collect();
        };
        let mut effects = Vec::new();
        let told = match before {
            Some(before) => {
                if before.via != after.via {
                    effects.push(Effect::ReplicaVia { replica: replica.clone(), via: after.via.clone() });
                }
                before
            }
            None => {
                effects.push(Effect::ReplicaUp {
                    replica: replica.clone(),
                    via: after.via.clone(),
                    load: ReplicaLoad { is_suspect: after.is_suspect, ..load },
                    rtt,
                    is_draining: after.is_draining,
                });
                after.clone()
            }
        };
        if told.is_draining != after.is_draining {
            effects.push(Effect::ReplicaDraining { replica: replica.clone(), on: after.is_draining });
        }
        match (told.is_suspect, after.is_suspect) {
            (false, true) => effects.push(Effect::ReplicaSuspect { replica: replica.clone() }),
            (true, false) => effects.push(Effect::ReplicaCleared { replica: replica.clone() }),
            _ => {}
        }
        self.up.insert(replica, after);
        effects
    }

    /// The best way to a replica: over somebody who is not silent, then straight to its node, then over a LAN.
    fn best(&self, replica: &ReplicaId) -> Option<(Up, ReplicaLoad, Duration)> {
        let ways = self.offers.get(replica)?.iter().filter_map(|node| {
            let member = self.members.get(node)?;
            Some((node, member, member.link?, member.offer(replica)?))
        });
        let (via, member, link, offer) = ways.min_by_key(|(node, member, link, _)| {
            (member.is_silent, **node != replica.node, link.path, *node)
        })?;
        let its_node_drains = self.members.get(&replica.node).is_some_and(|node| node.is_draining);
        let up = Up {
            via: via.clone(),
            is_suspect: member.is_silent || offer.load.is_suspect,
            is_draining: member.is_draining || its_node_drains,
        };
        Some((up, offer.load, link.rtt))
    }

    fn settle_drain(&mut self, node: &NodeId) -> Vec<Effect> {
        let Some(member) = self.members.get_mut(node) else { return Vec::new() };
        let wanted = member.drain_wish || member.report.as_ref().is_some_and(|report| report.draining);
        if std::mem::replace(&mut member.is_draining, wanted) == wanted {
            return Vec::new();
        }
        let node = node.clone();
        let mut effects = vec![if wanted {
            Effect::NodeDraining { node: node.clone() }
        } else {
            Effect::NodeUndrained { node: node.clone() }
        }];
        let touched: Vec<_> = self
            .up
            .iter()
            .filter(|(replica, up)| replica.node == node || up.via == node)
            .map(|(replica, _)| replica.clone())
            .collect();
        effects.extend(touched.into_iter().flat_map(|replica| self.settle(replica)));
        effects
    }

    fn settle_models(&mut self) -> Option<Effect> {
        let linked = self.members.values().filter(|member| member.link.is_some());
        let reports = linked.filter_map(|member| member.report.as_ref());
        let models: BTreeSet<_> = reports
            .flat_map(|report| {
                let offered = report.models.iter().filter(|_| report.hosts).map(|offer| &offer.model);
                offered.chain(report.replicas.iter().map(|report| &report.replica.model))
            })
            .cloned()
            .collect();
        if models == self.models {
            return None;
        }
        self.models = models;
        Some(Effect::ModelsChanged { models: self.models.iter().cloned().collect() })
    }

    fn tick(&mut self, now: Instant) -> Vec<Effect> {
        let slept =
            self.ticked_at.is_some_and(|last| now.saturating_duration_since(last) > self.limits.tick_gap_max);
        if slept {
            self.awake_since = Some(now);
        }
        self.ticked_at = Some(now);
        let mut silent = Vec::new();
        for (node, member) in &mut self.members {
            let Some(link) = member.link.filter(|_| !member.is_here && !member.is_silent) else { continue };
            let heard = [member.heard_at, Some(link.up_at), self.awake_since].into_iter().flatten().max();
            let silence = heard.map_or(Duration::ZERO, |heard| now.saturating_duration_since(heard));
            if silence > self.limits.suspect_after(link.path) {
                member.is_silent = true;
                silent.push(Effect::NodeSuspect { node: node.clone(), silence });
            }
        }
        let mut effects = Vec::new();
        for effect in silent {
            let Effect::NodeSuspect { node, .. } = &effect else { continue };
            let node = node.clone();
            effects.push(effect);
            effects.extend(self.settle_member(&node, &[]));
        }
        effects
    }
}

#[cfg(test)]
#[path = "membership_tests.rs"]
mod tests;
