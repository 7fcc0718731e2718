//! Which item is asked of which source next, and what a failure means: the taker's decisions, pure.
//!
//! An item is anything that is taken whole: a manifest, a file's piece hashes, a piece. `fetch` feeds what happened
//! and does what the effects say. Wanted properties, held by the tests below:
//! - every item is missing, in flight or done, never two of them; it flies at most twice, never twice from one source;
//! - a source that is free takes the next item, so that a fast one does more; what one source is slow with, a free
//!   one takes as well, and the first answer counts;
//! - a source that lied is never asked again; one that fails is left alone for longer and longer, then given up;
//! - while one honest source lives, all items are done in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Limits of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanLimits {
    /// Sources with something in flight at once; the others are spares.
    pub sources_max: usize,
    /// Items in flight from one source: with two, its pipe never runs dry between them.
    pub asks_per_source_max: usize,
    /// How long an item flies before a free source takes it as well.
    pub steal_after: Duration,
    /// First pause of a source that failed; doubles with each failure in a row.
    pub pause_base: Duration,
    /// Longest pause.
    pub pause_max: Duration,
    /// Failures in a row after which a source is given up.
    pub failures_max: u32,
    /// Refusals for being busy in a row after which a source is given up.
    pub refusals_max: u32,
}

/// How an ask ended without its item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The stream broke, or ended early.
    Broken,
    /// Nothing came for too long.
    Stalled,
    /// It gives to too many already.
    Busy,
    /// It does not have this model, or another version of it.
    Lacks,
    /// What it said is no answer to what was asked.
    Garbage,
    /// Its bytes are not those of the hash.
    Lied,
}

impl Fault {
    /// Whether the source is not asked again.
    pub fn is_final(self) -> bool {
        match self {
            Fault::Lacks | Fault::Garbage | Fault::Lied => true,
            Fault::Broken | Fault::Stalled | Fault::Busy => false,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// These items are wanted from now on.
    Want(BTreeSet<u32>),
    /// A source gave an item, and it was proven.
    Finished {
        /// Which source.
        source: usize,
        /// Which item.
        item: u32,
    },
    /// A source did not give an item.
    Failed {
        /// Which source.
        source: usize,
        /// Which item.
        item: u32,
        /// How.
        fault: Fault,
    },
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask a source for an item.
    Ask {
        /// Which source.
        source: usize,
        /// Which item.
        item: u32,
    },
    /// An answer is of no use any more; it is not reported.
    Cancel {
        /// Which source.
        source: usize,
        /// Which item.
        item: u32,
    },
    /// A source is given up for good.
    Drop {
        /// Which source.
        source: usize,
        /// The last straw.
        fault: Fault,
    },
}

/// Where the plan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// Something is in flight or will be; a `Tick` is due at `wake_at` at the latest.
    Working {
        /// When something may be done that cannot be done now.
        wake_at: Option<Instant>,
    },
    /// Nothing is wanted any more.
    Done,
    /// Something is wanted and every source is given up.
    Exhausted,
}

#[derive(Clone, Debug, Default)]
struct Standing {
    dropped: bool,
    flying: usize,
    failures: u32,
    refusals: u32,
    paused_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    source: usize,
    since: Instant,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Plan {
    limits: PlanLimits,
    sources: Vec<Standing>,
    missing: BTreeSet<u32>,
    flights: BTreeMap<u32, Vec<Flight>>,
}

impl Plan {
    /// A plan over this many sources that wants nothing yet.
    pub fn new(limits: PlanLimits, sources: usize) -> Self {
        let limits = PlanLimits {
            sources_max: limits.sources_max.max(1),
            asks_per_source_max: limits.asks_per_source_max.max(1),
            ..limits
        };
        let sources = vec![Standing::default(); sources];
        Self { limits, sources, missing: BTreeSet::new(), flights: BTreeMap::new() }
    }

    /// Takes what happened and says what to do, in order.
    pub fn handle(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Want(items) => {
                self.missing.extend(items.into_iter().filter(|item| !self.flights.contains_key(item)));
            }
            Input::Finished { source, item } => self.finish(source, item, &mut effects),
            Input::Failed { source, item, fault } => self.fail(source, item, fault, now, &mut effects),
            Input::Tick => {}
        }
        self.assign(now, &mut effects);
        effects
    }

