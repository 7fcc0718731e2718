//! What part of a run each node did. An answer does not say where it was made, but `/metrics` counts turns and tokens by
//! node, so a gateway that tells them fills this part of the report; else it stays with what moved turns say. Pure; the
//! command calls it behind [`crate::figures::report`].

use std::collections::BTreeMap;

use crate::report::{NodeShare, Report};
use crate::run::{NODE_TOKENS, NODE_TURNS, of_node};

/// Fills in the nodes and the tokens of each slice by node, where the series of the gateway tell them.
pub fn fill(report: &mut Report) {
    let Some(server) = &report.server else { return };
    let prefix = format!("{NODE_TOKENS}{{node=\"");
    let names = server.series.keys().filter_map(|name| name.strip_prefix(&prefix)?.strip_suffix("\"}"));
    let mut nodes = BTreeMap::new();
    for node in names {
        let grown = |name: &str, from: f64, to: f64| {
            server.series.get(&of_node(name, node)).map_or(0, |series| growth(series, from, to))
        };
        let share = NodeShare {
            requests: grown(NODE_TURNS, 0.0, f64::INFINITY),
            tokens: grown(NODE_TOKENS, 0.0, f64::INFINITY),
        };
        for slice in &mut report.timeline {
            let tokens = grown(NODE_TOKENS, slice.at_ms, slice.at_ms + slice.length_ms);
            slice.tokens_by_node.insert(node.to_owned(), tokens);
        }
        nodes.insert(node.to_owned(), share);
    }
    if nodes.values().any(|share| share.tokens > 0) {
        report.nodes = nodes;
    }
}

/// By how much a counter grew between two times. A step between two looks is dealt out evenly; a counter that begins again,
/// as after a restart, has grown by what it says then.
fn growth(series: &[(f64, f64)], from: f64, to: f64) -> u64 {
    let mut grown = 0.0;
    for pair in series.windows(2) {
        let ((start, before), (end, after)) = (pair[0], pair[1]);
        let step = if after >= before { after - before } else { after };
        let within = (end.min(to) - start.max(from)).max(0.0);
        grown += step * within / (end - start).max(1e-9);
    }
    grown.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_grows_by_its_steps_and_from_nothing_when_it_begins_again() {
        let series = [(0.0, 10.0), (1000.0, 30.0), (2000.0, 4.0), (3000.0, 8.0)];
        assert_eq!(growth(&series, 0.0, f64::INFINITY), 28);
        assert_eq!(growth(&series, 500.0, 1500.0), 12);
        assert_eq!(growth(&series[..1], 0.0, 1e9), 0);
    }
}
