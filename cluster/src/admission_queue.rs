//! Who waits for a model, and in which order they are served. Owned by `admission`, one per model.
//!
//! Turns that showed tokens already go first, in their order: somebody is reading. The others are served by
//! start-time fair queueing between client keys (Goyal et al., SIGCOMM '96): each key pays for what it was
//! given in estimated tokens, the one that has paid least is next, and within one key the first is first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use crate::admission::{Ask, Ticket};

/// Waiting turns that hear their place when it changes. The others learn it when they come near; telling all
/// of them would cost the square of the queue.
pub(crate) const QUEUE_TOLD_MAX: usize = 32;
/// Keys whose payments are remembered while they do not wait.
const DEBTS_MAX: usize = 4096;

/// A turn that waits.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) ask: Ask,
    pub(crate) since: Instant,
    /// It is refused after this.
    pub(crate) until: Instant,
}

/// What it takes to find a waiting turn again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Urgent,
    Key(u64),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    urgent: VecDeque<Waiting>,
    keys: BTreeMap<u64, Key>,
    /// (start tag, key) of every key that waits.
    order: BTreeSet<(u64, u64)>,
    /// Start tag of whoever was served last: what a newcomer starts with.
    clock: u64,
    /// Where keys that do not wait would go on; only those ahead of the clock matter.
    debts: BTreeMap<u64, u64>,
}

#[derive(Clone, Debug, Default)]
struct Key {
    start: u64,
    waiting: VecDeque<Waiting>,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.urgent.len() + self.keys.values().map(|key| key.waiting.len()).sum::<usize>()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.keys.is_empty()
    }

    /// Whether anybody would be served before this turn if it came now.
    pub(crate) fn is_ahead_of(&self, ask: &Ask) -> bool {
        if ask.is_urgent() { !self.urgent.is_empty() } else { !self.is_empty() }
    }

    pub(crate) fn push(&mut self, waiting: Waiting) -> Line {
        if waiting.ask.is_urgent() {
            self.urgent.push_back(waiting);
            return Line::Urgent;
        }
        let id = waiting.ask.key;
        let key = self.keys.entry(id).or_default();
        if key.waiting.is_empty() {
            key.start = self.debts.remove(&id).unwrap_or(0).max(self.clock);
            self.order.insert((key.start, id));
        }
        key.waiting.push_back(waiting);
        Line::Key(id)
    }

    /// Who is next.
    pub(crate) fn peek(&self) -> Option<&Waiting> {
        self.urgent.front().or_else(|| {
            let (_, id) = self.order.first()?;
            self.keys.get(id)?.waiting.front()
        })
    }

    /// Takes out who is next.
    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        if let Some(waiting) = self.urgent.pop_front() {
            return Some(waiting);
        }
        let (start, id) = self.order.pop_first()?;
        let key = self.keys.get_mut(&id)?;
        let waiting = key.waiting.pop_front()?;
        self.clock = start;
        key.start = start.saturating_add(waiting.ask.cost());
        if key.waiting.is_empty() {
            let debt = key.start;
            self.keys.remove(&id);
            self.remember(id, debt);
        } else {
            self.order.insert((key.start, id));
        }
        Some(waiting)
    }

    /// Takes out a turn that waits for this very replica, whatever its place.
    pub(crate) fn pop_where(&mut self, is_it: impl Fn(&Ask) -> bool) -> Option<Waiting> {
        let at = self.urgent.iter().position(|waiting| is_it(&waiting.ask))?;
        self.urgent.remove(at)
    }

    pub(crate) fn remove(&mut self, line: Line, ticket: Ticket) -> Option<Waiting> {
        let is_it = |waiting: &Waiting| waiting.ask.ticket == ticket;
        match line {
            Line::Urgent => {
                let at = self.urgent.iter().position(is_it)?;
                self.urgent.remove(at)
            }
            Line::Key(id) => {
                let key = self.keys.get_mut(&id)?;
                let at = key.waiting.iter().position(is_it)?;
                let waiting = key.waiting.remove(at);
                if key.waiting.is_empty() {
                    let start = key.start;
                    self.order.remove(&(start, id));
                    self.keys.remove(&id);
                    self.remember(id, start);
                }
                waiting
            }
        }
    }

    /// Tickets of those who have waited too long; while the model is not known, that is sooner for most.
    pub(crate) fn late(&self, now: Instant, is_known: bool) -> Vec<(Line, Ticket)> {
        let is_late =
            |waiting: &Waiting| now > waiting.until || !is_known && !waiting.ask.waits_for_unknown(now);
        self.lines().filter(|(_, waiting)| is_late(waiting)).map(|(l, w)| (l, w.ask.ticket)).collect()
    }

    /// Tickets of all who wait.
    pub(crate) fn all(&self) -> Vec<(Line, Ticket)> {
        self.lines().map(|(line, waiting)| (line, waiting.ask.ticket)).collect()
    }

    /// The first [`QUEUE_TOLD_MAX`], in the order in which they will be served.
    pub(crate) fn first(&self) -> Vec<Ticket> {
        let mut tickets: Vec<_> =
            self.urgent.iter().take(QUEUE_TOLD_MAX).map(|waiting| waiting.ask.ticket).collect();
        let mut order: BTreeSet<_> =
            self.order.iter().take(QUEUE_TOLD_MAX).map(|(s, id)| (*s, *id, 0)).collect();
        while tickets.len() < QUEUE_TOLD_MAX
            && let Some((start, id, depth)) = order.pop_first()
        {
            let Some(waiting) = self.keys.get(&id).and_then(|key| key.waiting.get(depth)) else { continue };
            tickets.push(waiting.ask.ticket);
            order.insert((start.saturating_add(waiting.ask.cost()), id, depth + 1));
        }
        tickets
    }

    fn lines(&self) -> impl Iterator<Item = (Line, &Waiting)> {
        let urgent = self.urgent.iter().map(|waiting| (Line::Urgent, waiting));
        let keyed = self.keys.iter().flat_map(|(id, key)| key.waiting.iter().map(|w| (Line::Key(*id), w)));
        urgent.chain(keyed)
    }

    fn remember(&mut self, id: u64, debt: u64) {
        let clock = self.clock;
        if self.debts.len() >= DEBTS_MAX {
            self.debts.retain(|_, debt| *debt > clock);
        }
        if debt > clock && self.debts.len() < DEBTS_MAX {
            self.debts.insert(id, debt);
        }
    }
}
