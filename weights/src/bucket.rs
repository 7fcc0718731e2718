//! How fast bytes may leave: a token bucket, pure. The giver asks it before each chunk.

use std::time::{Duration, Instant};

/// How long a full bucket lasts. Longer makes bursts that turns feel, shorter makes timers that cost.
const BURST: Duration = Duration::from_millis(100);
/// Longest pause before the rate is looked at again: so soon a machine that gets busy gives less.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Bytes that may leave now, and when that was computed.
#[derive(Debug)]
pub(crate) struct Bucket {
    bytes: f64,
    at: Instant,
}

impl Bucket {
    /// An empty one.
    pub(crate) fn new(now: Instant) -> Self {
        Self { bytes: 0.0, at: now }
    }

    /// Takes `bytes` at `rate` bytes per second, or says after which pause to ask again. A rate of 0 is none.
    pub(crate) fn take(&mut self, bytes: u64, rate: u64, now: Instant) -> Result<(), Duration> {
        let elapsed = now.saturating_duration_since(self.at);
        self.at = now;
        if rate == 0 {
            self.bytes = 0.0;
            return Ok(());
        }
        let rate = rate as f64;
        let wanted = bytes as f64;
        let most = wanted.max(rate * BURST.as_secs_f64());
        self.bytes = (self.bytes + rate * elapsed.as_secs_f64()).min(most);
        if self.bytes >= wanted {
            self.bytes -= wanted;
            return Ok(());
        }
        let pause = Duration::from_secs_f64(((wanted - self.bytes) / rate).min(PAUSE_MAX.as_secs_f64()));
        // Timers count milliseconds; a shorter pause would spin.
        Err(pause.max(Duration::from_millis(1)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_more_leaves_than_rate_and_burst_allow(
            rate in 65_536u64..1 << 34,
            chunks in prop::collection::vec(1u64..65_536, 1..200),
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut bucket = Bucket::new(start);
            let mut sent = 0;
            for chunk in chunks {
                while let Err(pause) = bucket.take(chunk, rate, now) {
                    prop_assert!(pause <= PAUSE_MAX);
                    now += pause;
                }
                sent += chunk;
            }
            let allowed = rate as f64 * ((now - start) + BURST).as_secs_f64() + 65_536.0;
            prop_assert!(sent as f64 <= allowed, "{} > {}", sent, allowed);
        }
    }

    #[test]
    fn a_new_rate_counts_at_once() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        assert_eq!(bucket.take(1 << 30, 0, start), Ok(()));
        assert!(bucket.take(1 << 20, 1 << 20, start).is_err());
        assert_eq!(bucket.take(1 << 20, 0, start), Ok(()));
    }
}
