//! What is measured: an [`Observer`] for the actors, counters for the gateway's own requests, and the text
//! that `/metrics` answers.
//!
//! Names, help and buckets stand in [`table`]; this file only keeps handles, so that an observation on the
//! path of a token is one or two atomic additions.

mod process;
mod registry;
pub mod table;

use std::sync::Mutex;
use std::time::Duration;

use pomona_actors::{Observation, Observer};
use pomona_protocol::{EngineLoad, NodeState, PathKind};
use prometheus::{
    Encoder, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, TextEncoder,
};
use tokio::time::Instant;

use self::process::Process;
use self::registry::{Builder, known};

/// How long the lag task sleeps; its lateness is the measure.
const LAG_PERIOD: Duration = Duration::from_millis(100);

/// Everything that this process measures. Make one per process and share it.
pub struct Metrics {
    registry: prometheus::Registry,
    http_requests: IntCounterVec,
    handshakes: IntCounterVec,
    connections: IntGauge,
    turns_active: IntGauge,
    turns_queued: IntGauge,
    queue_wait: Histogram,
    first_token: Histogram,
    inter_token: Histogram,
    turn_duration: Histogram,
    turns_ended: IntCounterVec,
    prompt_tokens: IntCounter,
    cached_tokens: IntCounter,
    generated_tokens: IntCounter,
    accepted_tokens: IntCounter,
    retries: IntCounterVec,
    resumed_tokens: IntCounter,
    failovers: IntCounterVec,
    failover_gap: Histogram,
    links: IntGaugeVec,
    round_trip: HistogramVec,
    path_switches: IntCounterVec,
    nodes: IntGaugeVec,
    suspicions: IntCounter,
    step_seconds: Histogram,
    step_sequences: Histogram,
    engine_sequences: IntGauge,
    engine_waiting: IntGauge,
    kv_blocks_used: IntGauge,
    kv_blocks: IntGauge,
    restarts: IntCounterVec,
    ready: IntGauge,
    lag: Histogram,
    process: Mutex<Process>,
}

impl Metrics {
    /// Registers the whole table, every known label set at 0.
    pub fn new(version: &str) -> Self {
        let mut builder = Builder::new();
        builder.info("pomona_build_info", version);
        Self {
            http_requests: builder.counters("pomona_http_requests_total"),
            handshakes: builder.counters("pomona_tls_handshakes_total"),
            connections: builder.gauge("pomona_client_connections"),
            turns_active: builder.gauge("pomona_turns_active"),
            turns_queued: builder.gauge("pomona_turns_queued"),
            queue_wait: builder.histogram("pomona_queue_wait_seconds"),
            first_token: builder.histogram("pomona_time_to_first_token_seconds"),
            inter_token: builder.histogram("pomona_inter_token_seconds"),
            turn_duration: builder.histogram("pomona_turn_duration_seconds"),
            turns_ended: builder.counters("pomona_turns_ended_total"),
            prompt_tokens: builder.counter("pomona_prompt_tokens_total"),
            cached_tokens: builder.counter("pomona_cached_tokens_total"),
            generated_tokens: builder.counter("pomona_generated_tokens_total"),
            accepted_tokens: builder.counter("pomona_accepted_tokens_total"),
            retries: builder.counters("pomona_turn_retries_total"),
            resumed_tokens: builder.counter("pomona_turn_resumed_tokens_total"),
            failovers: builder.counters("pomona_failovers_total"),
            failover_gap: builder.histogram("pomona_failover_gap_seconds"),
            links: builder.gauges("pomona_links"),
            round_trip: builder.histograms("pomona_link_round_trip_seconds"),
            path_switches: builder.counters("pomona_path_switches_total"),
            nodes: builder.gauges("pomona_nodes"),
            suspicions: builder.counter("pomona_node_suspicions_total"),
            step_seconds: builder.histogram("pomona_engine_step_seconds"),
            step_sequences: builder.histogram("pomona_engine_step_sequences"),
            engine_sequences: builder.gauge("pomona_engine_sequences"),
            engine_waiting: builder.gauge("pomona_engine_turns_waiting"),
            kv_blocks_used: builder.gauge("pomona_engine_kv_blocks_used"),
            kv_blocks: builder.gauge("pomona_engine_kv_blocks"),
            restarts: builder.counters("pomona_restarts_total"),
            ready: builder.gauge("pomona_ready"),
            lag: builder.histogram("pomona_runtime_lag_seconds"),
            process: Mutex::new(Process::new(&mut builder)),
            registry: builder.finish(),
        }
    }

