//! Who may start: places at replicas, and a bounded queue in front of them.
//!
//! The Router actor wraps this machine. A turn asks with a ticket; it is granted a place at once, waits in
//! order, or is refused. A place is held until it is released, or until its replica is gone.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use pomona_protocol::{Cause, ModelId, ReplicaId, TurnId};

use crate::routing::{Candidate, choose_replica};

/// Limits of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Turns sent to one replica at once.
    pub replica_turns_max: u32,
    /// Turns that may wait.
    pub queue_max: u32,
    /// How long one may wait.
    pub wait_max: Duration,
}

/// Names one try of one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    /// The turn.
    pub turn: TurnId,
    /// Which try, from 1.
    pub attempt: u32,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Input {
    /// A turn wants a place. Answered by `Grant`, `Refuse`, or `Queued` now and one of the others later.
    Ask {
        /// Who asks.
        ticket: Ticket,
        /// For which model.
        model: ModelId,
        /// The replica that failed this turn before.
        avoid: Option<ReplicaId>,
    },
    /// A turn that waits or holds a place needs it no longer.
    Leave {
        /// Whose.
        ticket: Ticket,
    },
    /// A model is served here, though perhaps no replica is ready yet.
    ModelWanted {
        /// The model.
        model: ModelId,
    },
    /// No replica of this model will come; whoever waits for it is refused.
    ModelGone {
        /// The model.
        model: ModelId,
        /// Why.
        message: String,
    },
    /// A replica takes turns.
    ReplicaUp {
        /// The replica.
        replica: ReplicaId,
    },
    /// A replica takes no turns any more; places at it are gone.
    ReplicaDown {
        /// The replica.
        replica: ReplicaId,
    },
    /// Time has passed; whoever waited too long is refused.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The ticket holds a place at this replica.
    Grant {
        /// Whose.
        ticket: Ticket,
        /// Where.
        replica: ReplicaId,
        /// Since it asked.
        waited: Duration,
    },
    /// The ticket waits.
    Queued {
        /// Whose.
        ticket: Ticket,
        /// How many are before it.
        ahead: u32,
    },
    /// The ticket gets no place.
    Refuse {
        /// Whose.
        ticket: Ticket,
        /// Why.
        cause: Cause,
    },
}

#[derive(Clone, Debug)]
struct Waiting {
    ticket: Ticket,
    model: ModelId,
    avoid: Option<ReplicaId>,
    since: Instant,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Admission {
    limits: AdmissionLimits,
    /// Wanted models; the text says why a model is gone for good.
    models: BTreeMap<ModelId, Option<String>>,
    replicas: BTreeMap<ReplicaId, u32>,
    places: BTreeMap<Ticket, ReplicaId>,
    queue: VecDeque<Waiting>,
}

impl Admission {
    /// A machine without models.
    pub fn new(limits: AdmissionLimits) -> Self {
        Self {
            limits,
            models: BTreeMap::new(),
            replicas: BTreeMap::new(),
            places: BTreeMap::new(),
            queue: VecDeque::new(),
        }
    }

    /// Turns that wait.
    pub fn queued(&self) -> u32 {
        self.queue.len() as u32
    }

    /// Turns that hold a place.
    pub fn placed(&self) -> u32 {
        self.places.len() as u32
    }

    /// Turns that hold a place at `replica`.
    pub fn placed_at(&self, replica: &ReplicaId) -> u32 {
        self.replicas.get(replica).copied().unwrap_or(0)
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        match input {
            Input::Ask { ticket, model, avoid } => {
                self.ask(Waiting { ticket, model, avoid, since: now }, now)
            }
            Input::Leave { ticket } => self.leave(ticket, now),
            Input::ModelWanted { model } => {
                self.models.insert(model, None);
                Vec::new()
            }
            Input::ModelGone { model, message } => {
                self.models.insert(model.clone(), Some(message.clone()));
                self.refuse_where(|waiting| {
                    (waiting.model == model).then(|| unavailable(&waiting.model, message.clone()))
                })
            }
            Input::ReplicaUp { replica } => {
                self.models.insert(replica.model.clone(), None);
                self.replicas.entry(replica).or_insert(0);
                self.grant_waiting(now)
            }
            Input::ReplicaDown { replica } => {
                self.replicas.remove(&replica);
                self.places.retain(|_, place| *place != replica);
                Vec::new()
            }
            Input::Tick => {
                let limit = self.limits.wait_max;
                self.refuse_where(|waiting| {
                    (now.saturating_duration_since(waiting.since) > limit).then(|| Cause::DeadlineExceeded {
                        limit_ms: limit.as_millis() as u64,
                        phase: "queued".to_owned(),
                    })
                })
            }
        }
    }

