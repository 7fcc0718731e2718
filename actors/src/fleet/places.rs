//! Where a model would go, as an admin is shown it, and a load on a member that an admin names. What is decided is
//! `cluster::placement`'s; this adds names and disks.

use std::collections::BTreeMap;

use pomona_cluster::membership::{MemberView, Membership};
use pomona_cluster::placement::{
    Assignment, Host, Load, Reason, SurveyedHost, Unload, Wanted, place_on, survey,
};
use pomona_protocol::{Cause, ModelId, ModelPlace, NoPlace, NodeId, PlaceUnload, Placement};

use super::view;

/// Every member with what a load of this model would do there.
pub(super) fn placement(
    membership: &Membership,
    wanted: &[Wanted],
    assignment: &Assignment,
    model: &ModelId,
) -> Result<Placement, Cause> {
    let hosts = membership.hosts();
    if !view::is_known(&hosts, model) {
        return Err(Cause::UnknownModel { model: model.to_string(), known: view::known(&hosts) });
    }
    let mut seen = survey(model, wanted, &hosts, assignment);
    let needs_bytes = seen.hosts.values().map(|host| host.needs_bytes).max().unwrap_or(0);
    let weight_bytes = weight_bytes(&hosts, model);
    let mut members: Vec<_> = membership.members().collect();
    members.sort_by(|a, b| (!a.is_here, a.name, a.node).cmp(&(!b.is_here, b.name, b.node)));
    Ok(Placement {
        model: model.clone(),
        weight_bytes,
        kv_bytes: if weight_bytes == 0 { 0 } else { needs_bytes.saturating_sub(weight_bytes) },
        best: seen.best.take(),
        nodes: members.iter().map(|member| place(member, &mut seen.hosts, needs_bytes)).collect(),
    })
}

/// What an admin wants on this very member, and what goes for it.
pub(super) fn load_on(
    membership: &Membership,
    wanted: &[Wanted],
    assignment: &Assignment,
    model: &ModelId,
    node: &NodeId,
) -> Result<(Vec<Unload>, Load), Cause> {
    let hosts = membership.hosts();
    place_on(model, node, wanted, &hosts, assignment).map_err(|reason| {
        let member = membership.members().find(|member| member.node == node);
        let name = member.map_or_else(|| node.to_string(), |member| member.name.to_owned());
        match reason {
            Reason::HostsNone => Cause::NotAHost { node: name },
            Reason::NoWeights => Cause::UnknownModel { model: model.to_string(), known: view::known(&hosts) },
            reason => {
                let message = format!("{name} {reason}; unload or unpin a model there, or load it elsewhere");
                Cause::ModelUnavailable { model: model.to_string(), message }
            }
        }
    })
}

/// Bytes of a model's weights, as its card has them.
fn weight_bytes(hosts: &[Host], model: &ModelId) -> u64 {
    let offers = hosts.iter().flat_map(|host| &host.offers).filter(|offer| offer.model == *model);
    offers.filter_map(|offer| Some(offer.card.as_ref()?.weight_bytes)).max().unwrap_or(0)
}

fn place(
    member: &MemberView<'_>,
    hosts: &mut BTreeMap<NodeId, SurveyedHost>,
    needs_bytes: u64,
) -> ModelPlace {
    let seen = hosts.remove(member.node);
    let (unloads, reason) = match seen.as_ref().map(|host| &host.unloads) {
        Some(Ok(unloads)) => (unloads.clone(), None),
        Some(Err(reason)) => (Vec::new(), Some(reason.clone())),
        None => (Vec::new(), None),
    };
    let unload = |(model, memory_bytes)| PlaceUnload { model, memory_bytes };
    let report = member.report;
    ModelPlace {
        node: member.node.clone(),
        name: member.name.to_owned(),
        fits: seen.is_some() && reason.is_none(),
        needs_bytes: seen.as_ref().map_or(needs_bytes, |host| host.needs_bytes),
        free_bytes: seen.as_ref().map_or(0, |host| host.free_bytes),
        max_bytes: report.map_or(0, |report| report.memory_bytes),
        unloads: unloads.into_iter().map(unload).collect(),
        has_weights: seen.as_ref().is_some_and(|host| host.has_weights),
        disk_bytes_free: report.map_or(0, |report| report.figures.machine.disk_bytes_free),
        lacks_bytes: match reason {
            Some(Reason::Memory { lacks, .. }) => lacks,
            _ => 0,
        },
        reason: match seen {
            Some(_) => reason.map(|reason| why_not(&reason)),
            None => Some(unseen(member)),
        },
        fetch_from: seen.map(|host| host.fetch_from).unwrap_or_default(),
    }
}

/// Why a member that placement does not look at takes nothing.
fn unseen(member: &MemberView<'_>) -> NoPlace {
    match (member.path, member.report) {
        (_, Some(report)) if !report.hosts => NoPlace::HostsNone,
        (None, _) => NoPlace::Offline,
        // It is linked and has said nothing yet.
        (Some(_), _) => NoPlace::Suspect,
    }
}

fn why_not(reason: &Reason) -> NoPlace {
    match reason {
        Reason::HasIt => NoPlace::HasIt,
        Reason::HostsNone => NoPlace::HostsNone,
        Reason::Draining => NoPlace::Draining,
        Reason::Suspect => NoPlace::Suspect,
        Reason::Failed => NoPlace::Failed,
        Reason::NoWeights => NoPlace::NoWeights,
        Reason::Memory { .. } => NoPlace::Memory,
    }
}
