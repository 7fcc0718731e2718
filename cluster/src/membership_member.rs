//! What is known of one member: its link and its last report. Owned by `membership`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pomona_protocol::{NodeReport, PathKind, ReplicaId, ReplicaReport, ReplicaState};

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) boot: u64,
    pub(crate) is_here: bool,
    pub(crate) link: Option<Link>,
    pub(crate) heard_at: Option<Instant>,
    pub(crate) report: Option<NodeReport>,
    /// Where each replica stands in the report.
    index: BTreeMap<ReplicaId, usize>,
    pub(crate) is_silent: bool,
    /// An admin wants it to leave.
    pub(crate) drain_wish: bool,
    pub(crate) is_draining: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) path: PathKind,
    pub(crate) rtt: Duration,
    pub(crate) up_at: Instant,
    /// What was reported over an earlier link may be over since.
    pub(crate) has_reported: bool,
}

impl Member {
    pub(crate) fn new(name: String, boot: u64) -> Self {
        Self {
            name,
            boot,
            is_here: false,
            link: None,
            heard_at: None,
            report: None,
            index: BTreeMap::new(),
            is_silent: false,
            drain_wish: false,
            is_draining: false,
        }
    }

    pub(crate) fn replicas(&self) -> &[ReplicaReport] {
        self.report.as_ref().map_or(&[], |report| &report.replicas)
    }

    pub(crate) fn offer(&self, replica: &ReplicaId) -> Option<&ReplicaReport> {
        self.link.filter(|link| link.has_reported)?;
        let report = self.replicas().get(*self.index.get(replica)?)?;
        (report.state == ReplicaState::Ready).then_some(report)
    }

    /// Takes a report over. Returns the replicas of the one before, when they were not the same.
    pub(crate) fn set_report(&mut self, report: NodeReport) -> Option<Vec<ReplicaId>> {
        let ids = report.replicas.iter().map(|report| &report.replica);
        let is_same = ids.clone().eq(self.replicas().iter().map(|report| &report.replica));
        let index = (!is_same).then(|| ids.cloned().enumerate().map(|(at, replica)| (replica, at)).collect());
        self.report = Some(report);
        index.map(|index| std::mem::replace(&mut self.index, index).into_keys().collect())
    }
}
