//! When one path is dialled: the tries in a row, the pause before the next one, and the smallest gap between two.
//! A part of [`super::Path`]; it knows nothing of links.

use std::time::{Duration, Instant};

/// The dials of one path.
#[derive(Clone, Debug, Default)]
pub(super) struct Dialler {
    /// Tries in a row that led to no link, or to one that did not last.
    pub(super) failures: u32,
    /// When the dial that was ordered begins; `None` when none is.
    begins_at: Option<Instant>,
    begun_last: Option<Instant>,
}

impl Dialler {
    /// Whether a dial waits or is under way.
    pub(super) fn is_ordered(&self) -> bool {
        self.begins_at.is_some()
    }

    /// Whether a dial has begun and its end is not known.
    pub(super) fn is_under_way(&self, now: Instant) -> bool {
        self.begins_at.is_some_and(|at| at <= now)
    }

    /// When the dial begins or began.
    pub(super) fn begins_at(&self) -> Option<Instant> {
        self.begins_at
    }

    /// Orders a dial after `pause`, `gap` behind the one before; `None` when one is ordered that begins no later.
    pub(super) fn order(&mut self, pause: Duration, gap: Duration, now: Instant) -> Option<Duration> {
        let earliest = self.begun_last.map_or(now, |last| last + gap);
        let begins_at = (now + pause).max(earliest);
        if self.begins_at.is_some_and(|ordered| ordered <= begins_at) {
            return None;
        }
        self.begins_at = Some(begins_at);
        Some(begins_at.saturating_duration_since(now))
    }

    /// The dial ended, or is not wanted any more; whether there was one.
    pub(super) fn clear(&mut self, now: Instant) -> bool {
        let Some(begins_at) = self.begins_at.take() else { return false };
        if begins_at <= now {
            self.begun_last = Some(begins_at);
        }
        true
    }
}

/// `base` doubled for each failure after the first, at most `max`, and up to a quarter more by `jitter` in 0..1, so that
/// members which lost the same gateway do not come back together.
pub(super) fn backoff(base: Duration, max: Duration, failures: u32, jitter: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    let pause = base.saturating_mul(1 << doublings).min(max);
    pause.mul_f64(1.0 + 0.25 * jitter.clamp(0.0, 1.0))
}
