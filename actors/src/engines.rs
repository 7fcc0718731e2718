//! The engines of this process and what its Model actors say of them: written by Model actors, read by turns,
//! hosting and the reporter.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pomona_protocol::{ModelId, ReplicaId, ReplicaReport};
use tokio::sync::Notify;

use crate::engine_link::EngineLink;

/// Replicas of this process.
#[derive(Debug, Default)]
pub(crate) struct Engines {
    replicas: Mutex<BTreeMap<ModelId, Local>>,
    changed: Notify,
}

#[derive(Debug)]
struct Local {
    report: ReplicaReport,
    /// The way to its engine while it is ready.
    link: Option<Arc<EngineLink>>,
}

impl Engines {
    /// The way to this very replica.
    pub(crate) fn link(&self, replica: &ReplicaId) -> Option<Arc<EngineLink>> {
        let replicas = self.lock();
        let local = replicas.get(&replica.model).filter(|local| local.report.replica == *replica)?;
        local.link.clone()
    }

    /// The way to whichever replica of this model is ready.
    pub(crate) fn serving(&self, model: &ModelId) -> Option<Arc<EngineLink>> {
        self.lock().get(model)?.link.clone()
    }

    /// What every replica said last.
    pub(crate) fn reports(&self) -> Vec<ReplicaReport> {
        self.lock().values().map(|local| local.report.clone()).collect()
    }

    /// Takes note of a replica; whoever waits for changes hears of it when more than its load changed.
    pub(crate) fn publish(&self, report: ReplicaReport, link: Option<Arc<EngineLink>>) {
        let model = report.replica.model.clone();
        let before = self.lock().insert(model, Local { report: report.clone(), link });
        let is_news = before.is_none_or(|before| {
            let before = before.report;
            (before.replica, before.state, before.load.is_suspect)
                != (report.replica, report.state, report.load.is_suspect)
        });
        if is_news {
            self.changed.notify_one();
        }
    }

    /// Forgets the replica of a model.
    pub(crate) fn remove(&self, model: &ModelId) {
        if self.lock().remove(model).is_some() {
            self.changed.notify_one();
        }
    }

    /// Completes at the next change, or at once when there was one since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Something else about this node changed that belongs into its report.
    pub(crate) fn note_change(&self) {
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ModelId, Local>> {
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
