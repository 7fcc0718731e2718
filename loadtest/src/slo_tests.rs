//! What objectives are read from, what they are refused for, and which single requests meet them.

use super::*;

#[test]
fn a_file_is_read() {
    let slo = Slo::parse(
        "error_share = 0\ngoodput_share = 0.95\nrate_min = 18\n[ttft_ms]\np95 = 500\np99 = 1000.5\n[e2e_ms]\neach = 15000\nmax = 20000\n",
    )
    .unwrap();
    assert_eq!((slo.error_share, slo.goodput_share, slo.rate_min), (Some(0.0), Some(0.95), Some(18.0)));
    let ttft = Bounds {
        measure: Measure::FirstToken,
        percentiles: vec![(Percentile::P95, 500.0), (Percentile::P99, 1000.5)],
        each: None,
    };
    let e2e = Bounds {
        measure: Measure::EndToEnd,
        percentiles: vec![(Percentile::Max, 20_000.0)],
        each: Some(15_000.0),
    };
    assert_eq!(slo.bounds, [ttft, e2e]);
}

#[test]
fn a_wrong_file_is_named_with_its_key() {
    for (text, message) in [
        (
            "",
            "the objectives are empty; set one of ttft_ms, itl_ms, tpot_ms, e2e_ms, error_share, goodput_share, rate_min",
        ),
        ("a = ", "the objectives are not TOML: "),
        (
            "ttft = 5",
            "key `ttft` of the objectives is unknown; known: ttft_ms, itl_ms, tpot_ms, e2e_ms, error_share",
        ),
        ("ttft_ms = 5", "key `ttft_ms` of the objectives is 5, not a table like"),
        ("[ttft_ms]", "key `ttft_ms` of the objectives is {}, not a table with at least one of"),
        (
            "[itl_ms]\np98 = 5",
            "key `itl_ms.p98` of the objectives is unknown; known: p50, p90, p95, p99, p999, max, each",
        ),
        (
            "[itl_ms]\np99 = \"5\"",
            "key `itl_ms.p99` of the objectives is \"5\", not milliseconds, at least 0",
        ),
        ("[itl_ms]\neach = -1", "key `itl_ms.each` of the objectives is -1, not milliseconds"),
        ("error_share = 5", "key `error_share` of the objectives is 5, not a share from 0 to 1"),
        ("rate_min = nan", "key `rate_min` of the objectives is nan, not requests per second"),
    ] {
        let error = Slo::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    assert_eq!(Slo::parse(&"#".repeat(SLO_BYTES_MAX + 1)), Err(SloError::TooLong(SLO_BYTES_MAX + 1)));
}

#[test]
fn a_request_meets_the_loosest_bound_or_its_own() {
    let first_token = |ms| Single { first_token: Some(ms), ..Single::default() };
    let loose = Slo::parse("[ttft_ms]\np50 = 100\np99 = 300").unwrap();
    assert!(loose.is_met_by(&first_token(300.0)) && !loose.is_met_by(&first_token(300.1)));
    let each = Slo::parse("[ttft_ms]\np99 = 300\neach = 200").unwrap();
    assert!(each.is_met_by(&first_token(200.0)) && !each.is_met_by(&first_token(201.0)));
    assert!(each.is_met_by(&Single::default()), "what a request does not have does not bear on it");
    let both = Slo::parse("[tpot_ms]\neach = 50\n[e2e_ms]\neach = 900").unwrap();
    for (per_output_token, end_to_end, is_met) in
        [(50.0, 900.0, true), (51.0, 900.0, false), (50.0, 901.0, false)]
    {
        let single = Single {
            per_output_token: Some(per_output_token),
            end_to_end: Some(end_to_end),
            ..Single::default()
        };
        assert_eq!(both.is_met_by(&single), is_met);
    }
}

#[test]
fn gaps_of_a_request_are_judged_by_their_percentile() {
    let gaps = |slow: usize, all: usize| {
        let mut gaps = vec![10_000; all];
        gaps[..slow].fill(80_000);
        gaps
    };
    let p90 = Slo::parse("[itl_ms]\np90 = 50").unwrap();
    let p99 = Slo::parse("[itl_ms]\neach = 50").unwrap();
    let max = Slo::parse("[itl_ms]\np50 = 20\nmax = 50").unwrap();
    for (slow, all, by_p90, by_p99, by_max) in [
        (0, 100, true, true, true),
        (1, 100, true, true, false),
        (2, 100, true, false, false),
        (10, 100, true, false, false),
        (11, 100, false, false, false),
        (1, 9, false, false, false),
        (0, 0, true, true, true),
    ] {
        let gaps_us = gaps(slow, all);
        let single = Single { gaps_us: &gaps_us, ..Single::default() };
        let seen = [&p90, &p99, &max].map(|slo| slo.is_met_by(&single));
        assert_eq!(seen, [by_p90, by_p99, by_max], "{slow} of {all}");
    }
}
