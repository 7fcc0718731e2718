//! What the fleet looks like from outside: status pages, readiness, cards, offers to other gateways. Reads
//! membership, changes nothing in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use pomona_cluster::membership::{MemberView, Membership};
use pomona_cluster::placement::{Host, Wanted};
use pomona_protocol::{
    Cause, ModelCard, ModelId, NodeId, NodeState, NodeStatus, PeerRole, ReplicaReport, ReplicaState,
    ReplicaStatus,
};

use crate::observer::Observation;
use crate::shared::{Readiness, Shared};

/// `model=count`, as the configuration has it; what does not read so was refused by its check.
pub(super) fn wanted(texts: &[String]) -> Vec<Wanted> {
    let parse = |text: &String| {
        let (model, replicas) = text.rsplit_once('=')?;
        Some(Wanted { model: ModelId::from(model.trim()), replicas: replicas.trim().parse().ok()? })
    };
    texts.iter().filter_map(parse).collect()
}

fn reports(membership: &Membership) -> impl Iterator<Item = (MemberView<'_>, &ReplicaReport)> {
    let linked = membership.members().filter(|member| member.path.is_some());
    linked.flat_map(|member| {
        let replicas = member.report.map(|report| report.replicas.as_slice()).unwrap_or_default();
        replicas.iter().map(move |replica| (member, replica))
    })
}

/// Every model that somebody has a replica of: `None` when one works or will, else why none does.
pub(super) fn models(membership: &Membership) -> BTreeMap<ModelId, Option<String>> {
    let mut models = BTreeMap::new();
    for (_, replica) in reports(membership) {
        let gone = (replica.state == ReplicaState::Failed)
            .then(|| replica.error.clone().unwrap_or_else(|| "its replica failed".to_owned()));
        let known = models.entry(replica.replica.model.clone()).or_insert_with(|| gone.clone());
        if gone.is_none() {
            *known = None;
        }
    }
    models
}

/// Nodes that have a replica of this model themselves.
pub(super) fn holders(membership: &Membership, model: &ModelId) -> Vec<NodeId> {
    let own = reports(membership)
        .filter(|(member, replica)| replica.replica.model == *model && replica.replica.node == *member.node);
    own.map(|(member, _)| member.node.clone()).collect()
}

/// Whether some member has this model on disk or in memory.
pub(super) fn is_known(hosts: &[Host], model: &ModelId) -> bool {
    hosts.iter().any(|host| {
        host.offers.iter().any(|offer| offer.model == *model)
            || host.replicas.iter().any(|replica| replica.model == *model)
    })
}

/// Models on the disk of one member, as it said last.
pub(super) fn on_disk_of(membership: &Membership, node: &NodeId) -> Vec<ModelId> {
    let member = membership.members().find(|member| member.node == node && member.path.is_some());
    let offers = member.and_then(|member| member.report).map(|report| report.models.as_slice());
    offers.unwrap_or_default().iter().map(|offer| offer.model.clone()).collect()
}

/// Every model that some member has on disk, by name.
pub(super) fn known(hosts: &[Host]) -> Vec<String> {
    let mut known: Vec<_> =
        hosts.iter().flat_map(|host| &host.offers).map(|offer| offer.model.to_string()).collect();
    known.sort();
    known.dedup();
    known
}

/// Readiness, cards and offers of this process.
pub(super) fn publish(shared: &Shared, membership: &Membership) {
    let mut cards: Vec<ModelCard> = Vec::new();
    let (mut ready, mut is_loading, mut failed) = (None, false, None);
    for (_, replica) in reports(membership) {
        if let Some(card) = &replica.card
            && !cards.iter().any(|known| known.id == card.id)
        {
            cards.push(card.clone());
        }
        match replica.state {
            ReplicaState::Ready => ready = ready.or_else(|| replica.card.clone()),
            ReplicaState::Loading | ReplicaState::Restarting => is_loading = true,
            ReplicaState::Failed => failed = failed.or_else(|| Some(replica.clone())),
        }
    }
    if shared.fleet.load_on_demand {
        add_loadable(membership, &mut cards);
    }
    // Who names no model gets the first one, which should be one that is there.
    cards.sort_by(|a, b| (!a.loaded, &a.id).cmp(&(!b.loaded, &b.id)));
    if **shared.cards.load() != cards {
        shared.cards.store(Arc::new(cards));
    }
    if shared.routes {
        shared.desk.set_offered(membership.direct_replicas());
    }
    let readiness = match (ready, failed) {
        (Some(card), _) => Readiness::Ready(card),
        (None, Some(failed)) if !is_loading => Readiness::Failed(Cause::ModelUnavailable {
            model: failed.replica.model.to_string(),
            message: failed.error.unwrap_or_else(|| "its replica failed".to_owned()),
        }),
        (None, _) => Readiness::Loading { done: 0, total: 0 },
    };
    shared.readiness.send_if_modified(|known| {
        let is_same = matches!(
            (&*known, &readiness),
            (Readiness::Ready(_), Readiness::Ready(_))
                | (Readiness::Loading { .. }, Readiness::Loading { .. })
                | (Readiness::Failed(_), Readiness::Failed(_))
        );
        if !is_same {
            *known = readiness;
        }
        !is_same
    });
}

