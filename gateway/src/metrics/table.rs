//! The one table of metrics. Everything is registered from it, and nothing else is; a name that is not here
//! cannot be measured.
//!
//! Base units only. Label values are known beforehand, so that every series exists from the first scrape and
//! none grows with users, keys or sessions.

use crate::routes::ROUTE_LABELS;

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

/// A label and the values that are there from the start.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Values that start at 0.
    pub values: &'static [&'static str],
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
    /// How it is split.
    pub labels: &'static [Label],
}

/// Time to the first token and time in the queue: from the millisecond of a cached prompt to ten minutes.
const WAIT_SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 20.0,
    40.0, 80.0, 160.0, 640.0,
];
/// Between tokens: a small model on a fast chip needs half a millisecond, so the scale starts there.
const GAP_SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0,
    40.0,
];
/// A whole turn.
const TURN_SECONDS: &[f64] =
    &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 600.0, 1800.0];
/// One step of an engine.
const STEP_SECONDS: &[f64] =
    &[0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Sequences in a batch.
const SEQUENCES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
/// How late a timer fires: 1 ms is its resolution, more means that a thread was held up.
const LAG_SECONDS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// From the loss of a replica to the next token: 5 ms where another one is idle, 30 s where the prompt is long and must
/// be read again.
const FAILOVER_SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 20.0, 30.0];
/// The round trip of a link: a tenth of a millisecond on a cable, seconds on a congested radio.
const ROUND_TRIP_SECONDS: &[f64] =
    &[0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2];

/// Stands for a value that is not in the table.
pub(super) const OTHER: &str = "other";

/// Codes of every cause; a test holds them equal to `Cause::code`.
const CAUSES: &[&str] = &[
    "model_not_found",
    "invalid_request",
    "context_length_exceeded",
    "chat_template_failed",
    "overloaded",
    "deadline_exceeded",
    "model_unavailable",
    "engine_lost",
    "engine_stalled",
    "link_lost",
    "node_suspect",
    "node_draining",
    "turn_not_held",
    "node_not_found",
    "not_a_host",
    "not_the_authority",
    "protocol_error",
    "attempts_exhausted",
    "kv_exhausted",
    "cancelled",
    "shutting_down",
    "internal_error",
    OTHER,
];
/// How a turn can end.
const OUTCOMES: &[&str] = &[
    "stop",
    "length",
    "cancelled",
    "model_not_found",
    "invalid_request",
    "context_length_exceeded",
    "chat_template_failed",
    "overloaded",
    "deadline_exceeded",
    "model_unavailable",
    "engine_lost",
    "engine_stalled",
    "link_lost",
    "node_suspect",
    "node_draining",
    "turn_not_held",
    "node_not_found",
    "not_a_host",
    "not_the_authority",
    "protocol_error",
    "attempts_exhausted",
    "kv_exhausted",
    "shutting_down",
    "internal_error",
    OTHER,
];
/// Why a child is restarted.
const RESTART_CAUSES: &[&str] =
    &["engine_lost", "engine_stalled", "protocol_error", "model_unavailable", "internal_error", OTHER];

/// How a handshake can end.
const HANDSHAKES: &[&str] = &["done", "failed", "too_slow", "plain_http", "acme"];

const CAUSE: &[Label] = &[Label { name: "cause", values: CAUSES }];
/// Kinds of networks; a test holds them equal to `PathKind::as_str`.
const PATH: &[Label] = &[Label { name: "path", values: &["lan", "wan"] }];
/// States of members; a test holds them equal to `NodeState::as_str`.
const STATE: &[Label] = &[Label { name: "state", values: &["alive", "suspect", "draining", "offline"] }];

const fn counter(name: &'static str, help: &'static str, labels: &'static [Label]) -> Row {
    Row { name, kind: Kind::Counter, help, labels }
}

const fn gauge(name: &'static str, help: &'static str) -> Row {
    gauges(name, help, &[])
}

const fn gauges(name: &'static str, help: &'static str, labels: &'static [Label]) -> Row {
    Row { name, kind: Kind::Gauge, help, labels }
}

const fn histogram(name: &'static str, buckets: &'static [f64], help: &'static str) -> Row {
    Row { name, kind: Kind::Histogram(buckets), help, labels: &[] }
}