    /// Counts a request whose response head was made. `route` is one of the table's route labels.
    pub(crate) fn request_ended(&self, route: &'static str, status: &str) {
        self.http_requests.with_label_values(&[route, status]).inc();
    }

    /// Counts a TLS handshake. `outcome` is one of the table's.
    pub(crate) fn handshake_ended(&self, outcome: &'static str) {
        self.handshakes.with_label_values(&[known("pomona_tls_handshakes_total", outcome)]).inc();
    }

    /// The text of `/metrics`, in Prometheus' format.
    pub fn render(&self, is_ready: bool) -> Vec<u8> {
        self.ready.set(i64::from(is_ready));
        if let Ok(mut process) = self.process.lock() {
            process.refresh();
        }
        let mut text = Vec::with_capacity(32 * 1024);
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::warn!(%error, "metrics do not encode");
        }
        text
    }

    /// Measures for ever how late a timer fires. Whoever calls it owns the task.
    pub(crate) async fn watch_lag(&self) {
        loop {
            let due = Instant::now() + LAG_PERIOD;
            tokio::time::sleep_until(due).await;
            self.lag.observe(due.elapsed().as_secs_f64());
        }
    }

    /// What a gateway sees of the other machines.
    fn fleet_changed(&self, observation: Observation<'_>) {
        match observation {
            Observation::Links { lan, wan } => {
                for (path, links) in [(PathKind::Lan, lan), (PathKind::Wan, wan)] {
                    self.links.with_label_values(&[path.as_str()]).set(i64::from(links));
                }
            }
            Observation::RoundTrip { path, rtt } => {
                self.round_trip.with_label_values(&[path.as_str()]).observe(rtt.as_secs_f64());
            }
            Observation::PathSwitched { path } => {
                self.path_switches.with_label_values(&[path.as_str()]).inc()
            }
            Observation::NodeSuspected => self.suspicions.inc(),
            Observation::Nodes { alive, suspect, draining, offline } => {
                for (state, nodes) in [
                    (NodeState::Alive, alive),
                    (NodeState::Suspect, suspect),
                    (NodeState::Draining, draining),
                    (NodeState::Offline, offline),
                ] {
                    self.nodes.with_label_values(&[state.as_str()]).set(i64::from(nodes));
                }
            }
            other => tracing::error!(?other, "an observation that is not of the fleet"),
        }
    }

    fn engine_reported(&self, load: &EngineLoad) {
        self.engine_sequences.set(i64::from(load.running));
        self.engine_waiting.set(i64::from(load.waiting));
        self.kv_blocks_used.set(i64::from(load.kv_blocks_used));
        self.kv_blocks.set(i64::from(load.kv_blocks_total));
        for sample in &load.samples {
            self.step_seconds.observe(f64::from(sample.micros) / 1e6);
            self.step_sequences.observe(f64::from(sample.sequences));
        }
    }
}

