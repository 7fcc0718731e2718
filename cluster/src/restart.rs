//! When a failed child is started again: exponential backoff with jitter, a limit per window, then giving up
//! visibly. One policy for every supervisor; asked by each of them on a child's failure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The numbers of a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct RestartPolicy {
    /// Whether failed children are restarted at all.
    pub enabled: bool,
    /// Restarts within `window` before giving up.
    pub max_attempts: u32,
    /// Pause before the first restart of a window.
    pub base: Duration,
    /// Factor from one pause to the next, at least 1.
    pub multiplier: f64,
    /// Longest pause, jitter not counted.
    pub max: Duration,
    /// Time over which restarts are counted.
    pub window: Duration,
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Start it again after this pause.
    RestartAfter(Duration),
    /// Leave it down and say so.
    GiveUp,
}

/// The restarts of one child.
#[derive(Clone, Debug)]
pub struct Restarts {
    policy: RestartPolicy,
    recent: VecDeque<Instant>,
    total: u64,
}

impl Restarts {
    /// A child that has not failed yet.
    pub fn new(policy: RestartPolicy) -> Self {
        Self { policy, recent: VecDeque::new(), total: 0 }
    }

    /// Restarts decided so far.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The child failed. `jitter` in 0..1 spreads pauses over a quarter of their length, so that children that
    /// failed together do not come back together.
    pub fn on_failure(&mut self, now: Instant, jitter: f64) -> Decision {
        while self.recent.front().is_some_and(|at| now.saturating_duration_since(*at) > self.policy.window) {
            self.recent.pop_front();
        }
        let earlier = self.recent.len() as u32;
        if !self.policy.enabled || earlier >= self.policy.max_attempts {
            return Decision::GiveUp;
        }
        self.recent.push_back(now);
        self.total += 1;
        let factor = self.policy.multiplier.powi(earlier.min(64) as i32);
        let pause = (self.policy.base.as_secs_f64() * factor).min(self.policy.max.as_secs_f64());
        Decision::RestartAfter(Duration::from_secs_f64(pause * (1.0 + 0.25 * jitter.clamp(0.0, 1.0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RestartPolicy {
        RestartPolicy {
            enabled: true,
            max_attempts: 3,
            base: Duration::from_millis(100),
            multiplier: 2.0,
            max: Duration::from_millis(300),
            window: Duration::from_secs(10),
        }
    }

    #[test]
    fn pauses_grow_up_to_the_longest_and_then_it_gives_up() {
        let now = Instant::now();
        let mut restarts = Restarts::new(policy());
        let decisions: Vec<_> = (0..4).map(|_| restarts.on_failure(now, 0.0)).collect();
        let after = |ms| Decision::RestartAfter(Duration::from_millis(ms));
        assert_eq!(decisions, [after(100), after(200), after(300), Decision::GiveUp]);
        assert_eq!(restarts.total(), 3);
    }

    #[test]
    fn failures_older_than_the_window_are_forgiven() {
        let start = Instant::now();
        let mut restarts = Restarts::new(policy());
        for _ in 0..3 {
            restarts.on_failure(start, 0.0);
        }
        let later = start + Duration::from_secs(11);
        assert_eq!(restarts.on_failure(later, 0.0), Decision::RestartAfter(Duration::from_millis(100)));
    }

    #[test]
    fn jitter_lengthens_a_pause_by_at_most_a_quarter() {
        let mut restarts = Restarts::new(policy());
        assert_eq!(
            restarts.on_failure(Instant::now(), 1.0),
            Decision::RestartAfter(Duration::from_millis(125))
        );
    }

    #[test]
    fn a_disabled_policy_never_restarts() {
        let mut restarts = Restarts::new(RestartPolicy { enabled: false, ..policy() });
        assert_eq!(restarts.on_failure(Instant::now(), 0.0), Decision::GiveUp);
    }
}
