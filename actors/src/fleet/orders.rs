//! Orders to members: load and unload. Each is a call with a deadline in a task of its own; what fails is told
//! to the Fleet, which decides again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pomona_cluster::membership::Membership;
use pomona_cluster::placement::Load;
use pomona_protocol::{Cause, ModelId, NodeId};
use ractor::ActorRef;
use tokio_util::task::TaskTracker;

use super::FleetMessage;
use crate::links::control::{ControlMessage, LoadOrder, Rmp, WeightsSource};
use crate::shared::Shared;

/// For an ordered load to be in its node's reports. One that is in none after this was lost on its way.
const REPORTED_WITHIN: Duration = Duration::from_secs(10);

/// Orders under way. One to the same node about the same model is not given twice at once.
pub(super) struct Orders {
    fleet: ActorRef<FleetMessage>,
    tasks: TaskTracker,
    under_way: Arc<Mutex<BTreeSet<(NodeId, ModelId)>>>,
    loads_given: BTreeMap<(NodeId, ModelId), Instant>,
}

impl Orders {
    pub(super) fn new(fleet: ActorRef<FleetMessage>) -> Self {
        Self { fleet, tasks: TaskTracker::new(), under_way: Arc::default(), loads_given: BTreeMap::new() }
    }

    /// Whether a load was ordered so lately that its node may not have reported it yet.
    pub(super) fn is_recent(&self, node: &NodeId, model: &ModelId) -> bool {
        let given = self.loads_given.get(&(node.clone(), model.clone()));
        given.is_some_and(|given| given.elapsed() < REPORTED_WITHIN)
    }

    /// `is_wanted` tells that the fleet's wishes want it there.
    pub(super) fn load(
        &mut self,
        shared: &Arc<Shared>,
        membership: &Membership,
        load: &Load,
        is_wanted: bool,
    ) {
        let (node, model) = (load.node.clone(), load.model.clone());
        let digest = membership
            .members()
            .filter_map(|member| member.report)
            .flat_map(|report| &report.models)
            .find(|offer| offer.model == model && !offer.digest.is_empty())
            .map(|offer| offer.digest.clone());
        let source = |node: &NodeId| WeightsSource {
            node: node.clone(),
            addresses: shared.peers.addresses(node).unwrap_or_else(|| shared.own_addresses()),
        };
        let order = LoadOrder {
            model: model.clone(),
            digest: digest.unwrap_or_default(),
            sources: load.fetch_from.iter().map(source).collect(),
            is_wanted,
        };
        tracing::info!(%node, %model, sources = order.sources.len(), "placing a replica");
        let shared = Arc::clone(shared);
        self.loads_given.retain(|_, given| given.elapsed() < REPORTED_WITHIN);
        self.loads_given.insert((node.clone(), model.clone()), Instant::now());
        self.give(node.clone(), model, async move {
            if node == shared.node {
                return shared.order_load(order);
            }
            shared.peers.order(&node, |key, reply| ControlMessage::Load(key, Rmp::new(order), reply)).await
        });
    }

    pub(super) fn unload(&self, shared: &Arc<Shared>, node: &NodeId, model: &ModelId) {
        tracing::info!(%node, %model, "ending a replica");
        let (shared, to, what) = (Arc::clone(shared), node.clone(), model.clone());
        self.give(node.clone(), model.clone(), async move {
            if to == shared.node {
                return shared.order_unload(what);
            }
            shared.peers.order(&to, |key, reply| ControlMessage::Unload(key, Rmp::new(what), reply)).await
        });
    }

    fn give(
        &self,
        node: NodeId,
        model: ModelId,
        order: impl Future<Output = Result<(), Cause>> + Send + 'static,
    ) {
        let entry = (node.clone(), model.clone());
        if !lock(&self.under_way).insert(entry.clone()) {
            return;
        }
        let (fleet, under_way) = (self.fleet.clone(), Arc::clone(&self.under_way));
        self.tasks.spawn(async move {
            let result = order.await;
            lock(&under_way).remove(&entry);
            if let Err(cause) = result {
                let _ = fleet.cast(FleetMessage::OrderFailed { model, node, cause });
            }
        });
    }
}

fn lock(
    under_way: &Mutex<BTreeSet<(NodeId, ModelId)>>,
) -> std::sync::MutexGuard<'_, BTreeSet<(NodeId, ModelId)>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}
