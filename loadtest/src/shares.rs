//! What part of a run each node did. An answer does not say where it was made, but `/metrics` counts turns and tokens by
//! node, so a gateway that tells them fills this part of the report; else it stays with what moved turns say. Pure; the
//! command calls it behind [`crate::figures::report`].

use std::collections::BTreeMap;

use crate::report::{NodeShare, Report, Slice};
use crate::run::{NODE_TOKENS, NODE_TURNS, of_node};

/// Fills in the nodes and the tokens of each slice by node, where the series of the gateway tell them.
pub fn fill(report: &mut Report) {
    let Some(server) = &report.server else { return };
    if let Some(nodes) = by_node(&server.series, &mut report.timeline) {
        report.nodes = nodes;
    }
}

/// `None`, and no slice is touched, where the series tell of no token.
fn by_node(
    series: &BTreeMap<String, Vec<(f64, f64)>>,
    slices: &mut [Slice],
) -> Option<BTreeMap<String, NodeShare>> {
    let prefix = format!("{NODE_TOKENS}{{node=\"");
    let names = series.keys().filter_map(|name| name.strip_prefix(&prefix)?.strip_suffix("\"}"));
    let grown = |name: &str, node: &str, from: f64, to: f64| {
        series.get(&of_node(name, node)).map_or(0, |series| growth(series, from, to))
    };
    let share = |node: &str| NodeShare {
        requests: grown(NODE_TURNS, node, 0.0, f64::INFINITY),
        tokens: grown(NODE_TOKENS, node, 0.0, f64::INFINITY),
    };
    let nodes: BTreeMap<String, NodeShare> = names.map(|node| (node.to_owned(), share(node))).collect();
    if nodes.values().all(|share| share.tokens == 0) {
        return None;
    }
    for slice in slices {
        let (from, to) = (slice.at_ms, slice.at_ms + slice.length_ms);
        // In place of what moved turns say, which know machines by their ids.
        slice.tokens_by_node =
            nodes.keys().map(|node| (node.clone(), grown(NODE_TOKENS, node, from, to))).collect();
    }
    Some(nodes)
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
    fn slices_name_nodes_as_people_do() {
        let series = |tokens: f64| {
            let tokens = vec![(0.0, 0.0), (1000.0, tokens), (2000.0, 2.0 * tokens)];
            BTreeMap::from([(of_node(NODE_TOKENS, "mini"), tokens)])
        };
        let told = Slice { length_ms: 1000.0, ..Slice::default() };
        let mut slices = [told.clone(), Slice { at_ms: 1000.0, ..told }];
        slices[0].tokens_by_node.insert("n-93602d6e36d1ded7".to_owned(), 3);
        let before = slices.clone();
        assert_eq!(by_node(&series(0.0), &mut slices), None);
        assert_eq!(slices, before);
        let nodes = by_node(&series(50.0), &mut slices).unwrap();
        assert_eq!(nodes["mini"].tokens, 100);
        for slice in &slices {
            assert_eq!(slice.tokens_by_node, BTreeMap::from([("mini".to_owned(), 50)]));
        }
    }

    #[test]
    fn a_counter_grows_by_its_steps_and_from_nothing_when_it_begins_again() {
        let series = [(0.0, 10.0), (1000.0, 30.0), (2000.0, 4.0), (3000.0, 8.0)];
        assert_eq!(growth(&series, 0.0, f64::INFINITY), 28);
        assert_eq!(growth(&series, 500.0, 1500.0), 12);
        assert_eq!(growth(&series[..1], 0.0, 1e9), 0);
    }
}
