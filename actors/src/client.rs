//! One Client per connection, and Clients, their supervisor. A Client supervises the turns that its connection
//! started: when it goes, they go. Spawned by [`crate::Handle::connect`], stopped when the connection ends;
//! never restarted, since a lost connection comes back as a new one. Neither takes messages: what they do is
//! to supervise.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::observer::Observation;
use crate::shared::Shared;

pub(crate) struct Clients;

impl Actor for Clients {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<Self::State, ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        (): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(_, error) = event {
            tracing::error!(%error, "a client actor failed; its turns end");
        }
        Ok(())
    }
}

pub(crate) struct ClientActor;

pub(crate) struct ClientState {
    shared: Arc<Shared>,
}

impl Drop for ClientState {
    fn drop(&mut self) {
        self.shared.clients_open.fetch_sub(1, Ordering::Relaxed);
        self.shared.observe(Observation::ClientDisconnected);
    }
}

impl Actor for ClientActor {
    type Msg = ();
    type State = ClientState;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        shared: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        shared.clients_open.fetch_add(1, Ordering::Relaxed);
        shared.observe(Observation::ClientConnected);
        Ok(ClientState { shared })
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        _: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        // Its stream ends with a failure, made by `TurnStream` when the channel closes without one.
        if let SupervisionEvent::ActorFailed(_, error) = event {
            tracing::error!(%error, "a turn actor failed");
        }
        Ok(())
    }
}
