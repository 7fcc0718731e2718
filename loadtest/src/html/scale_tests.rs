//! What holds on every axis, whatever is drawn on it.

use proptest::prelude::*;

use super::*;

fn labels(scale: &Scale, with_minor: bool) -> Vec<&str> {
    scale.ticks.iter().filter(|tick| with_minor || !tick.is_minor).map(|tick| tick.label.as_str()).collect()
}

#[test]
fn ticks_are_round_and_reach_the_largest_value() {
    assert_eq!(labels(&Scale::from_zero([812.0]), true), ["0", "250", "500", "750", "1,000"]);
    assert_eq!(labels(&Scale::from_zero([0.37]), true), ["0", "0.1", "0.2", "0.3", "0.4"]);
    assert_eq!(labels(&Scale::from_zero([]), true), ["0", "0.25", "0.5", "0.75", "1"]);
    assert_eq!(labels(&Scale::from_zero([46_000.0]), true), ["0", "20 k", "40 k", "60 k"]);
}

#[test]
fn wide_values_are_logarithmic_and_near_ones_are_not() {
    assert!(Scale::fitting([4.0, 6_000.0]).is_logarithmic());
    assert!(!Scale::fitting([40.0, 80.0]).is_logarithmic());
    assert_eq!(labels(&Scale::fitting([42.0, 6_000.0]), true), ["100", "1,000", "10 k"]);
}

#[test]
fn few_times_are_always_shown_and_more_where_there_is_room() {
    let minute = Scale::for_time(60_000.0);
    assert_eq!(labels(&minute, false), ["0", "30 s", "1:00"]);
    assert_eq!(labels(&minute, true), ["0", "10 s", "20 s", "30 s", "40 s", "50 s", "1:00"]);
    assert_eq!(labels(&Scale::for_time(1_800_000.0), false), ["0", "10:00", "20:00", "30:00"]);
    assert_eq!(labels(&Scale::for_time(0.0), false), ["0", "0.001 s"]);
}

#[test]
fn percentiles_go_as_far_as_the_count_tells() {
    assert_eq!(labels(&Scale::for_percentiles(1_000), false), ["90 %", "99 %", "99.9 %"]);
    assert_eq!(labels(&Scale::for_percentiles(0), false), ["90 %"]);
    assert!((Scale::for_percentiles(1_000).place(99.0) - 2.0 / 3.0).abs() < 1e-9);
}

proptest! {
    #[test]
    fn every_value_has_a_place(values in prop::collection::vec(any::<f64>(), 0..20), asked in any::<f64>()) {
        let first = values.first().copied().unwrap_or(0.0);
        let scales = [
            Scale::from_zero(values.clone()),
            Scale::fitting(values.clone()),
            Scale::for_time(first),
            Scale::for_percentiles(first.abs() as u64),
        ];
        for scale in scales {
            let place = scale.place(asked);
            prop_assert!((0.0..=1.0).contains(&place), "{asked} lies at {place} of {scale:?}");
            prop_assert!(scale.ticks.len() <= 24, "{} ticks", scale.ticks.len());
            prop_assert!(scale.ticks.iter().all(|tick| (-1e-6..=1.000_001).contains(&tick.at)), "{scale:?}");
            prop_assert!(scale.ticks.windows(2).all(|pair| pair[0].at < pair[1].at), "{scale:?}");
        }
    }
}
