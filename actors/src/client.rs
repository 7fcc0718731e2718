//! One Client per connection, and Clients, their supervisor. A Client supervises the turns that its connection
//! started: when it goes, they go. Spawned by [`crate::Handle::connect`], stopped when the connection ends;
//! never restarted, since a lost connection comes back as a new one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::observer::Observation;
use crate::shared::Shared;
use crate::turn::TurnMessage;

pub(crate) enum ClientsMessage {
    /// Every turn that waits for the router must ask again.
    RouterRestarted,
}

pub(crate) struct Clients;

impl Actor for Clients {
    type Msg = ClientsMessage;
    type State = BTreeMap<ActorId, ActorRef<ClientMessage>>;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<Self::State, ActorProcessingErr> {
        Ok(BTreeMap::new())
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        clients: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ClientsMessage::RouterRestarted => {
                for client in clients.values() {
                    let _ = client.cast(ClientMessage::RouterRestarted);
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        clients: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorStarted(client) => {
                clients.insert(client.get_id(), client.into());
            }
            SupervisionEvent::ActorTerminated(client, _, _) => drop(clients.remove(&client.get_id())),
            SupervisionEvent::ActorFailed(client, error) => {
                tracing::error!(%error, "a client actor failed; its turns end");
                clients.remove(&client.get_id());
            }
            _ => {}
        }
        Ok(())
    }
}

pub(crate) enum ClientMessage {
    /// As [`ClientsMessage::RouterRestarted`].
    RouterRestarted,
}

pub(crate) struct ClientActor;

pub(crate) struct ClientState {
    shared: Arc<Shared>,
    turns: BTreeMap<ActorId, ActorRef<TurnMessage>>,
}

impl Drop for ClientState {
    fn drop(&mut self) {
        self.shared.clients_open.fetch_sub(1, Ordering::Relaxed);
        self.shared.observe(Observation::ClientDisconnected);
    }
}

impl Actor for ClientActor {
    type Msg = ClientMessage;
    type State = ClientState;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        shared: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        shared.clients_open.fetch_add(1, Ordering::Relaxed);
        shared.observe(Observation::ClientConnected);
        Ok(ClientState { shared, turns: BTreeMap::new() })
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ClientMessage::RouterRestarted => {
                for turn in state.turns.values() {
                    let _ = turn.cast(TurnMessage::RouterRestarted);
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorStarted(turn) => {
                state.turns.insert(turn.get_id(), turn.into());
            }
            SupervisionEvent::ActorTerminated(turn, _, _) => drop(state.turns.remove(&turn.get_id())),
            // Its stream ends with a failure, made by `TurnStream` when the channel closes without one.
            SupervisionEvent::ActorFailed(turn, error) => {
                tracing::error!(%error, "a turn actor failed");
                state.turns.remove(&turn.get_id());
            }
            _ => {}
        }
        Ok(())
    }
}
