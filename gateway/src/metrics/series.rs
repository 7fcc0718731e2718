//! Counters, gauges and histograms: plain atomic numbers in the order of a row's label values, so that an observation on
//! the path of a token is two atomic additions and no map is asked.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use pomona_protocol::TraceId;

use super::page::Page;
use super::table::{Kind, Label, Row, Values, row};

/// The values of a label that stand in the table.
fn listed(label: &Label) -> &'static [&'static str] {
    match label.values {
        Values::Known(values) | Values::Used(values) => values,
        Values::Node | Values::Model | Values::Build => &[],
    }
}

/// Where the series with these values stands. A value that is not listed counts as the last one.
fn index(row: &Row, values: &[&str]) -> usize {
    row.labels.iter().zip(values).fold(0, |index, (label, value)| {
        let listed = listed(label);
        let place = listed.iter().position(|known| known == value).unwrap_or(listed.len() - 1);
        index * listed.len() + place
    })
}

fn series(row: &Row) -> usize {
    row.labels.iter().map(|label| listed(label).len()).product()
}

/// The labels of a series, by its place; and whether it is shown before its first use.
fn labels_at(row: &Row, mut index: usize) -> (Vec<(&'static str, &'static str)>, bool) {
    let mut labels = Vec::with_capacity(row.labels.len());
    let mut from_start = true;
    for label in row.labels.iter().rev() {
        let listed = listed(label);
        let place = index % listed.len();
        index /= listed.len();
        from_start &= place == 0 || !matches!(label.values, Values::Used(_));
        labels.push((label.name, listed[place]));
    }
    labels.reverse();
    (labels, from_start)
}

/// A counter per set of labels.
pub(super) struct Counters {
    row: &'static Row,
    cells: Box<[AtomicU64]>,
}

impl Counters {
    pub(super) fn new(name: &'static str) -> Self {
        let row = row(name);
        Self { row, cells: (0..series(row)).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Counts one more of the series with these values, in the order of the row's labels.
    pub(super) fn inc(&self, values: &[&str]) {
        self.add(values, 1);
    }

    pub(super) fn add(&self, values: &[&str], count: u64) {
        self.cells[index(self.row, values)].fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn write(&self, page: &mut Page) {
        page.head(self.row);
        for (place, cell) in self.cells.iter().enumerate() {
            let (labels, from_start) = labels_at(self.row, place);
            let value = cell.load(Ordering::Relaxed);
            if from_start || value > 0 {
                page.sample(self.row, &labels, value as f64);
            }
        }
    }
}

/// A gauge per set of labels.
pub(super) struct Gauges {
    row: &'static Row,
    cells: Box<[AtomicI64]>,
}

impl Gauges {
    pub(super) fn new(name: &'static str) -> Self {
        let row = row(name);
        Self { row, cells: (0..series(row)).map(|_| AtomicI64::new(0)).collect() }
    }

    pub(super) fn set(&self, values: &[&str], value: u32) {
        self.cells[index(self.row, values)].store(i64::from(value), Ordering::Relaxed);
    }

    pub(super) fn add(&self, by: i64) {
        self.cells[0].fetch_add(by, Ordering::Relaxed);
    }

    pub(super) fn write(&self, page: &mut Page) {
        page.head(self.row);
        for (place, cell) in self.cells.iter().enumerate() {
            page.sample(self.row, &labels_at(self.row, place).0, cell.load(Ordering::Relaxed) as f64);
        }
    }
}

/// A histogram per set of labels.
pub(super) struct Histograms {
    row: &'static Row,
    cells: Box<[Histogram]>,
}

impl Histograms {
    pub(super) fn new(name: &'static str) -> Self {
        let row = row(name);
        Self { row, cells: (0..series(row)).map(|_| Histogram::of(row)).collect() }
    }

    pub(super) fn with(&self, values: &[&str]) -> &Histogram {
        &self.cells[index(self.row, values)]
    }

    pub(super) fn write(&self, page: &mut Page) {
        page.head(self.row);
        for (place, cell) in self.cells.iter().enumerate() {
            page.histogram(self.row.name, &labels_at(self.row, place).0, &cell.read());
        }
    }
}

/// An observation that belongs to a recorded trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Exemplar {
    pub(super) trace: TraceId,
    pub(super) value: f64,
    pub(super) at: SystemTime,
}

/// What a histogram holds.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    pub(super) bounds: &'static [f64],
    /// One count per bound, not summed up, and one for what is above.
    pub(super) counts: Vec<u64>,
    pub(super) sum: f64,
    /// The latest one of each bucket; empty where there are none.
    pub(super) exemplars: Vec<Option<Exemplar>>,
}

/// One histogram. Seconds are counted in nanoseconds, tokens as they are.
pub(super) struct Histogram {
    bounds: &'static [f64],
    /// The bounds in what is counted.
    units: Box<[u64]>,
    unit: f64,
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
    exemplars: Mutex<Vec<Option<Exemplar>>>,
}

const NANOS: f64 = 1e9;

impl Histogram {
    pub(super) fn of(row: &Row) -> Self {
        let Kind::Histogram(bounds) = row.kind else {
            unreachable!("invariant: {} is a histogram", row.name)
        };
        let unit = if row.name.ends_with("_seconds") { NANOS } else { 1.0 };
        Self {
            bounds,
            units: bounds.iter().map(|bound| (bound * unit).round() as u64).collect(),
            unit,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
            exemplars: Mutex::default(),
        }
    }

