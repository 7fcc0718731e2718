//! What can be seen of a run while it goes on: a few counters that every request touches and a screen reads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::record::Outcome;

/// Upper bounds of the buckets of [`Live`]'s times, in powers of two of 100 µs: the last one is near an hour.
const BUCKETS: usize = 26;

/// Counters of a run that goes on. Cheap to touch; each alone is exact, together they may be a request apart.
#[derive(Debug, Default)]
pub struct Live {
    began: AtomicU64,
    finished: AtomicU64,
    cancelled: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    tokens: AtomicU64,
    in_flight_max: AtomicU64,
    /// Times to the first token, by power of two.
    first_tokens: [AtomicU64; BUCKETS],
}

/// What [`Live`] said at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Requests that were taken up.
    pub began: u64,
    /// Requests that ended as they should.
    pub finished: u64,
    /// Requests that the client left.
    pub cancelled: u64,
    /// Requests that failed or broke.
    pub failed: u64,
    /// Requests that never left since too many ran.
    pub dropped: u64,
    /// Tokens.
    pub tokens: u64,
    /// Requests that run.
    pub in_flight: u64,
    /// Most that ran at once.
    pub in_flight_max: u64,
    /// Times to the first token, by power of two of 100 µs.
    pub first_tokens: [u64; BUCKETS],
}

impl Live {
    /// What it says now.
    pub fn seen(&self) -> Seen {
        let [began, finished, cancelled, failed] =
            [&self.began, &self.finished, &self.cancelled, &self.failed].map(|count| count.load(Relaxed));
        Seen {
            began,
            finished,
            cancelled,
            failed,
            dropped: self.dropped.load(Relaxed),
            tokens: self.tokens.load(Relaxed),
            in_flight: began.saturating_sub(finished + cancelled + failed),
            in_flight_max: self.in_flight_max.load(Relaxed),
            first_tokens: std::array::from_fn(|bucket| self.first_tokens[bucket].load(Relaxed)),
        }
    }

    pub(super) fn began(&self) {
        self.began.fetch_add(1, Relaxed);
        self.in_flight_max.fetch_max(self.seen_in_flight(), Relaxed);
    }

    fn seen_in_flight(&self) -> u64 {
        let ended = self.finished.load(Relaxed) + self.cancelled.load(Relaxed) + self.failed.load(Relaxed);
        self.began.load(Relaxed).saturating_sub(ended)
    }

    pub(super) fn dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    pub(super) fn tokens(&self, count: u32) {
        self.tokens.fetch_add(u64::from(count), Relaxed);
    }

    pub(super) fn first_token(&self, after: Duration) {
        let tenths = (after.as_micros() / 100) as u64;
        let bucket = (u64::BITS - tenths.leading_zeros()) as usize;
        self.first_tokens[bucket.min(BUCKETS - 1)].fetch_add(1, Relaxed);
    }

    pub(super) fn ended(&self, outcome: &Outcome) {
        let count = match outcome {
            Outcome::Finished(_) => &self.finished,
            Outcome::Cancelled => &self.cancelled,
            Outcome::Failed(_) | Outcome::Broken(_) => &self.failed,
        };
        count.fetch_add(1, Relaxed);
    }
}

impl Seen {
    /// Time that this share of the first tokens, of those that came since `before`, took at most; by powers of two, so up to
    /// twice too long. `None` when none came.
    pub fn first_token(&self, before: &Seen, share: f64) -> Option<Duration> {
        let counts =
            self.first_tokens.iter().zip(before.first_tokens).map(|(now, then)| now.saturating_sub(then));
        let counts: Vec<u64> = counts.collect();
        let wanted = counts.iter().sum::<u64>() as f64 * share;
        let mut below = 0;
        let bucket = counts.iter().position(|count| {
            below += count;
            *count > 0 && below as f64 >= wanted
        })?;
        Some(Duration::from_micros(100 << bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_most_first_tokens_is_known_within_a_factor_of_two() {
        let live = Live::default();
        assert_eq!(live.seen().first_token(&Seen::default(), 0.5), None);
        for ms in [3, 3, 3, 90] {
            live.first_token(Duration::from_millis(ms));
        }
        let seen = live.seen();
        assert_eq!(seen.first_token(&Seen::default(), 0.5), Some(Duration::from_micros(3200)));
        assert_eq!(seen.first_token(&Seen::default(), 0.95), Some(Duration::from_micros(102_400)));
        assert_eq!(seen.first_token(&seen, 0.5), None);
    }

    #[test]
    fn what_began_and_did_not_end_is_in_flight() {
        let live = Live::default();
        (0..3).for_each(|_| live.began());
        live.ended(&Outcome::Cancelled);
        live.ended(&Outcome::Broken("reset".to_owned()));
        live.began();
        let seen = live.seen();
        assert_eq!((seen.in_flight, seen.in_flight_max, seen.cancelled, seen.failed), (2, 3, 1, 1));
    }
}
