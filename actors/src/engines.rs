//! The engines of this process and what its Model actors say of them: written by Model actors, read by turns,
//! hosting and the reporter.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pomona_protocol::{ModelId, ReplicaId, ReplicaReport};
use tokio::sync::Notify;

use crate::engine_link::EngineLink;

/// Replicas of this process.
#[derive(Debug, Default)]
pub(crate) struct Engines {
    replicas: Mutex<BTreeMap<ModelId, Local>>,
    /// The last incarnation of each model that was ever here.
    incarnations: Mutex<BTreeMap<ModelId, u64>>,
    changed: Notify,
}

#[derive(Debug)]
struct Local {
    report: ReplicaReport,
    /// The way to its engine while it is ready.
    link: Option<Arc<EngineLink>>,
}

impl Local {
    /// Milliseconds since its last turn; 0 while it has one or is not ready.
    fn idle_ms(&self) -> u64 {
        let idle_for = self.link.as_ref().map_or(Duration::ZERO, |link| link.idle_for());
        u64::try_from(idle_for.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Engines {
    /// The number of a model's next engine. It goes on when the model leaves and comes back, so that what is still
    /// said of the engine before never means the new one.
    pub(crate) fn next_incarnation(&self, model: &ModelId) -> u64 {
        let mut incarnations = self.incarnations.lock().unwrap_or_else(PoisonError::into_inner);
        let incarnation = incarnations.entry(model.clone()).or_default();
        *incarnation += 1;
        *incarnation
    }

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
        let replicas = self.lock();
        replicas
            .values()
            .map(|local| ReplicaReport { idle_ms: local.idle_ms(), ..local.report.clone() })
            .collect()
    }

    /// Milliseconds since the last turn of a model; 0 while it has one or is not ready.
    pub(crate) fn idle_ms(&self, model: &ModelId) -> u64 {
        self.lock().get(model).map_or(0, Local::idle_ms)
    }

    /// Takes note of a replica; whoever waits for changes hears of it when more than its load changed.
    pub(crate) fn publish(&self, report: ReplicaReport, link: Option<Arc<EngineLink>>) {
        let model = report.replica.model.clone();
        let mut replicas = self.lock();
        let is_newer = |local: &Local| local.report.replica.incarnation > report.replica.incarnation;
        if replicas.get(&model).is_some_and(is_newer) {
            return;
        }
        let before = replicas.insert(model, Local { report: report.clone(), link });
        drop(replicas);
        let is_news = before.is_none_or(|before| {
            let before = before.report;
            (before.replica, before.state, before.load.is_suspect)
                != (report.replica, report.state, report.load.is_suspect)
        });
        if is_news {
            self.changed.notify_one();
        }
    }

    /// Forgets this very replica; one that came after it stays.
    pub(crate) fn remove(&self, replica: &ReplicaId) {
        let mut replicas = self.lock();
        if replicas.get(&replica.model).is_some_and(|local| local.report.replica == *replica) {
            replicas.remove(&replica.model);
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
