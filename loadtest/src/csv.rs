//! Records and time line as CSV (RFC 4180, times in milliseconds), for spreadsheets and notebooks. The JSON holds more;
//! this is what one opens without a program of one's own.

use std::collections::BTreeSet;

use crate::plan::Transport;
use crate::record::{Outcome, Record};
use crate::report::Slice;

/// Most nodes that get a column of their own in the time line; the tokens of all others are one column.
pub const NODE_COLUMNS_MAX: usize = 200;

const RECORD_COLUMNS: [&str; 27] = [
    "chain",
    "position",
    "transport",
    "intended_ms",
    "begun_ms",
    "sent_ms",
    "first_token_ms",
    "ended_ms",
    "outcome",
    "code",
    "tokens",
    "usage_tokens",
    "prompt_tokens",
    "cached_tokens",
    "queue_ms",
    "gaps",
    "gap_p50_ms",
    "gap_p99_ms",
    "gap_max_ms",
    "text_bytes",
    "text_hash",
    "missing",
    "doubled",
    "misplaced",
    "extra_ends",
    "moves",
    "node",
];

const SLICE_COLUMNS: [&str; 13] = [
    "at_ms",
    "length_ms",
    "started",
    "finished",
    "failed",
    "tokens",
    "in_flight",
    "first_token_p50_ms",
    "first_token_p95_ms",
    "first_token_p99_ms",
    "inter_token_p50_ms",
    "inter_token_p95_ms",
    "inter_token_p99_ms",
];

/// One line per request, in the order of the records, below a line of names.
#[must_use]
pub fn records(records: &[Record]) -> String {
    let mut lines = Lines::new(RECORD_COLUMNS.iter().map(|name| (*name).to_owned()));
    for record in records {
        lines.push(record_cells(record));
    }
    lines.0
}

fn record_cells(record: &Record) -> Vec<String> {
    let (outcome, code) = outcome(&record.outcome);
    let mut gaps = record.gaps_us.clone();
    gaps.sort_unstable();
    let gap = |share| rank(&gaps, share).map(|us| f64::from(us) / 1e3);
    let millis = |time: std::time::Duration| number(Some(time.as_secs_f64() * 1e3));
    vec![
        record.chain.to_string(),
        record.position.to_string(),
        transport(record.transport).to_owned(),
        millis(record.intended),
        millis(record.begun),
        millis(record.sent),
        record.first_token.map(millis).unwrap_or_default(),
        millis(record.ended),
        outcome.to_owned(),
        text(code),
        record.tokens.to_string(),
        whole(record.usage_tokens),
        whole(record.prompt_tokens.map(|(prompt, _)| prompt)),
        whole(record.prompt_tokens.map(|(_, cached)| cached)),
        number(record.queue_us.map(|us| us as f64 / 1e3)),
        gaps.len().to_string(),
        number(gap(0.5)),
        number(gap(0.99)),
        number(gap(1.0)),
        record.text_bytes.to_string(),
        // Not a number to spreadsheets, which would round it.
        format!("x{:016x}", record.text_hash),
        record.disorder.missing.to_string(),
        record.disorder.doubled.to_string(),
        record.disorder.misplaced.to_string(),
        record.disorder.extra_ends.to_string(),
        record.moves.to_string(),
        record.node.as_deref().map(text).unwrap_or_default(),
    ]
}

/// One line per slice, in the order of time, with a column of tokens per node.
#[must_use]
pub fn timeline(slices: &[Slice]) -> String {
    let nodes: BTreeSet<&String> = slices.iter().flat_map(|slice| slice.tokens_by_node.keys()).collect();
    let own: Vec<_> = nodes.iter().take(NODE_COLUMNS_MAX).copied().collect();
    let has_others = nodes.len() > own.len();
    let names = SLICE_COLUMNS.iter().map(|name| (*name).to_owned());
    let names = names.chain(own.iter().map(|node| text(&format!("tokens of {node}"))));
    let mut lines = Lines::new(names.chain(has_others.then(|| "tokens of other nodes".to_owned())));
    for slice in slices {
        let mut cells = slice_cells(slice);
        let tokens = &slice.tokens_by_node;
        cells.extend(own.iter().map(|node| tokens.get(*node).copied().unwrap_or(0).to_string()));
        let others =
            tokens.iter().filter(|(node, _)| own.binary_search(node).is_err()).map(|(_, tokens)| *tokens);
        cells.extend(has_others.then(|| others.fold(0, u64::saturating_add).to_string()));
        lines.push(cells);
    }
    lines.0
}

fn slice_cells(slice: &Slice) -> Vec<String> {
    let mut cells = vec![number(Some(slice.at_ms)), number(Some(slice.length_ms))];
    let counts = [slice.started, slice.finished, slice.failed, slice.tokens, slice.in_flight];
    cells.extend(counts.iter().map(u64::to_string));
    for percentiles in [slice.first_token, slice.inter_token] {
        for at in 0..3 {
            cells.push(number(percentiles.map(|percentiles| percentiles[at])));
        }
    }
    cells
}

/// Finished lines.
struct Lines(String);

impl Lines {
    fn new(names: impl Iterator<Item = String>) -> Self {
        let mut lines = Self(String::new());
        lines.push(names.collect());
        lines
    }

    fn push(&mut self, cells: Vec<String>) {
        self.0.push_str(&cells.join(","));
        self.0.push_str("\r\n");
    }
}

/// A text that stays text: quoted where it must be, and never taken for a formula by a spreadsheet.
fn text(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// A number with microseconds at most; empty when there is none.
fn number(value: Option<f64>) -> String {
    match value {
        Some(value) if value.is_finite() => {
            let text = format!("{value:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => String::new(),
    }
}

fn whole(value: Option<u32>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Value of nearest rank of a sorted list.
fn rank(sorted: &[u32], share: f64) -> Option<u32> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Sse => "sse",
        Transport::Whole => "whole",
        Transport::WebSocket => "web_socket",
        Transport::Session => "session",
    }
}

fn outcome(outcome: &Outcome) -> (&'static str, &str) {
    match outcome {
        Outcome::Finished(reason) => ("finished", reason),
        Outcome::Cancelled => ("cancelled", ""),
        Outcome::Failed(code) => ("failed", code),
        Outcome::Broken(how) => ("broken", how),
    }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
