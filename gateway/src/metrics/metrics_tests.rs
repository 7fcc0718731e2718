//! What is observed stands on the page, under the names of the table.

use std::time::Duration;

use pomona_actors::{Insight, Observation, Observer};
use pomona_protocol::{ModelId, PathKind, TraceId};

use super::table::{ALIASES, Kind, Values, rows};
use super::*;

fn page_of(metrics: &Metrics, format: Format, insight: &Insight) -> String {
    String::from_utf8(metrics.render(format, Door { is_ready: true, ..Door::default() }, insight)).unwrap()
}

fn text(metrics: &Metrics) -> String {
    page_of(metrics, Format::Prometheus, &Insight::default())
}

fn holds(page: &str, lines: &[&str]) {
    for line in lines {
        assert!(page.lines().any(|known| known == *line), "{line} is not in:\n{page}");
    }
}

fn ended(model: &ModelId) -> Observation<'_> {
    Observation::TurnEnded {
        model,
        outcome: "stop",
        after: Duration::from_millis(20),
        prefill: Some(Duration::from_millis(4)),
        decode: Some(Duration::from_millis(16)),
        trace: Some(TraceId(0xfe)),
        prompt_tokens: 7,
        cached_tokens: 3,
        completion_tokens: 5,
        accepted_tokens: 2,
    }
}

fn fleet_of_one() -> Insight {
    Insight { nodes: vec![fleet::tests::member("n-1", "studio", true)], ..Insight::default() }
}

#[test]
fn every_row_is_on_the_page_once_and_nothing_else_is() {
    let page = page_of(&Metrics::new("1.2.3"), Format::Prometheus, &fleet_of_one());
    let heads: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let mut expected: Vec<&str> =
        rows().map(|row| row.name).chain(ALIASES.iter().map(|alias| alias.name)).collect();
    let mut found = heads.clone();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
    holds(
        &page,
        &["pomona_build_info{version=\"1.2.3\"} 1", "pomona_turns_ended_total{outcome=\"engine_lost\"} 0"],
    );
}

#[test]
fn every_series_is_there_before_anything_happened() {
    let page = text(&Metrics::new("0"));
    for row in rows() {
        let by_member = row.labels.iter().any(|label| label.values == Values::Node);
        assert!(by_member || page.contains(&format!("\n{}", row.name)), "{} has no sample", row.name);
    }
}

#[test]
fn samples_have_the_labels_of_their_row_in_the_order_of_names() {
    let page = page_of(&Metrics::new("0"), Format::Prometheus, &fleet_of_one());
    for line in page.lines().filter(|line| line.starts_with("pomona_")) {
        let Some((name, labels)) = line.split_once('{') else { continue };
        let bare = name.strip_suffix("_bucket").or(name.strip_suffix("_sum")).or(name.strip_suffix("_count"));
        let row = rows().find(|row| {
            row.name == name || (matches!(row.kind, Kind::Histogram(_)) && Some(row.name) == bare)
        });
        let row = row.unwrap_or_else(|| panic!("{line} is of no row"));
        let named = labels.split(',').filter_map(|label| label.split_once("=\"")).map(|(name, _)| name);
        let named: Vec<_> = named.filter(|name| *name != "le").collect();
        assert_eq!(named, row.labels.iter().map(|label| label.name).collect::<Vec<_>>(), "{line}");
    }
}

#[test]
fn a_value_that_is_not_in_the_table_counts_as_other() {
    let metrics = Metrics::new("0");
    metrics.record(Observation::Restarted { cause: "moon_phase" });
    metrics.request_ended("/metrics", "299");
    metrics.request_rejected("moon_phase");
    metrics.record(ended(&ModelId::from("never-served")));
    holds(
        &text(&metrics),
        &[
            "pomona_restarts_total{cause=\"other\"} 1",
            "pomona_http_requests_total{code=\"other\",route=\"/metrics\"} 1",
            "pomona_rejected_requests_total{cause=\"other\"} 1",
            "pomona_generated_tokens_total{model=\"other\"} 5",
        ],
    );
    assert!(!text(&metrics).contains("never-served"));
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
    holds(
        &text(&metrics),
        &[
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
        ],
    );
}

