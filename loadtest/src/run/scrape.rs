//! Asks the gateways for `/metrics` every second of a run, and keeps what a report can use.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use super::exposition::{Point, points};
use super::tally::Clock;
use super::target::Target;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// A gateway that has not answered by then is passed over this time.
const LIMIT: Duration = Duration::from_secs(5);
/// Most series that are kept.
const SERIES_MAX: usize = 512;
/// Processor seconds of a gateway's own process.
const CPU: &str = "pomona_process_cpu_seconds_total";
/// The histogram of which the 99th percentile of each second is kept.
const LAG: &str = "pomona_runtime_lag_seconds";
/// Of these the sum over their labels is kept.
const KEPT: &[&str] = &[
    CPU,
    "pomona_process_resident_bytes",
    "pomona_process_open_fds",
    "pomona_client_connections",
    "pomona_turns_active",
    "pomona_turns_queued",
    "pomona_turns_ended_total",
    "pomona_turn_retries_total",
    "pomona_failovers_total",
    "pomona_restarts_total",
    "pomona_generated_tokens_total",
    "pomona_sessions_active",
    "pomona_runtime_tasks",
    "pomona_long_polls_total",
    "pomona_long_request_polls_total",
    "pomona_engine_sequences",
    "pomona_engine_turns_waiting",
    "pomona_engine_kv_blocks_used",
    "pomona_links",
    "pomona_node_tasks",
    "pomona_node_actors",
    "pomona_node_temp_files",
];
/// Of these the values of one label are kept apart.
const KEPT_BY: &[(&str, &[&str])] = &[("permit", &["pomona_permits_in_use"]), (NODE, BY_NODE)];
/// The label of whatever is counted by node.
const NODE: &str = "node";
const BY_NODE: &[&str] = &[
    "pomona_node_up",
    "pomona_node_turns",
    NODE_TURNS,
    NODE_TOKENS,
    "pomona_node_hosted_turns",
    "pomona_node_cpu_seconds_total",
    "pomona_node_resident_bytes",
    "pomona_node_open_fds",
    "pomona_node_lag_seconds",
    "pomona_node_round_trip_seconds",
];
/// Turns that were begun at a node.
pub const NODE_TURNS: &str = "pomona_node_turns_total";
/// Tokens that a node made.
pub const NODE_TOKENS: &str = "pomona_node_tokens_total";

/// Everything that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scraped {
    /// Named series over time: pairs of milliseconds from the start and value.
    pub series: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Scraped {
    /// Processor seconds of the gateways at the first look and the last.
    pub fn cpu_s(&self) -> Option<(f64, f64)> {
        let series = self.series.get(CPU)?;
        Some((series.first()?.1, series.last()?.1))
    }
}

/// Looks until `stop`, and once more then.
pub(super) async fn watch(targets: Vec<Arc<Target>>, clock: Clock, stop: CancellationToken) -> Scraped {
    let mut scraped = Scraped::default();
    let mut lag = Buckets::default();
    let mut ticks = interval_at(Instant::now(), EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let is_last = tokio::select! {
            _ = ticks.tick() => false,
            () = stop.cancelled() => true,
        };
        look(&targets, clock, &mut scraped, &mut lag).await;
        if is_last {
            return scraped;
        }
    }
}

/// One look at all gateways: what they say is added up.
async fn look(targets: &[Arc<Target>], clock: Clock, scraped: &mut Scraped, lag: &mut Buckets) {
    let mut sums = BTreeMap::new();
    let mut now_lag = Buckets::default();
    for target in targets {
        let Ok(Ok(page)) = timeout(LIMIT, target.ask("GET", "/metrics", "", b"")).await else { return };
        points(&String::from_utf8_lossy(&page)).for_each(|point| add(&point, &mut sums, &mut now_lag));
    }
    if let Some(p99) = now_lag.percentile_since(lag, 0.99) {
        sums.insert(format!("{LAG} p99"), p99);
    }
    *lag = now_lag;
    let at_ms = clock.now().as_secs_f64() * 1e3;
    for (name, value) in sums {
        if scraped.series.contains_key(&name) || scraped.series.len() < SERIES_MAX {
            scraped.series.entry(name).or_default().push((at_ms, value));
        }
    }
}

fn add(point: &Point<'_>, sums: &mut BTreeMap<String, f64>, lag: &mut Buckets) {
    if !point.value.is_finite() {
        return;
    }
    if point.name.strip_suffix("_bucket") == Some(LAG) {
        let bound =
            point.label("le").and_then(|le| if le == "+Inf" { Some(f64::INFINITY) } else { le.parse().ok() });
        if let Some(bound) = bound {
            lag.add(bound, point.value);
        }
        return;
    }
    if KEPT.contains(&point.name) {
        *sums.entry(point.name.to_owned()).or_default() += point.value;
    }
    for (label, names) in KEPT_BY {
        if let Some(value) = point.label(label).filter(|_| names.contains(&point.name)) {
            *sums.entry(labelled(point.name, label, value)).or_default() += point.value;
        }
    }
}

/// The name of a node's series.
pub(crate) fn of_node(name: &str, node: &str) -> String {
    labelled(name, NODE, node)
}

fn labelled(name: &str, label: &str, value: &str) -> String {
    format!("{name}{{{label}=\"{value}\"}}")
}

/// Counts of a histogram by upper bound, rising.
#[derive(Clone, Debug, Default)]
struct Buckets(Vec<(f64, f64)>);

impl Buckets {
    fn add(&mut self, bound: f64, count: f64) {
        match self.0.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, sum)) => *sum += count,
            None => self.0.push((bound, count)),
        }
    }

    /// The upper bound of the bucket in which this share of what came since `before` lies; the largest finite bound
    /// stands for those above all.
    fn percentile_since(&self, before: &Self, share: f64) -> Option<f64> {
        let then =
            |bound: f64| before.0.iter().find(|(known, _)| *known == bound).map_or(0.0, |(_, count)| *count);
        let mut new: Vec<(f64, f64)> =
            self.0.iter().map(|(bound, count)| (*bound, count - then(*bound))).collect();
        new.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all = new.last()?.1;
        let largest = new.iter().rev().map(|(bound, _)| *bound).find(|bound| bound.is_finite())?;
        let met = new.iter().find(|(_, count)| *count >= all * share)?;
        (all > 0.0 && !before.0.is_empty()).then_some(met.0.min(largest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_nodes_and_the_lag_of_the_last_second_are_kept() {
        let page = "pomona_turn_retries_total{cause=\"a\"} 2\npomona_turn_retries_total{cause=\"b\"} 3\n\
                    pomona_node_turns{node=\"n1\"} 4\npomona_other 9\npomona_permits_in_use{permit=\"requests\"} 6\n\
                    pomona_runtime_lag_seconds_bucket{le=\"0.001\"} 90\npomona_runtime_lag_seconds_bucket{le=\"+Inf\"} 100\n";
        let (mut sums, mut lag) = (BTreeMap::new(), Buckets::default());
        points(page).for_each(|point| add(&point, &mut sums, &mut lag));
        let kept: Vec<(&str, f64)> = sums.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let expected = [
            ("pomona_node_turns{node=\"n1\"}", 4.0),
            ("pomona_permits_in_use{permit=\"requests\"}", 6.0),
            ("pomona_turn_retries_total", 5.0),
        ];
        assert_eq!(kept, expected);
        assert_eq!(lag.percentile_since(&Buckets::default(), 0.99), None);
        let before = Buckets(vec![(0.001, 10.0), (f64::INFINITY, 20.0)]);
        assert_eq!(lag.percentile_since(&before, 0.99), Some(0.001));
    }
}
