//! The JSON of reports is as the schemas in `schema/` say, and the schemas are as the types say. After a change of a type:
//! `POMONA_SCHEMA=write cargo test -p pomona-loadtest --test it schema`, and count `VERSION` up when a field changed its
//! meaning.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use pomona_loadtest::compare::{Compare, CompareSettings};
use pomona_loadtest::figures::{GeneratorSeen, Inputs, ServerSeen, report};
use pomona_loadtest::find::{Find, FindSettings};
use pomona_loadtest::load::Load;
use pomona_loadtest::record::{Disorder, Outcome, Record};
use pomona_loadtest::report::comparison::ComparisonReport;
use pomona_loadtest::report::find::FindReport;
use pomona_loadtest::report::sweep::{LevelUnit, SweepReport};
use pomona_loadtest::report::{Asked, Event, Report};
use pomona_loadtest::slo::Slo;
use pomona_loadtest::sweep::{Sweep, SweepSettings};
use serde::Serialize;
use serde_json::Value;

fn schemas() -> [(&'static str, Value); 4] {
    [
        ("report", schemars::schema_for!(Report).to_value()),
        ("sweep", schemars::schema_for!(SweepReport).to_value()),
        ("find", schemars::schema_for!(FindReport).to_value()),
        ("comparison", schemars::schema_for!(ComparisonReport).to_value()),
    ]
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema").join(format!("{name}.json"))
}

fn kept(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file(name)).unwrap()).unwrap()
}

#[track_caller]
fn assert_valid(name: &str, result: &impl Serialize) {
    let json = serde_json::to_value(result).unwrap();
    let validator = jsonschema::draft202012::new(&kept(name)).unwrap();
    let faults: Vec<String> = validator.iter_errors(&json).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{name}: {faults:?}");
}

/// A run with a bit of everything.
fn sample() -> Report {
    let load = Load { cancels: 0.2, ..Load::default() };
    let plan = load.plan(1);
    let record = |(number, chain): (usize, &pomona_loadtest::plan::Chain)| Record {
        chain: number as u32,
        position: 0,
        transport: chain.requests[0].transport,
        intended: chain.at,
        begun: chain.at,
        sent: chain.at,
        first_token: Some(chain.at + Duration::from_millis(20)),
        ended: chain.at + Duration::from_millis(50),
        gaps_us: vec![10_000; 3],
        tokens: 4,
        usage_tokens: Some(4),
        prompt_tokens: Some((64, 0)),
        queue_us: Some(100),
        text_bytes: 20,
        text_hash: 1,
        disorder: Disorder::default(),
        moves: 0,
        node: Some("n1".to_owned()),
        outcome: if number == 3 {
            Outcome::Failed("overloaded".to_owned())
        } else {
            Outcome::Finished("stop".to_owned())
        },
    };
    let records: Vec<Record> = plan.chains.iter().enumerate().map(record).collect();
    let slo = Slo::parse("error_share = 0.1\n[ttft_ms]\np50 = 100").unwrap();
    let event = Event {
        at_ms: 10_000.0,
        until_ms: Some(12_000.0),
        kind: "kill".to_owned(),
        what: "node n1 killed".to_owned(),
        node: Some("n1".to_owned()),
        recovered_ms: None,
        resumed: None,
        failed: None,
    };
    let words = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let series = BTreeMap::from([("memory_bytes".to_owned(), vec![(0.0, 1e6), (1_000.0, 1.1e6)])]);
    report(Inputs {
        plan: &plan,
        records: &records,
        asked: Asked {
            started_at_ms: 1_700_000_000_000,
            command: "pomona loadtest run".to_owned(),
            url: "http://127.0.0.1:8000".to_owned(),
            model: "test".to_owned(),
            versions: words(&[("pomona", "0.1.0")]),
            machine: words(&[("cores", "2")]),
            seed: 1,
            load: load.to_string(),
            rate: load.rate(),
        },
        slo: Some(&slo),
        events: vec![event],
        generator: GeneratorSeen { cpu_share: 0.2, dropped: 0 },
        server: Some(ServerSeen { cpu_s: Some((1.0, 1.2)), series }),
        reference: &[],
        slice: None,
    })
}

#[test]
fn the_schemas_are_those_of_the_types() {
    for (name, schema) in schemas() {
        if std::env::var("POMONA_SCHEMA").is_ok_and(|value| value == "write") {
            let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
            std::fs::write(file(name), text).unwrap();
        }
        assert_eq!(
            kept(name),
            schema,
            "schema/{name}.json is of other types; write it anew with POMONA_SCHEMA=write"
        );
    }
}

#[test]
fn a_report_is_as_its_schema_says_and_is_read_back() {
    let report = sample();
    assert_valid("report", &report);
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    let mut broken: Value = serde_json::from_str(&json).unwrap();
    broken["totals"]["tokens"] = "many".into();
    assert!(!jsonschema::draft202012::new(&kept("report")).unwrap().is_valid(&broken));
}

#[test]
fn results_of_sweeps_searches_and_comparisons_are_as_their_schemas_say() {
    let report = sample();
    let unit = LevelUnit::PerSecond;
    let mut sweep = Sweep::new(SweepSettings { unit, levels: vec![1.0, 2.0] }).unwrap();
    sweep.done(&report);
    assert_valid("sweep", &sweep.result());
    let settings = FindSettings { unit, low: 1.0, high: 2.0, repeats: 1, precision: 0.1 };
    let mut find = Find::new(settings).unwrap();
    find.done(&report);
    assert_valid("find", &find.result());
    let mut compare = Compare::new(CompareSettings { rounds: 4, seed: 1, fail_if: Some(0.05) }).unwrap();
    while compare.next().is_some() {
        compare.done(&report);
    }
    let result = compare.result();
    assert!(!result.figures.is_empty());
    assert_valid("comparison", &result);
}
