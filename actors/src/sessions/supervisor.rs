//! Activates sessions on demand and supervises them. Spawned and restarted by Root on gateways; when it starts, and when
//! the gateways that are alive change, it wakes the sessions whose turns nobody goes on with.
//!
//! A session that fails is not restarted here: whoever asks for it next activates it again, from the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use pomona_protocol::{Cause, NodeId, SessionId};
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::session::{SessionActor, SessionArguments, SessionMessage};
use crate::owned;
use crate::shared::Shared;

/// Between two looks whether gateways came or went, and between two tries to read a store that failed.
const TICK: Duration = Duration::from_secs(1);
/// Sessions woken at once. Each reads its log; more would only wait for the same disk.
const WAKE_AT_ONCE: usize = 32;

#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum SessionsMessage {
    /// Somebody asks for a session; answered with its activation, which may still be reading.
    Find { session: SessionId, answer: oneshot::Sender<Result<ActorRef<SessionMessage>, Cause>> },
    /// A session stepped down; its turns may need somebody.
    Recover,
    /// The store named sessions with open turns.
    Unfinished(Result<Vec<SessionId>, Cause>),
    /// Time has passed.
    Tick,
}

pub(crate) struct SessionsActor;

pub(crate) struct SessionsState {
    shared: Arc<Shared>,
    /// Other gateways on the same store, as of the last look.
    others: Vec<NodeId>,
    must_recover: bool,
    reading: Option<AbortOnDropHandle<()>>,
    /// Still to be woken.
    asleep: VecDeque<SessionId>,
}

impl SessionsState {
    async fn find(
        &self,
        myself: &ActorRef<SessionsMessage>,
        session: SessionId,
    ) -> Result<ActorRef<SessionMessage>, Cause> {
        let table = &self.shared.sessions;
        if let Some(actor) = table.get(session) {
            return Ok(actor);
        }
        let limit = table.config.resident_max;
        if table.len() >= limit as usize {
            let message = format!("{limit} sessions are in use already (session.resident_max)");
            return Err(Cause::SessionLimit { message });
        }
        let session_actor = self.shared.watched("session", SessionActor);
        let arguments = SessionArguments { shared: Arc::clone(&self.shared), session };
        // It enters the table itself, so that it can never leave it before it is in it.
        let (actor, _) = Actor::spawn_linked(None, session_actor, arguments, myself.get_cell())
            .await
            .map_err(|error| Cause::Internal { message: error.to_string() })?;
        Ok(actor)
    }

    /// Asks the store who has open turns, unless that is being done.
    fn recover(&mut self, myself: &ActorRef<SessionsMessage>) {
        let Ok(store) = self.shared.sessions.store().cloned() else { return };
        self.must_recover = false;
        let myself = myself.clone();
        self.reading = Some(owned::spawn(async move {
            let unfinished = store.unfinished().await.map_err(Cause::from);
            let _ = myself.cast(SessionsMessage::Unfinished(unfinished));
        }));
    }

    async fn on_unfinished(
        &mut self,
        myself: &ActorRef<SessionsMessage>,
        named: Result<Vec<SessionId>, Cause>,
    ) {
        self.reading = None;
        match named {
            Ok(sessions) => self.asleep = sessions.into(),
            Err(cause) => {
                tracing::warn!(%cause, "the store does not say which turns are open; asked again soon");
                self.must_recover = true;
            }
        }
        self.wake_some(myself).await;
    }

    async fn wake_some(&mut self, myself: &ActorRef<SessionsMessage>) {
        for _ in 0..WAKE_AT_ONCE {
            let Some(session) = self.asleep.pop_front() else { return };
            if self.shared.lives_here(session)
                && let Err(cause) = self.find(myself, session).await
            {
                tracing::warn!(%session, %cause, "a session with open turns cannot be woken; tried again soon");
                self.must_recover = true;
            }
        }
    }

    async fn on_tick(&mut self, myself: &ActorRef<SessionsMessage>) {
        let others = self.shared.gateways_of_store();
        if others != self.others {
            self.others = others;
            self.must_recover = true;
        }
        self.wake_some(myself).await;
        if self.must_recover && self.asleep.is_empty() && self.reading.is_none() {
            self.recover(myself);
        }
    }
}

impl Actor for SessionsActor {
    type Msg = SessionsMessage;
    type State = SessionsState;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        shared: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        myself.send_interval(TICK, || SessionsMessage::Tick);
        let mut state = SessionsState {
            shared,
            others: Vec::new(),
            must_recover: false,
            reading: None,
            asleep: VecDeque::new(),
        };
        state.recover(&myself);
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SessionsMessage::Find { session, answer } => {
                let _ = answer.send(state.find(&myself, session).await);
            }
            SessionsMessage::Recover => state.must_recover = true,
            SessionsMessage::Unfinished(sessions) => state.on_unfinished(&myself, sessions).await,
            SessionsMessage::Tick => state.on_tick(&myself).await,
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
            SupervisionEvent::ActorFailed(cell, error) => {
                tracing::error!(%error, "a session failed; the next question activates it again");
                state.shared.sessions.remove_actor(cell.get_id());
                state.must_recover = true;
            }
            SupervisionEvent::ActorTerminated(..) => {}
            _ => {}
        }
        Ok(())
    }
}
