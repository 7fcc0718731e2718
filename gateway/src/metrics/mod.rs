//! What is measured: an [`Observer`] for the actors, counters for the gateway's own requests, and the text that
//! `/metrics` answers.
//!
//! Names, help and buckets stand in [`table`]; this file keeps the numbers and says which page part writes which row.
//! What happens once per token or request is counted here as it happens; the state of the fleet, the store and the process
//! is read when somebody looks.

mod aliases;
mod fleet;
mod models;
mod page;
mod process;
mod series;
mod store;
pub mod table;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pomona_actors::{Insight, Observation, Observer};
use pomona_protocol::{NodeState, PathKind};

pub use self::models::MODELS_MAX;
use self::models::Models;
pub use self::page::Format;
use self::page::Page;
use self::process::Process;
use self::series::{Counters, Gauges, Histograms};

/// What the gateway knows besides when somebody looks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Door {
    /// Whether a turn would find a ready replica.
    pub(crate) is_ready: bool,
    /// Permits in use and in all, of connections and of requests.
    pub(crate) connections: (u32, u32),
    pub(crate) requests: (u32, u32),
    /// When the certificate ends that clients are shown, in seconds since 1970; 0 without TLS.
    pub(crate) certificate_expires_unix_s: u64,
}

/// Everything that this process measures. Make one per process and share it.
pub struct Metrics {
    version: String,
    with_vllm_names: bool,
    http_requests: Counters,
    rejected: Counters,
    handshakes: Counters,
    connections: Gauges,
    turns_active: Gauges,
    turns_queued: Gauges,
    turns_ended: Counters,
    models: Models,
    retries: Counters,
    resumed_tokens: Counters,
    failovers: Counters,
    failover_gap: Histograms,
    nodes: Gauges,
    suspicions: Counters,
    links: Gauges,
    round_trip: Histograms,
    path_switches: Counters,
    restarts: Counters,
    lag: Histograms,
    long_polls: Counters,
    long_request_polls: Counters,
    long_poll: Histograms,
    process: Mutex<Process>,
}

