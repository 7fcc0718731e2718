//! The replicas of one model: their places, their loads, what they have cached. Owned by `admission`, one per
//! model. Replicas are numbered, so that a decision over many of them compares no names.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use pomona_protocol::{ReplicaId, ReplicaLoad, TurnId};

use crate::admission::Ask;
use crate::admission_queue::Queue;
use crate::affinity::{Affinity, Prefix};
use crate::routing::{Candidate, Choice, choose};

/// A turn that was placed earlier than this (plus a round trip) before a report came is in that report. An
/// engine says its load on change, so this only has to cover the way through node and gateway.
const REPORT_AGE: Duration = Duration::from_millis(50);
/// Ends of turns that the drain rate is measured over.
const ENDS_MAX: usize = 64;
/// `Retry-After` while nothing was measured yet, in seconds.
const RETRY_S_PRIOR: u32 = 2;
/// Longest `Retry-After`, in seconds; who waits longer has gone elsewhere.
const RETRY_S_MAX: u32 = 60;
/// How long a place is kept for a turn that was told to move.
const MOVE_HELD: Duration = Duration::from_secs(1);
/// The same, once it gave its old place back: it asks at once, or it has ended.
const MOVE_HELD_AFTER_LEAVE: Duration = Duration::from_millis(100);

/// Places that a replica has at most, whatever its report says.
const REPLICA_TURNS_MAX: u32 = 65_536;

/// Whether a replica takes turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Ready,
    Suspect,
    Draining,
}

#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) replica: ReplicaId,
    facts: Candidate,
    is_suspect: bool,
    is_draining: bool,
    /// Turns that this gateway placed there.
    pub(crate) own: u32,
    /// Turns of others, as the last report had them.
    others: u32,
    /// When turns were placed that no report has covered yet, and their uncached tokens.
    recent: VecDeque<(Instant, u32)>,
}

impl Slot {
    pub(crate) fn standing(&self) -> Standing {
        match (self.is_draining, self.is_suspect) {
            (true, _) => Standing::Draining,
            (false, true) => Standing::Suspect,
            (false, false) => Standing::Ready,
        }
    }

    fn free(&self) -> u32 {
        self.facts.turns_max.saturating_sub(self.own)
    }

    fn refresh(&mut self) {
        self.facts.turns = self.own.saturating_add(self.others);
        let pending = self.recent.iter().fold(0u32, |sum, (_, tokens)| sum.saturating_add(*tokens));
        self.facts.pending_tokens = pending;
    }
}

/// One model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    slots: Vec<Option<Slot>>,
    numbers: BTreeMap<ReplicaId, u32>,
    affinity: Affinity,
    pub(crate) queue: Queue,
    /// It is served here, though perhaps not yet.
    pub(crate) is_wanted: bool,
    /// Somebody on the fleet could load it.
    pub(crate) is_offered: bool,
    /// Its loading was asked for.
    pub(crate) is_asked_for: bool,
    /// Why nobody will serve it, and since when.
    pub(crate) gone: Option<(String, Instant)>,
    /// Replicas that are suspect or draining.
    troubled: u32,
    /// Turns that were told to move and have not asked again; a place is kept for each until then.
    moving: BTreeMap<TurnId, Instant>,
    ends: VecDeque<Instant>,
    cached: Vec<u32>,
    scratch: Vec<Choice>,
}

impl Book {
    pub(crate) fn slot(&self, number: u32) -> Option<&Slot> {
        self.slots.get(number as usize)?.as_ref()
    }

    pub(crate) fn number(&self, replica: &ReplicaId) -> Option<u32> {
        self.numbers.get(replica).copied()
    }

