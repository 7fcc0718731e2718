//! Who may start: places at replicas, a bounded and fair queue in front of them, and who has to move.
//!
//! The gateway's desk wraps this machine. A turn asks with a ticket; it is granted a place at once, waits in
//! order, or is refused. A place is held until it is released, or until its replica is gone. What membership
//! says of replicas comes in as it stands ([`crate::membership::Effect::to_admission`]); which of them gets a
//! turn is `routing`'s to say.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pomona_protocol::{Cause, ModelId, ReplicaId};

use crate::admission_book::{Book, Standing};
use crate::admission_queue::{Line, Waiting};
pub use crate::admission_words::{AdmissionLimits, Ask, Effect, Input, Ticket};

/// How long an asker takes a refused model for lost; then a model that the fleet has is tried again.
const GONE_HELD: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
struct Place {
    book: usize,
    slot: u32,
    told_to_move: bool,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Admission {
    limits: AdmissionLimits,
    /// Where each model's book lies.
    models: BTreeMap<ModelId, usize>,
    books: Vec<Book>,
    places: BTreeMap<Ticket, Place>,
    waiting: BTreeMap<Ticket, (usize, Line)>,
}

impl Admission {
    /// A machine without models.
    pub fn new(limits: AdmissionLimits) -> Self {
        Self {
            limits,
            models: BTreeMap::new(),
            books: Vec::new(),
            places: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Turns that wait.
    pub fn queued(&self) -> u32 {
        self.waiting.len() as u32
    }

    /// Turns that hold a place.
    pub fn placed(&self) -> u32 {
        self.places.len() as u32
    }

    /// Turns that hold a place at `replica`.
    pub fn placed_at(&self, replica: &ReplicaId) -> u32 {
        let book = self.models.get(&replica.model).and_then(|book| self.books.get(*book));
        book.and_then(|book| book.slot(book.number(replica)?)).map_or(0, |slot| slot.own)
    }

    /// Where a ticket holds its place.
    pub fn place_of(&self, ticket: Ticket) -> Option<&ReplicaId> {
        let place = self.places.get(&ticket)?;
        self.books.get(place.book)?.slot(place.slot).map(|slot| &slot.replica)
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        match input {
            Input::Ask(ask) => self.ask(*ask, now),
            Input::Leave { ticket } => self.leave(ticket, now),
            Input::Answered { ticket, prefix } => {
                if let Some(place) = self.places.get(&ticket) {
                    self.books[place.book].learn(place.slot, &prefix);
                }
                Vec::new()
            }
            Input::ModelWanted { model } => {
                let book = self.book(&model);
                self.books[book].is_wanted = true;
                self.books[book].gone = None;
                Vec::new()
            }
            Input::ModelGone { model, message } => self.model_gone(&model, message, now),
            Input::Catalog { models } => self.catalog(&models, now),
            Input::ReplicaUp { replica, load, rtt, is_draining } => {
                let at = self.book(&replica.model);
                let book = &mut self.books[at];
                book.add(&replica, self.limits.replica_turns_max);
                book.set_load(&replica, &load, rtt, now);
                book.set_suspect(&replica, load.is_suspect);
                book.set_draining(&replica, is_draining);
                self.replica_up(at, &replica, now)
            }
            Input::ReplicaDown { replica } => self.replica_down(&replica),
            Input::ReplicaLoad { replica, load, rtt } => {
                let book = self.book(&replica.model);
                if self.books[book].set_load(&replica, &load, rtt, now) {
                    self.settle(book, now)
                } else {
                    Vec::new()
                }
            }
            Input::ReplicaSuspect { replica } => {
                self.change(&replica, now, |book| book.set_suspect(&replica, true))
            }
            Input::ReplicaCleared { replica } => {
                self.change(&replica, now, |book| book.set_suspect(&replica, false))
            }
            Input::ReplicaDraining { replica, on } => {
                self.change(&replica, now, |book| book.set_draining(&replica, on))
            }
            Input::Tick => self.tick(now),
        }
    }

    fn book(&mut self, model: &ModelId) -> usize {
        if let Some(book) = self.models.get(model) {
            return *book;
        }
        self.books.push(Book::default());
        self.models.insert(model.clone(), self.books.len() - 1);
        self.books.len() - 1
    }

    fn name(&self, book: usize) -> String {
        self.models
            .iter()
            .find(|(_, at)| **at == book)
            .map(|(model, _)| model.to_string())
            .unwrap_or_default()
    }

    fn ask(&mut self, ask: Ask, now: Instant) -> Vec<Effect> {
        let ticket = ask.ticket;
        if let Some(cause) = self.refusal(&ask, now) {
            return vec![Effect::Refuse { ticket, cause }];
        }
        let book = self.book(&ask.model);
        let limit = now + self.limits.wait_max;
        // A turn that shows tokens waits as long as it may live: to refuse it would break its answer.
        let until = match ask.deadline {
            Some(deadline) if ask.is_urgent() => deadline,
            Some(deadline) => deadline.min(limit),
            None => limit,
        };
        let waiting = Waiting { ask, since: now, until };
        // Whoever waits for this model came first, so a newcomer may not pass.
        if !self.books[book].queue.is_ahead_of(&waiting.ask)
            && let Some(grant) = self.place(book, &waiting, now)
        {
            return vec![grant];
        }
        let queued = self.queued();
        // A turn that was accepted already keeps its right to wait: refusing it would break an answer.
        if queued >= self.limits.queue_max && !waiting.ask.is_urgent() {
            let retry_after_s = self.books[book].retry_after_s(queued, now);
            let cause = Cause::Overloaded { waiting: queued, limit: self.limits.queue_max, retry_after_s };
            return vec![Effect::Refuse { ticket, cause }];
        }
        let line = self.books[book].queue.push(waiting);
        self.waiting.insert(ticket, (book, line));
        let queue = &self.books[book].queue;
        let ahead = queue.first().iter().position(|other| *other == ticket).unwrap_or(queue.len() - 1);
        let mut effects = vec![Effect::Queued { ticket, ahead: ahead as u32 }];
        effects.extend(self.want(book));
        effects
    }

    /// Why this turn cannot even wait.
    fn refusal(&mut self, ask: &Ask, now: Instant) -> Option<Cause> {
        let may_turn_up = ask.waits_for_unknown(now);
        let Some(book) = self.models.get(&ask.model).map(|book| &mut self.books[*book]) else {
            return (!may_turn_up).then(|| self.unknown(&ask.model));
        };
        if book.is_served() {
            return None;
        }
        if let Some((message, since)) = &book.gone {
            if !book.is_offered || now.saturating_duration_since(*since) < GONE_HELD {
                return Some(unavailable(ask.model.to_string(), message.clone()));
            }
            book.gone = None;
        }
        (!book.is_known() && !may_turn_up).then(|| self.unknown(&ask.model))
    }

    fn unknown(&self, model: &ModelId) -> Cause {
        let known = self.models.iter().filter(|(_, book)| self.books[**book].is_known());
        Cause::UnknownModel {
            model: model.to_string(),
            known: known.map(|(model, _)| model.to_string()).collect(),
        }
    }

    fn leave(&mut self, ticket: Ticket, now: Instant) -> Vec<Effect> {
        if let Some((book, line)) = self.waiting.remove(&ticket) {
            self.books[book].queue.remove(line, ticket);
        }
        let Some(place) = self.places.remove(&ticket) else { return Vec::new() };
        self.books[place.book].leave(place.slot, ticket.turn, now);
        self.settle(place.book, now)
    }

    fn place(&mut self, book: usize, waiting: &Waiting, now: Instant) -> Option<Effect> {
        let number = self.books[book].place(&waiting.ask, now)?;
        let ticket = waiting.ask.ticket;
        self.places.insert(ticket, Place { book, slot: number, told_to_move: false });
        let replica = self.books[book].slot(number)?.replica.clone();
        Some(Effect::Grant { ticket, replica, waited: now.saturating_duration_since(waiting.since) })
    }

    /// After anything that may have made room or trouble: first those go on who lost their place, then those
    /// move who must, then those start who wait.
    fn settle(&mut self, book: usize, now: Instant) -> Vec<Effect> {
        let mut effects = self.grant_waiting(book, true, now);
        effects.extend(self.moves(book, now));
        effects.extend(self.grant_waiting(book, false, now));
        effects
    }

    fn grant_waiting(&mut self, book: usize, only_urgent: bool, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut queue = std::mem::take(&mut self.books[book].queue);
        let may = |waiting: &&Waiting| !only_urgent || waiting.ask.is_urgent();
        while let Some(grant) = queue.peek().filter(may).and_then(|waiting| self.place(book, waiting, now)) {
            if let Some(waiting) = queue.pop() {
                self.waiting.remove(&waiting.ask.ticket);
            }
            effects.push(grant);
        }
        self.books[book].queue = queue;
        if !effects.is_empty() {
            let first = self.books[book].queue.first().into_iter().enumerate();
            effects.extend(first.map(|(ahead, ticket)| Effect::Queued { ticket, ahead: ahead as u32 }));
        }
        effects
    }

    /// Turns leave a suspect replica as soon as another one is up, and a draining one as places come free.
    fn moves(&mut self, book: usize, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        if !self.books[book].is_troubled() || !self.books[book].has_ready() {
            return effects;
        }
        let mut free = self.books[book].free_for_moves();
        let mut told = Vec::new();
        for (ticket, place) in
            self.places.iter_mut().filter(|(_, place)| place.book == book && !place.told_to_move)
        {
            let Some(slot) = self.books[book].slot(place.slot) else { continue };
            let node = slot.replica.node.to_string();
            let cause = match slot.standing() {
                Standing::Ready => continue,
                Standing::Draining if free == 0 => continue,
                Standing::Draining => Cause::NodeDraining { node },
                Standing::Suspect => Cause::NodeSuspect { node },
            };
            free = free.saturating_sub(1);
            place.told_to_move = true;
            told.push(ticket.turn);
            effects.push(Effect::Move { ticket: *ticket, cause });
        }
        for turn in told {
            self.books[book].note_move(turn, now);
        }
        effects
    }

    /// Asks for a model that somebody waits for and nobody serves.
    fn want(&mut self, at: usize) -> Option<Effect> {
        let book = &mut self.books[at];
        // A replica that stays after all answers it too.
        book.is_asked_for &= !book.is_served();
        let is_due = book.is_offered && !book.is_asked_for && !book.queue.is_empty() && !book.is_served();
        book.is_asked_for |= is_due;
        is_due.then(|| Effect::WantModel { model: ModelId(self.name(at)) })
    }

    fn model_gone(&mut self, model: &ModelId, message: String, now: Instant) -> Vec<Effect> {
        let at = self.book(model);
        let book = &mut self.books[at];
        book.is_asked_for = false;
        if book.is_served() {
            return Vec::new();
        }
        book.is_wanted = true;
        book.gone = Some((message.clone(), now));
        let waiting = self.books[at].queue.all();
        self.refuse_these(at, waiting, &message)
    }

    fn catalog(&mut self, models: &[ModelId], now: Instant) -> Vec<Effect> {
        for book in &mut self.books {
            book.is_offered = false;
        }
        for model in models {
            let book = self.book(model);
            self.books[book].is_offered = true;
        }
        let mut effects = Vec::new();
        for at in 0..self.books.len() {
            effects.extend(self.want(at));
            if !self.books[at].is_known() {
                self.books[at].is_asked_for = false;
                let waiting = self.books[at].queue.late(now, false);
                effects.extend(self.refuse_these(at, waiting, "nobody on the fleet has it any more"));
            }
        }
        effects
    }

    fn replica_up(&mut self, at: usize, replica: &ReplicaId, now: Instant) -> Vec<Effect> {
        let book = &mut self.books[at];
        (book.is_wanted, book.is_asked_for, book.gone) = (true, false, None);
        let mut effects = Vec::new();
        // Whoever may still be held there comes first. It avoids this replica, but had it anywhere else to go, it
        // would not wait.
        while let Some(mut waiting) =
            self.books[at].queue.pop_where(|ask| ask.prefer.as_ref() == Some(replica))
        {
            let ticket = waiting.ask.ticket;
            self.waiting.remove(&ticket);
            match self.place(at, &waiting, now) {
                Some(grant) => effects.push(grant),
                None => {
                    waiting.ask.prefer = None;
                    let line = self.books[at].queue.push(waiting);
                    self.waiting.insert(ticket, (at, line));
                }
            }
        }
        effects.extend(self.settle(at, now));
        effects
    }

    fn replica_down(&mut self, replica: &ReplicaId) -> Vec<Effect> {
        let at = self.book(&replica.model);
        if let Some(number) = self.books[at].remove(replica) {
            self.places.retain(|_, place| (place.book, place.slot) != (at, number));
        }
        self.want(at).into_iter().collect()
    }

    fn change(&mut self, replica: &ReplicaId, now: Instant, change: impl FnOnce(&mut Book)) -> Vec<Effect> {
        let at = self.book(&replica.model);
        change(&mut self.books[at]);
        let mut effects = self.settle(at, now);
        effects.extend(self.want(at));
        effects
    }

    fn tick(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        for at in 0..self.books.len() {
            let is_known = self.books[at].is_known();
            for (line, ticket) in self.books[at].queue.late(now, is_known) {
                let Some(waiting) = self.forget_waiting(at, line, ticket) else { continue };
                let limit_ms = waiting.until.saturating_duration_since(waiting.since).as_millis() as u64;
                let cause = match is_known {
                    true => Cause::DeadlineExceeded { limit_ms, phase: "queued".to_owned() },
                    false => self.unknown(&waiting.ask.model),
                };
                effects.push(Effect::Refuse { ticket, cause });
            }
            effects.extend(self.settle(at, now));
        }
        effects
    }

    fn refuse_these(&mut self, at: usize, waiting: Vec<(Line, Ticket)>, message: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (line, ticket) in waiting {
            self.forget_waiting(at, line, ticket);
            effects.push(Effect::Refuse { ticket, cause: unavailable(self.name(at), message.to_owned()) });
        }
        effects
    }

    fn forget_waiting(&mut self, at: usize, line: Line, ticket: Ticket) -> Option<Waiting> {
        self.waiting.remove(&ticket);
        self.books[at].queue.remove(line, ticket)
    }
}

fn unavailable(model: String, message: String) -> Cause {
    Cause::ModelUnavailable { model, message }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "admission_fleet_tests.rs"]
mod fleet_tests;

#[cfg(test)]
#[path = "admission_random_tests.rs"]
mod random_tests;
