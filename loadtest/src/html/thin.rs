//! Fewer slices and points where there are more than a screen can show. What is thinned keeps its worst, never its mean: a
//! spike that was seen is drawn.

use std::collections::BTreeMap;

use crate::report::Slice;

/// Most slices of a plot or a table; a screen has a few points of width for each.
pub(super) const SLICES_MAX: usize = 240;
/// Most points of one line.
pub(super) const POINTS_MAX: usize = 400;

/// At most `most` slices, each of some that follow each other, and of how many at most.
pub(super) fn slices(slices: &[Slice], most: usize) -> (Vec<Slice>, usize) {
    let each = slices.len().div_ceil(most.max(1)).max(1);
    (slices.chunks(each).map(merge).collect(), each)
}

fn merge(slices: &[Slice]) -> Slice {
    let mut merged = Slice { at_ms: slices.first().map_or(0.0, |slice| slice.at_ms), ..Slice::default() };
    for slice in slices {
        merged.length_ms += slice.length_ms;
        merged.started = merged.started.saturating_add(slice.started);
        merged.finished = merged.finished.saturating_add(slice.finished);
        merged.failed = merged.failed.saturating_add(slice.failed);
        merged.tokens = merged.tokens.saturating_add(slice.tokens);
        merged.in_flight = merged.in_flight.max(slice.in_flight);
        merged.first_token = worst(merged.first_token, slice.first_token);
        merged.inter_token = worst(merged.inter_token, slice.inter_token);
        for (node, tokens) in &slice.tokens_by_node {
            let sum: &mut u64 = merged.tokens_by_node.entry(node.clone()).or_default();
            *sum = sum.saturating_add(*tokens);
        }
    }
    merged
}

fn worst(one: Option<[f64; 3]>, other: Option<[f64; 3]>) -> Option<[f64; 3]> {
    match (one, other) {
        (Some(one), Some(other)) => Some([0, 1, 2].map(|at| one[at].max(other[at]))),
        (one, other) => one.or(other),
    }
}

/// At most [`POINTS_MAX`] points: of some that follow each other, the one with the largest value.
pub(super) fn points(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let each = points.len().div_ceil(POINTS_MAX).max(1);
    let largest = |chunk: &[(f64, f64)]| chunk.iter().copied().max_by(|one, other| one.1.total_cmp(&other.1));
    points.chunks(each).filter_map(largest).collect()
}

/// Names by their size, largest first, those beyond `most` left out and counted.
pub(super) fn largest<'a>(sizes: &BTreeMap<&'a str, u64>, most: usize) -> (Vec<&'a str>, usize) {
    let mut names: Vec<_> = sizes.iter().map(|(name, size)| (*name, *size)).collect();
    names.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
    let left_out = names.len().saturating_sub(most);
    (names.into_iter().take(most).map(|(name, _)| name).collect(), left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(at: usize) -> Slice {
        let first_token = Some([1.0, 2.0, if at == 777 { 900.0 } else { 3.0 }]);
        Slice { at_ms: at as f64, length_ms: 1.0, started: 1, first_token, ..Slice::default() }
    }

    #[test]
    fn a_spike_outlives_the_thinning() {
        let all: Vec<_> = (0..10_000).map(slice).collect();
        let (thin, each) = slices(&all, SLICES_MAX);
        assert!(thin.len() <= SLICES_MAX);
        assert_eq!(each, 42);
        assert_eq!(thin.iter().map(|slice| slice.started).sum::<u64>(), 10_000);
        assert_eq!(thin.iter().filter(|slice| slice.first_token == Some([1.0, 2.0, 900.0])).count(), 1);
        let ends = thin.iter().map(|slice| slice.at_ms + slice.length_ms);
        assert_eq!(ends.fold(0.0, f64::max), 10_000.0);
    }

    #[test]
    fn few_slices_stay_as_they_are() {
        let all: Vec<_> = (0..3).map(slice).collect();
        assert_eq!(slices(&all, SLICES_MAX), (all, 1));
        assert_eq!(slices(&[], SLICES_MAX), (Vec::new(), 1));
    }

    #[test]
    fn the_largest_value_of_a_series_is_kept() {
        let series: Vec<_> =
            (0..5_000).map(|at| (f64::from(at), if at == 4_321 { 9.0 } else { 1.0 })).collect();
        let thin = points(&series);
        assert!(thin.len() <= POINTS_MAX);
        assert!(thin.contains(&(4_321.0, 9.0)));
    }

    #[test]
    fn names_come_by_size_and_then_by_name() {
        let sizes = BTreeMap::from([("a", 1), ("b", 7), ("c", 7), ("d", 2)]);
        assert_eq!(largest(&sizes, 3), (vec!["b", "c", "d"], 1));
    }
}