    fn slot_mut(&mut self, number: u32) -> Option<&mut Slot> {
        self.slots.get_mut(number as usize)?.as_mut()
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> + Clone {
        self.slots.iter().flatten()
    }

    /// Whether a client may ask for it.
    pub(crate) fn is_known(&self) -> bool {
        self.is_wanted || self.is_offered || !self.numbers.is_empty()
    }

    /// Whether a new turn could run somewhere, room or not.
    pub(crate) fn is_served(&self) -> bool {
        self.slots().any(|slot| slot.standing() != Standing::Draining)
    }

    /// Whether any turn stands where it should not.
    pub(crate) fn is_troubled(&self) -> bool {
        self.troubled > 0 && self.slots().any(|slot| slot.own > 0 && slot.standing() != Standing::Ready)
    }

    pub(crate) fn add(&mut self, replica: &ReplicaId, turns_max: u32) {
        if self.numbers.contains_key(replica) {
            return;
        }
        let vacant = self.slots.iter().position(Option::is_none).unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.numbers.insert(replica.clone(), vacant as u32);
        self.slots[vacant] = Some(Slot {
            replica: replica.clone(),
            facts: Candidate { index: vacant as u32, turns_max, ..Candidate::default() },
            is_suspect: false,
            is_draining: false,
            own: 0,
            others: 0,
            recent: VecDeque::new(),
        });
    }

    /// Returns the number that it had.
    pub(crate) fn remove(&mut self, replica: &ReplicaId) -> Option<u32> {
        let number = self.numbers.remove(replica)?;
        self.slots[number as usize] = None;
        self.affinity.forget(number);
        self.count_trouble();
        Some(number)
    }

    pub(crate) fn set_suspect(&mut self, replica: &ReplicaId, on: bool) {
        if let Some(slot) = self.number(replica).and_then(|number| self.slot_mut(number)) {
            slot.is_suspect = on;
            self.count_trouble();
        }
    }

    pub(crate) fn set_draining(&mut self, replica: &ReplicaId, on: bool) {
        if let Some(slot) = self.number(replica).and_then(|number| self.slot_mut(number)) {
            slot.is_draining = on;
            self.count_trouble();
        }
    }

    fn count_trouble(&mut self) {
        self.troubled = self.slots().filter(|slot| slot.standing() != Standing::Ready).count() as u32;
    }

    /// Takes a report in. Returns whether the replica has more places than before.
    pub(crate) fn set_load(
        &mut self,
        replica: &ReplicaId,
        load: &ReplicaLoad,
        rtt: Duration,
        now: Instant,
    ) -> bool {
        let Some(slot) = self.number(replica).and_then(|number| self.slot_mut(number)) else { return false };
        let age = rtt + REPORT_AGE;
        while slot.recent.front().is_some_and(|(placed, _)| *placed + age <= now) {
            slot.recent.pop_front();
        }
        let covered = slot.own.saturating_sub(slot.recent.len() as u32);
        slot.others = load.running.saturating_add(load.waiting).saturating_sub(covered);
        slot.facts.set_load(load, rtt);
        let before = slot.facts.turns_max;
        if load.turns_max > 0 {
            slot.facts.turns_max = load.turns_max.min(REPLICA_TURNS_MAX);
        }
        slot.refresh();
        slot.facts.turns_max > before
    }

    /// Takes a place for a turn, if there is one for it. Returns the replica's number.
    pub(crate) fn place(&mut self, ask: &Ask, now: Instant) -> Option<u32> {
        self.moving.retain(|_, until| *until > now);
        let is_moving = self.moving.remove(&ask.ticket.turn).is_some();
        let kept = self.moving.len() as u32;
        if kept > 0 && !is_moving && !ask.is_urgent() && self.free() <= kept {
            return None;
        }
        let avoid = ask.avoid.as_ref().and_then(|replica| self.number(replica));
        let number = self.preferred(ask, avoid).or_else(|| self.choose(ask, avoid))?;
        let cached = self.cached.get(number as usize).copied().unwrap_or(0);
        let uncached = ask.prompt_tokens().saturating_sub(cached);
        let slot = self.slot_mut(number)?;
        slot.own += 1;
        slot.recent.push_back((now, uncached));
        slot.refresh();
        self.affinity.learn(number, &ask.prefix);
        Some(number)
    }

    /// The replica that may hold this turn still, when it is up and has room.
    fn preferred(&self, ask: &Ask, avoid: Option<u32>) -> Option<u32> {
        let number = ask.prefer.as_ref().and_then(|replica| self.number(replica))?;
        let slot = self.slot(number)?;
        (Some(number) != avoid && slot.standing() == Standing::Ready && slot.free() > 0).then_some(number)
    }

    fn choose(&mut self, ask: &Ask, avoid: Option<u32>) -> Option<u32> {
        let mut cached = std::mem::take(&mut self.cached);
        let mut scratch = std::mem::take(&mut self.scratch);
        cached.resize(self.slots.len(), 0);
        self.affinity.cached_tokens(&ask.prefix, &mut cached);
        let wanted = if self.slots().any(|slot| slot.standing() == Standing::Ready) {
            Standing::Ready
        } else {
            Standing::Suspect
        };
        let fit = |slot: &&Slot| slot.standing() == wanted && slot.free() > 0;
        let candidates = self
            .slots()
            .filter(fit)
            .filter(|slot| Some(slot.facts.index) != avoid)
            .map(|slot| Candidate { cached_tokens: cached[slot.facts.index as usize], ..slot.facts });
        let choice = choose(candidates, ask.prompt_tokens(), ask.draw, &mut scratch);
        let last_resort = || avoid.filter(|number| self.slot(*number).as_ref().is_some_and(fit));
        let number = choice.map(|choice| choice.index).or_else(last_resort);
        (self.cached, self.scratch) = (cached, scratch);
        number
    }

    /// Gives a place back.
    pub(crate) fn leave(&mut self, number: u32, turn: TurnId, now: Instant) {
        if let Some(slot) = self.slot_mut(number) {
            slot.own = slot.own.saturating_sub(1);
            if slot.own < slot.recent.len() as u32 {
                slot.recent.pop_front();
            }
            slot.refresh();
        }
        if let Some(until) = self.moving.get_mut(&turn) {
            *until = (*until).min(now + MOVE_HELD_AFTER_LEAVE);
        }
        if self.ends.len() == ENDS_MAX {
            self.ends.pop_front();
        }
        self.ends.push_back(now);
    }

    pub(crate) fn learn(&mut self, number: u32, prefix: &Prefix) {
        self.affinity.learn(number, prefix);
    }

    /// Free places at replicas that take turns.
    pub(crate) fn free(&self) -> u32 {
        let ready = self.slots().filter(|slot| slot.standing() == Standing::Ready);
        ready.fold(0, |free: u32, slot| free.saturating_add(slot.free()))
    }

    /// Free places that are not kept for a turn on its way.
    pub(crate) fn free_for_moves(&self) -> u32 {
        self.free().saturating_sub(self.moving.len() as u32)
    }

    /// Whether any replica takes turns without reservation.
    pub(crate) fn has_ready(&self) -> bool {
        self.slots().any(|slot| slot.standing() == Standing::Ready)
    }

    pub(crate) fn note_move(&mut self, turn: TurnId, now: Instant) {
        self.moving.insert(turn, now + MOVE_HELD);
    }

    /// When a retry makes sense for somebody behind `waiting` others, in seconds, 1 to [`RETRY_S_MAX`].
    pub(crate) fn retry_after_s(&self, waiting: u32, now: Instant) -> u32 {
        let Some(first) = self.ends.front().filter(|_| self.ends.len() > 1) else { return RETRY_S_PRIOR };
        let span = now.saturating_duration_since(*first).as_secs_f64().max(1e-3);
        let seconds = span / self.ends.len() as f64 * (f64::from(waiting) + 1.0);
        (seconds.ceil() as u32).clamp(1, RETRY_S_MAX)
    }
}
