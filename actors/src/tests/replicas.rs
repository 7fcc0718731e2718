//! Model actors around an engine that does nothing, which the reports below speak for; and how their replicas reach
//! the desk and leave it.

use std::sync::Arc;

use pomona_protocol::{Cause, EngineReport, ReplicaState};
use ractor::{Actor, ActorRef};

use super::bench::{PATIENCE, card, model, parts, replica, until};
use crate::engine_process::EngineEvent;
use crate::fleet::{Fleet, Reporter};
use crate::model::{Model, ModelArguments, ModelMessage};
use crate::shared::{LocalModel, Shared};

fn arguments(shared: &Arc<Shared>) -> ModelArguments {
    let model = LocalModel { id: model(), folder: shared.run_dir.clone(), memory_bytes: 1 };
    ModelArguments { shared: Arc::clone(shared), model }
}

fn tell(model: &ActorRef<ModelMessage>, event: EngineEvent) {
    model.cast(ModelMessage::Engine { incarnation: 1, event }).unwrap();
}

fn state(shared: &Shared) -> Option<ReplicaState> {
    shared.engines.reports().first().map(|report| report.state)
}

fn failed() -> EngineReport {
    EngineReport::Failed { cause: Cause::Internal { message: "a step panicked".to_owned() } }
}

fn ready() -> EngineReport {
    EngineReport::Ready { card: card(), load_ms: 1 }
}

async fn becomes(reports: Vec<EngineReport>, expected: ReplicaState) {
    let folder = tempfile::tempdir().unwrap();
    let shared = Arc::new(Shared::new(&parts(folder.path())));
    let (model, joined) = Actor::spawn(None, Model, arguments(&shared)).await.unwrap();
    for report in reports {
        tell(&model, EngineEvent::Report(report));
    }
    tell(&model, EngineEvent::Ended(Cause::EngineLost { message: "gone".to_owned() }));
    until("the state", || state(&shared) == Some(expected)).await;
    model.stop(None);
    joined.await.unwrap();
}

#[tokio::test]
async fn an_engine_that_fails_while_loading_is_given_up_and_one_that_was_ready_is_restarted() {
    becomes(vec![failed()], ReplicaState::Failed).await;
    becomes(vec![ready(), failed()], ReplicaState::Restarting).await;
}

#[tokio::test]
async fn a_replica_is_at_the_desk_while_its_engine_is_ready_and_goes_with_its_actor() {
    let folder = tempfile::tempdir().unwrap();
    let shared = Arc::new(Shared::new(&parts(folder.path())));
    let (fleet, _) = Actor::spawn(None, Fleet, Arc::clone(&shared)).await.unwrap();
    shared.fleet_actor.store(Some(Arc::new(fleet)));
    let (_reporter, _) = Actor::spawn(None, Reporter, Arc::clone(&shared)).await.unwrap();
    let (model, joined) = Actor::spawn(None, Model, arguments(&shared)).await.unwrap();
    let placed = || shared.desk.view().placed.into_keys().collect::<Vec<_>>();
    assert!(placed().is_empty(), "it loads");
    tell(&model, EngineEvent::Report(ready()));
    until("the replica is at the desk", || placed() == [replica("n")]).await;
    model.kill();
    tokio::time::timeout(PATIENCE, joined).await.unwrap().unwrap();
    assert!(placed().is_empty(), "a model that was killed left a replica behind");
    assert!(shared.engines.reports().is_empty());
}
