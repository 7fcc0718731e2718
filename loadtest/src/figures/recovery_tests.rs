//! When a run counts as recovered, on streams whose faults are known.

use super::super::samples::{failed, plan, record, views};
use super::*;
use crate::record::Record;

fn event(kind: &str, at_ms: f64) -> Event {
    Event {
        at_ms,
        until_ms: None,
        kind: kind.to_owned(),
        what: format!("node a: {kind}"),
        node: Some("a".to_owned()),
        recovered_ms: None,
        resumed: None,
        failed: None,
    }
}

/// A stream of a token every 50 ms for 30 seconds, with a hole of this length at 15 s.
fn stream(chain: u32, hole: u32) -> Record {
    let mut gaps = vec![50; 600];
    if hole > 0 {
        gaps[299] += hole;
        gaps.truncate(600 - hole as usize / 50);
    }
    let moved = hole > 0;
    Record {
        moves: u32::from(moved),
        node: Some(if moved { "b" } else { "a" }.to_owned()),
        ..record(chain, 0, 50, &gaps)
    }
}

fn judge_all(records: &[Record], event: Event) -> Event {
    let plan = plan(records.len(), Duration::from_secs(30));
    judged(vec![event], &plan, &views(&plan, records)).remove(0)
}

#[test]
fn a_hole_is_over_when_tokens_come_as_before() {
    let records = [stream(0, 4_000), stream(1, 4_000), stream(2, 0)];
    let event = judge_all(&records, event("kill", 15_000.0));
    let recovered = event.recovered_ms.unwrap();
    assert!((3_500.0..=4_600.0).contains(&recovered), "{recovered}");
    assert_eq!((event.resumed, event.failed), (Some(2), Some(0)));
}

#[test]
fn what_does_no_harm_is_recovered_at_once() {
    let records = [stream(0, 0), stream(1, 0)];
    let event = judge_all(&records, event("cut", 15_000.0));
    assert_eq!((event.recovered_ms, event.resumed), (Some(0.0), Some(0)));
}

#[test]
fn what_never_comes_back_never_recovers() {
    let cut = |chain| Record {
        gaps_us: vec![50_000; 300],
        tokens: 301,
        ended: Duration::from_secs(30),
        ..stream(chain, 0)
    };
    let event = judge_all(&[cut(0), cut(1), stream(2, 0)], event("stop", 15_000.0));
    assert_eq!(event.recovered_ms, None);
}

#[test]
fn slower_tokens_are_not_as_before() {
    let mut gaps = vec![50; 300];
    gaps.extend([50; 20].map(|gap| gap + 60));
    gaps.extend([50; 240]);
    let event = judge_all(&[record(0, 0, 50, &gaps)], event("slow", 15_000.0));
    let recovered = event.recovered_ms.unwrap();
    assert!((1_500.0..=3_000.0).contains(&recovered), "{recovered}");
}

#[test]
fn failures_count_until_the_recovery() {
    let mut records = vec![stream(0, 0)];
    records.extend([14_000, 15_200, 15_900, 17_000, 28_000].map(|at| failed(1, at, "overloaded")));
    let event = judge_all(&records, event("kill", 15_000.0));
    let recovered = event.recovered_ms.unwrap();
    assert_eq!(recovered, 300.0, "one failure a second was usual, two are not");
    assert_eq!(event.failed, Some(2));
}

#[test]
fn a_fault_without_a_before_and_a_note_say_nothing() {
    let records = [stream(0, 0)];
    let early = judge_all(&records, event("kill", 500.0));
    assert_eq!(early.recovered_ms, None);
    let note = judge_all(&records, event("note", 15_000.0));
    assert_eq!(note, event("note", 15_000.0));
    let nowhere = judge_all(&records, event("kill", f64::NAN));
    assert!(nowhere.recovered_ms.is_none() && nowhere.failed.is_none());
    assert_eq!(judge_all(&[], event("kill", 1e15)).recovered_ms, None);
}
