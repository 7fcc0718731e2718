//! Keeps the time of the [`Desk`]: whoever waits too long is refused. Spawned and restarted by Root; the places
//! themselves live at the desk, so a restart loses nothing.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::desk::Desk;

const TICK: Duration = Duration::from_millis(250);

#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum RouterMessage {
    /// Time has passed.
    Tick,
}

pub(crate) struct Router;

impl Actor for Router {
    type Msg = RouterMessage;
    type State = Arc<Desk>;
    type Arguments = Arc<Desk>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        desk: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        myself.send_interval(TICK, || RouterMessage::Tick);
        Ok(desk)
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        message: Self::Msg,
        desk: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RouterMessage::Tick => desk.tick(),
        }
        Ok(())
    }
}
