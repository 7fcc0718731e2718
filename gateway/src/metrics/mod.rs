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
use pomona_protocol::EngineLoad;
use prometheus::{Encoder, Histogram, IntCounter, IntCounterVec, IntGauge, TextEncoder};
use tokio::time::Instant;

use self::process::Process;
use self::registry::{Builder, known};

/// How long the lag task sleeps; its lateness is the measure.
const LAG_PERIOD: Duration = Duration::from_millis(100);

/// Everything that this process measures. Make one per process and share it.
pub struct Metrics {
    registry: prometheus::Registry,
    http_requests: IntCounterVec,
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
    retries: IntCounterVec,
    resumed_tokens: IntCounter,
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
            retries: builder.counters("pomona_turn_retries_total"),
            resumed_tokens: builder.counter("pomona_turn_resumed_tokens_total"),
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
            Observation::TurnEnded { outcome, after, prompt_tokens, cached_tokens, completion_tokens } => {
                self.turns_active.dec();
                self.turns_ended.with_label_values(&[known("pomona_turns_ended_total", outcome)]).inc();
                self.turn_duration.observe(after.as_secs_f64());
                self.prompt_tokens.inc_by(u64::from(prompt_tokens));
                self.cached_tokens.inc_by(u64::from(cached_tokens));
                self.generated_tokens.inc_by(u64::from(completion_tokens));
            }
            Observation::QueueDepth(turns) => self.turns_queued.set(i64::from(turns)),
            Observation::Restarted { cause } => {
                self.restarts.with_label_values(&[known("pomona_restarts_total", cause)]).inc();
            }
            Observation::EngineLoad(load) => self.engine_reported(load),
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
        });
        let page = text(&metrics);
        assert!(page.contains("pomona_turns_active 0"));
        assert!(page.contains("pomona_turns_ended_total{outcome=\"stop\"} 1"));
        assert!(page.contains("pomona_generated_tokens_total 5"));
    }
}