impl Metrics {
    /// Everything at 0, with vLLM's names.
    pub fn new(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            with_vllm_names: true,
            http_requests: Counters::new("pomona_http_requests_total"),
            rejected: Counters::new("pomona_rejected_requests_total"),
            handshakes: Counters::new("pomona_tls_handshakes_total"),
            connections: Gauges::new("pomona_client_connections"),
            turns_active: Gauges::new("pomona_turns_active"),
            turns_queued: Gauges::new("pomona_turns_queued"),
            turns_ended: Counters::new("pomona_turns_ended_total"),
            models: Models::new(),
            retries: Counters::new("pomona_turn_retries_total"),
            resumed_tokens: Counters::new("pomona_turn_resumed_tokens_total"),
            failovers: Counters::new("pomona_failovers_total"),
            failover_gap: Histograms::new("pomona_failover_gap_seconds"),
            nodes: Gauges::new("pomona_nodes"),
            suspicions: Counters::new("pomona_node_suspicions_total"),
            links: Gauges::new("pomona_links"),
            round_trip: Histograms::new("pomona_link_round_trip_seconds"),
            path_switches: Counters::new("pomona_path_switches_total"),
            restarts: Counters::new("pomona_restarts_total"),
            lag: Histograms::new("pomona_runtime_lag_seconds"),
            long_polls: Counters::new("pomona_long_polls_total"),
            long_request_polls: Counters::new("pomona_long_request_polls_total"),
            long_poll: Histograms::new("pomona_long_poll_seconds"),
            process: Mutex::new(Process::new()),
        }
    }

    /// Whether the page has vLLM's names as well.
    pub fn with_vllm_names(self, with_vllm_names: bool) -> Self {
        Self { with_vllm_names, ..self }
    }

    /// Counts a request whose response head was made. `route` is one of the table's route labels.
    pub(crate) fn request_ended(&self, route: &'static str, status: &str) {
        self.http_requests.inc(&[table::known_code(status), route]);
    }

    /// Counts a request that was answered with this error.
    pub(crate) fn request_rejected(&self, code: &'static str) {
        self.rejected.inc(&[code]);
    }

    /// Counts a TLS handshake. `outcome` is one of the table's.
    pub(crate) fn handshake_ended(&self, outcome: &'static str) {
        self.handshakes.inc(&[outcome]);
    }

    /// The text of `/metrics`.
    pub(crate) fn render(&self, format: Format, door: Door, insight: &Insight) -> Vec<u8> {
        let mut page = Page::new(format);
        self.write_door(&mut page, door, insight);
        for counters in [&self.http_requests, &self.rejected, &self.handshakes, &self.turns_ended] {
            counters.write(&mut page);
        }
        for gauges in [&self.connections, &self.turns_active, &self.turns_queued, &self.nodes, &self.links] {
            gauges.write(&mut page);
        }
        self.models.write(&mut page);
        for counters in [&self.retries, &self.resumed_tokens, &self.failovers, &self.suspicions] {
            counters.write(&mut page);
        }
        for histograms in [&self.failover_gap, &self.round_trip, &self.lag, &self.long_poll] {
            histograms.write(&mut page);
        }
        for counters in [&self.path_switches, &self.restarts, &self.long_polls, &self.long_request_polls] {
            counters.write(&mut page);
        }
        fleet::write(&mut page, insight);
        store::write(&mut page, insight);
        if let Ok(mut process) = self.process.lock() {
            process.write(&mut page);
        }
        if self.with_vllm_names {
            aliases::write(&mut page, &self.models, insight);
        }
        page.finish()
    }

    fn write_door(&self, page: &mut Page, door: Door, insight: &Insight) {
        let mut gauge = |name, samples: &[(&[(&str, &str)], u64)]| {
            page.head(table::row(name));
            for (labels, value) in samples {
                page.sample(table::row(name), labels, *value as f64);
            }
        };
        gauge("pomona_build_info", &[(&[("version", self.version.as_str())], 1)]);
        gauge("pomona_ready", &[(&[], u64::from(door.is_ready))]);
        gauge(
            "pomona_permits_in_use",
            &[
                (&[("permit", "connections")], u64::from(door.connections.0)),
                (&[("permit", "requests")], u64::from(door.requests.0)),
                (&[("permit", "turns")], u64::from(insight.places_held)),
            ],
        );
        gauge(
            "pomona_permits_max",
            &[
                (&[("permit", "connections")], u64::from(door.connections.1)),
                (&[("permit", "requests")], u64::from(door.requests.1)),
            ],
        );
        let expires = door.certificate_expires_unix_s;
        gauge("pomona_tls_certificate_expiry_timestamp_seconds", &[(&[], expires)]);
    }

    /// What a turn says of itself.
    fn turn_changed(&self, observation: Observation<'_>) {
        match observation {
            Observation::TurnPlaced { model, waited } => {
                self.models.serve(model);
                self.models.with(model, |figures| figures.queue_wait.time(waited, None));
            }
            Observation::FirstToken { model, after, trace } => {
                self.models.with(model, |figures| figures.first_token.time(after, trace));
            }
            Observation::Tokens { model, gap, trace } => {
                self.models.with(model, |figures| figures.inter_token.time(gap, trace));
            }
            Observation::TurnRetried { cause, shown } => {
                self.retries.inc(&[cause]);
                self.resumed_tokens.add(&[], u64::from(shown));
            }
            Observation::Failover { cause, gap } => {
                self.failovers.inc(&[cause]);
                self.failover_gap.with(&[]).time(gap, None);
            }
            Observation::TurnEnded {
                model,
                outcome,
                after,
                prefill,
                decode,
                trace,
                prompt_tokens,
                cached_tokens,
                completion_tokens,
                accepted_tokens,
            } => {
                self.turns_active.add(-1);
                self.turns_ended.inc(&[outcome]);
                self.models.with(model, |figures| {
                    let add = |counter: &AtomicU64, tokens: u32| {
                        counter.fetch_add(u64::from(tokens), Ordering::Relaxed);
                    };
                    figures.on_end(outcome);
                    figures.turn.time(after, trace);
                    if let Some(prefill) = prefill {
                        figures.prefill.time(prefill, trace);
                        figures.prompt_sizes.count(u64::from(prompt_tokens));
                        figures.answer_sizes.count(u64::from(completion_tokens));
                    }
                    if let Some(decode) = decode {
                        figures.decode.time(decode, trace);
                    }
                    add(&figures.prompt_tokens, prompt_tokens);
                    add(&figures.cached_tokens, cached_tokens);
                    add(&figures.generated_tokens, completion_tokens);
                    add(&figures.accepted_tokens, accepted_tokens);
                });
            }
            other => tracing::error!(?other, "an observation that is not of a turn"),
        }
    }

    /// What a gateway sees of the other machines.
    fn fleet_changed(&self, observation: Observation<'_>) {
        match observation {
            Observation::Links { lan, wan } => {
                for (path, links) in [(PathKind::Lan, lan), (PathKind::Wan, wan)] {
                    self.links.set(&[path.as_str()], links);
                }
            }
            Observation::RoundTrip { path, rtt } => self.round_trip.with(&[path.as_str()]).time(rtt, None),
            Observation::PathSwitched { path } => self.path_switches.inc(&[path.as_str()]),
            Observation::NodeSuspected => self.suspicions.inc(&[]),
            Observation::Nodes { alive, suspect, draining, offline } => {
                for (state, nodes) in [
                    (NodeState::Alive, alive),
                    (NodeState::Suspect, suspect),
                    (NodeState::Draining, draining),
                    (NodeState::Offline, offline),
                ] {
                    self.nodes.set(&[state.as_str()], nodes);
                }
            }
            other => tracing::error!(?other, "an observation that is not of the fleet"),
        }
    }

    fn poll_was_long(&self, handler: &'static str, took: Duration) {
        // Templates of routes begin with a slash, names of actors do not.
        if handler.starts_with('/') || handler == crate::routes::UNKNOWN_ROUTE {
            self.long_request_polls.inc(&[handler]);
        } else {
            self.long_polls.inc(&[handler]);
        }
        self.long_poll.with(&[]).time(took, None);
    }
}

impl Observer for Metrics {
    fn record(&self, observation: Observation<'_>) {
        match observation {
            Observation::ClientConnected => self.connections.add(1),
            Observation::ClientDisconnected => self.connections.add(-1),
            Observation::TurnAccepted => self.turns_active.add(1),
            Observation::QueueDepth(turns) => self.turns_queued.set(&[], turns),
            Observation::Restarted { cause } => self.restarts.inc(&[cause]),
            Observation::Lag { late } => self.lag.with(&[]).time(late, None),
            Observation::LongPoll { handler, took } => self.poll_was_long(handler, took),
            Observation::TurnPlaced { .. }
            | Observation::FirstToken { .. }
            | Observation::Tokens { .. }
            | Observation::TurnRetried { .. }
            | Observation::Failover { .. }
            | Observation::TurnEnded { .. } => self.turn_changed(observation),
            Observation::Links { .. }
            | Observation::RoundTrip { .. }
            | Observation::PathSwitched { .. }
            | Observation::NodeSuspected
            | Observation::Nodes { .. } => self.fleet_changed(observation),
        }
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
