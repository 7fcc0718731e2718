//! Where turns ask for places and give them back: `cluster::admission` behind a lock.
//!
//! A turn asks at the desk and has its answer at once where one can be given; only who has to wait hears later,
//! by message. Through a mailbox the same question cost two wake-ups of other tasks per turn, more than all
//! else that a turn does (ADR 4). The lock is held for a few map operations and never across an await.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pomona_cluster::admission::{Admission, AdmissionLimits, Effect, Input, Ticket};
use pomona_config::RoutingConfig;
use pomona_protocol::{Cause, ModelId, ReplicaId};
use ractor::ActorRef;

use crate::engine_link::EngineLink;
use crate::observer::{Observation, Observer};
use crate::turn::TurnMessage;

pub(crate) struct Desk {
    state: Mutex<DeskState>,
    observer: Arc<dyn Observer>,
}

struct DeskState {
    admission: Admission,
    links: BTreeMap<ReplicaId, Arc<EngineLink>>,
    waiting: BTreeMap<Ticket, ActorRef<TurnMessage>>,
}

/// What a turn hears at once.
pub(crate) enum Answer {
    /// It has a place.
    Placed { replica: ReplicaId, link: Arc<EngineLink> },
    /// It waits and hears `Placed` or `Refused` by message.
    Waits { ahead: u32 },
    /// It gets none.
    Refused(Cause),
}

/// The desk's state as plain data.
#[derive(Debug, Default)]
pub(crate) struct DeskView {
    pub(crate) queued: u32,
    pub(crate) placed: BTreeMap<ReplicaId, u32>,
}

impl Desk {
    pub(crate) fn new(routing: &RoutingConfig, observer: Arc<dyn Observer>) -> Self {
        let admission = Admission::new(AdmissionLimits {
            replica_turns_max: routing.replica_turns_max,
            queue_max: routing.queue_max,
            wait_max: Duration::from_millis(routing.queue_ms_max),
        });
        let state = DeskState { admission, links: BTreeMap::new(), waiting: BTreeMap::new() };
        Self { state: Mutex::new(state), observer }
    }

    /// Asks for a place.
    pub(crate) fn ask(
        &self,
        ticket: Ticket,
        model: ModelId,
        avoid: Option<ReplicaId>,
        turn: &ActorRef<TurnMessage>,
    ) -> Answer {
        let mut state = self.lock();
        let effects = state.admission.handle(Input::Ask { ticket, model, avoid }, Instant::now());
        // An ask has one effect, and it is the asker's.
        match effects.into_iter().next() {
            Some(Effect::Grant { replica, waited, .. }) => match state.links.get(&replica).map(Arc::clone) {
                Some(link) => {
                    self.observer.record(Observation::TurnPlaced { waited });
                    Answer::Placed { replica, link }
                }
                None => {
                    Answer::Refused(Cause::Internal { message: format!("replica {replica} has no link") })
                }
            },
            Some(Effect::Queued { ahead, .. }) => {
                state.waiting.insert(ticket, turn.clone());
                self.observer.record(Observation::QueueDepth(state.admission.queued()));
                Answer::Waits { ahead }
            }
            Some(Effect::Refuse { cause, .. }) => Answer::Refused(cause),
            None => Answer::Refused(Cause::Internal { message: "admission gave no answer".to_owned() }),
        }
    }

    /// Gives a place or a place in the queue back.
    pub(crate) fn leave(&self, ticket: Ticket) {
        let mut state = self.lock();
        state.waiting.remove(&ticket);
        self.decide(&mut state, Input::Leave { ticket });
    }

    /// A replica takes turns over this link.
    pub(crate) fn replica_up(&self, replica: ReplicaId, link: Arc<EngineLink>) {
        let mut state = self.lock();
        state.links.insert(replica.clone(), link);
        self.decide(&mut state, Input::ReplicaUp { replica });
    }

    /// A replica is gone.
    pub(crate) fn replica_down(&self, replica: ReplicaId) {
        let mut state = self.lock();
        state.links.remove(&replica);
        self.decide(&mut state, Input::ReplicaDown { replica });
    }

    /// A model is served here, though perhaps not yet.
    pub(crate) fn model_wanted(&self, model: ModelId) {
        self.decide(&mut self.lock(), Input::ModelWanted { model });
    }

    /// A model will not be served.
    pub(crate) fn model_gone(&self, model: ModelId, message: String) {
        self.decide(&mut self.lock(), Input::ModelGone { model, message });
    }

    /// Time has passed.
    pub(crate) fn tick(&self) {
        self.decide(&mut self.lock(), Input::Tick);
    }

    pub(crate) fn view(&self) -> DeskView {
        let state = self.lock();
        let placed = state.links.keys().map(|r| (r.clone(), state.admission.placed_at(r))).collect();
        DeskView { queued: state.admission.queued(), placed }
    }

    fn lock(&self) -> MutexGuard<'_, DeskState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an input whose effects concern turns that wait.
    fn decide(&self, state: &mut DeskState, input: Input) {
        let effects = state.admission.handle(input, Instant::now());
        if effects.is_empty() {
            return;
        }
        for effect in effects {
            match effect {
                Effect::Grant { ticket, replica, waited } => {
                    self.observer.record(Observation::TurnPlaced { waited });
                    let link = state.links.get(&replica).map(Arc::clone);
                    if let (Some(turn), Some(link)) = (state.waiting.remove(&ticket), link) {
                        let _ = turn.cast(TurnMessage::Placed { attempt: ticket.attempt, replica, link });
                    }
                }
                Effect::Queued { ticket, ahead } => {
                    if let Some(turn) = state.waiting.get(&ticket) {
                        let _ = turn.cast(TurnMessage::Queued { ahead });
                    }
                }
                Effect::Refuse { ticket, cause } => {
                    if let Some(turn) = state.waiting.remove(&ticket) {
                        let _ = turn.cast(TurnMessage::Refused { attempt: ticket.attempt, cause });
                    }
                }
            }
        }
        self.observer.record(Observation::QueueDepth(state.admission.queued()));
    }
}

/// A place at a replica, or in the queue before it. It travels with the turn and is given back when dropped,
/// so that not even a panic keeps it.
pub(crate) struct Place {
    pub(crate) ticket: Ticket,
    pub(crate) desk: Arc<Desk>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.desk.leave(self.ticket);
    }
}
