//! The top of the tree: spawns everything below it, and starts it again when it fails.

use std::sync::Arc;
use std::time::Instant;

use pomona_cluster::restart::{Decision, Restarts};
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::api::MeshParts;
use crate::client::Clients;
use crate::downloads::DownloadsActor;
use crate::fleet::{Fleet, Reporter};
use crate::links::{Links, LinksArguments};
use crate::models::Models;
use crate::observer::Observation;
use crate::router::Router;
use crate::sessions::supervisor::SessionsActor;
use crate::shared::{Shared, jitter};

/// A child of Root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Child {
    Router,
    Fleet,
    Links,
    Models,
    Reporter,
    Clients,
    Sessions,
    Downloads,
}

/// In the order of their birth: who hears before who speaks.
const CHILDREN: [Child; 8] = [
    Child::Router,
    Child::Fleet,
    Child::Links,
    Child::Models,
    Child::Reporter,
    Child::Clients,
    Child::Sessions,
    Child::Downloads,
];

#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum RootMessage {
    /// The pause before a restart is over.
    Respawn(ChildName),
}

/// Names a child in a message without opening the enum to other modules.
pub(crate) struct ChildName(Child);

pub(crate) struct Root;

pub(crate) struct RootArguments {
    pub(crate) shared: Arc<Shared>,
    pub(crate) mesh: Option<MeshParts>,
}

pub(crate) struct RootState {
    shared: Arc<Shared>,
    mesh: Option<MeshParts>,
    children: Vec<(ActorId, Child)>,
    restarts: Restarts,
}

impl RootState {
    async fn spawn(
        &mut self,
        myself: &ActorRef<RootMessage>,
        child: Child,
    ) -> Result<(), ActorProcessingErr> {
        let cell: ActorCell = match child {
            Child::Router => {
                let desk = Arc::clone(&self.shared.desk);
                Actor::spawn_linked(None, self.shared.watched("router", Router), desk, myself.get_cell())
                    .await?
                    .0
                    .get_cell()
            }
            Child::Fleet => {
                let shared = Arc::clone(&self.shared);
                let (fleet, _) =
                    Actor::spawn_linked(None, self.shared.watched("fleet", Fleet), shared, myself.get_cell())
                        .await?;
                self.shared.fleet_actor.store(Some(Arc::new(fleet.clone())));
                fleet.get_cell()
            }
            Child::Links => {
                let Some(parts) = self.mesh.clone() else { return Ok(()) };
                let arguments = LinksArguments { shared: Arc::clone(&self.shared), parts };
                let (links, _) = Actor::spawn_linked(
                    None,
                    self.shared.watched("links", Links),
                    arguments,
                    myself.get_cell(),
                )
                .await?;
                self.shared.links_actor.store(Some(Arc::new(links.clone())));
                links.get_cell()
            }
            Child::Reporter => {
                let shared = Arc::clone(&self.shared);
                Actor::spawn_linked(
                    None,
                    self.shared.watched("reporter", Reporter),
                    shared,
                    myself.get_cell(),
                )
                .await?
                .0
                .get_cell()
            }
            Child::Models => {
                let (models, _) = Actor::spawn_linked(
                    None,
                    self.shared.watched("models", Models),
                    Arc::clone(&self.shared),
                    myself.get_cell(),
                )
                .await?;
                self.shared.models.store(Some(Arc::new(models.clone())));
                models.get_cell()
            }
            Child::Clients => {
                let (clients, _) =
                    Actor::spawn_linked(None, self.shared.watched("clients", Clients), (), myself.get_cell())
                        .await?;
                self.shared.clients.store(Some(Arc::new(clients.clone())));
                clients.get_cell()
            }
            Child::Downloads => {
                if !self.shared.hosts || !self.shared.routes || self.shared.hub.is_none() {
                    return Ok(());
                }
                let shared = Arc::clone(&self.shared);
                let (downloads, _) = Actor::spawn_linked(
                    None,
                    self.shared.watched("downloads", DownloadsActor),
                    shared,
                    myself.get_cell(),
                )
                .await?;
                self.shared.downloads.store(Some(Arc::new(downloads.clone())));
                downloads.get_cell()
            }
            Child::Sessions => {
                if self.shared.sessions.store.is_none() {
                    return Ok(());
                }
                let shared = Arc::clone(&self.shared);
                let (sessions, _) = Actor::spawn_linked(
                    None,
                    self.shared.watched("sessions", SessionsActor),
                    shared,
                    myself.get_cell(),
                )
                .await?;
                self.shared.sessions.supervisor.store(Some(Arc::new(sessions.clone())));
                sessions.get_cell()
            }
        };
        self.children.retain(|(_, other)| *other != child);
        self.children.push((cell.get_id(), child));
        Ok(())
    }
}

impl Actor for Root {
    type Msg = RootMessage;
    type State = RootState;
    type Arguments = RootArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        arguments: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let RootArguments { shared, mesh } = arguments;
        let restarts = Restarts::new(shared.restart_policy());
        let mut state = RootState { shared, mesh, children: Vec::new(), restarts };
        crate::weights::scan(&state.shared);
        for child in CHILDREN {
            state.spawn(&myself, child).await?;
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let RootMessage::Respawn(ChildName(child)) = message;
        state.spawn(&myself, child).await
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, reason) = match event {
            SupervisionEvent::ActorFailed(cell, error) => (cell, error.to_string()),
            SupervisionEvent::ActorTerminated(cell, _, reason) => (cell, reason.unwrap_or_default()),
            _ => return Ok(()),
        };
        let Some((_, child)) = state.children.iter().find(|(id, _)| *id == cell.get_id()).copied() else {
            return Ok(());
        };
        match state.restarts.on_failure(Instant::now(), jitter()) {
            Decision::RestartAfter(pause) => {
                tracing::error!(
                    ?child,
                    reason,
                    pause_ms = pause.as_millis() as u64,
                    "restarting a failed actor"
                );
                state.shared.observe(Observation::Restarted { cause: "actor_failed" });
                myself.send_after(pause, move || RootMessage::Respawn(ChildName(child)));
                Ok(())
            }
            Decision::GiveUp => {
                tracing::error!(?child, reason, "an actor failed too often; the tree stops");
                Err(format!("{child:?} failed too often: {reason}").into())
            }
        }
    }
}
