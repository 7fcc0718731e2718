//! Measurements by name, over rounds: smallest, middle, largest, and whether the middle meets its target.

use serde_json::{Value, json};

/// What a measurement should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    /// Smaller is fine.
    AtMost(f64),
    /// Larger is fine.
    AtLeast(f64),
    /// Only told.
    None,
}

#[derive(Debug)]
struct Row {
    name: String,
    unit: String,
    target: Target,
    values: Vec<f64>,
}

/// Rows in the order in which they were first measured.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// Takes one value of one round.
    pub(super) fn add(&mut self, name: &str, unit: &str, target: Target, value: f64) {
        match self.rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.values.push(value),
            None => self.rows.push(Row {
                name: name.to_owned(),
                unit: unit.to_owned(),
                target,
                values: vec![value],
            }),
        }
    }

    /// Whether every middle value meets its target.
    pub(super) fn all_met(&self) -> bool {
        self.rows.iter().all(|row| row.is_met() != Some(false))
    }

    pub(super) fn markdown(&self) -> String {
        let mut text =
            "| what | unit | min | median | max | target |\n| --- | --- | --- | --- | --- | --- |\n"
                .to_owned();
        for row in &self.rows {
            let [low, middle, high] = row.spread();
            let target = match (row.target, row.is_met()) {
                (Target::AtMost(limit), met) => format!("≤ {} {}", number(limit), verdict(met)),
                (Target::AtLeast(limit), met) => format!("≥ {} {}", number(limit), verdict(met)),
                (Target::None, _) => String::new(),
            };
            let (low, middle, high) = (number(low), number(middle), number(high));
            text += &format!("| {} | {} | {low} | {middle} | {high} | {target} |\n", row.name, row.unit);
        }
        text
    }

    pub(super) fn json(&self, machine: &str) -> Value {
        let rows = self.rows.iter().map(|row| {
            let [low, middle, high] = row.spread();
            json!({
                "name": row.name, "unit": row.unit, "values": row.values,
                "min": low, "median": middle, "max": high, "met": row.is_met(),
            })
        });
        json!({ "machine": machine, "measurements": rows.collect::<Vec<_>>() })
    }
}

impl Row {
    fn spread(&self) -> [f64; 3] {
        spread(&self.values)
    }

    fn is_met(&self) -> Option<bool> {
        let [_, middle, _] = self.spread();
        self.target.is_met(middle)
    }
}

impl Target {
    /// Whether a middle value meets this; `None` when it is only told.
    pub(super) fn is_met(self, middle: f64) -> Option<bool> {
        match self {
            Target::AtMost(limit) => Some(middle <= limit),
            Target::AtLeast(limit) => Some(middle >= limit),
            Target::None => None,
        }
    }
}

/// Smallest, middle and largest; zeros without a value.
pub(super) fn spread(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
    let middle = f64::midpoint(at(sorted.len().saturating_sub(1) / 2), at(sorted.len() / 2));
    [sorted.first().copied().unwrap_or(0.0), middle, sorted.last().copied().unwrap_or(0.0)]
}

fn verdict(met: Option<bool>) -> &'static str {
    if met == Some(false) { "missed" } else { "met" }
}

/// Three digits that matter.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_value_decides_over_the_target() {
        let mut table = Table::default();
        for value in [30.0, 90.0, 20.0] {
            table.add("request", "µs", Target::AtMost(35.0), value);
        }
        assert!(table.all_met());
        assert!(
            table.markdown().contains("| request | µs | 20.0 | 30.0 | 90.0 | ≤ 35.0 met |"),
            "{}",
            table.markdown()
        );
        table.add("ratio", "×", Target::AtLeast(6.0), 5.5);
        assert!(!table.all_met());
    }
}
