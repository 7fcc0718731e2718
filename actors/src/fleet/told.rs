//! A member as the watch is told of it, whenever something about it changed. Reads membership, changes nothing in it.

use std::collections::BTreeMap;

use pomona_cluster::membership::{MemberView, Membership};
use pomona_protocol::{FleetNode, FleetReplica, NodeId, PeerRole, ReplicaReport};

use crate::shared::Shared;

/// Tells of one member.
pub(super) fn tell(
    shared: &Shared,
    membership: &Membership,
    roles: &BTreeMap<NodeId, PeerRole>,
    node: &NodeId,
) {
    // A node has no feed.
    if !shared.routes {
        return;
    }
    if let Some(member) = membership.members().find(|member| member.node == node) {
        let role = if member.is_here { PeerRole::Gateway } else { PeerRole::Node };
        shared.watch.node(told(&member, roles.get(node).copied().unwrap_or(role)));
    }
}

fn told(member: &MemberView<'_>, role: PeerRole) -> FleetNode {
    let replicas = member.report.map(|report| report.replicas.as_slice()).unwrap_or_default();
    let own: Vec<&ReplicaReport> =
        replicas.iter().filter(|replica| replica.replica.node == *member.node).collect();
    let figures = member.report.map(|report| report.figures.clone()).unwrap_or_default();
    FleetNode {
        node: member.node.clone(),
        name: member.name.to_owned(),
        role,
        state: member.state(),
        path: member.path.filter(|_| !member.is_here),
        rtt_ms: member.rtt.as_secs_f64() * 1e3,
        version: member.report.map(|report| report.version.clone()),
        hosts: member.report.is_none_or(|report| report.hosts),
        is_here: member.is_here,
        machine: figures.machine,
        certificate_expires_unix_s: figures.certificate_expires_unix_s,
        certificate_life_s: figures.certificate_life_s,
        model_bytes_max: member.report.map_or(0, |report| report.memory_bytes),
        model_bytes_used: own.iter().map(|replica| replica.memory_bytes).sum(),
        turns: 0,
        tokens_per_s: 0.0,
        replicas: own.into_iter().map(replica).collect(),
    }
}

fn replica(replica: &ReplicaReport) -> FleetReplica {
    FleetReplica {
        model: replica.replica.model.to_string(),
        state: replica.state,
        restarts: replica.restarts,
        memory_bytes: replica.memory_bytes,
        sequences: replica.load.running,
        waiting: replica.load.waiting,
        kv_blocks_used: replica.load.kv_blocks_used,
        kv_blocks_total: replica.load.kv_blocks_total,
        tokens_per_s: 0.0,
        is_pinned: replica.is_pinned,
        error: replica.error.clone(),
    }
}
