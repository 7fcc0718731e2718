//! Tables of what makes a run invalid, outside and within.

use super::*;
use crate::figures::samples;

/// What a case changes.
type Edit<T> = fn(&mut T);

fn judged(slo: Option<&str>, edit: impl Fn(&mut Report)) -> Verdict {
    let slo = slo.map(|slo| Slo::parse(slo).unwrap());
    let mut report = samples::report(slo.as_ref());
    edit(&mut report);
    verdict(&report, slo.as_ref())
}

#[test]
fn a_sound_run_is_within() {
    let seen = judged(None, |_| {});
    assert_eq!(seen, Verdict { is_within: true, ..pending() });
    assert_eq!(exit_code(&seen), EXIT_WITHIN);
}

#[test]
fn a_run_is_invalid_for_each_fault_of_the_generator() {
    let cases: [(Edit<Report>, &str); 5] = [
        (|report| report.generator.lag.p99 = 51.0, "the generator lagged: requests began 51.0 ms late"),
        (|report| report.generator.cpu_share = 0.91, "the generator used 91 % of the machine, at most 90 %"),
        (|report| report.generator.dropped = 3, "3 requests never left"),
        (|report| report.totals.planned += 7, "7 planned requests have no record"),
        (|report| report.totals.sent = 0, "no request left"),
    ];
    for (edit, message) in cases {
        let seen = judged(None, edit);
        assert!(seen.invalid[0].starts_with(message), "{:?}", seen.invalid);
        assert_eq!(exit_code(&seen), EXIT_INVALID);
    }
}

#[test]
fn a_run_without_an_answer_is_outside_without_any_objective() {
    let silent = |report: &mut Report| {
        let totals = &mut report.totals;
        (totals.failed, totals.finished, totals.cancelled) = (totals.sent, 0, 0);
    };
    let seen = judged(None, silent);
    assert_eq!((seen.is_within, exit_code(&seen)), (false, EXIT_OUTSIDE), "{seen:?}");
}

#[test]
fn lag_is_bounded_by_a_share_of_the_latency_between_two_absolute_bounds() {
    for (first_token_ms, bound) in [(2.0, 5.0), (10.0, 5.0), (200.0, 20.0), (90_000.0, 50.0)] {
        let mut report = samples::report(None);
        report.from_intended.first_token.p95 = first_token_ms;
        assert!((lag_bound_ms(&report) - bound).abs() < 1e-9, "{first_token_ms}");
    }
    let mut whole = samples::report(None);
    whole.from_intended.first_token = Summary::default();
    whole.from_intended.end_to_end.p95 = 300.0;
    assert_eq!(lag_bound_ms(&whole).round(), 30.0, "answers in one piece have their end alone");
}

#[test]
fn objectives_are_met_at_their_bound() {
    for (slo, bound, seen, is_met) in [
        ("[ttft_ms]\np95 = 20", 20.0, 20.0, true),
        ("[ttft_ms]\np95 = 19.9", 19.9, 20.0, false),
        ("[itl_ms]\np99 = 10", 10.0, 10.0, true),
        ("[tpot_ms]\np50 = 9", 9.0, 10.0, false),
        ("[e2e_ms]\nmax = 110", 110.0, 110.0, true),
        ("error_share = 0", 0.0, 0.0, true),
        ("goodput_share = 1\n[e2e_ms]\neach = 110", 1.0, 1.0, true),
        ("goodput_share = 0.5\n[e2e_ms]\neach = 100", 0.5, 0.0, false),
        ("rate_min = 50", 50.0, 90.9, true),
        ("rate_min = 100", 100.0, 90.9, false),
    ] {
        let verdict = judged(Some(slo), |_| {});
        let objective = verdict.objectives.last().unwrap();
        assert_eq!((objective.bound, objective.is_met, verdict.is_within), (bound, is_met, is_met), "{slo}");
        assert!((objective.seen - seen).abs() < 0.05, "{slo}: {}", objective.seen);
        assert_eq!(verdict.invalid, Vec::<String>::new(), "{slo}");
        assert_eq!(exit_code(&verdict), if is_met { EXIT_WITHIN } else { EXIT_OUTSIDE });
    }
}

#[test]
fn a_percentile_needs_values_beyond_it() {
    let seen = judged(Some("[ttft_ms]\np95 = 500\np99 = 500\nmax = 500"), |_| {});
    assert_eq!(
        seen.invalid,
        ["ttft p99 needs at least 500 values, there are 100; run longer or at a higher rate"]
    );
    assert_eq!(exit_code(&seen), EXIT_INVALID);
}

#[test]
fn a_latency_that_nothing_had_is_not_kept() {
    let seen =
        judged(Some("[ttft_ms]\nmax = 500"), |report| report.from_intended.first_token = Summary::default());
    assert!(!seen.objectives[0].is_met && !seen.is_within);
}

#[test]
fn tokens_that_are_lost_or_changed_are_outside_without_any_objective() {
    let cases: [(Edit<Integrity>, bool); 8] = [
        (|i| i.missing = 1, false),
        (|i| i.doubled = 1, false),
        (|i| i.misplaced = 1, false),
        (|i| i.extra_ends = 1, false),
        (|i| i.no_end = 1, false),
        (|i| i.changed = 1, false),
        (|i| i.miscounted = 1, false),
        (|i| i.moved = 1, true),
    ];
    for (edit, is_within) in cases {
        let seen = judged(None, |report| edit(&mut report.integrity));
        assert_eq!(seen.is_within, is_within, "{seen:?}");
        assert_eq!(exit_code(&seen), u8::from(!is_within));
    }
}

#[test]
fn the_error_budget_is_what_may_fail() {
    let failing = |count: u64| move |report: &mut Report| report.totals.failed = count;
    assert_eq!(judged(Some("error_share = 0.05"), failing(2)).budget_used, Some(0.4));
    assert_eq!(judged(Some("error_share = 0.05"), failing(10)).budget_used, Some(2.0));
    assert!(!judged(Some("error_share = 0.05"), failing(10)).is_within);
    assert_eq!(judged(Some("error_share = 0"), failing(1)).budget_used, None);
    assert_eq!(judged(Some("rate_min = 1"), failing(1)).budget_used, None);
}
