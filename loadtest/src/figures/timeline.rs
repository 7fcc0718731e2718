//! The run in slices of equal length, for plots and for the rule of over-saturation. For [`super::report`].

use std::time::Duration;

use super::marks::marks;
use super::{Quantity, View};
use crate::report::Slice;

/// Slices of a time line whose slice length nobody chose; as many as a plot can show.
const SLICES: u32 = 240;
/// Slices of a run of few requests, so that it is no row of zeros.
const SLICES_MIN: u32 = 20;
/// Requests that a slice has on average, where there are more than [`SLICES_MIN`] slices: fewer give a saw.
const REQUESTS_PER_SLICE: usize = 4;
/// Slices at most, whatever was chosen.
const SLICES_MAX: u32 = 2_000;
/// Lengths of slices to choose from, in milliseconds; beyond them, whole minutes.
const LENGTHS_MS: [u64; 13] =
    [100, 200, 250, 500, 1_000, 2_000, 2_500, 5_000, 10_000, 15_000, 20_000, 30_000, 60_000];

/// What is collected for one slice before its figures are read.
#[derive(Default)]
struct Collected {
    slice: Slice,
    first_token: Quantity,
    inter_token: Quantity,
    /// Requests that left in it less those that ended in it.
    running: i64,
}

pub(super) fn slices(views: &[View<'_>], wanted: Option<Duration>) -> Vec<Slice> {
    let last = views.iter().map(|view| view.record.ended).max().unwrap_or_default();
    let length = slice_length(last, views.len(), wanted);
    let count = last.as_micros() / length.as_micros() + 1;
    let mut all: Vec<Collected> = (0..count).map(|_| Collected::default()).collect();
    for view in views {
        collect(view, length, &mut all);
    }
    let mut in_flight = 0;
    let mut slices = Vec::with_capacity(all.len());
    for (position, collected) in all.into_iter().enumerate() {
        in_flight += collected.running;
        let at = length * position as u32;
        slices.push(Slice {
            at_ms: at.as_secs_f64() * 1e3,
            length_ms: length.as_secs_f64() * 1e3,
            in_flight: in_flight.max(0) as u64,
            first_token: collected.first_token.three_ms(),
            inter_token: collected.inter_token.three_ms(),
            ..collected.slice
        });
    }
    slices
}

fn collect(view: &View<'_>, length: Duration, all: &mut [Collected]) {
    let record = view.record;
    let last = all.len() - 1;
    let index = |at: Duration| ((at.as_micros() / length.as_micros()) as usize).min(last);
    let intended = &mut all[index(record.intended)];
    intended.slice.started += 1;
    if let Some(first) = view.first_token() {
        intended.first_token.add_span(first.saturating_sub(record.intended));
    }
    let ended = &mut all[index(record.ended)];
    ended.slice.finished += u64::from(view.is_finished());
    ended.slice.failed += u64::from(view.is_failed());
    ended.running -= 1;
    all[index(record.sent)].running += 1;
    for mark in marks(record) {
        let collected = &mut all[index(mark.at)];
        collected.slice.tokens += mark.tokens;
        if let Some(node) = &record.node {
            match collected.slice.tokens_by_node.get_mut(node) {
                Some(tokens) => *tokens += mark.tokens,
                None => drop(collected.slice.tokens_by_node.insert(node.clone(), mark.tokens)),
            }
        }
        if let Some(gap) = mark.gap_us.filter(|_| view.has_gaps()) {
            collected.inter_token.add(u64::from(gap));
        }
    }
}

/// The wanted length, or the shortest round one that gives at most [`SLICES`] with some requests in each; longer when there
/// would be too many.
fn slice_length(run: Duration, requests: usize, wanted: Option<Duration>) -> Duration {
    let fitting = |slices: u32| {
        let shortest = (run / slices).as_millis() as u64 + 1;
        let round = LENGTHS_MS.iter().find(|ms| **ms >= shortest);
        Duration::from_millis(round.copied().unwrap_or_else(|| shortest.div_ceil(60_000) * 60_000))
    };
    match wanted {
        None => {
            let filled = u32::try_from(requests / REQUESTS_PER_SLICE).unwrap_or(SLICES);
            fitting(filled.clamp(SLICES_MIN, SLICES))
        }
        Some(wanted)
            if wanted.is_zero() || run.as_micros() / wanted.as_micros().max(1) >= u128::from(SLICES_MAX) =>
        {
            fitting(SLICES_MAX)
        }
        Some(wanted) => wanted.max(Duration::from_micros(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{plan, record, views};
    use super::*;
    use crate::record::{Outcome, Record};

    #[test]
    fn slices_are_round_and_few() {
        let length =
            |seconds: u64, wanted| slice_length(Duration::from_secs(seconds), 10_000, wanted).as_millis();
        assert_eq!(length(10, None), 100);
        assert_eq!(length(60, None), 500);
        assert_eq!(length(1_800, None), 10_000);
        assert_eq!(length(86_400, None), 420_000);
        assert_eq!(length(60, Some(Duration::from_millis(700))), 700);
        assert_eq!(length(86_400, Some(Duration::from_millis(1))), 60_000);
        assert_eq!(length(1, Some(Duration::ZERO)), 100);
        let of_few = |requests| slice_length(Duration::from_secs(30), requests, None).as_millis();
        assert_eq!((of_few(0), of_few(120), of_few(600)), (2_000, 2_000, 250));
    }

    #[test]
    fn everything_lies_in_the_slice_of_its_time() {
        let on_a = Record { node: Some("a".to_owned()), ..record(0, 100, 50, &[100, 900]) };
        let failed = Record {
            first_token: None,
            gaps_us: Vec::new(),
            tokens: 0,
            outcome: Outcome::Failed("overloaded".to_owned()),
            ..record(1, 1_200, 10, &[])
        };
        let records = [on_a, failed];
        let plan = plan(2, Duration::from_secs(2));
        let slices = slices(&views(&plan, &records), Some(Duration::from_secs(1)));
        assert_eq!(slices.len(), 2);
        let counts =
            |slice: &Slice| (slice.started, slice.finished, slice.failed, slice.tokens, slice.in_flight);
        assert_eq!(counts(&slices[0]), (1, 0, 0, 2, 1));
        assert_eq!(counts(&slices[1]), (1, 1, 1, 1, 0));
        assert_eq!(slices[0].first_token, Some([50.0; 3]));
        assert_eq!(slices[1].first_token, None);
        assert_eq!(slices[1].inter_token.map(|three| three[0].round()), Some(900.0));
        assert_eq!(slices[0].tokens_by_node["a"], 2);
        assert_eq!((slices[1].at_ms, slices[1].length_ms), (1_000.0, 1_000.0));
    }
}