    /// Where it stands; ask it behind each `handle`.
    pub fn outlook(&self, now: Instant) -> Outlook {
        if self.missing.is_empty() && self.flights.is_empty() {
            return Outlook::Done;
        }
        if self.sources.iter().all(|source| source.dropped) {
            return Outlook::Exhausted;
        }
        let alive = self.sources.iter().filter(|source| !source.dropped);
        let pauses = alive.filter_map(|source| source.paused_until);
        let single = self.flights.values().filter(|flights| flights.len() == 1);
        let steals = single.map(|flights| flights[0].since + self.limits.steal_after);
        Outlook::Working { wake_at: pauses.chain(steals).filter(|at| *at > now).min() }
    }

    /// Sources that are not given up.
    pub fn sources_left(&self) -> usize {
        self.sources.iter().filter(|source| !source.dropped).count()
    }

    fn finish(&mut self, source: usize, item: u32, effects: &mut Vec<Effect>) {
        if !self.land(source, item) {
            return;
        }
        self.sources[source].failures = 0;
        self.sources[source].refusals = 0;
        self.missing.remove(&item);
        for other in self.flights.remove(&item).unwrap_or_default() {
            self.sources[other.source].flying -= 1;
            effects.push(Effect::Cancel { source: other.source, item });
        }
    }

    fn fail(&mut self, source: usize, item: u32, fault: Fault, now: Instant, effects: &mut Vec<Effect>) {
        if !self.land(source, item) {
            return;
        }
        let limits = &self.limits;
        let standing = &mut self.sources[source];
        let is_paused = standing.paused_until.is_some_and(|until| until > now);
        // All that was in flight on one link breaks at once; that is one failure.
        if !is_paused {
            let tries = if fault == Fault::Busy { &mut standing.refusals } else { &mut standing.failures };
            *tries += 1;
            let factor = 1u32 << (*tries - 1).min(16);
            let pause = limits.pause_base.saturating_mul(factor).min(limits.pause_max);
            standing.paused_until = Some(now + pause);
        }
        let is_spent = standing.failures >= limits.failures_max || standing.refusals >= limits.refusals_max;
        if fault.is_final() || is_spent {
            self.give_up(source, fault, effects);
        }
    }

    fn give_up(&mut self, source: usize, fault: Fault, effects: &mut Vec<Effect>) {
        self.sources[source].dropped = true;
        let flies = |flights: &Vec<Flight>| flights.iter().any(|flight| flight.source == source);
        let items: Vec<u32> =
            self.flights.iter().filter(|(_, flights)| flies(flights)).map(|(item, _)| *item).collect();
        for item in items {
            self.land(source, item);
            effects.push(Effect::Cancel { source, item });
        }
        effects.push(Effect::Drop { source, fault });
    }

    /// Takes an item out of a source's hands; false when it was not there, as after a cancel.
    fn land(&mut self, source: usize, item: u32) -> bool {
        let Some(flights) = self.flights.get_mut(&item) else { return false };
        let Some(at) = flights.iter().position(|flight| flight.source == source) else { return false };
        flights.remove(at);
        if flights.is_empty() {
            self.flights.remove(&item);
            self.missing.insert(item);
        }
        self.sources[source].flying -= 1;
        true
    }

    /// Hands out items one at a time, to the source that has the fewest, until nobody can take one.
    fn assign(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        loop {
            let mut free: Vec<usize> =
                (0..self.sources.len()).filter(|source| self.is_free(*source, now)).collect();
            free.sort_by_key(|source| self.sources[*source].flying);
            let missing = self.missing.first().copied();
            let ask = free.into_iter().find_map(|source| {
                let item = missing.or_else(|| self.steal(source, now))?;
                Some((source, item))
            });
            let Some((source, item)) = ask else { return };
            self.missing.remove(&item);
            self.flights.entry(item).or_default().push(Flight { source, since: now });
            self.sources[source].flying += 1;
            effects.push(Effect::Ask { source, item });
        }
    }

    fn is_free(&self, source: usize, now: Instant) -> bool {
        let standing = &self.sources[source];
        let at_work = self.sources.iter().filter(|source| source.flying > 0).count();
        !standing.dropped
            && standing.paused_until.is_none_or(|until| until <= now)
            && standing.flying < self.limits.asks_per_source_max
            && (standing.flying > 0 || at_work < self.limits.sources_max)
    }

    /// What flies longest from one other source, and for long enough.
    fn steal(&self, source: usize, now: Instant) -> Option<u32> {
        let old = self.flights.iter().filter(|(_, flights)| {
            flights.len() == 1
                && flights[0].source != source
                && flights[0].since + self.limits.steal_after <= now
        });
        old.min_by_key(|(_, flights)| flights[0].since).map(|(item, _)| *item)
    }
}

#[cfg(test)]
mod tests;