    /// Counts a time; one of a recorded trace may be shown as the example of its bucket.
    pub(super) fn time(&self, took: Duration, trace: Option<TraceId>) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.count(nanos);
        // Whoever finds it taken has an example less; nobody waits.
        if let Some(trace) = trace
            && let Ok(mut exemplars) = self.exemplars.try_lock()
        {
            exemplars.resize(self.counts.len(), None);
            let exemplar = Exemplar { trace, value: took.as_secs_f64(), at: SystemTime::now() };
            exemplars[bucket] = Some(exemplar);
        }
    }

    /// Counts an amount.
    pub(super) fn count(&self, amount: u64) -> usize {
        let bucket = self.units.partition_point(|bound| *bound < amount);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(amount, Ordering::Relaxed);
        bucket
    }

    pub(super) fn read(&self) -> Buckets {
        Buckets {
            bounds: self.bounds,
            counts: self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed) as f64 / self.unit,
            exemplars: self.exemplars.lock().map(|exemplars| exemplars.clone()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_of_labels_has_its_own_place() {
        let row = row("pomona_http_requests_total");
        let mut seen = std::collections::BTreeSet::new();
        for place in 0..series(row) {
            let (labels, _) = labels_at(row, place);
            let values: Vec<_> = labels.iter().map(|(_, value)| *value).collect();
            assert_eq!(index(row, &values), place);
            assert!(seen.insert(labels));
        }
    }

    #[test]
    fn an_observation_counts_in_the_bucket_that_reaches_it() {
        let histograms = Histograms::new("pomona_runtime_lag_seconds");
        let histogram = histograms.with(&[]);
        for micros in [0, 500, 501, 5_000_000, 5_000_001] {
            histogram.time(Duration::from_micros(micros), None);
        }
        let read = histogram.read();
        assert_eq!((read.counts[0], read.counts[1]), (2, 1));
        assert_eq!(read.counts[read.bounds.len() - 1..], [1, 1]);
        assert!((read.sum - 10.001_002).abs() < 1e-9, "{}", read.sum);
        assert!(read.exemplars.is_empty());
    }

    #[test]
    fn an_observation_of_a_trace_is_the_example_of_its_bucket() {
        let histogram = Histogram::of(row("pomona_runtime_lag_seconds"));
        histogram.time(Duration::from_micros(400), Some(TraceId(1)));
        histogram.time(Duration::from_micros(300), Some(TraceId(2)));
        let read = histogram.read();
        let exemplar = read.exemplars[0].unwrap();
        assert_eq!((exemplar.trace, exemplar.value), (TraceId(2), 0.0003));
        assert_eq!(read.exemplars[1], None);
    }
}
