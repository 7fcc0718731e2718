//! Says how this node is: to the Fleet of this process and to every linked gateway, on change and at every beat.
//! Spawned and restarted by Root.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pomona_protocol::NodeReport;
use pomona_store::Store;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio_util::task::AbortOnDropHandle;

use super::FleetMessage;
use crate::links::control::{ControlMessage, Rmp};
use crate::owned;
use crate::shared::Shared;

/// Changes that come faster are told together: a burst of them is one report.
const CHANGE_GAP: Duration = Duration::from_millis(5);

#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum ReporterMessage {
    /// Something changed, or a beat is due.
    Report,
}

pub(crate) struct Reporter;

pub(crate) struct ReporterState {
    shared: Arc<Shared>,
    seq: u64,
    _changes: AbortOnDropHandle<()>,
}

impl ReporterState {
    fn report(&mut self) -> NodeReport {
        let shared = &self.shared;
        self.seq += 1;
        let mut replicas = shared.engines.reports();
        let pinned = shared.retention().pinned;
        for replica in &mut replicas {
            replica.is_pinned = pinned.contains(&replica.replica.model);
        }
        if shared.routes {
            // What this gateway reaches itself it offers to gateways that cannot.
            let others = shared.desk.offered().into_iter();
            replicas.extend(others.filter(|replica| replica.replica.node != shared.node));
        }
        NodeReport {
            node: shared.node.clone(),
            name: shared.name.load().to_string(),
            boot: shared.boot,
            seq: self.seq,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hosts: shared.hosts,
            draining: shared.is_draining() || shared.node_draining.load(Ordering::Relaxed),
            memory_bytes: shared.memory_bytes,
            models: shared.weights.offers(),
            replicas,
            store: shared.sessions.store.as_ref().filter(|store| store.is_shared()).map_or(0, Store::id),
            figures: shared.figures(),
        }
    }

    fn tell(&mut self) {
        let report = self.report();
        for (_, remote) in self.shared.peers.gateways() {
            let _ = remote.actor.cast(ControlMessage::Report(remote.key, Rmp::new(report.clone())));
        }
        // The offers to others are of no use to this process itself.
        let node = self.shared.node.clone();
        let replicas = report.replicas.into_iter().filter(|replica| replica.replica.node == node).collect();
        self.shared.tell_fleet(FleetMessage::Report(Box::new(NodeReport { replicas, ..report })));
    }
}

impl Actor for Reporter {
    type Msg = ReporterMessage;
    type State = ReporterState;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        shared: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        myself.send_interval(Duration::from_millis(shared.fleet.beat_ms), || ReporterMessage::Report);
        let (watched, told) = (Arc::clone(&shared), myself.clone());
        let changes = owned::spawn(async move {
            loop {
                watched.engines.changed().await;
                let _ = told.cast(ReporterMessage::Report);
                tokio::time::sleep(CHANGE_GAP).await;
            }
        });
        Ok(ReporterState { shared, seq: 0, _changes: changes })
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ReporterMessage::Report => state.tell(),
        }
        Ok(())
    }
}
