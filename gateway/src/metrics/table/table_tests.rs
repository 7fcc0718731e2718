//! The table keeps its own rules, agrees with the words of other crates, and is what `docs/metrics.md` says.

use pomona_protocol::figures::STEP_BOUNDS_MICROS;
use pomona_protocol::{Cause, NodeState, PathKind, ReplicaState, ThermalState};

use super::super::{MODELS_MAX, fleet, models::Models, process, store};
use super::values::*;
use super::*;

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
    "_up",
    "_state",
    "_path",
    "_turns",
    "_thermal",
    "_tasks",
    "_actors",
    "_files",
    "_replicas",
    "_held",
    "_in_use",
    "_max",
    "_tokens",
];

#[test]
fn every_name_ends_with_its_unit_and_is_explained() {
    for row in rows() {
        assert!(row.name.starts_with("pomona_"), "{}", row.name);
        assert!(row.help.len() > 20 && row.help.ends_with('.'), "{} needs a sentence", row.name);
        assert!(!row.help.contains(['"', '\\', '\n', '|']), "{} cannot be written as it stands", row.name);
        let count = COUNTS.iter().any(|unit| row.name.ends_with(unit));
        let base = ["_bytes", "_seconds"].iter().any(|unit| row.name.ends_with(unit));
        let fits = match row.kind {
            Kind::Counter => row.name.ends_with("_total"),
            Kind::Gauge | Kind::Histogram(_) => base || count,
        };
        assert!(fits, "{} has no unit suffix", row.name);
        if row.name.contains("seconds") {
            assert!(row.help.to_lowercase().contains("seconds"), "{} does not name its unit", row.name);
        }
    }
}

#[test]
fn buckets_rise_and_names_are_unique() {
    let mut names: Vec<_> =
        rows().map(|row| row.name).chain(ALIASES.iter().map(|alias| alias.name)).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    for row in rows() {
        if let Kind::Histogram(buckets) = row.kind {
            assert!(buckets.is_sorted_by(|a, b| a < b), "{}", row.name);
        }
        assert!(row.labels.is_sorted_by(|a, b| a.name < b.name), "{}", row.name);
    }
}

#[test]
fn latencies_of_tokens_are_told_apart_from_half_a_millisecond_on() {
    for row in rows().filter(|row| row.labels.iter().any(|label| label.name == "model")) {
        if let (Kind::Histogram(buckets), true) = (row.kind, row.name.ends_with("_seconds")) {
            assert!(buckets[0] <= 0.0005, "{} begins at {}", row.name, buckets[0]);
        }
    }
}

#[test]
fn no_label_can_grow_with_users_sessions_or_turns() {
    for row in rows() {
        let series: usize = row
            .labels
            .iter()
            .map(|label| match label.values {
                Values::Known(values) | Values::Used(values) => values.len(),
                Values::Node | Values::Model | Values::Build => 1,
            })
            .product();
        assert!(series <= 60 * 40, "{} has {series} series", row.name);
        for label in row.labels {
            let forbidden = ["user", "key", "session", "turn", "client", "principal", "path_name", "id"];
            assert!(!forbidden.contains(&label.name), "{}", row.name);
        }
    }
}

#[test]
fn lists_agree_with_the_words_of_the_protocol() {
    assert_eq!(PATHS, [PathKind::Lan, PathKind::Wan].map(PathKind::as_str));
    let states = [NodeState::Alive, NodeState::Suspect, NodeState::Draining, NodeState::Offline];
    assert_eq!(NODE_STATES, states.map(NodeState::as_str));
    let states = [ReplicaState::Loading, ReplicaState::Ready, ReplicaState::Restarting, ReplicaState::Failed];
    assert_eq!(REPLICA_STATES, states.map(ReplicaState::as_str));
    assert_eq!(THERMAL_STATES, ThermalState::ALL.map(ThermalState::as_str));
    let micros = |seconds: &[f64]| seconds.iter().map(|s| (s * 1e6).round() as u32).collect::<Vec<_>>();
    assert_eq!(micros(STEP_SECONDS), STEP_BOUNDS_MICROS);
    assert_eq!(micros(STORE_SECONDS), pomona_store::TIME_BOUNDS_MICROS);
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

#[test]
fn every_row_of_members_models_store_and_process_is_written_somewhere() {
    let written =
        [fleet::rows(), Models::rows().to_vec(), store::ROWS.to_vec(), process::ROWS.to_vec()].concat();
    for name in &written {
        row(name);
    }
    let labelled = rows()
        .filter(|row| row.labels.iter().any(|label| matches!(label.values, Values::Node | Values::Model)));
    for row in labelled {
        assert!(written.contains(&row.name), "nobody writes {}", row.name);
    }
}

#[test]
fn the_documentation_is_this_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let text = documentation();
    if std::env::var_os("POMONA_WRITE_DOCS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == text, "docs/metrics.md is not what the table says; POMONA_WRITE_DOCS=1 writes it anew");
}

fn kind_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram(_) => "histogram",
    }
}

fn labels_of(row: &Row) -> String {
    let labels: Vec<_> = row.labels.iter().map(|label| format!("`{}`", label.name)).collect();
    if labels.is_empty() { "-".to_owned() } else { labels.join(", ") }
}

fn documentation() -> String {
    let mut text = format!(
        "# Metrics

`GET /metrics` of a gateway shows this gateway and every member of its cluster: members report their figures over the
links, so one scrape sees the whole fleet. How to scrape, plot and alert: [ops/README.md](../ops/README.md).

This page is made from the table in `gateway/src/metrics/table/`; a test fails when the two differ
(`POMONA_WRITE_DOCS=1 cargo test -p pomona-gateway the_documentation_is_this_table` writes it anew).

- Base units: seconds, bytes, tokens. Counters end in `_total` and begin at 0 with each start of whoever counts.
- `node` is a member's name, so there are at most as many as `cluster.members_max`. `model` is a served model: the first
  {MODELS_MAX} have series of their own for their turns, further ones and models that nobody serves count as `other`.
  Values of all other labels are fixed. Nothing is labelled by user, key, session or turn.
- A scraper that accepts `application/openmetrics-text; version=1.0.0` gets OpenMetrics: latencies then name a trace as
  their example, where `telemetry.otlp_endpoint` is set and a trace was sampled.
"
    );
    for area in AREAS {
        text += &format!(
            "\n## {}\n\n| name | kind | labels | meaning |\n| --- | --- | --- | --- |\n",
            area.title
        );
        for row in area.rows {
            text +=
                &format!("| `{}` | {} | {} | {} |\n", row.name, kind_of(row.kind), labels_of(row), row.help);
        }
    }
    text += "\n## vLLM's names

The same numbers under the names of vLLM, by `model_name`, for dashboards and autoscalers that know those. Buckets are
ours. `telemetry.vllm_names = false` leaves them out.

| alias | kind | of | meaning |\n| --- | --- | --- | --- |\n";
    for alias in ALIASES {
        text +=
            &format!("| `{}` | {} | `{}` | {} |\n", alias.name, kind_of(alias.kind), alias.of, alias.help);
    }
    text
}
