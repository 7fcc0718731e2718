//! Durations as a histogram, and the few figures of it that travel.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Nanoseconds that a histogram can hold; longer ones count as this.
const LONGEST_NS: u64 = 120_000_000_000;

/// Percentiles in microseconds, to three digits; 0 without a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Samples.
    pub count: u64,
    /// The middle.
    pub p50_us: f64,
    /// Slower are 1 of 100.
    pub p99_us: f64,
    /// The slowest.
    pub max_us: f64,
}

/// Samples that are being taken.
#[derive(Debug)]
pub(super) struct Samples {
    histogram: Histogram<u64>,
}

impl Default for Samples {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_NS, 3);
        Self { histogram: histogram.expect("invariant: these bounds and digits are allowed") }
    }
}

impl Samples {
    pub(super) fn add(&mut self, time: Duration) {
        self.histogram.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(LONGEST_NS).max(1));
    }

    pub(super) fn figures(&self) -> Figures {
        let at = |quantile: f64| self.histogram.value_at_quantile(quantile) as f64 / 1e3;
        Figures { count: self.histogram.len(), p50_us: at(0.5), p99_us: at(0.99), max_us: at(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_all_samples() {
        let mut samples = Samples::default();
        assert_eq!(samples.figures(), Figures::default());
        for micros in 1..=1000 {
            samples.add(Duration::from_micros(micros));
        }
        let figures = samples.figures();
        assert_eq!(figures.count, 1000);
        assert!((figures.p50_us - 500.0).abs() < 2.0, "{figures:?}");
        assert!((figures.p99_us - 990.0).abs() < 2.0, "{figures:?}");
        assert!((figures.max_us - 1000.0).abs() < 2.0, "{figures:?}");
    }
}