/// Every metric.
pub const TABLE: &[Row] = &[
    counter(
        "pomona_http_requests_total",
        "Requests whose response head was made, by route template and status code. Connections refused over the limit and requests whose head does not parse are not counted; a WebSocket counts once.",
        &[Label { name: "route", values: ROUTE_LABELS }, Label { name: "code", values: &["200"] }],
    ),
    counter(
        "pomona_tls_handshakes_total",
        "TLS handshakes with clients over TCP, by outcome; those of HTTP/3 are not counted.",
        &[Label { name: "outcome", values: HANDSHAKES }],
    ),
    gauge("pomona_client_connections", "Open client connections, idle ones and WebSockets included."),
    gauge("pomona_turns_active", "Turns accepted and not ended, waiting ones included."),
    gauge(
        "pomona_turns_queued",
        "Turns that wait at the gateway; those waiting inside an engine are not counted.",
    ),
    histogram(
        "pomona_queue_wait_seconds",
        WAIT_SECONDS,
        "Seconds from acceptance of a turn to its place at a replica. Turns that never got one are not counted.",
    ),
    histogram(
        "pomona_time_to_first_token_seconds",
        WAIT_SECONDS,
        "Seconds from acceptance of a turn to its first token at the gateway; the way to the client is not counted.",
    ),
    histogram(
        "pomona_inter_token_seconds",
        GAP_SECONDS,
        "Seconds between two events with tokens of one turn, at the gateway; an event mostly holds one token.",
    ),
    histogram(
        "pomona_turn_duration_seconds",
        TURN_SECONDS,
        "Seconds from acceptance of a turn to its terminal event.",
    ),
    counter(
        "pomona_turns_ended_total",
        "Turns ended, by outcome: a finish reason or the code of a cause. Requests refused before a turn was accepted are not counted.",
        &[Label { name: "outcome", values: OUTCOMES }],
    ),
    counter("pomona_prompt_tokens_total", "Prompt tokens of ended turns, cached ones included.", &[]),
    counter(
        "pomona_cached_tokens_total",
        "Prompt tokens of ended turns that were found in the prefix tree.",
        &[],
    ),
    counter(
        "pomona_generated_tokens_total",
        "Answer tokens of ended turns; tokens of running turns are not counted yet.",
        &[],
    ),
    counter(
        "pomona_accepted_tokens_total",
        "Answer tokens of ended turns that were guessed from the text before; of a turn that moved, those of its last engine.",
        &[],
    ),
    counter(
        "pomona_turn_retries_total",
        "Tries of turns after the first, by the cause that made them needed.",
        CAUSE,
    ),
    counter(
        "pomona_turn_resumed_tokens_total",
        "Tokens that were shown already when a turn was tried again, and were kept.",
        &[],
    ),
    counter(
        "pomona_failovers_total",
        "Turns that lost their replica and showed a further token from another one, by the cause of the loss.",
        CAUSE,
    ),
    histogram(
        "pomona_failover_gap_seconds",
        FAILOVER_SECONDS,
        "Seconds from the moment at which the loss of a replica was noticed to the turn's next token; the time that noticing took is not counted.",
    ),
    gauges("pomona_links", "Members linked now, by the kind of network.", PATH),
    Row {
        name: "pomona_link_round_trip_seconds",
        kind: Kind::Histogram(ROUND_TRIP_SECONDS),
        help: "Seconds of the smoothed round trip of a link at each measurement, by the kind of network.",
        labels: PATH,
    },
    counter(
        "pomona_path_switches_total",
        "Moves of a member from one kind of network to another, by the one it moved to. The first link is not counted.",
        PATH,
    ),
    gauges(
        "pomona_nodes",
        "Members of the cluster as this gateway sees them, by state; removed ones are not counted.",
        STATE,
    ),
    counter(
        "pomona_node_suspicions_total",
        "Times that a member was silent for so long that its turns were moved.",
        &[],
    ),
    histogram("pomona_engine_step_seconds", STEP_SECONDS, "Seconds of one engine step, prefill included."),
    histogram("pomona_engine_step_sequences", SEQUENCES, "Sequences in the batch of one engine step."),
    gauge("pomona_engine_sequences", "Sequences in the batch of the engine, by its last report."),
    gauge(
        "pomona_engine_turns_waiting",
        "Turns that wait for a place in the batch, by the last report of the engine.",
    ),
    gauge(
        "pomona_engine_kv_blocks_used",
        "KV blocks held by sequences or the prefix tree, by the last report of the engine.",
    ),
    gauge("pomona_engine_kv_blocks", "KV blocks of the engine in all."),
    counter(
        "pomona_restarts_total",
        "Restarts of engines and actors of this process, by cause. The first start is not counted.",
        &[Label { name: "cause", values: RESTART_CAUSES }],
    ),
    gauge("pomona_ready", "1 when a turn would find a ready replica, else 0."),
    counter(
        "pomona_process_cpu_seconds_total",
        "Processor seconds of this process; an engine in a process of its own is not counted.",
        &[],
    ),
    gauge(
        "pomona_process_resident_bytes",
        "Resident memory of this process in bytes; an engine in a process of its own is not counted.",
    ),
    gauge(
        "pomona_process_open_fds",
        "Open file descriptors of this process; 0 where the system does not say.",
    ),
    histogram(
        "pomona_runtime_lag_seconds",
        LAG_SECONDS,
        "Seconds by which a timer of 100 ms fires late; long ones mean that a handler holds a thread.",
    ),
    Row {
        name: "pomona_build_info",
        kind: Kind::Gauge,
        help: "Always 1; the version stands in the label.",
        labels: &[Label { name: "version", values: &[] }],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use pomona_protocol::{Cause, NodeState, PathKind};

    /// Units that stand last in a name without being one of Prometheus' base units: counts of things.
    const COUNTS: &[&str] = &[
        "_connections",
        "_links",
        "_nodes",
        "_active",
        "_queued",
        "_sequences",
        "_waiting",
        "_used",
        "_blocks",
        "_ready",
        "_fds",
        "_info",
    ];

    #[test]
    fn every_name_ends_with_its_unit_and_is_explained() {
        for row in TABLE {
            assert!(row.name.starts_with("pomona_"), "{}", row.name);
            assert!(row.help.len() > 20 && row.help.ends_with('.'), "{} needs a sentence", row.name);
            let count = COUNTS.iter().any(|unit| row.name.ends_with(unit));
            let fits = match row.kind {
                Kind::Counter => row.name.ends_with("_total"),
                Kind::Gauge => row.name.ends_with("_bytes") || count,
                Kind::Histogram(_) => row.name.ends_with("_seconds") || count,
            };
            assert!(fits, "{} has no unit suffix", row.name);
            if row.name.contains("seconds") {
                assert!(row.help.to_lowercase().contains("seconds"), "{} does not name its unit", row.name);
            }
        }
    }

    #[test]
    fn buckets_rise_and_names_are_unique() {
        let mut names: Vec<_> = TABLE.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
        for row in TABLE {
            if let Kind::Histogram(buckets) = row.kind {
                assert!(buckets.is_sorted_by(|a, b| a < b), "{}", row.name);
            }
        }
    }

    #[test]
    fn every_path_and_state_has_its_series() {
        assert_eq!(PATH[0].values, [PathKind::Lan, PathKind::Wan].map(PathKind::as_str));
        let states = [NodeState::Alive, NodeState::Suspect, NodeState::Draining, NodeState::Offline];
        assert_eq!(STATE[0].values, states.map(NodeState::as_str));
    }

    #[test]
    fn every_cause_has_its_series() {
        let text = String::new;
        let causes = [
            Cause::UnknownModel { model: text(), known: vec![] },
            Cause::InvalidRequest { parameter: text(), message: text() },
            Cause::ContextExceeded { prompt_tokens: 0, context_tokens: 0 },
            Cause::Template { message: text() },
            Cause::Overloaded { waiting: 0, limit: 0, retry_after_s: 0 },
            Cause::DeadlineExceeded { limit_ms: 0, phase: text() },
            Cause::ModelUnavailable { model: text(), message: text() },
            Cause::EngineLost { message: text() },
            Cause::EngineStalled { waited_ms: 0, limit_ms: 0 },
            Cause::LinkLost { node: text(), message: text() },
            Cause::NodeSuspect { node: text() },
            Cause::NodeDraining { node: text() },
            Cause::TurnNotHeld,
            Cause::UnknownNode { node: text(), known: vec![] },
            Cause::NotAHost { node: text() },
            Cause::NotTheAuthority { holder: text() },
            Cause::Protocol { message: text() },
            Cause::AttemptsExhausted { attempts: 0, last: Box::new(Cause::Cancelled) },
            Cause::KvExhausted { needed: 0, total: 0 },
            Cause::Cancelled,
            Cause::ShuttingDown,
            Cause::Internal { message: text() },
        ];
        for cause in &causes {
            assert!(CAUSES.contains(&cause.code()) && OUTCOMES.contains(&cause.code()), "{}", cause.code());
        }
        assert_eq!(causes.len() + 1, CAUSES.len());
    }
}