impl Observer for Metrics {
    fn record(&self, observation: Observation<'_>) {
        match observation {
            Observation::ClientConnected => self.connections.inc(),
            Observation::ClientDisconnected => self.connections.dec(),
            Observation::TurnAccepted => self.turns_active.inc(),
            Observation::TurnPlaced { waited } => self.queue_wait.observe(waited.as_secs_f64()),
            Observation::FirstToken { after } => self.first_token.observe(after.as_secs_f64()),
            Observation::Tokens { gap } => self.inter_token.observe(gap.as_secs_f64()),
            Observation::TurnRetried { cause, shown } => {
                self.retries.with_label_values(&[known("pomona_turn_retries_total", cause)]).inc();
                self.resumed_tokens.inc_by(u64::from(shown));
            }
            Observation::Failover { cause, gap } => {
                self.failovers.with_label_values(&[known("pomona_failovers_total", cause)]).inc();
                self.failover_gap.observe(gap.as_secs_f64());
            }
            Observation::TurnEnded {
                outcome,
                after,
                prompt_tokens,
                cached_tokens,
                completion_tokens,
                accepted_tokens,
            } => {
                self.turns_active.dec();
                self.turns_ended.with_label_values(&[known("pomona_turns_ended_total", outcome)]).inc();
                self.turn_duration.observe(after.as_secs_f64());
                self.prompt_tokens.inc_by(u64::from(prompt_tokens));
                self.cached_tokens.inc_by(u64::from(cached_tokens));
                self.generated_tokens.inc_by(u64::from(completion_tokens));
                self.accepted_tokens.inc_by(u64::from(accepted_tokens));
            }
            Observation::QueueDepth(turns) => self.turns_queued.set(i64::from(turns)),
            Observation::Restarted { cause } => {
                self.restarts.with_label_values(&[known("pomona_restarts_total", cause)]).inc();
            }
            Observation::EngineLoad(load) => self.engine_reported(load),
            Observation::Links { .. }
            | Observation::RoundTrip { .. }
            | Observation::PathSwitched { .. }
            | Observation::NodeSuspected
            | Observation::Nodes { .. } => self.fleet_changed(observation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(metrics: &Metrics) -> String {
        String::from_utf8(metrics.render(true)).unwrap()
    }

    #[test]
    fn every_row_is_on_the_page_before_anything_happened() {
        let page = text(&Metrics::new("1.2.3"));
        for row in table::TABLE {
            assert!(page.contains(&format!("# HELP {} ", row.name)), "{} is not registered", row.name);
            assert!(page.contains(&format!("\n{}", row.name)), "{} has no sample", row.name);
        }
        assert!(page.contains("pomona_build_info{version=\"1.2.3\"} 1"));
        assert!(page.contains("pomona_turns_ended_total{outcome=\"engine_lost\"} 0"));
    }

    #[test]
    fn an_outcome_that_is_not_in_the_table_counts_as_other() {
        let metrics = Metrics::new("0");
        metrics.record(Observation::Restarted { cause: "moon_phase" });
        assert!(text(&metrics).contains("pomona_restarts_total{cause=\"other\"} 1"));
    }

    #[test]
    fn the_fleet_is_counted_by_path_and_state() {
        let metrics = Metrics::new("0");
        metrics.record(Observation::Failover { cause: "link_lost", gap: Duration::from_millis(200) });
        metrics.record(Observation::Failover { cause: "moon_phase", gap: Duration::from_secs(60) });
        metrics.record(Observation::Links { lan: 3, wan: 1 });
        metrics.record(Observation::RoundTrip { path: PathKind::Wan, rtt: Duration::from_millis(80) });
        metrics.record(Observation::PathSwitched { path: PathKind::Wan });
        metrics.record(Observation::NodeSuspected);
        metrics.record(Observation::Nodes { alive: 4, suspect: 1, draining: 2, offline: 0 });
        metrics.record(Observation::Nodes { alive: 5, suspect: 0, draining: 2, offline: 0 });
        let page = text(&metrics);
        for line in [
            "pomona_failovers_total{cause=\"link_lost\"} 1",
            "pomona_failovers_total{cause=\"other\"} 1",
            "pomona_failover_gap_seconds_bucket{le=\"0.25\"} 1",
            "pomona_failover_gap_seconds_bucket{le=\"30\"} 1",
            "pomona_failover_gap_seconds_count 2",
            "pomona_links{path=\"lan\"} 3",
            "pomona_links{path=\"wan\"} 1",
            "pomona_link_round_trip_seconds_count{path=\"wan\"} 1",
            "pomona_link_round_trip_seconds_count{path=\"lan\"} 0",
            "pomona_path_switches_total{path=\"wan\"} 1",
            "pomona_nodes{state=\"alive\"} 5",
            "pomona_nodes{state=\"suspect\"} 0",
            "pomona_node_suspicions_total 1",
        ] {
            assert!(page.contains(&format!("\n{line}\n")), "{line}");
        }
    }

    #[test]
    fn a_turn_is_active_until_it_ended() {
        let metrics = Metrics::new("0");
        metrics.record(Observation::TurnAccepted);
        assert!(text(&metrics).contains("pomona_turns_active 1"));
        metrics.record(Observation::TurnEnded {
            outcome: "stop",
            after: Duration::from_millis(20),
            prompt_tokens: 7,
            cached_tokens: 3,
            completion_tokens: 5,
            accepted_tokens: 2,
        });
        let page = text(&metrics);
        assert!(page.contains("pomona_turns_active 0"));
        assert!(page.contains("pomona_turns_ended_total{outcome=\"stop\"} 1"));
        assert!(page.contains("pomona_generated_tokens_total 5"));
        assert!(page.contains("pomona_accepted_tokens_total 2"));
    }
}
