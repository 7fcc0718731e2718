//! The fleet on the page: what this gateway sees of every member, and what members say of themselves in their reports.
//! Written anew at each scrape from one snapshot, so that nothing stays of a member that was removed.

use std::collections::BTreeSet;

use pomona_actors::Insight;
use pomona_protocol::{NodeState, NodeStatus, PathKind, ReplicaState, ReplicaStatus, ThermalState};

use super::page::Page;
use super::series::Buckets;
use super::table::{STEP_SECONDS, row};

type OfNode = fn(&NodeStatus) -> Option<f64>;
type OfReplica = fn(&ReplicaStatus) -> f64;

/// Whether it has said something of itself since this gateway's start.
fn said(node: &NodeStatus, value: u64) -> Option<f64> {
    (node.is_here || node.seen_ms_ago.is_some()).then_some(value as f64)
}

/// What the system may not say is 0 there, and is not shown.
fn known(value: u64) -> Option<f64> {
    (value > 0).then_some(value as f64)
}

/// One number per member.
const OF_NODES: &[(&str, OfNode)] = &[
    ("pomona_node_up", |node| Some(f64::from(u8::from(is_up(node))))),
    ("pomona_node_round_trip_seconds", |node| Some(node.path.as_ref()?.rtt_ms / 1e3)),
    ("pomona_node_turns", |node| Some(f64::from(node.turns))),
    ("pomona_node_turns_total", |node| said(node, node.figures.turns)),
    ("pomona_node_tokens_total", |node| said(node, node.figures.tokens)),
    ("pomona_node_restarts_total", |node| said(node, node.figures.restarts)),
    ("pomona_node_model_loads_total", |node| said(node, node.figures.model_loads)),
    ("pomona_node_model_unloads_total", |node| said(node, node.figures.model_unloads)),
    ("pomona_node_model_memory_limit_bytes", |node| said(node, node.memory_bytes)),
    ("pomona_node_model_memory_bytes", |node| said(node, node.memory_bytes_used)),
    ("pomona_node_memory_total_bytes", |node| known(node.figures.machine.memory_bytes)),
    ("pomona_node_memory_available_bytes", |node| {
        known(node.figures.machine.memory_bytes).map(|_| node.figures.machine.memory_bytes_available as f64)
    }),
    ("pomona_node_disk_total_bytes", |node| known(node.figures.machine.disk_bytes)),
    ("pomona_node_disk_free_bytes", |node| {
        known(node.figures.machine.disk_bytes).map(|_| node.figures.machine.disk_bytes_free as f64)
    }),
    ("pomona_node_certificate_expiry_timestamp_seconds", |node| {
        known(node.figures.certificate_expires_unix_s)
    }),
    ("pomona_node_cpu_seconds_total", |node| said(node, node.figures.machine.cpu_ms).map(|ms| ms / 1e3)),
    ("pomona_node_resident_bytes", |node| said(node, node.figures.machine.resident_bytes)),
    ("pomona_node_open_fds", |node| said(node, node.figures.machine.open_fds)),
    ("pomona_node_tasks", |node| said(node, node.figures.tasks)),
    ("pomona_node_actors", |node| said(node, node.figures.actors)),
    ("pomona_node_hosted_turns", |node| said(node, node.figures.hosted_turns)),
    ("pomona_node_temp_files", |node| said(node, node.figures.machine.temp_files)),
    ("pomona_node_lag_seconds", |node| said(node, node.figures.lag_micros).map(|micros| micros / 1e6)),
    ("pomona_node_long_polls_total", |node| said(node, node.figures.long_polls)),
];

/// One number per replica.
const OF_REPLICAS: &[(&str, OfReplica)] = &[
    ("pomona_replica_restarts_total", |replica| replica.restarts as f64),
    ("pomona_engine_step_sequences_total", |replica| replica.figures.step_sequences as f64),
    ("pomona_engine_sequences", |replica| f64::from(replica.running)),
    ("pomona_engine_turns_waiting", |replica| f64::from(replica.waiting)),
    ("pomona_engine_kv_blocks_used", |replica| f64::from(replica.kv_blocks_used)),
    ("pomona_engine_kv_blocks_held", |replica| replica.figures.kv_blocks_held as f64),
    ("pomona_engine_kv_blocks", |replica| f64::from(replica.kv_blocks_total)),
    ("pomona_engine_generated_tokens_total", |replica| replica.figures.generated_tokens as f64),
    ("pomona_prefix_queried_tokens_total", |replica| replica.figures.prompt_tokens as f64),
    ("pomona_prefix_hit_tokens_total", |replica| replica.figures.cached_tokens as f64),
    ("pomona_prefix_restored_tokens_total", |replica| replica.figures.restored_tokens as f64),
    ("pomona_prefix_evicted_blocks_total", |replica| replica.figures.evicted_blocks as f64),
    ("pomona_prefix_disk_bytes", |replica| replica.figures.prefix_disk_bytes as f64),
    ("pomona_prefix_disk_evicted_files_total", |replica| replica.figures.evicted_files as f64),
    ("pomona_prefix_disk_broken_files_total", |replica| replica.figures.broken_files as f64),
    ("pomona_speculation_drafted_tokens_total", |replica| replica.figures.guessed_tokens as f64),
    ("pomona_speculation_accepted_tokens_total", |replica| replica.figures.accepted_tokens as f64),
];

