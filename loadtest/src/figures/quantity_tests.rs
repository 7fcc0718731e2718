//! Percentiles against a sorted list, and merging.

use proptest::prelude::*;

use super::*;

fn quantity(values: &[u64]) -> Quantity {
    let mut quantity = Quantity::new();
    values.iter().for_each(|value| quantity.add(*value));
    quantity
}

/// The smallest value that at least this share of values does not exceed.
fn naive_ms(sorted: &[u64], share: f64) -> f64 {
    let rank = ((share * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len());
    sorted[rank - 1] as f64 / 1e3
}

fn values() -> impl Strategy<Value = Vec<u64>> {
    let value = prop_oneof![0..2_000u64, 0..5_000_000u64, 0..HOUR_US];
    prop::collection::vec(value, 1..400)
}

proptest! {
    #[test]
    fn percentiles_are_those_of_a_sorted_list_to_three_digits(values in values()) {
        let summary = quantity(&values).summary();
        let mut sorted = values.clone();
        sorted.sort_unstable();
        let pairs = [
            (summary.p50, 0.5), (summary.p90, 0.9), (summary.p95, 0.95), (summary.p99, 0.99), (summary.p999, 0.999),
        ];
        for (seen, share) in pairs {
            let naive = naive_ms(&sorted, share);
            prop_assert!((seen - naive).abs() <= naive * 1e-3 + 1e-3, "p{share}: {seen} for {naive}");
        }
        prop_assert_eq!(summary.max, naive_ms(&sorted, 1.0));
        let mean = values.iter().map(|value| *value as f64).sum::<f64>() / values.len() as f64 / 1e3;
        prop_assert!((summary.mean - mean).abs() <= mean * 1e-9);
        prop_assert_eq!(summary.count, values.len() as u64);
        prop_assert!(summary.curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{:?}", summary.curve);
        prop_assert_eq!(summary.curve.last(), Some(&(100.0, summary.max)));
    }

    #[test]
    fn merging_is_counting_together(a in values(), b in values()) {
        let mut merged = quantity(&a);
        merged.merge(&quantity(&b));
        let together: Vec<u64> = a.into_iter().chain(b).collect();
        prop_assert_eq!(merged.summary(), quantity(&together).summary());
    }
}

#[test]
fn nothing_is_all_zero_and_extremes_are_kept() {
    assert_eq!(Quantity::new().summary(), Summary::default());
    assert_eq!(Quantity::new().three_ms(), None);
    let mut extremes = quantity(&[0, u64::MAX]);
    extremes.add_span(Duration::MAX);
    let summary = extremes.summary();
    assert_eq!((summary.count, summary.max), (3, u64::MAX as f64 / 1e3));
    assert!((summary.p50 - HOUR_US as f64 / 1e3).abs() <= HOUR_US as f64 / 1e6);
    assert_eq!(quantity(&[0]).summary().p50, 0.0);
}