    fn ask(&mut self, waiting: Waiting, now: Instant) -> Vec<Effect> {
        let ticket = waiting.ticket;
        match self.models.get(&waiting.model) {
            None => {
                let known = self.models.keys().map(ModelId::to_string).collect();
                let cause = Cause::UnknownModel { model: waiting.model.0, known };
                return vec![Effect::Refuse { ticket, cause }];
            }
            Some(Some(message)) => {
                return vec![Effect::Refuse { ticket, cause: unavailable(&waiting.model, message.clone()) }];
            }
            Some(None) => {}
        }
        // Whoever waits for this model came first, so a newcomer may not pass.
        let nobody_before = !self.queue.iter().any(|other| other.model == waiting.model);
        if let Some(grant) = nobody_before.then(|| self.place(&waiting, now)).flatten() {
            return vec![grant];
        }
        let ahead = self.queued();
        // A turn that was accepted already keeps its right to wait: refusing it would break an answer.
        if ahead >= self.limits.queue_max && ticket.attempt == 1 {
            let cause = Cause::Overloaded { waiting: ahead, limit: self.limits.queue_max, retry_after_s: 1 };
            return vec![Effect::Refuse { ticket, cause }];
        }
        self.queue.push_back(waiting);
        vec![Effect::Queued { ticket, ahead }]
    }

    fn leave(&mut self, ticket: Ticket, now: Instant) -> Vec<Effect> {
        self.queue.retain(|waiting| waiting.ticket != ticket);
        if let Some(turns) = self.places.remove(&ticket).and_then(|replica| self.replicas.get_mut(&replica)) {
            *turns -= 1;
        }
        self.grant_waiting(now)
    }

    fn place(&mut self, waiting: &Waiting, now: Instant) -> Option<Effect> {
        let turns_max = self.limits.replica_turns_max;
        let candidates = self
            .replicas
            .iter()
            .filter(|(replica, _)| replica.model == waiting.model)
            .map(|(replica, turns)| Candidate { replica, turns: *turns, turns_max });
        let replica = choose_replica(candidates, waiting.avoid.as_ref())?.clone();
        *self.replicas.get_mut(&replica)? += 1;
        self.places.insert(waiting.ticket, replica.clone());
        let waited = now.saturating_duration_since(waiting.since);
        Some(Effect::Grant { ticket: waiting.ticket, replica, waited })
    }

    fn grant_waiting(&mut self, now: Instant) -> Vec<Effect> {
        if self.queue.is_empty() {
            return Vec::new();
        }
        let mut effects = Vec::new();
        for waiting in std::mem::take(&mut self.queue) {
            match self.place(&waiting, now) {
                Some(grant) => effects.push(grant),
                None => self.queue.push_back(waiting),
            }
        }
        if !effects.is_empty() {
            let places = self.queue.iter().enumerate();
            effects.extend(places.map(|(i, w)| Effect::Queued { ticket: w.ticket, ahead: i as u32 }));
        }
        effects
    }

    fn refuse_where(&mut self, cause: impl Fn(&Waiting) -> Option<Cause>) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.queue.retain(|waiting| match cause(waiting) {
            Some(cause) => {
                effects.push(Effect::Refuse { ticket: waiting.ticket, cause });
                false
            }
            None => true,
        });
        effects
    }
}

fn unavailable(model: &ModelId, message: String) -> Cause {
    Cause::ModelUnavailable { model: model.to_string(), message }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
