//! What about a member is worth a notice: a table of rules over how it was and how it is. Part of [`crate::notices`].

use std::collections::{BTreeMap, BTreeSet};

use pomona_protocol::{FleetNode, NodeId, NodeState, NoticeKind, PathKind, ReplicaState};

/// A disk counts as low until this much more than the limit is free, so that it is not told at every file.
const DISK_RELIEF_PERCENT: u64 = 125;
/// A certificate is renewed when a third of its life is left; when only a sixth is, that has failed for long.
const CERTIFICATE_LEFT_OF_LIFE: u64 = 6;

/// What is told of one member.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Draft {
    pub(crate) kind: NoticeKind,
    pub(crate) model: Option<String>,
    pub(crate) message: String,
}

impl Draft {
    fn new(kind: NoticeKind, message: String) -> Self {
        Self { kind, model: None, message }
    }
}

/// What was told of a member and holds still.
#[derive(Clone, Debug, Default)]
struct Held {
    is_lost: bool,
    last_path: Option<PathKind>,
    is_on_wan: bool,
    is_disk_low: bool,
    /// The end of the certificate that was told.
    certificate: Option<u64>,
    /// The version that was told.
    version: Option<String>,
    failed: BTreeSet<String>,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) version: String,
    /// Free bytes below which a disk is low; 0 for never.
    pub(crate) disk_bytes_min: u64,
    held: BTreeMap<NodeId, Held>,
}

impl Rules {
    pub(crate) fn new(version: String, disk_bytes_min: u64) -> Self {
        Self { version, disk_bytes_min, held: BTreeMap::new() }
    }

    /// Forgets a member that was removed.
    pub(crate) fn forget(&mut self, node: &NodeId) {
        self.held.remove(node);
    }

    /// A member changed, or was seen for the first time.
    pub(crate) fn judge(&mut self, before: Option<&FleetNode>, now: &FleetNode, now_ms: u64) -> Vec<Draft> {
        let held = self.held.entry(now.node.clone()).or_default();
        let mut drafts = Vec::new();
        drafts.extend(reached(held, before, now));
        drafts.extend(path(held, now));
        if now.state != NodeState::Offline {
            replicas(held, before, now, &mut drafts);
            drafts.extend(disk(held, now, self.disk_bytes_min));
            drafts.extend(certificate(held, now, now_ms));
            drafts.extend(update(held, now, &self.version));
        }
        drafts
    }
}

/// Who drained before it went was sent away, and nobody has to look for it.
fn reached(held: &mut Held, before: Option<&FleetNode>, now: &FleetNode) -> Option<Draft> {
    let name = &now.name;
    let is_gone = now.state == NodeState::Offline;
    let was = before.map(|before| before.state)?;
    if is_gone && !matches!(was, NodeState::Offline | NodeState::Draining) && !now.is_here {
        held.is_lost = true;
        let message = format!("{name} is not reached any more; its turns go on elsewhere");
        return Some(Draft::new(NoticeKind::NodeLost, message));
    }
    if !is_gone && std::mem::take(&mut held.is_lost) {
        return Some(Draft::new(NoticeKind::NodeBack, format!("{name} is reached again")));
    }
    None
}

fn path(held: &mut Held, now: &FleetNode) -> Option<Draft> {
    let path = now.path.filter(|_| !now.is_here)?;
    let last = held.last_path.replace(path)?;
    let name = &now.name;
    match (last, path) {
        (PathKind::Lan, PathKind::Wan) => {
            held.is_on_wan = true;
            let message = format!("{name} is reached over a WAN now; the LAN to it is lost");
            Some(Draft::new(NoticeKind::PathWan, message))
        }
        (PathKind::Wan, PathKind::Lan) if std::mem::take(&mut held.is_on_wan) => {
            Some(Draft::new(NoticeKind::PathLan, format!("{name} is reached over the LAN again")))
        }
        _ => None,
    }
}

fn replicas(held: &mut Held, before: Option<&FleetNode>, now: &FleetNode, drafts: &mut Vec<Draft>) {
    let name = &now.name;
    for replica in &now.replicas {
        let model = &replica.model;
        let known = before.and_then(|before| before.replicas.iter().find(|known| known.model == *model));
        let has_failed = replica.state == ReplicaState::Failed;
        if has_failed && held.failed.insert(model.clone()) {
            let why = replica.error.as_deref().unwrap_or("it does not say why");
            let message = format!("{model} on {name} was given up: {why}");
            drafts.push(Draft { kind: NoticeKind::ReplicaFailed, model: Some(model.clone()), message });
        }
        if !has_failed {
            held.failed.remove(model);
        }
        if let Some(more) = known.map(|known| replica.restarts.saturating_sub(known.restarts))
            && more > 0
        {
            let times = if more == 1 { String::new() } else { format!(", {more} times") };
            let message = format!("{model} on {name} lost its engine and was restarted{times}");
            drafts.push(Draft { kind: NoticeKind::ReplicaRestarted, model: Some(model.clone()), message });
        }
    }
    held.failed.retain(|model| now.replicas.iter().any(|replica| replica.model == *model));
}

fn disk(held: &mut Held, now: &FleetNode, bytes_min: u64) -> Option<Draft> {
    let (free, total) = (now.machine.disk_bytes_free, now.machine.disk_bytes);
    if total == 0 || bytes_min == 0 {
        return None;
    }
    if free < bytes_min && !std::mem::replace(&mut held.is_disk_low, true) {
        let (free, total) = (free >> 20, total >> 20);
        let message = format!("the disk of {} has {free} MiB left of {total}; make room", now.name);
        return Some(Draft::new(NoticeKind::DiskLow, message));
    }
    if free >= bytes_min.saturating_mul(DISK_RELIEF_PERCENT) / 100 {
        held.is_disk_low = false;
    }
    None
}

fn certificate(held: &mut Held, now: &FleetNode, now_ms: u64) -> Option<Draft> {
    let (expires, life) = (now.certificate_expires_unix_s, now.certificate_life_s);
    let left = expires.saturating_sub(now_ms / 1000);
    if expires == 0 || life == 0 || left > life / CERTIFICATE_LEFT_OF_LIFE {
        return None;
    }
    if held.certificate.replace(expires) == Some(expires) {
        return None;
    }
    let hours = left / 3600;
    let message = format!("a certificate of {} ends in {hours} h and was not renewed", now.name);
    Some(Draft::new(NoticeKind::CertificateExpiring, message))
}

fn update(held: &mut Held, now: &FleetNode, ours: &str) -> Option<Draft> {
    let version = now.version.as_deref().filter(|version| !version.is_empty() && !now.is_here)?;
    if version == ours {
        held.version = None;
        return None;
    }
    if held.version.as_deref() == Some(version) {
        return None;
    }
    held.version = Some(version.to_owned());
    let message = format!("{} runs version {version}, this gateway {ours}; update the older one", now.name);
    Some(Draft::new(NoticeKind::UpdateNeeded, message))
}
