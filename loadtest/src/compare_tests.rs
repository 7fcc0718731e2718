//! Comparisons of sides whose difference is known.

use super::*;
use crate::figures::samples;
use crate::random::Purpose;
use crate::report::Server;

fn settings(rounds: u32) -> CompareSettings {
    CompareSettings { rounds, seed: 1, fail_if: Some(0.05) }
}

/// Rounds of windows whose time to the first token and requests per second are A's times these factors.
fn compared(rounds: u32, first_token: f64, per_second: f64) -> ComparisonReport {
    let mut compare = Compare::new(settings(rounds)).unwrap();
    let mut noise = Random::new(4, Purpose::Lengths);
    while let Some((side, round)) = compare.next() {
        // The machine gets slower over the run: both sides meet it.
        let drift = 1.0 + f64::from(round) / f64::from(rounds);
        let factor = |of: f64| if side == Side::B { of } else { 1.0 };
        let mut report = samples::report(None);
        let first = 100.0 * drift * factor(first_token) * (1.0 + 0.01 * noise.normal());
        report.from_intended.first_token.p50 = first;
        report.totals.requests_per_second = 50.0 * factor(per_second) * (1.0 + 0.01 * noise.normal());
        compare.done(&report);
    }
    compare.result()
}

fn figure<'a>(report: &'a ComparisonReport, name: &str) -> &'a Compared {
    report.figures.iter().find(|figure| figure.name == name).unwrap()
}

#[test]
fn windows_come_in_turn() {
    let mut compare = Compare::new(settings(4)).unwrap();
    let mut order = Vec::new();
    while let Some(next) = compare.next() {
        order.push(next);
        compare.done(&samples::report(None));
    }
    assert_eq!(order[..4], [(Side::A, 0), (Side::B, 0), (Side::A, 1), (Side::B, 1)]);
    assert_eq!(order.len(), 8);
    compare.done(&samples::report(None));
    assert_eq!(compare.result().rounds, 4);
}

#[test]
fn equal_sides_do_not_differ() {
    let report = compared(10, 1.0, 1.0);
    assert!(report.figures.iter().all(|figure| figure.difference == Difference::None));
    assert_eq!((report.is_failed, exit_code(&report)), (false, 0));
    let ratio = figure(&report, "first token p50").of_medians.unwrap();
    assert!(ratio.low <= 1.0 && 1.0 <= ratio.high && (ratio.value - 1.0).abs() < 0.05, "{ratio:?}");
}

#[test]
fn a_difference_has_its_direction_and_fails_past_the_bound() {
    for (first_token, per_second, by_first_token, by_requests, is_failed) in [
        (4.0, 1.0, Difference::Worse, Difference::None, true),
        (0.25, 1.0, Difference::Better, Difference::None, false),
        (1.0, 0.5, Difference::None, Difference::Worse, true),
        (1.0, 2.0, Difference::None, Difference::Better, false),
        (1.0, 0.97, Difference::None, Difference::Worse, false),
    ] {
        let report = compared(10, first_token, per_second);
        let seen = [figure(&report, "first token p50"), figure(&report, "requests")];
        assert_eq!(seen.map(|figure| figure.difference), [by_first_token, by_requests], "{seen:?}");
        assert_eq!(report.is_failed, is_failed, "{first_token} {per_second}");
        assert_eq!(exit_code(&report), u8::from(is_failed));
        let ratio = seen[0].of_medians.unwrap();
        assert!(ratio.low <= ratio.value && ratio.value <= ratio.high, "{ratio:?}");
        assert!((ratio.value / first_token - 1.0).abs() < 0.06, "{ratio:?}");
    }
}

#[test]
fn errors_where_there_were_none_are_worse_than_any_bound() {
    let mut compare = Compare::new(settings(4)).unwrap();
    while let Some((side, _)) = compare.next() {
        let mut report = samples::report(None);
        report.totals.failed = if side == Side::B { 3 } else { 0 };
        compare.done(&report);
    }
    let report = compare.result();
    let errors = figure(&report, "error share");
    assert_eq!((errors.of_medians, errors.difference, errors.is_failed), (None, Difference::Worse, true));
}

#[test]
fn a_figure_that_a_window_lacks_is_left_out() {
    let mut compare = Compare::new(settings(4)).unwrap();
    while let Some((side, _)) = compare.next() {
        let mut report = samples::report(None);
        let cpu = Server { cpu_us_per_token: Some(20.0), ..Server::default() };
        report.server = (side == Side::A).then_some(cpu);
        compare.done(&report);
    }
    let names: Vec<String> = compare.result().figures.into_iter().map(|figure| figure.name).collect();
    assert!(!names.contains(&"cpu per token".to_owned()) && names.contains(&"first token p99".to_owned()));
}

#[test]
fn a_window_that_cannot_be_believed_makes_the_comparison_so() {
    let mut compare = Compare::new(settings(4)).unwrap();
    let mut report = samples::report(None);
    compare.done(&report);
    report.verdict.invalid = vec!["the generator lagged".to_owned()];
    compare.done(&report);
    let result = compare.result();
    assert_eq!(result.invalid, ["B, round 1: the generator lagged"]);
    assert_eq!((result.rounds, exit_code(&result)), (1, 2));
}

#[test]
fn settings_that_cannot_be_compared_are_named() {
    for rounds in [0, 3, 1_001] {
        let message = format!("{rounds} rounds; take from 4 to 1000, fewer cannot tell two sides apart");
        assert_eq!(Compare::new(settings(rounds)).unwrap_err().to_string(), message);
    }
    let negative = CompareSettings { fail_if: Some(-0.1), ..settings(5) };
    assert_eq!(Compare::new(negative).unwrap_err().to_string(), "bound -0.1 is not a share from 0 to 10");
    assert!(Compare::new(settings(4)).unwrap().result().figures.is_empty());
}
