//! What counts in which figure, and the whole report against sums done by hand.

use proptest::prelude::*;

use super::samples::{failed, inputs, plan, record};
use super::*;
use crate::record::Disorder;
use crate::report::Summary;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn report_of(records: &[Record]) -> Report {
    let plan = plan(records.len(), Duration::from_secs(1));
    report(inputs(&plan, records, None))
}

fn late(record: Record, by: Duration) -> Record {
    Record { intended: record.intended.saturating_sub(by), ..record }
}

#[test]
fn latencies_count_from_the_intended_start_and_from_the_send() {
    let report = report_of(&[late(record(0, 100, 40, &[10, 20]), ms(30))]);
    assert_eq!((report.from_intended.first_token.max, report.from_sent.first_token.max), (70.0, 40.0));
    assert_eq!((report.from_intended.end_to_end.max, report.from_sent.end_to_end.max), (100.0, 70.0));
    assert_eq!(report.generator.lag.max, 30.0);
    assert_eq!((report.inter_token.count, report.inter_token.max), (2, 20.0));
    assert_eq!(report.per_output_token.max, 15.0);
}

#[test]
fn what_counts_where_follows_from_how_a_request_went() {
    let stream = || record(0, 0, 40, &[10, 10]);
    let whole = Record { transport: Transport::Whole, gaps_us: Vec::new(), ..stream() };
    let cancelled = Record { outcome: Outcome::Cancelled, ..stream() };
    let broken = Record { outcome: Outcome::Broken("reset".to_owned()), ..stream() };
    let single = record(0, 0, 40, &[]);
    for (name, record, counts) in [
        ("finished", stream(), [1, 1, 2, 1]),
        ("whole", whole, [0, 1, 0, 0]),
        ("cancelled", cancelled, [1, 0, 2, 0]),
        ("broken", broken, [1, 0, 2, 0]),
        ("failed", failed(0, 0, "overloaded"), [0, 0, 0, 0]),
        ("one token", single, [1, 1, 0, 0]),
    ] {
        let report = report_of(&[record]);
        let seen = [
            &report.from_intended.first_token,
            &report.from_intended.end_to_end,
            &report.inter_token,
            &report.per_output_token,
        ];
        assert_eq!(seen.map(|summary| summary.count), counts, "{name}");
    }
}

#[test]
fn slow_readers_count_to_the_first_token_alone() {
    let records = [record(0, 0, 40, &[500, 500])];
    let mut plan = plan(1, ms(1_000));
    plan.chains[0].requests[0].behaviour = Behaviour::ReadSlowly(ms(500));
    let report = report(inputs(&plan, &records, None));
    assert_eq!(report.from_intended.first_token.count, 1);
    for summary in [&report.from_intended.end_to_end, &report.inter_token, &report.per_output_token] {
        assert_eq!(*summary, Summary::default());
    }
    assert_eq!(report.totals.finished, 1);
}

#[test]
fn totals_errors_and_nodes_are_counted() {
    let on = |node: &str, record| Record { node: Some(node.to_owned()), queue_us: Some(2_000), ..record };
    let records = [
        on("a", record(0, 0, 50, &[50])),
        on("b", record(1, 20, 50, &[50, 50])),
        on("b", Record { outcome: Outcome::Cancelled, ..record(2, 40, 10, &[10]) }),
        failed(3, 60, "overloaded"),
        Record { outcome: Outcome::Broken("no_end".to_owned()), ..record(4, 80, 50, &[900, 20]) },
    ];
    let report = report_of(&records);
    let totals = report.totals;
    assert_eq!(
        (totals.planned, totals.sent, totals.finished, totals.cancelled, totals.failed),
        (5, 5, 2, 1, 2)
    );
    assert_eq!((totals.tokens, totals.in_flight_max), (10, 3));
    assert_eq!((totals.seconds, totals.requests_per_second), (1.05, 2.0 / 1.05));
    assert_eq!(totals.error_share(), 0.4);
    assert_eq!(totals.stalls, 1, "a gap of 900 ms where half are at most 50 ms");
    assert_eq!(
        report.errors.iter().map(|(code, n)| (code.as_str(), *n)).collect::<Vec<_>>(),
        [("no_end", 1), ("overloaded", 1)]
    );
    assert_eq!((report.nodes["a"].requests, report.nodes["b"].requests, report.nodes["b"].tokens), (1, 2, 5));
    assert_eq!((report.queue_wait.count, report.queue_wait.max), (3, 2.0));
    assert_eq!(report.integrity.no_end, 1);
}

#[test]
fn requests_behind_the_last_answer_of_a_chain_are_not_planned() {
    let mut plan = plan(2, ms(1_000));
    let request = plan.chains[0].requests[0].clone();
    plan.chains[0].requests = vec![request; 10];
    let follower = Record { position: 1, ..record(0, 100, 5, &[]) };
    let report = report(inputs(&plan, &[record(0, 0, 5, &[]), follower, record(1, 0, 5, &[])], None));
    assert_eq!((report.totals.planned, report.totals.sent), (3, 3));
    assert_eq!(report.generator.lag.count, 2, "a follower that does not think cannot be late");
    assert_eq!(report.verdict.invalid, Vec::<String>::new());
}