/// Rows that are written by hand below.
#[cfg(test)]
pub(super) const OTHER_ROWS: &[&str] = &[
    "pomona_node_state",
    "pomona_node_path",
    "pomona_node_thermal",
    "pomona_replicas",
    "pomona_engine_step_seconds",
];

/// Names of the rows of both tables.
#[cfg(test)]
pub(super) fn rows() -> Vec<&'static str> {
    let of_nodes = OF_NODES.iter().map(|(name, _)| *name);
    of_nodes.chain(OF_REPLICAS.iter().map(|(name, _)| *name)).chain(OTHER_ROWS.iter().copied()).collect()
}

fn is_up(node: &NodeStatus) -> bool {
    node.is_here || matches!(node.state, NodeState::Alive | NodeState::Draining)
}

pub(super) fn write(page: &mut Page, insight: &Insight) {
    let names = names(&insight.nodes);
    let nodes = || insight.nodes.iter().zip(names.iter().map(String::as_str));
    for (name, value) in OF_NODES {
        let row = row(name);
        page.head(row);
        for (node, label) in nodes() {
            if let Some(value) = value(node) {
                page.sample(row, &[("node", label)], value);
            }
        }
    }
    one_of(page, "pomona_node_state", "state", nodes(), |node| {
        [NodeState::Alive, NodeState::Suspect, NodeState::Draining, NodeState::Offline]
            .map(|state| (state.as_str(), node.state == state))
            .to_vec()
    });
    one_of(page, "pomona_node_path", "path", nodes(), |node| {
        let kind = node.path.as_ref().map(|path| path.kind);
        [PathKind::Lan, PathKind::Wan].map(|path| (path.as_str(), kind == Some(path))).to_vec()
    });
    one_of(page, "pomona_node_thermal", "state", nodes(), |node| {
        ThermalState::ALL.map(|state| (state.as_str(), node.figures.machine.thermal == state)).to_vec()
    });
    replicas(page, nodes());
}

/// A gauge that is 1 for one of several words.
fn one_of<'a>(
    page: &mut Page,
    name: &'static str,
    label: &str,
    nodes: impl Iterator<Item = (&'a NodeStatus, &'a str)>,
    words: impl Fn(&NodeStatus) -> Vec<(&'static str, bool)>,
) {
    let row = row(name);
    page.head(row);
    for (node, name) in nodes {
        for (word, is) in words(node) {
            page.sample(row, &[("node", name), (label, word)], f64::from(u8::from(is)));
        }
    }
}

fn replicas<'a>(page: &mut Page, nodes: impl Iterator<Item = (&'a NodeStatus, &'a str)>) {
    let replicas: Vec<(&ReplicaStatus, &str)> = nodes
        .filter(|(node, _)| is_up(node))
        .flat_map(|(node, label)| node.replicas.iter().map(move |replica| (replica, label)))
        .collect();
    let states = row("pomona_replicas");
    page.head(states);
    for &(replica, node) in &replicas {
        let all =
            [ReplicaState::Loading, ReplicaState::Ready, ReplicaState::Restarting, ReplicaState::Failed];
        for state in all {
            let labels = [("model", replica.model.as_str()), ("node", node), ("state", state.as_str())];
            page.sample(states, &labels, f64::from(u8::from(replica.state == state)));
        }
    }
    for (name, value) in OF_REPLICAS {
        let row = row(name);
        page.head(row);
        for &(replica, node) in &replicas {
            page.sample(row, &[("model", replica.model.as_str()), ("node", node)], value(replica));
        }
    }
    let steps = row("pomona_engine_step_seconds");
    page.head(steps);
    for &(replica, node) in &replicas {
        let figures = &replica.figures;
        let mut counts = figures.step_counts.clone();
        // A member of another version may have other buckets, which cannot be told apart here.
        if counts.len() != STEP_SECONDS.len() + 1 {
            counts = vec![0; STEP_SECONDS.len() + 1];
        }
        let sum = figures.step_micros as f64 / 1e6;
        let buckets = Buckets { bounds: STEP_SECONDS, counts, sum, exemplars: Vec::new() };
        page.histogram(steps.name, &[("model", replica.model.as_str()), ("node", node)], &buckets);
    }
}

