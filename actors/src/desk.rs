//! Where turns ask for places and give them back: `cluster::admission` behind a lock.
//!
//! A turn asks at the desk and has its answer at once where one can be given; only who has to wait hears later,
//! by message. Through a mailbox the same question cost two wake-ups of other tasks per turn, more than all
//! else that a turn does (ADR 4). The lock is held for a few map operations and never across an await.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use pomona_cluster::admission::{Admission, AdmissionLimits, Ask, Effect, Input, Ticket};
use pomona_cluster::affinity::Prefix;
use pomona_config::RoutingConfig;
use pomona_protocol::{Cause, ReplicaId, ReplicaReport};
use ractor::ActorRef;

use crate::fleet::FleetMessage;
use crate::observer::{Observation, Observer};
use crate::route::Route;
use crate::turn::TurnMessage;

pub(crate) struct Desk {
    state: Mutex<DeskState>,
    observer: Arc<dyn Observer>,
    /// Replicas that other gateways may reach through this one.
    offered: ArcSwap<Vec<ReplicaReport>>,
    /// Hears of models that somebody waits for and nobody serves.
    fleet: Arc<ArcSwapOption<ActorRef<FleetMessage>>>,
}

struct DeskState {
    admission: Admission,
    routes: BTreeMap<ReplicaId, Route>,
    /// Turns that wait or hold a place.
    turns: BTreeMap<Ticket, ActorRef<TurnMessage>>,
}

/// What a turn hears at once.
pub(crate) enum Answer {
    /// It has a place.
    Placed { replica: ReplicaId, route: Route },
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
    pub(crate) fn new(
        routing: &RoutingConfig,
        observer: Arc<dyn Observer>,
        fleet: Arc<ArcSwapOption<ActorRef<FleetMessage>>>,
    ) -> Self {
        let admission = Admission::new(AdmissionLimits {
            replica_turns_max: routing.replica_turns_max,
            queue_max: routing.queue_max,
            wait_max: Duration::from_millis(routing.queue_ms_max),
        });
        let state = DeskState { admission, routes: BTreeMap::new(), turns: BTreeMap::new() };
        Self { state: Mutex::new(state), observer, offered: ArcSwap::default(), fleet }
    }

    /// Asks for a place.
    pub(crate) fn ask(&self, ask: Ask, turn: &ActorRef<TurnMessage>) -> Answer {
        let ticket = ask.ticket;
        let mut state = self.lock();
        state.turns.insert(ticket, turn.clone());
        let mut effects = state.admission.handle(Input::Ask(Box::new(ask)), Instant::now());
        let own = effects.iter().position(|effect| match effect {
            Effect::Grant { ticket: of, .. }
            | Effect::Queued { ticket: of, .. }
            | Effect::Refuse { ticket: of, .. } => *of == ticket,
            Effect::Move { .. } | Effect::WantModel { .. } => false,
        });
        let own = own.map(|own| effects.remove(own));
        self.perform(&mut state, effects);
        match own {
            Some(Effect::Grant { replica, waited, .. }) => match state.routes.get(&replica).cloned() {
                Some(route) => {
                    self.observer.record(Observation::TurnPlaced { model: &replica.model, waited });
                    Answer::Placed { replica, route }
                }
                None => Answer::Refused(Cause::EngineLost { message: format!("{replica} is gone") }),
            },
            Some(Effect::Queued { ahead, .. }) => {
                self.observer.record(Observation::QueueDepth(state.admission.queued()));
                Answer::Waits { ahead }
            }
            Some(Effect::Refuse { cause, .. }) => Answer::Refused(cause),
            _ => Answer::Refused(Cause::Internal { message: "admission gave no answer".to_owned() }),
        }
    }

    /// Notes what a turn's replica has in its prefix tree now.
    pub(crate) fn answered(&self, ticket: Ticket, prefix: Prefix) {
        self.decide(&mut self.lock(), Input::Answered { ticket, prefix });
    }

    /// Gives a place or a place in the queue back.
    pub(crate) fn leave(&self, ticket: Ticket) {
        let mut state = self.lock();
        state.turns.remove(&ticket);
        self.decide(&mut state, Input::Leave { ticket });
    }

    /// A replica is reached this way from now on; whether it takes turns is said by [`Desk::tell`].
    pub(crate) fn set_route(&self, replica: ReplicaId, route: Route) {
        self.lock().routes.insert(replica, route);
    }

    /// A replica is gone.
    pub(crate) fn replica_down(&self, replica: &ReplicaId) {
        let mut state = self.lock();
        state.routes.remove(replica);
        self.decide(&mut state, Input::ReplicaDown { replica: replica.clone() });
    }

    /// What other gateways may reach through this one.
    pub(crate) fn offered(&self) -> Vec<ReplicaReport> {
        self.offered.load().to_vec()
    }

    pub(crate) fn set_offered(&self, replicas: Vec<ReplicaReport>) {
        self.offered.store(Arc::new(replicas));
    }

    /// Something that concerns replicas or models happened.
    pub(crate) fn tell(&self, input: Input) {
        self.decide(&mut self.lock(), input);
    }

    /// Time has passed.
    pub(crate) fn tick(&self) {
        self.decide(&mut self.lock(), Input::Tick);
    }

    pub(crate) fn view(&self) -> DeskView {
        let state = self.lock();
        let placed = state.routes.keys().map(|r| (r.clone(), state.admission.placed_at(r))).collect();
        DeskView { queued: state.admission.queued(), placed }
    }

    fn lock(&self) -> MutexGuard<'_, DeskState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an input whose effects concern other turns than the caller's.
    fn decide(&self, state: &mut DeskState, input: Input) {
        let effects = state.admission.handle(input, Instant::now());
        self.perform(state, effects);
    }

    fn perform(&self, state: &mut DeskState, effects: Vec<Effect>) {
        if effects.is_empty() {
            return;
        }
        for effect in effects {
            match effect {
                Effect::Grant { ticket, replica, waited } => {
                    self.observer.record(Observation::TurnPlaced { model: &replica.model, waited });
                    let route = state.routes.get(&replica).cloned();
                    if let (Some(turn), Some(route)) = (state.turns.get(&ticket), route) {
                        let _ = turn.cast(TurnMessage::Placed { attempt: ticket.attempt, replica, route });
                    }
                }
                Effect::Queued { ticket, ahead } => {
                    if let Some(turn) = state.turns.get(&ticket) {
                        let _ = turn.cast(TurnMessage::Queued { ahead });
                    }
                }
                Effect::Refuse { ticket, cause } => {
                    if let Some(turn) = state.turns.get(&ticket) {
                        let _ = turn.cast(TurnMessage::Refused { attempt: ticket.attempt, cause });
                    }
                }
                Effect::Move { ticket, cause } => {
                    if let Some(turn) = state.turns.get(&ticket) {
                        let _ = turn.cast(TurnMessage::Move { attempt: ticket.attempt, cause });
                    }
                }
                Effect::WantModel { model } => {
                    if let Some(fleet) = self.fleet.load().as_deref() {
                        let _ = fleet.cast(FleetMessage::Want { model });
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
