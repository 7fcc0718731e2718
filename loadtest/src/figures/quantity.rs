//! Values of one quantity in an HDR histogram with three digits, from 1 µs to 1 h, and what is read from it. Public, so
//! that live views count in the same way and histograms of several generators can be merged.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::report::Summary;

/// The largest value that percentiles tell apart, in microseconds; larger ones count as this. `max` and `mean` are exact.
pub const HOUR_US: u64 = 3_600_000_000;
/// Digits of the histogram: an error of at most one in a thousand.
const DIGITS: u8 = 3;
/// Points of a curve between a percentile and the one half as far from 100.
const POINTS_PER_HALF: i32 = 4;
/// Points of a curve at most.
const POINTS_MAX: i32 = 100;

/// Values of one quantity, in microseconds.
#[derive(Clone, Debug)]
pub struct Quantity {
    histogram: Histogram<u64>,
    sum_us: u128,
    max_us: u64,
}

impl Default for Quantity {
    fn default() -> Self {
        Self::new()
    }
}

impl Quantity {
    /// Without values. It grows with the largest value, to 190 KB at an hour.
    pub fn new() -> Self {
        let histogram = Histogram::new(DIGITS).expect("invariant: three digits are allowed");
        Self { histogram, sum_us: 0, max_us: 0 }
    }

    /// One more value, in microseconds.
    pub fn add(&mut self, us: u64) {
        let counted = us.clamp(1, HOUR_US);
        self.histogram.record(counted).expect("invariant: the histogram grows up to an hour");
        self.sum_us += u128::from(us);
        self.max_us = self.max_us.max(us);
    }

    /// One more span of time.
    pub fn add_span(&mut self, span: Duration) {
        self.add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
    }

    /// All values of another.
    pub fn merge(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("invariant: the histogram grows up to an hour");
        self.sum_us += other.sum_us;
        self.max_us = self.max_us.max(other.max_us);
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The value that this share of values, 0 to 1, does not exceed, in milliseconds; 0 without values.
    pub fn at_ms(&self, share: f64) -> f64 {
        if self.count() == 0 {
            return 0.0;
        }
        // The histogram answers with the end of a bucket, which may lie above everything that was seen.
        self.histogram.value_at_quantile(share).min(self.max_us) as f64 / 1e3
    }

    /// p50, p95 and p99 in milliseconds; `None` without values.
    pub fn three_ms(&self) -> Option<[f64; 3]> {
        (self.count() > 0).then(|| [self.at_ms(0.5), self.at_ms(0.95), self.at_ms(0.99)])
    }

    /// Everything that a report says of it.
    pub fn summary(&self) -> Summary {
        let count = self.count();
        if count == 0 {
            return Summary::default();
        }
        Summary {
            count,
            mean: self.sum_us as f64 / count as f64 / 1e3,
            p50: self.at_ms(0.5),
            p90: self.at_ms(0.9),
            p95: self.at_ms(0.95),
            p99: self.at_ms(0.99),
            p999: self.at_ms(0.999),
            max: self.max_us as f64 / 1e3,
            curve: self.curve(),
        }
    }

    /// Percentiles ever nearer to 100, as far as there are values to tell them apart.
    fn curve(&self) -> Vec<(f64, f64)> {
        let mut curve = Vec::new();
        for point in 0..POINTS_MAX {
            let beyond = libm::exp2(-f64::from(point) / f64::from(POINTS_PER_HALF));
            if beyond * (self.count() as f64) < 1.0 {
                break;
            }
            curve.push(((1.0 - beyond) * 100.0, self.at_ms(1.0 - beyond)));
        }
        curve.push((100.0, self.max_us as f64 / 1e3));
        curve
    }
}

#[cfg(test)]
#[path = "quantity_tests.rs"]
mod tests;