/// What people call the members; where two have the same name, with the id behind.
fn names(nodes: &[NodeStatus]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let name = |node: &NodeStatus| {
        let is_new = !node.name.is_empty() && seen.insert(node.name.clone());
        if is_new { node.name.clone() } else { format!("{}~{}", node.name, node.node) }
    };
    nodes.iter().map(name).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use pomona_protocol::{ApiPort, MachineFigures, NodeFigures, NodeId, PeerRole, ReplicaFigures};

    use super::super::page::Format;
    use super::*;

    /// A member with a replica that has made a step.
    pub(in crate::metrics) fn member(id: &str, name: &str, is_here: bool) -> NodeStatus {
        let mut figures = ReplicaFigures {
            prompt_tokens: 40,
            cached_tokens: 10,
            kv_blocks_held: 4,
            ..ReplicaFigures::default()
        };
        figures.count_step(300, 3);
        NodeStatus {
            node: NodeId::from(id),
            name: name.to_owned(),
            role: PeerRole::Node,
            state: NodeState::Alive,
            path: None,
            version: None,
            hosts: true,
            is_here,
            seen_ms_ago: Some(3),
            joined_unix_ms: 0,
            memory_bytes: 1 << 30,
            memory_bytes_used: 1 << 20,
            turns: 2,
            models: Vec::new(),
            replicas: vec![ReplicaStatus {
                node: NodeId::from(id),
                model: "sprout".to_owned(),
                state: ReplicaState::Ready,
                incarnation: 1,
                restarts: 4,
                engine_pid: None,
                card: None,
                turns: 2,
                is_pinned: false,
                idle_ms: 0,
                kv_blocks_used: 5,
                kv_blocks_total: 10,
                running: 3,
                waiting: 1,
                figures,
                error: None,
            }],
            figures: NodeFigures {
                tokens: 99,
                machine: MachineFigures { cpu_ms: 1500, thermal: ThermalState::Fair, ..Default::default() },
                api: Some(ApiPort { port: 9999, is_encrypted: false, is_loopback: true }),
                ..NodeFigures::default()
            },
        }
    }

    fn text(nodes: Vec<NodeStatus>) -> String {
        let mut page = Page::new(Format::Prometheus);
        write(&mut page, &Insight { nodes, ..Insight::default() });
        String::from_utf8(page.finish()).unwrap()
    }

    #[test]
    fn one_page_shows_every_member_by_name() {
        let text = text(vec![member("n-1", "studio", true), member("n-2", "mini", false)]);
        for line in [
            "pomona_node_up{node=\"mini\"} 1",
            "pomona_node_tokens_total{node=\"mini\"} 99",
            "pomona_node_cpu_seconds_total{node=\"studio\"} 1.5",
            "pomona_node_thermal{node=\"mini\",state=\"fair\"} 1",
            "pomona_node_thermal{node=\"mini\",state=\"nominal\"} 0",
            "pomona_replicas{model=\"sprout\",node=\"mini\",state=\"ready\"} 1",
            "pomona_replica_restarts_total{model=\"sprout\",node=\"mini\"} 4",
            "pomona_engine_sequences{model=\"sprout\",node=\"mini\"} 3",
            "pomona_prefix_queried_tokens_total{model=\"sprout\",node=\"studio\"} 40",
            "pomona_engine_step_seconds_bucket{model=\"sprout\",node=\"mini\",le=\"0.0005\"} 1",
            "pomona_engine_step_seconds_bucket{model=\"sprout\",node=\"mini\",le=\"0.00025\"} 0",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is not in:\n{text}");
        }
    }

    #[test]
    fn a_member_that_is_gone_is_down_and_its_engines_are_not_shown() {
        let away = NodeStatus { state: NodeState::Offline, ..member("n-2", "mini", false) };
        let text = text(vec![member("n-1", "studio", true), away]);
        assert!(text.contains("pomona_node_up{node=\"mini\"} 0"));
        assert!(!text.contains("pomona_engine_sequences{model=\"sprout\",node=\"mini\"}"));
    }

    #[test]
    fn what_is_not_known_is_not_shown_as_0() {
        let text = text(vec![member("n-1", "studio", true)]);
        for name in ["pomona_node_disk_free_bytes{", "pomona_node_certificate_expiry_timestamp_seconds{"] {
            assert!(!text.contains(name), "{name}");
        }
    }

    #[test]
    fn two_members_of_one_name_have_two_series() {
        let nodes = [member("n-1", "mac", true), member("n-2", "mac", false), member("n-3", "", false)];
        assert_eq!(names(&nodes), ["mac", "mac~n-2", "~n-3"]);
    }

    #[test]
    fn a_member_with_other_buckets_breaks_nothing() {
        let mut other = member("n-1", "studio", true);
        other.replicas[0].figures.step_counts = vec![1; 99];
        assert!(
            text(vec![other])
                .contains("pomona_engine_step_seconds_count{model=\"sprout\",node=\"studio\"} 0")
        );
    }
}
