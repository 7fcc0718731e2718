//! How long to wait before the next try: twice as long each time, up to a limit, and never exactly as long as others
//! who lost the same gateway.

use std::time::Duration;

/// A gateway that starts again is back within a second or two; nobody should notice a short loss.
const FIRST: Duration = Duration::from_millis(200);
/// A gateway that is gone for hours is still found within seconds of its return.
const LAST: Duration = Duration::from_secs(5);

/// Tries in a row that failed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    failed: u32,
}

impl Backoff {
    /// The wait before the next try, 100 ms to 5 s.
    pub(crate) fn next(&mut self) -> Duration {
        // Without random numbers everybody waits equally long, which is worse and still right.
        let drawn = getrandom::u32().unwrap_or(u32::MAX / 2);
        self.after(f64::from(drawn) / f64::from(u32::MAX))
    }

    /// Failures in a row so far.
    pub(crate) fn failed(self) -> u32 {
        self.failed
    }

    /// As [`Backoff::next`] with the random part from 0 to 1 given.
    fn after(&mut self, part: f64) -> Duration {
        let full = FIRST.saturating_mul(1 << self.failed.min(16)).min(LAST);
        self.failed = self.failed.saturating_add(1);
        full.mul_f64(0.5 + part / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit() {
        let waits = |part| {
            let mut backoff = Backoff::default();
            std::iter::repeat_with(move || backoff.after(part).as_millis()).take(7).collect::<Vec<_>>()
        };
        assert_eq!(waits(1.0), [200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(waits(0.0), [100, 200, 400, 800, 1600, 2500, 2500]);
    }

    #[test]
    fn no_number_of_failures_overflows() {
        let mut backoff = Backoff { failed: u32::MAX };
        assert!((FIRST / 2..=LAST).contains(&backoff.next()));
        assert_eq!(backoff.failed(), u32::MAX);
    }
}