#[test]
fn texts_are_compared_with_the_undisturbed_run() {
    let hashed = |chain, text_hash| Record { text_hash, ..record(chain, 0, 5, &[1]) };
    let moved = Record { moves: 2, usage_tokens: Some(3), ..hashed(1, 7) };
    let disorder = Disorder { missing: 1, doubled: 2, misplaced: 3, extra_ends: 4 };
    let records = [hashed(0, 1), moved, Record { disorder, ..hashed(2, 3) }, failed(3, 0, "overloaded")];
    let reference = [hashed(0, 1), hashed(1, 2), failed(2, 0, "overloaded"), hashed(3, 4)];
    let plan = plan(4, ms(1_000));
    let report = report(Inputs { reference: &reference, ..inputs(&plan, &records, None) });
    let integrity = report.integrity;
    assert_eq!((integrity.compared, integrity.changed, integrity.moved, integrity.miscounted), (2, 1, 1, 1));
    assert_eq!(
        (integrity.missing, integrity.doubled, integrity.misplaced, integrity.extra_ends),
        (1, 2, 3, 4)
    );
    assert!(!report.verdict.is_within);
}

#[test]
fn goodput_counts_finished_requests_that_met_every_bound() {
    let slo = Slo::parse("goodput_share = 0.5\n[ttft_ms]\neach = 50\n[e2e_ms]\neach = 100").unwrap();
    let records = [
        record(0, 0, 50, &[50]),
        record(1, 0, 51, &[10]),
        record(2, 0, 50, &[51]),
        late(record(3, 900, 50, &[50]), ms(1)),
        failed(4, 0, "overloaded"),
        Record { outcome: Outcome::Cancelled, ..record(5, 0, 5, &[]) },
    ];
    let plan = plan(6, ms(1_000));
    let totals = report(inputs(&plan, &records, Some(&slo))).totals;
    assert_eq!((totals.goodput, totals.goodput_tokens), (Some(1.0), Some(2.0)));
    assert_eq!(report(inputs(&plan, &records, None)).totals.goodput, None);
}

#[test]
fn processor_time_is_spread_over_requests_and_tokens() {
    let plan = plan(2, ms(1_000));
    let records = [record(0, 0, 5, &[1; 9]), record(1, 0, 5, &[1; 9])];
    let server = Some(ServerSeen { cpu_s: Some((10.0, 10.001)), ..ServerSeen::default() });
    let seen = report(Inputs { server, ..inputs(&plan, &records, None) }).server.unwrap();
    assert_eq!(seen.cpu_us_per_request.map(f64::round), Some(500.0));
    assert_eq!(seen.cpu_us_per_token.map(f64::round), Some(50.0));
    let none = Some(ServerSeen { cpu_s: Some((1.0, 2.0)), ..ServerSeen::default() });
    assert_eq!(
        report(Inputs { server: none, ..inputs(&plan, &[], None) }).server.unwrap().cpu_us_per_request,
        None
    );
}

#[test]
fn a_run_without_records_is_a_report_that_says_so() {
    let report = report_of(&[]);
    assert_eq!(report.totals.seconds, 0.0);
    assert_eq!(report.verdict.invalid, ["no request left"]);
    assert!(serde_json::to_string(&report).unwrap().contains("\"version\":1"));
}

/// Streams as they might be, late, long and lost ones among them.
fn records() -> impl Strategy<Value = Vec<Record>> {
    let one = (0..5_000u64, 0..20u64, 1..400u64, prop::collection::vec(0..300u32, 0..12), 0..8u8);
    prop::collection::vec(one, 1..60).prop_map(|all| {
        let made = all.into_iter().enumerate().map(|(chain, (at, lag, first, gaps, kind))| {
            let record = late(record(chain as u32, at, first, &gaps), ms(lag));
            match kind {
                0 => Record { outcome: Outcome::Cancelled, ..record },
                1 => Record { outcome: Outcome::Broken("reset".to_owned()), ..record },
                2 => failed(chain as u32, at, "overloaded"),
                _ => record,
            }
        });
        made.collect()
    })
}

proptest! {
    #[test]
    fn a_report_is_what_naive_sums_say(records in records()) {
        let report = report_of(&records);
        let slices = &report.timeline;
        let sum = |of: fn(&crate::report::Slice) -> u64| slices.iter().map(of).sum::<u64>();
        prop_assert_eq!(sum(|slice| slice.started), records.len() as u64);
        prop_assert_eq!(sum(|slice| slice.finished), report.totals.finished);
        prop_assert_eq!(sum(|slice| slice.failed), report.totals.failed);
        prop_assert_eq!(sum(|slice| slice.tokens), report.totals.tokens);
        prop_assert_eq!(slices.last().map(|slice| slice.in_flight), Some(0));
        for slice in slices {
            let end = ms((slice.at_ms + slice.length_ms) as u64);
            let running = records.iter().filter(|record| record.sent < end && record.ended >= end);
            prop_assert_eq!(slice.in_flight, running.count() as u64);
            prop_assert!(slice.in_flight <= report.totals.in_flight_max);
        }
        let mut gaps: Vec<u32> = records.iter().flat_map(|record| record.gaps_us.clone()).collect();
        gaps.sort_unstable();
        prop_assert_eq!(report.inter_token.count, gaps.len() as u64);
        if let Some(max) = gaps.last() {
            prop_assert_eq!(report.inter_token.max, f64::from(*max) / 1e3);
            let median = f64::from(gaps[gaps.len().div_ceil(2) - 1]) / 1e3;
            prop_assert!((report.inter_token.p50 - median).abs() <= median * 1e-3 + 1e-3);
        }
        let firsts = records.iter().filter_map(|record| Some(record.first_token? - record.intended));
        prop_assert_eq!(report.from_intended.first_token.max, firsts.max().map_or(0.0, |max| max.as_secs_f64() * 1e3));
        let again = report_of(&records);
        prop_assert_eq!(again, report);
    }
}
