//! Which levels a sweep tries, when it stops, and where the knee is.

use super::*;
use crate::figures::samples;

/// A run whose slices have these requests in flight and medians of the first token.
fn run(slices: &[(u64, f64)]) -> Report {
    let mut report = samples::report(None);
    let slice = |(position, (in_flight, first_token)): (usize, &(u64, f64))| Slice {
        at_ms: position as f64 * 500.0,
        length_ms: 500.0,
        started: 10,
        in_flight: *in_flight,
        first_token: Some([*first_token; 3]),
        ..Slice::default()
    };
    report.timeline = slices.iter().enumerate().map(slice).collect();
    report
}

/// Twenty slices that rise by these amounts each, with a wobble.
fn rising(in_flight: u64, first_token: f64) -> Report {
    let wobble = |n: u64| n * 7 % 5;
    let slices: Vec<(u64, f64)> = (0..20)
        .map(|n| (20 + wobble(n) + n * in_flight, 50.0 + wobble(n) as f64 + n as f64 * first_token))
        .collect();
    run(&slices)
}

/// A run of this many requests per second and mean time to the end.
fn point(per_second: f64, mean_ms: f64) -> Report {
    let mut report = rising(0, 0.0);
    report.totals.requests_per_second = per_second;
    report.from_intended.end_to_end.mean = mean_ms;
    report
}

fn sweep(levels: &[f64]) -> Sweep {
    Sweep::new(SweepSettings { unit: LevelUnit::PerSecond, levels: levels.to_vec() }).unwrap()
}

#[test]
fn a_load_is_too_much_when_both_rise() {
    for (name, report, is_over) in [
        ("steady", rising(0, 0.0), false),
        ("only in flight", rising(3, 0.0), false),
        ("only the first token", rising(0, 8.0), false),
        ("both", rising(3, 8.0), true),
        ("both, by a trifle", rising(1, 0.3), false),
        ("both, in too few slices", run(&[(1, 1.0), (9, 9.0), (20, 20.0), (30, 30.0)]), false),
        ("nothing", run(&[]), false),
    ] {
        let seen = saturation(&report);
        assert_eq!(seen.is_over, is_over, "{name}: {seen:?}");
    }
}

#[test]
fn the_first_quarter_may_rise_and_the_end_does_not_count() {
    let mut slices = vec![(1, 10.0), (5, 20.0), (10, 30.0), (20, 40.0), (30, 50.0)];
    slices.extend((0..15).map(|n| (31 + n % 3, 50.0 + (n % 2) as f64)));
    let mut filling = run(&slices);
    assert!(!saturation(&filling).is_over);
    // Behind the last start the server empties.
    for n in 0..20 {
        let emptied = Slice { at_ms: 10_000.0 + f64::from(n) * 500.0, in_flight: 0, ..Slice::default() };
        filling.timeline.push(emptied);
    }
    assert_eq!(saturation(&filling), saturation(&run(&slices)));
}

#[test]
fn refusals_are_too_much_as_well() {
    let mut report = rising(0, 0.0);
    report.totals.failed = 5;
    assert!(!saturation(&report).is_over, "5 of 100");
    report.totals.failed = 6;
    assert!(saturation(&report).is_over);
}

#[test]
fn a_sweep_stops_at_the_first_level_that_is_too_much() {
    let mut sweep = sweep(&[1.0, 2.0, 4.0, 8.0]);
    for (level, report) in [(1.0, point(1.0, 100.0)), (2.0, point(2.0, 110.0)), (4.0, rising(3, 8.0))] {
        assert_eq!(sweep.next(), Some(level));
        sweep.done(&report);
    }
    assert_eq!(sweep.next(), None);
    sweep.done(&point(9.0, 1.0));
    let result = sweep.result();
    assert_eq!((result.points.len(), result.ended, result.knee), (3, SweepEnd::OverSaturated, Some(1)));
    assert_eq!(result.asked, Some(samples::asked()));
}

#[test]
fn the_knee_has_the_most_answers_per_time_of_waiting() {
    let mut sweep = sweep(&[1.0, 2.0, 4.0, 6.0]);
    for (per_second, mean_ms) in [(1.0, 100.0), (2.0, 102.0), (4.0, 120.0), (6.0, 400.0)] {
        sweep.done(&point(per_second, mean_ms));
    }
    assert_eq!((sweep.result().knee, sweep.result().ended), (Some(2), SweepEnd::AllRun));
}

#[test]
fn a_sweep_ends_when_the_generator_cannot_follow() {
    let mut sweep = sweep(&[1.0, 2.0, 4.0]);
    let mut few = point(1.0, 100.0);
    few.verdict.invalid = vec!["ttft p99 needs at least 500 values".to_owned()];
    sweep.done(&few);
    assert_eq!(sweep.next(), Some(2.0), "more load has more values");
    let mut lagged = point(2.0, 100.0);
    lagged.generator.lag.p99 = 60.0;
    lagged.verdict.invalid = vec!["the generator lagged".to_owned()];
    sweep.done(&lagged);
    let result = sweep.result();
    assert_eq!((result.ended, result.knee), (SweepEnd::GeneratorLagged, None));
}

#[test]
fn levels_are_round_rising_and_end_at_the_last() {
    let levels = |unit, from, to, factor| SweepSettings::geometric(unit, from, to, factor).unwrap().levels;
    assert_eq!(levels(LevelUnit::PerSecond, 1.0, 10.0, 2.0), [1.0, 2.0, 4.0, 8.0, 10.0]);
    assert_eq!(levels(LevelUnit::PerSecond, 0.1, 0.3, 1.5), [0.1, 0.15, 0.225, 0.3]);
    assert_eq!(levels(LevelUnit::PerSecond, 1234.5, 1234.5, 2.0), [1230.0]);
    assert_eq!(levels(LevelUnit::Clients, 1.0, 5.0, 1.4), [1.0, 2.0, 3.0, 4.0, 5.0]);
    assert!(levels(LevelUnit::PerSecond, 1.0, 1e300, 1.0001).len() <= LEVELS_MAX + 1);
}

#[test]
fn levels_that_cannot_be_tried_are_named() {
    let unit = LevelUnit::PerSecond;
    let new =
        |levels: &[f64]| Sweep::new(SweepSettings { unit, levels: levels.to_vec() }).unwrap_err().to_string();
    assert_eq!(new(&[]), "a sweep has 1 to 100 levels, not 0");
    assert_eq!(new(&[1.0; 101]), "a sweep has 1 to 100 levels, not 101");
    assert_eq!(new(&[2.0, 1.0]), "level 1 of a sweep is not a number above 0 and above the level before it");
    assert!(new(&[0.0]).starts_with("level 0 of a sweep") && new(&[f64::NAN]).starts_with("level NaN"));
    for (from, to, factor) in [(0.0, 1.0, 2.0), (2.0, 1.0, 2.0), (1.0, 2.0, 1.0), (1.0, f64::INFINITY, 2.0)] {
        assert!(SweepSettings::geometric(unit, from, to, factor).is_err());
    }
}
