//! When a file is asked for again after a failure, and when it is given up. Pure: what comes in is failures and
//! pieces, what comes out is pauses.

use std::collections::BTreeMap;
use std::time::Duration;

/// Limits of trying again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryLimits {
    /// Failures of one file in a row, without a byte that counted in between.
    pub failures_max: u32,
    /// Pause after the first failure; it doubles with each.
    pub pause_base: Duration,
    /// Longest pause that we choose.
    pub pause_max: Duration,
    /// Longest pause that a hub may choose by `Retry-After`.
    pub told_pause_max: Duration,
}

/// Failures in a row, by file.
#[derive(Debug, Default)]
pub(super) struct Retries {
    failures: BTreeMap<usize, u32>,
}

impl Retries {
    /// Something of this file was taken.
    pub(super) fn on_success(&mut self, file: usize) {
        self.failures.remove(&file);
    }

    /// The pause before the next try, or `None` when there is none. `told` is what the hub asked for.
    pub(super) fn on_failure(
        &mut self,
        file: usize,
        told: Option<Duration>,
        limits: &RetryLimits,
    ) -> Option<Duration> {
        let failures = self.failures.entry(file).or_default();
        *failures += 1;
        if *failures >= limits.failures_max {
            return None;
        }
        let doubled = limits.pause_base.saturating_mul(1 << (*failures - 1).min(20));
        let own = doubled.min(limits.pause_max);
        Some(told.map_or(own, |told| told.min(limits.told_pause_max).max(own)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RetryLimits = RetryLimits {
        failures_max: 4,
        pause_base: Duration::from_secs(1),
        pause_max: Duration::from_secs(3),
        told_pause_max: Duration::from_secs(60),
    };

    #[test]
    fn pauses_grow_and_end() {
        let mut retries = Retries::default();
        let seconds: Vec<_> =
            (0..4).map(|_| retries.on_failure(0, None, &LIMITS).map(|p| p.as_secs())).collect();
        assert_eq!(seconds, [Some(1), Some(2), Some(3), None]);
        assert_eq!(retries.on_failure(1, None, &LIMITS), Some(Duration::from_secs(1)), "another file");
    }

    #[test]
    fn a_byte_that_counts_makes_up_for_all_failures() {
        let mut retries = Retries::default();
        for _ in 0..10 {
            assert!(retries.on_failure(0, None, &LIMITS).is_some());
            retries.on_success(0);
        }
    }

    #[test]
    fn the_hub_may_ask_for_a_longer_pause_up_to_a_limit() {
        let mut retries = Retries::default();
        let told = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(retries.on_failure(0, told(20), &LIMITS), told(20));
        assert_eq!(retries.on_failure(0, told(0), &LIMITS), told(2));
        assert_eq!(retries.on_failure(0, told(9_999), &LIMITS), told(60));
    }
}
