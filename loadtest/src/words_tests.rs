//! What stands in a terminal, to the letter.

use std::collections::BTreeMap;

use super::text::LINES_MAX;
use super::verdict::{Mark, Statement};
use super::*;

#[test]
fn an_event_is_one_sentence() {
    let fault = Event {
        at_ms: 40_000.0,
        until_ms: Some(70_000.0),
        kind: "kill".into(),
        what: "node n2 killed".into(),
        node: Some("n2".into()),
        recovered_ms: Some(4_200.0),
        failed: Some(0),
        resumed: Some(1),
    };
    let said = "At 40 s: node n2 killed, for 30 s; as before after 4.2 s; 1 stream went on elsewhere";
    assert_eq!(event(&fault), said);
    let never = Event { until_ms: None, recovered_ms: None, resumed: None, ..fault };
    assert_eq!(event(&never), "At 40 s: node n2 killed; never as before");
    let note = Event { kind: "note".into(), what: "warm".into(), ..never };
    assert_eq!(event(&note), "At 40 s: warm");
}

#[test]
fn a_long_list_is_cut_and_counted() {
    let nodes: BTreeMap<String, NodeShare> =
        (0..30).map(|at| (format!("n{at:02}"), NodeShare::default())).collect();
    let mut lines = Text::new(false);
    lines.list("By node", nodes.keys().cloned());
    assert_eq!(lines.text.lines().count(), LINES_MAX + 3);
    assert!(lines.text.ends_with("  and 18 more\n"));
}

#[test]
fn an_empty_list_has_no_heading() {
    let mut lines = Text::new(false);
    lines.list("Failed", std::iter::empty::<String>());
    assert_eq!(lines.text, "");
}

#[test]
fn colours_come_only_when_asked_for() {
    let mut lines = Text::new(false);
    let statement =
        Statement { mark: Mark::Good, headline: "All well.".into(), reasons: vec!["So it is.".into()] };
    lines.statement(&statement);
    assert_eq!(lines.text, "✓ All well.\n  So it is.\n");
    let mut lines = Text::new(true);
    lines.statement(&statement);
    assert!(lines.text.starts_with("\u{1b}["));
}
