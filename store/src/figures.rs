//! What the store counts of itself, for whoever shows it: how much was written, and how long commits and syncs took.
//! Plain counters; nothing is decided by them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::{AppendError, StoreError};

/// Upper bounds of the buckets of [`Times`], in microseconds: half a millisecond where the system takes a commit, seconds
/// where a disk is slow.
pub const TIME_BOUNDS_MICROS: [u32; 13] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000,
];
const BUCKETS: usize = TIME_BOUNDS_MICROS.len() + 1;

/// How long something took, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// One count per bucket of [`TIME_BOUNDS_MICROS`], not summed up; the last one is for what took longer.
    pub counts: [u64; BUCKETS],
    /// Microseconds together.
    pub micros: u64,
}

/// What a store has done since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreFigures {
    /// From the hand-over of an append to its answer, successful ones alone.
    pub appends: Times,
    /// Events that were appended.
    pub events: u64,
    /// Lines that were written into the audit.
    pub audit_lines: u64,
    /// Appends that another gateway's epoch, another end of the log or a deletion refused.
    pub refused: u64,
    /// Appends that the database failed to write.
    pub failed: u64,
    /// Group commits that were left with the system.
    pub commits: Times,
    /// Group commits that were synced at once.
    pub synced_commits: Times,
    /// Syncs between commits.
    pub syncs: Times,
}

/// The counters behind [`StoreFigures`].
#[derive(Debug, Default)]
pub(crate) struct Figures {
    appends: Clocked,
    events: AtomicU64,
    audit_lines: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    commits: Clocked,
    synced_commits: Clocked,
    pub(crate) syncs: Clocked,
}

impl Figures {
    /// An append is answered.
    pub(crate) fn on_append(
        &self,
        began: Instant,
        events: u64,
        audit: u64,
        outcome: &Result<(), AppendError>,
    ) {
        match outcome {
            Ok(()) => {
                self.appends.note(began.elapsed());
                count(&self.events, events);
                count(&self.audit_lines, audit);
            }
            Err(AppendError::Store(StoreError::Invalid { .. })) => {}
            Err(AppendError::Store(_)) => count(&self.failed, 1),
            Err(_) => count(&self.refused, 1),
        }
    }

    /// A line of the audit was written by itself.
    pub(crate) fn on_audit(&self) {
        count(&self.audit_lines, 1);
    }

    /// A group was committed.
    pub(crate) fn on_commit(&self, began: Instant, is_synced: bool) {
        let clock = if is_synced { &self.synced_commits } else { &self.commits };
        clock.note(began.elapsed());
    }

    pub(crate) fn read(&self) -> StoreFigures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreFigures {
            appends: self.appends.read(),
            events: read(&self.events),
            audit_lines: read(&self.audit_lines),
            refused: read(&self.refused),
            failed: read(&self.failed),
            commits: self.commits.read(),
            synced_commits: self.synced_commits.read(),
            syncs: self.syncs.read(),
        }
    }
}

fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// The counters behind [`Times`].
#[derive(Debug, Default)]
pub(crate) struct Clocked {
    counts: [AtomicU64; BUCKETS],
    micros: AtomicU64,
}

impl Clocked {
    pub(crate) fn note(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = TIME_BOUNDS_MICROS.partition_point(|bound| u64::from(*bound) < micros);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn read(&self) -> Times {
        let counts = std::array::from_fn(|bucket| self.counts[bucket].load(Ordering::Relaxed));
        Times { counts, micros: self.micros.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_in_the_bucket_that_reaches_it() {
        let clock = Clocked::default();
        for micros in [0, 500, 501, 10_000_000, 10_000_001] {
            clock.note(Duration::from_micros(micros));
        }
        let times = clock.read();
        assert_eq!((times.counts[0], times.counts[1], times.counts[12], times.counts[13]), (2, 1, 1, 1));
        assert_eq!(times.micros, 20_001_002);
    }

    #[test]
    fn appends_are_told_apart_by_what_became_of_them() {
        let figures = Figures::default();
        let began = Instant::now();
        figures.on_append(began, 3, 1, &Ok(()));
        figures.on_append(began, 9, 9, &Err(AppendError::Gone));
        let broken = StoreError::Unavailable { what: "store".into(), message: "gone".into() };
        figures.on_append(began, 9, 9, &Err(broken.into()));
        let read = figures.read();
        assert_eq!((read.events, read.audit_lines, read.refused, read.failed), (3, 1, 1, 1));
        assert_eq!(read.appends.counts.iter().sum::<u64>(), 1);
    }
}
