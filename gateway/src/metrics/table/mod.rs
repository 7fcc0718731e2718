//! The one table of metrics, by area. Everything on the page comes from it; a name that is not here cannot be measured.
//!
//! Base units only. Values of labels are known beforehand, so that every series is there from the first scrape, or are
//! names of members and served models, of which there are few. None grows with users, keys, sessions or turns.
//! `docs/metrics.md` is this table in words; a test holds it to that.

mod aliases;
mod buckets;
mod engines;
mod http;
mod nodes;
mod process;
mod sessions;
mod turns;
mod values;

pub use self::aliases::{ALIASES, Alias};
pub(super) use self::buckets::{STEP_SECONDS, STORE_SECONDS};
pub(super) use self::values::{FINISH_REASONS, OTHER, known_code};

/// What a metric does over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by upper bound.
    Histogram(&'static [f64]),
}

/// What a label may say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values {
    /// One of these, each there from the start. The last one stands for whatever is not among them.
    Known(&'static [&'static str]),
    /// One of these, each there from its first use, the first one from the start. The last one stands for whatever is not
    /// among them.
    Used(&'static [&'static str]),
    /// A member's name: at most `cluster.members_max`.
    Node,
    /// The name of a model that was served: at most [`super::MODELS_MAX`], and `other`.
    Model,
    /// One word that says something of this build.
    Build,
}

/// A label and the values that it may have.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its values.
    pub values: Values,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name, unit last.
    pub name: &'static str,
    /// What it does over time.
    pub kind: Kind,
    /// Unit, scope, and what is not counted.
    pub help: &'static str,
    /// How it is split, in the order of names.
    pub labels: &'static [Label],
}

/// Rows of one kind of thing.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// Its heading in the documentation.
    pub title: &'static str,
    /// Its metrics.
    pub rows: &'static [Row],
}

/// Every metric.
pub const AREAS: &[Area] =
    &[http::AREA, turns::AREA, nodes::AREA, engines::AREA, sessions::AREA, process::AREA];

/// Every metric, without areas.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    AREAS.iter().flat_map(|area| area.rows)
}

/// The row with this name.
pub(super) fn row(name: &'static str) -> &'static Row {
    rows().find(|row| row.name == name).expect("invariant: only names of the table are used")
}

const NODE: Label = Label { name: "node", values: Values::Node };
const MODEL: Label = Label { name: "model", values: Values::Model };

const fn label(name: &'static str, values: &'static [&'static str]) -> Label {
    Label { name, values: Values::Known(values) }
}

const fn counter(name: &'static str, labels: &'static [Label], help: &'static str) -> Row {
    Row { name, kind: Kind::Counter, help, labels }
}

const fn gauge(name: &'static str, labels: &'static [Label], help: &'static str) -> Row {
    Row { name, kind: Kind::Gauge, help, labels }
}

const fn histogram(
    name: &'static str,
    buckets: &'static [f64],
    labels: &'static [Label],
    help: &'static str,
) -> Row {
    Row { name, kind: Kind::Histogram(buckets), help, labels }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
