//! Registers the rows of the table and hands out typed handles; refuses a name that is not in the table, and
//! at the end a row that nobody took.

use std::collections::BTreeSet;

use prometheus::core::Collector;
use prometheus::{
    Counter, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use super::table::{Kind, OTHER, Row, TABLE};

/// Takes rows until all are taken.
pub(super) struct Builder {
    registry: Registry,
    taken: BTreeSet<&'static str>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self { registry: Registry::new(), taken: BTreeSet::new() }
    }

    pub(super) fn counter(&mut self, name: &'static str) -> IntCounter {
        let row = self.take(name);
        self.register(IntCounter::with_opts(opts(row)))
    }

    /// A counter of parts of a whole, seconds for instance.
    pub(super) fn real_counter(&mut self, name: &'static str) -> Counter {
        let row = self.take(name);
        self.register(Counter::with_opts(opts(row)))
    }

    pub(super) fn gauge(&mut self, name: &'static str) -> IntGauge {
        let row = self.take(name);
        self.register(IntGauge::with_opts(opts(row)))
    }

    pub(super) fn histogram(&mut self, name: &'static str) -> Histogram {
        let row = self.take(name);
        self.register(Histogram::with_opts(histogram_opts(row)))
    }

    /// A counter per label set, all known ones at 0.
    pub(super) fn counters(&mut self, name: &'static str) -> IntCounterVec {
        let row = self.take(name);
        let counters = self.register(IntCounterVec::new(opts(row), &label_names(row)));
        for set in label_sets(row) {
            counters.with_label_values(&set);
        }
        counters
    }

    /// A gauge per label set, all known ones at 0.
    pub(super) fn gauges(&mut self, name: &'static str) -> IntGaugeVec {
        let row = self.take(name);
        let gauges = self.register(IntGaugeVec::new(opts(row), &label_names(row)));
        for set in label_sets(row) {
            gauges.with_label_values(&set);
        }
        gauges
    }

    /// A histogram per label set, all known ones empty.
    pub(super) fn histograms(&mut self, name: &'static str) -> HistogramVec {
        let row = self.take(name);
        let histograms = self.register(HistogramVec::new(histogram_opts(row), &label_names(row)));
        for set in label_sets(row) {
            histograms.with_label_values(&set);
        }
        histograms
    }

    /// A gauge that is 1 and says something in its only label.
    pub(super) fn info(&mut self, name: &'static str, value: &str) {
        let row = self.take(name);
        self.register(IntGaugeVec::new(opts(row), &label_names(row))).with_label_values(&[value]).set(1);
    }

    pub(super) fn finish(self) -> Registry {
        let forgotten: Vec<_> = TABLE.iter().filter(|row| !self.taken.contains(row.name)).collect();
        assert!(forgotten.is_empty(), "nobody measures {forgotten:?}");
        self.registry
    }

    fn take(&mut self, name: &'static str) -> &'static Row {
        assert!(self.taken.insert(name), "{name} is taken twice");
        row(name)
    }

    fn register<C: Collector + Clone + 'static>(&self, metric: prometheus::Result<C>) -> C {
        let metric = metric.expect("invariant: the table holds valid names");
        self.registry.register(Box::new(metric.clone())).expect("invariant: names in the table are unique");
        metric
    }
}

fn row(name: &'static str) -> &'static Row {
    TABLE.iter().find(|row| row.name == name).expect("invariant: only names of the table are used")
}

fn opts(row: &Row) -> Opts {
    Opts::new(row.name, row.help)
}

fn histogram_opts(row: &Row) -> HistogramOpts {
    let Kind::Histogram(buckets) = row.kind else { unreachable!("invariant: {} is a histogram", row.name) };
    HistogramOpts { common_opts: opts(row), buckets: buckets.to_vec() }
}

fn label_names(row: &Row) -> Vec<&'static str> {
    row.labels.iter().map(|label| label.name).collect()
}

/// Every combination of the known values.
fn label_sets(row: &Row) -> Vec<Vec<&'static str>> {
    row.labels.iter().fold(vec![Vec::new()], |sets, label| {
        let with = |set: &Vec<&'static str>, value| set.iter().copied().chain([value]).collect();
        sets.iter().flat_map(|set| label.values.iter().map(move |&value| with(set, value))).collect()
    })
}

/// The value itself when the table knows it, else [`OTHER`]: keeps the number of series bounded.
pub(super) fn known(name: &'static str, value: &'static str) -> &'static str {
    let labels = row(name).labels;
    if labels.iter().any(|label| label.values.contains(&value)) { value } else { OTHER }
}
