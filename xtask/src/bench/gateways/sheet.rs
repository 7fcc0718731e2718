//! Figures of gateways beside each other: a row for each, a column for each thing that is measured.

use serde_json::{Value, json};

use super::super::table::{Target, number, spread};
use super::ladder::LATE_MS_MAX;
use super::measure::DIRECT;
use super::running::OURS;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Request,
    Rate,
    Token,
    FirstMiddle,
    FirstTail,
    GapMiddle,
    GapTail,
    Idle,
    Streaming,
    Streams,
}

impl Column {
    const ALL: [Self; 10] = [
        Self::Request,
        Self::Rate,
        Self::Token,
        Self::FirstMiddle,
        Self::FirstTail,
        Self::GapMiddle,
        Self::GapTail,
        Self::Idle,
        Self::Streaming,
        Self::Streams,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Request => "a request, CPU-µs",
            Self::Rate => "requests/s on one core",
            Self::Token => "a streamed token, CPU-µs",
            Self::FirstMiddle => "added to the first token, ms p50",
            Self::FirstTail => "ms p99",
            Self::GapMiddle => "added between tokens, ms p50",
            Self::GapTail => "ms p99 between tokens",
            Self::Idle => "idle, MiB",
            Self::Streaming => "with 64 streams, MiB",
            Self::Streams => "most streams",
        }
    }

    /// What ours should be.
    fn target(self) -> Target {
        match self {
            Self::Request => Target::AtMost(35.0),
            Self::Token => Target::AtMost(20.0),
            Self::Idle => Target::AtMost(40.0),
            _ => Target::None,
        }
    }
}

#[derive(Debug)]
struct Cell {
    name: String,
    column: Column,
    values: Vec<f64>,
    /// Whether the real value may be larger.
    is_bound: bool,
}

/// Everything that a run has found.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// Names of rows in their order.
    names: Vec<String>,
    cells: Vec<Cell>,
    versions: Vec<(String, String)>,
    missing: Vec<(String, String)>,
    failures: Vec<(String, String)>,
}

impl Sheet {
    /// Takes one value of one round.
    pub(super) fn add(&mut self, name: &str, column: Column, value: f64) {
        self.add_bound(name, column, value, false);
    }

    /// Takes one value of one round, which may be less than the real one.
    pub(super) fn add_bound(&mut self, name: &str, column: Column, value: f64, is_bound: bool) {
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
        match self.cells.iter_mut().find(|cell| cell.name == name && cell.column == column) {
            Some(cell) => {
                cell.values.push(value);
                cell.is_bound |= is_bound;
            }
            None => self.cells.push(Cell { name: name.to_owned(), column, values: vec![value], is_bound }),
        }
    }

    /// Notes the version of a gateway.
    pub(super) fn is_of(&mut self, name: &str, version: String) {
        self.versions.push((name.to_owned(), version));
    }

    /// Notes that a gateway could not be installed, and why.
    pub(super) fn is_missing(&mut self, name: &str, reason: String) {
        self.missing.push((name.to_owned(), reason));
    }

    /// Notes that a measurement of a gateway failed, and why.
    pub(super) fn has_failed(&mut self, name: &str, reason: String) {
        self.failures.push((name.to_owned(), reason));
    }

    /// Whether our figures meet their targets in the middle of their rounds.
    pub(super) fn all_met(&self) -> bool {
        self.cells.iter().all(|cell| cell.is_met() != Some(false))
    }

    pub(super) fn markdown(&self) -> String {
        let heads: Vec<&str> = Column::ALL.iter().map(|column| column.name()).collect();
        let mut text = format!("| gateway | {} |\n", heads.join(" | "));
        text += &format!("| --- |{}\n", " ---: |".repeat(heads.len()));
        for name in &self.names {
            let cells = Column::ALL.map(|column| self.cell(name, column).map(Cell::text).unwrap_or_default());
            let name = match self.versions.iter().find(|(known, _)| known == name) {
                Some((_, version)) => format!("{name} {version}"),
                None if name == DIRECT => "none: the upstream itself, not added".to_owned(),
                None => name.clone(),
            };
            text += &format!("| {name} | {} |\n", cells.join(" | "));
        }
        text += &format!(
            "\nMedian of the rounds, in brackets the smallest and the largest. Streams have 50 tokens/s; the most are \
             those of which 99 of 100 tokens came at most {LATE_MS_MAX} ms later than without a gateway; with ≥ it was \
             not the gateway that set the end.\n"
        );
        let lists = [("Not installed", &self.missing), ("Failed", &self.failures)];
        for (head, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            text += &format!("\n{head}:\n\n");
            text.extend(list.iter().map(|(name, reason)| format!("- {name}: {reason}\n")));
        }
        text
    }

    pub(super) fn json(&self, machine: &str) -> Value {
        let rows = self.names.iter().map(|name| {
            let cells = self.cells.iter().filter(|cell| &cell.name == name).map(Cell::json);
            let version = self.versions.iter().find(|(known, _)| known == name).map(|(_, version)| version);
            json!({ "gateway": name, "version": version, "measurements": cells.collect::<Vec<_>>() })
        });
        let list = |list: &[(String, String)]| -> Value {
            list.iter().map(|(name, reason)| json!({ "gateway": name, "reason": reason })).collect()
        };
        json!({
            "machine": machine,
            "gateways": rows.collect::<Vec<_>>(),
            "not_installed": list(&self.missing),
            "failed": list(&self.failures),
        })
    }

    fn cell(&self, name: &str, column: Column) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.name == name && cell.column == column)
    }
}

impl Cell {
    fn is_met(&self) -> Option<bool> {
        let is_ours = OURS.iter().any(|(name, _)| *name == self.name);
        if is_ours { self.column.target().is_met(spread(&self.values)[1]) } else { None }
    }

    fn text(&self) -> String {
        let [low, middle, high] = spread(&self.values).map(number);
        let sign = if self.is_bound { "≥ " } else { "" };
        let verdict = match self.is_met() {
            Some(false) => " **missed**",
            _ => "",
        };
        format!("{sign}{middle} ({low}–{high}){verdict}")
    }

    fn json(&self) -> Value {
        let [low, middle, high] = spread(&self.values);
        json!({
            "name": self.column.name(), "values": self.values, "min": low, "median": middle, "max": high,
            "may_be_larger": self.is_bound, "met": self.is_met(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_medians_and_their_spread() {
        let mut sheet = Sheet::default();
        for value in [14.0, 13.0, 19.0] {
            sheet.add("nginx", Column::Request, value);
        }
        sheet.is_of("nginx", "1.22".to_owned());
        sheet.add_bound("nginx", Column::Streams, 512.0, true);
        sheet.is_missing("other", "no such package".to_owned());
        let text = sheet.markdown();
        assert!(text.contains("| nginx 1.22 | 14.0 (13.0–19.0) |"), "{text}");
        assert!(text.contains("| ≥ 512 (512–512) |"), "{text}");
        assert!(text.contains("- other: no such package\n"), "{text}");
        assert!(sheet.all_met());
    }

    #[test]
    fn only_our_figures_have_targets() {
        let mut sheet = Sheet::default();
        sheet.add("litellm", Column::Request, 7000.0);
        assert!(sheet.all_met());
        sheet.add(OURS[0].0, Column::Request, 36.0);
        assert!(!sheet.all_met());
        assert!(sheet.markdown().contains("36.0 (36.0–36.0) **missed**"), "{}", sheet.markdown());
        let json = sheet.json("here");
        assert_eq!(json["gateways"][1]["measurements"][0]["met"], false);
    }
}
