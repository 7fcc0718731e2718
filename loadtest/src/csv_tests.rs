//! What CSV must hold whatever the names in it are. The reader here is a second writing of RFC 4180, from its grammar.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::record::Disorder;

fn record(node: &str, code: &str) -> Record {
    Record {
        chain: 3,
        position: 1,
        transport: Transport::Sse,
        intended: Duration::from_millis(1_500),
        begun: Duration::from_micros(1_500_200),
        sent: Duration::from_micros(1_500_250),
        first_token: Some(Duration::from_millis(1_600)),
        ended: Duration::from_secs(2),
        gaps_us: vec![9_000, 1_000, 2_000],
        tokens: 4,
        usage_tokens: Some(4),
        prompt_tokens: Some((20, 8)),
        queue_us: Some(1_250),
        text_bytes: 17,
        text_hash: 0xab,
        disorder: Disorder::default(),
        moves: 1,
        node: Some(node.into()),
        outcome: Outcome::Failed(code.into()),
    }
}

fn parse(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut is_quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(next) = chars.next() {
        match next {
            '"' if is_quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted => {
                assert_eq!(chars.next(), Some('\n'), "a bare carriage return");
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    assert!(!is_quoted && row.is_empty() && cell.is_empty(), "the last line has no end");
    rows
}

fn cell<'a>(rows: &'a [Vec<String>], name: &str) -> &'a str {
    let column = rows[0].iter().position(|column| column == name).expect(name);
    &rows[1][column]
}

#[test]
fn a_record_is_one_line_under_its_names() {
    let rows = parse(&records(&[record("n1", "overloaded")]));
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].len(), rows[1].len());
    let expected = [
        ("intended_ms", "1500"),
        ("begun_ms", "1500.2"),
        ("sent_ms", "1500.25"),
        ("first_token_ms", "1600"),
        ("outcome", "failed"),
        ("code", "overloaded"),
        ("cached_tokens", "8"),
        ("queue_ms", "1.25"),
        ("gap_p50_ms", "2"),
        ("gap_max_ms", "9"),
        ("text_hash", "x00000000000000ab"),
        ("node", "n1"),
    ];
    for (name, value) in expected {
        assert_eq!(cell(&rows, name), value, "{name}");
    }
}

#[test]
fn what_is_not_known_is_empty() {
    let unknown =
        Record { first_token: None, usage_tokens: None, gaps_us: vec![], node: None, ..record("", "") };
    let rows = parse(&records(&[unknown]));
    for name in ["first_token_ms", "usage_tokens", "gap_p99_ms", "node"] {
        assert_eq!(cell(&rows, name), "", "{name}");
    }
}

#[test]
fn a_name_is_no_formula() {
    let rows = parse(&records(&[record("=HYPERLINK(\"x\",\"y\")", "@SUM(A1)")]));
    assert_eq!(cell(&rows, "node"), "'=HYPERLINK(\"x\",\"y\")");
    assert_eq!(cell(&rows, "code"), "'@SUM(A1)");
}

#[test]
fn many_nodes_share_the_last_column() {
    let tokens_by_node = (0..NODE_COLUMNS_MAX + 5).map(|at| (format!("n{at:03}"), 1)).collect();
    let rows = parse(&timeline(&[Slice { tokens_by_node, ..Slice::default() }]));
    assert_eq!(rows[0].len(), SLICE_COLUMNS.len() + NODE_COLUMNS_MAX + 1);
    assert_eq!(rows[1].last().map(String::as_str), Some("5"));
}

#[test]
fn nothing_is_a_line_of_names() {
    assert_eq!(parse(&records(&[])).len(), 1);
    assert_eq!(parse(&timeline(&[])).len(), 1);
}

proptest! {
    #[test]
    fn any_name_stays_one_cell(node in any::<String>(), code in any::<String>()) {
        let rows = parse(&records(&[record(&node, &code)]));
        prop_assert_eq!(rows.len(), 2);
        prop_assert_eq!(rows[0].len(), rows[1].len());
        prop_assert!(cell(&rows, "node").ends_with(&node));
    }
}
