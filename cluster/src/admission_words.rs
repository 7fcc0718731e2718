//! What is said to and by `admission`: limits, tickets, asks, inputs, effects.

use std::time::{Duration, Instant};

use pomona_protocol::{Cause, ModelId, ReplicaId, ReplicaLoad, TurnId};

use crate::affinity::Prefix;
use crate::routing::ANSWER_TOKENS_PRIOR;

/// Limits of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Turns sent to one replica at once, while its own report names no number.
    pub replica_turns_max: u32,
    /// Turns that may wait, over all models.
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

/// What a turn asks with.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// Who asks.
    pub ticket: Ticket,
    /// For which model.
    pub model: ModelId,
    /// The replica that failed this turn before; taken only when it is the last one left.
    pub avoid: Option<ReplicaId>,
    /// The replica that may hold this turn still after a link was lost. It is taken when it is up and not
    /// avoided, and as soon as it comes up while the turn waits.
    pub prefer: Option<ReplicaId>,
    /// Whose turn it is: the client key's number. Keys share the queue fairly.
    pub key: u64,
    /// The prompt, for affinity and for its length.
    pub prefix: Prefix,
    /// Tokens that were shown already and are prefilled behind the prompt.
    pub resume_tokens: u32,
    /// When the turn must be over; it does not wait past this. A first try does not wait past `wait_max` either.
    pub deadline: Option<Instant>,
    /// Until when it waits for a model of which nothing was heard: soon after its start a gateway has not heard of every
    /// node. `None` where such a model is refused at once.
    pub unknown_until: Option<Instant>,
    /// 64 random bits.
    pub draw: u64,
}

impl Ask {
    /// A first try without history: no key, prompt, deadline or draw.
    pub fn new(ticket: Ticket, model: ModelId) -> Self {
        Self {
            ticket,
            model,
            avoid: None,
            prefer: None,
            key: 0,
            prefix: Prefix::default(),
            resume_tokens: 0,
            deadline: None,
            unknown_until: None,
            draw: 0,
        }
    }

    /// A turn that was accepted already is served first and never turned away for want of room.
    pub(crate) fn is_urgent(&self) -> bool {
        self.ticket.attempt > 1
    }

    /// Whether it still waits for a model of which nothing was heard.
    pub(crate) fn waits_for_unknown(&self, now: Instant) -> bool {
        self.unknown_until.is_some_and(|until| now < until)
    }

    pub(crate) fn prompt_tokens(&self) -> u32 {
        self.prefix.tokens().saturating_add(self.resume_tokens)
    }

    /// What its key pays for it: tokens in and, roughly, out.
    pub(crate) fn cost(&self) -> u64 {
        u64::from(self.prompt_tokens()) + ANSWER_TOKENS_PRIOR as u64
    }
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Input {
    /// A turn wants a place. The first effect answers it: `Grant`, `Refuse`, or `Queued` and one of the others
    /// later. A `WantModel` may follow.
    Ask(Box<Ask>),
    /// A turn that waits or holds a place needs it no longer.
    Leave {
        /// Whose.
        ticket: Ticket,
    },
    /// The answer of a turn that still holds its place: its replica now has this longer prefix.
    Answered {
        /// Whose.
        ticket: Ticket,
        /// Prompt and answer.
        prefix: Prefix,
    },
    /// A model is served here, though perhaps no replica is ready yet.
    ModelWanted {
        /// The model.
        model: ModelId,
    },
    /// No replica of this model will come; whoever waits for it is refused. Ignored while it has one.
    ModelGone {
        /// The model.
        model: ModelId,
        /// Why.
        message: String,
    },
    /// All models that somebody on the fleet could load.
    Catalog {
        /// They.
        models: Vec<ModelId>,
    },
    /// A replica takes turns.
    ReplicaUp {
        /// The replica.
        replica: ReplicaId,
        /// How busy it is; all 0 when nothing is known yet. It starts as a suspect when this says so.
        load: ReplicaLoad,
        /// Round trip to it.
        rtt: Duration,
        /// Whether it is about to leave and takes nothing new.
        is_draining: bool,
    },
    /// A replica takes no turns any more; places at it are gone.
    ReplicaDown {
        /// The replica.
        replica: ReplicaId,
    },
    /// A report about a replica that is up.
    ReplicaLoad {
        /// The replica.
        replica: ReplicaId,
        /// How busy it is.
        load: ReplicaLoad,
        /// Round trip to it.
        rtt: Duration,
    },
    /// A replica, or the way to it, is silent: its turns move, if there is anywhere to go.
    ReplicaSuspect {
        /// The replica.
        replica: ReplicaId,
    },
    /// It is no longer.
    ReplicaCleared {
        /// The replica.
        replica: ReplicaId,
    },
    /// A replica is about to leave, or stays after all.
    ReplicaDraining {
        /// The replica.
        replica: ReplicaId,
        /// Whether it leaves.
        on: bool,
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
    /// The ticket holds a place that it should give up for another one ([`crate::turn::Input::Move`]). Said
    /// once per ticket, and only when another replica is up.
    Move {
        /// Whose.
        ticket: Ticket,
        /// Why; retryable.
        cause: Cause,
    },
    /// Somebody waits for a model that no replica serves and somebody on the fleet could load. Said once, until
    /// `ReplicaUp` or `ModelGone` answers it.
    WantModel {
        /// The model.
        model: ModelId,
    },
}
