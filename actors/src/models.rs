//! Wanted against actual: one Model actor per replica that this node is to have. Spawned and restarted by Root;
//! restarts a Model that fails.

use std::sync::Arc;
use std::time::Instant;

use pomona_cluster::restart::{Decision, Restarts};
use pomona_protocol::ReplicaStatus;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use crate::model::{Model, ModelMessage};
use crate::observer::Observation;
use crate::shared::{Readiness, Shared, jitter};

pub(crate) enum ModelsMessage {
    /// The pause before a Model's restart is over.
    Respawn,
    /// Replies with the state of every replica.
    Observe(RpcReplyPort<ReplicaStatus>),
}

pub(crate) struct Models;

pub(crate) struct ModelsState {
    shared: Arc<Shared>,
    model: ActorRef<ModelMessage>,
    restarts: Restarts,
}

async fn spawn(
    shared: &Arc<Shared>,
    myself: &ActorRef<ModelsMessage>,
) -> Result<ActorRef<ModelMessage>, ActorProcessingErr> {
    let (model, _) = Actor::spawn_linked(None, Model, Arc::clone(shared), myself.get_cell()).await?;
    Ok(model)
}

impl Actor for Models {
    type Msg = ModelsMessage;
    type State = ModelsState;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        shared: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let model = spawn(&shared, &myself).await?;
        let restarts = Restarts::new(shared.restart_policy());
        Ok(ModelsState { shared, model, restarts })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ModelsMessage::Respawn => state.model = spawn(&state.shared, &myself).await?,
            ModelsMessage::Observe(reply) => drop(state.model.cast(ModelMessage::Observe(reply))),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let SupervisionEvent::ActorFailed(_, error) = event else { return Ok(()) };
        match state.restarts.on_failure(Instant::now(), jitter()) {
            Decision::RestartAfter(pause) => {
                tracing::error!(%error, pause_ms = pause.as_millis() as u64, "restarting a failed model actor");
                state.shared.observe(Observation::Restarted { cause: "actor_failed" });
                myself.send_after(pause, || ModelsMessage::Respawn);
            }
            Decision::GiveUp => {
                tracing::error!(%error, "a model actor failed too often; its model is gone");
                let cause =
                    pomona_protocol::Cause::Internal { message: "its actor failed too often".to_owned() };
                state.shared.desk.model_gone(state.shared.model_id.clone(), cause.to_string());
                state.shared.readiness.send_replace(Readiness::Failed(cause));
            }
        }
        Ok(())
    }
}
