//! Wanted against actual on this node: one Model actor per replica. Spawned and restarted by Root; restarts a Model
//! that fails, loads and ends models as it is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pomona_cluster::restart::{Decision, Restarts};
use pomona_cluster::retention::Resident;
use pomona_protocol::ModelId;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::counts::count;
use crate::model::{Model, ModelArguments, ModelMessage};
use crate::observer::Observation;
use crate::shared::{LocalModel, Shared, jitter};

/// How often idle models are looked for; a fraction of the shortest time that can be configured.
const TICK: Duration = Duration::from_millis(500);

#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum ModelsMessage {
    /// Have a replica of this model; nothing happens when there is one.
    Load {
        /// Which.
        model: LocalModel,
        /// The fleet's wishes put it here, so it is not ended for being idle.
        is_wanted: bool,
    },
    /// Time has passed.
    Tick,
    /// Have none.
    Unload(ModelId),
    /// The pause before a Model's restart is over.
    Respawn(ModelId),
}

pub(crate) struct Models;

pub(crate) struct ModelsState {
    shared: Arc<Shared>,
    wanted: BTreeMap<ModelId, Wanted>,
}

/// A model that this node is to have.
struct Wanted {
    model: LocalModel,
    /// `None` between a failure and the restart.
    actor: Option<ActorRef<ModelMessage>>,
    restarts: Restarts,
    is_wanted: bool,
}

impl ModelsState {
    async fn load(
        &mut self,
        myself: &ActorRef<ModelsMessage>,
        model: LocalModel,
        is_wanted: bool,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(known) = self.wanted.get_mut(&model.id) {
            known.is_wanted |= is_wanted;
            return Ok(());
        }
        tracing::info!(model = %model.id, folder = %model.folder.display(), "loading a model");
        let actor = Some(spawn(&self.shared, myself, &model).await?);
        let restarts = Restarts::new(self.shared.restart_policy());
        self.wanted.insert(model.id.clone(), Wanted { model, actor, restarts, is_wanted });
        Ok(())
    }

    /// Ends what nobody has asked for so long that its time is over.
    fn unload_idle(&mut self) {
        let resident = |wanted: &Wanted| Resident {
            model: wanted.model.id.clone(),
            idle_ms: self.shared.engines.idle_ms(&wanted.model.id),
            is_wanted: wanted.is_wanted,
        };
        let residents: Vec<Resident> = self.wanted.values().map(resident).collect();
        for model in self.shared.retention().expired(&residents) {
            tracing::info!(%model, "nobody has asked this model for its idle time");
            self.unload(&model);
        }
    }

    fn unload(&mut self, model: &ModelId) {
        let Some(wanted) = self.wanted.remove(model) else { return };
        tracing::info!(%model, "unloading a model");
        count(&self.shared.counts.model_unloads);
        if let Some(actor) = wanted.actor {
            actor.stop(None);
        }
    }

    fn on_failure(&mut self, myself: &ActorRef<ModelsMessage>, actor: ActorId, reason: &str) {
        let lost = |wanted: &&mut Wanted| wanted.actor.as_ref().is_some_and(|known| known.get_id() == actor);
        let Some(wanted) = self.wanted.values_mut().find(lost) else { return };
        wanted.actor = None;
        let model = wanted.model.id.clone();
        match wanted.restarts.on_failure(Instant::now(), jitter()) {
            Decision::RestartAfter(pause) => {
                tracing::error!(%model, reason, pause_ms = pause.as_millis() as u64, "restarting a failed model actor");
                self.shared.observe(Observation::Restarted { cause: "actor_failed" });
                myself.send_after(pause, || ModelsMessage::Respawn(model));
            }
            Decision::GiveUp => {
                tracing::error!(%model, reason, "a model actor failed too often; its model is gone");
                self.wanted.remove(&model);
            }
        }
    }
}

async fn spawn(
    shared: &Arc<Shared>,
    myself: &ActorRef<ModelsMessage>,
    model: &LocalModel,
) -> Result<ActorRef<ModelMessage>, ActorProcessingErr> {
    let arguments = ModelArguments { shared: Arc::clone(shared), model: model.clone() };
    let (actor, _) =
        Actor::spawn_linked(None, shared.watched("model", Model), arguments, myself.get_cell()).await?;
    Ok(actor)
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
        let first = shared.first_model.clone().filter(|_| shared.hosts);
        let mut state = ModelsState { shared, wanted: BTreeMap::new() };
        if let Some(model) = first {
            state.load(&myself, model, false).await?;
        }
        myself.send_interval(TICK, || ModelsMessage::Tick);
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ModelsMessage::Load { model, is_wanted } => state.load(&myself, model, is_wanted).await?,
            ModelsMessage::Tick => state.unload_idle(),
            ModelsMessage::Unload(model) => state.unload(&model),
            ModelsMessage::Respawn(model) => {
                if let Some(wanted) = state.wanted.get_mut(&model).filter(|wanted| wanted.actor.is_none()) {
                    wanted.actor = Some(spawn(&state.shared, &myself, &wanted.model).await?);
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(actor, error) => {
                state.on_failure(&myself, actor.get_id(), &error.to_string());
            }
            SupervisionEvent::ActorTerminated(actor, _, reason) => {
                // One that was told to end is not among the wanted any more.
                state.on_failure(&myself, actor.get_id(), &reason.unwrap_or_default());
            }
            _ => {}
        }
        Ok(())
    }
}