/// Models that lie on some member's disk: the first question loads them.
fn add_loadable(membership: &Membership, cards: &mut Vec<ModelCard>) {
    let known = models(membership);
    let has_failed = |model: &ModelId| matches!(known.get(model), Some(Some(_)));
    let reports =
        membership.members().filter(|member| member.path.is_some()).filter_map(|member| member.report);
    for offer in reports.filter(|report| report.hosts).flat_map(|report| &report.models) {
        let Some(card) = &offer.card else { continue };
        if !has_failed(&offer.model) && !cards.iter().any(|known| known.id == offer.model) {
            cards.push(ModelCard { id: offer.model.clone(), loaded: false, ..ModelCard::clone(card) });
        }
    }
}

/// Counts members for the metrics.
pub(super) fn observe(shared: &Shared, membership: &Membership) {
    let count = |state| membership.members().filter(|member| member.state() == state).count() as u32;
    shared.observe(Observation::Nodes {
        alive: count(NodeState::Alive),
        suspect: count(NodeState::Suspect),
        draining: count(NodeState::Draining),
        offline: count(NodeState::Offline),
    });
}

/// Every member, as an admin sees it.
pub(super) fn nodes(
    shared: &Shared,
    membership: &Membership,
    roles: &BTreeMap<NodeId, PeerRole>,
) -> Vec<NodeStatus> {
    let placed = shared.desk.view().placed;
    let now = Instant::now();
    let own_role = if shared.routes { PeerRole::Gateway } else { PeerRole::Node };
    let status = |member: MemberView<'_>| {
        let own = member.report.map(|report| report.replicas.iter()).into_iter().flatten();
        let own: Vec<_> = own.filter(|replica| replica.replica.node == *member.node).collect();
        let replicas: Vec<_> = own
            .iter()
            .map(|replica| {
                let turns = placed.get(&replica.replica).copied().unwrap_or(0);
                replica_status(replica, turns)
            })
            .collect();
        NodeStatus {
            node: member.node.clone(),
            name: member.name.to_owned(),
            role: if member.is_here {
                own_role
            } else {
                roles.get(member.node).copied().unwrap_or(PeerRole::Node)
            },
            state: member.state(),
            path: shared.peers.path(member.node),
            version: member.report.map(|report| report.version.clone()),
            hosts: member.report.is_none_or(|report| report.hosts),
            is_here: member.is_here,
            seen_ms_ago: member.heard_at.map(|at| now.saturating_duration_since(at).as_millis() as u64),
            joined_unix_ms: 0,
            memory_bytes: member.report.map_or(0, |report| report.memory_bytes),
            memory_bytes_used: own.iter().map(|replica| replica.memory_bytes).sum(),
            turns: replicas.iter().map(|replica| replica.turns).sum(),
            models: member.report.map(|report| report.models.clone()).unwrap_or_default(),
            replicas,
            figures: member.report.map(|report| report.figures.clone()).unwrap_or_default(),
        }
    };
    membership.members().map(status).collect()
}

fn replica_status(replica: &ReplicaReport, turns: u32) -> ReplicaStatus {
    ReplicaStatus {
        node: replica.replica.node.clone(),
        model: replica.replica.model.to_string(),
        state: replica.state,
        incarnation: replica.replica.incarnation,
        restarts: replica.restarts,
        engine_pid: replica.engine_pid,
        card: replica.card.clone(),
        turns,
        is_pinned: replica.is_pinned,
        idle_ms: replica.idle_ms,
        kv_blocks_used: replica.load.kv_blocks_used,
        kv_blocks_total: replica.load.kv_blocks_total,
        running: replica.load.running,
        waiting: replica.load.waiting,
        figures: replica.figures.clone(),
        error: replica.error.clone(),
    }
}