#[test]
fn a_turn_is_active_until_it_ended_and_counts_for_its_model() {
    let metrics = Metrics::new("0");
    let model = ModelId::from("sprout");
    metrics.record(Observation::TurnAccepted);
    assert!(text(&metrics).contains("pomona_turns_active 1"));
    metrics.record(Observation::TurnPlaced { model: &model, waited: Duration::from_micros(300) });
    let trace = Some(TraceId(0xfe));
    metrics.record(Observation::FirstToken { model: &model, after: Duration::from_millis(3), trace });
    metrics.record(Observation::Tokens { model: &model, gap: Duration::from_micros(700), trace });
    metrics.record(ended(&model));
    holds(
        &text(&metrics),
        &[
            "pomona_turns_active 0",
            "pomona_turns_ended_total{outcome=\"stop\"} 1",
            "pomona_queue_wait_seconds_bucket{model=\"sprout\",le=\"0.0005\"} 1",
            "pomona_inter_token_seconds_bucket{model=\"sprout\",le=\"0.0005\"} 0",
            "pomona_inter_token_seconds_bucket{model=\"sprout\",le=\"0.001\"} 1",
            "pomona_generated_tokens_total{model=\"sprout\"} 5",
            "pomona_accepted_tokens_total{model=\"sprout\"} 2",
            "pomona_turn_prompt_tokens_bucket{model=\"sprout\",le=\"16\"} 1",
        ],
    );
}

#[test]
fn an_example_of_a_latency_names_its_trace_in_open_metrics() {
    let metrics = Metrics::new("0");
    let model = ModelId::from("sprout");
    metrics.record(Observation::TurnPlaced { model: &model, waited: Duration::ZERO });
    metrics.record(ended(&model));
    let page = page_of(&metrics, Format::OpenMetrics, &Insight::default());
    let example = "pomona_turn_duration_seconds_bucket{model=\"sprout\",le=\"0.025\"} 1 # {trace_id=\"000000000000000000000000000000fe\"} 0.02 ";
    assert!(page.lines().any(|line| line.starts_with(example)), "{page}");
    assert!(!text(&metrics).contains("trace_id"));
}

#[test]
fn a_handler_that_held_a_thread_is_counted_by_its_kind() {
    let metrics = Metrics::new("0");
    let took = Duration::from_millis(2);
    for handler in ["turn", "/metrics", "moon"] {
        metrics.record(Observation::LongPoll { handler, took });
    }
    holds(
        &text(&metrics),
        &[
            "pomona_long_polls_total{actor=\"turn\"} 1",
            "pomona_long_polls_total{actor=\"other\"} 1",
            "pomona_long_request_polls_total{route=\"/metrics\"} 1",
            "pomona_long_poll_seconds_bucket{le=\"0.001\"} 0",
            "pomona_long_poll_seconds_bucket{le=\"0.0025\"} 3",
        ],
    );
}

#[test]
fn vllm_finds_its_names_unless_they_are_off() {
    let metrics = Metrics::new("0");
    let model = ModelId::from("sprout");
    metrics.record(Observation::TurnPlaced { model: &model, waited: Duration::ZERO });
    metrics.record(ended(&model));
    let page = page_of(&metrics, Format::Prometheus, &fleet_of_one());
    holds(
        &page,
        &[
            "vllm:num_requests_running{model_name=\"sprout\"} 3",
            "vllm:num_requests_waiting{model_name=\"sprout\"} 1",
            "vllm:kv_cache_usage_perc{model_name=\"sprout\"} 0.4",
            "vllm:prefix_cache_queries_total{model_name=\"sprout\"} 40",
            "vllm:prefix_cache_hits_total{model_name=\"sprout\"} 10",
            "vllm:generation_tokens_total{model_name=\"sprout\"} 5",
            "vllm:request_success_total{finished_reason=\"stop\",model_name=\"sprout\"} 1",
            "vllm:request_success_total{finished_reason=\"abort\",model_name=\"sprout\"} 0",
            "vllm:e2e_request_latency_seconds_count{model_name=\"sprout\"} 1",
            "vllm:request_generation_tokens_sum{model_name=\"sprout\"} 5",
        ],
    );
    assert!(!text(&Metrics::new("0").with_vllm_names(false)).contains("vllm:"));
}
