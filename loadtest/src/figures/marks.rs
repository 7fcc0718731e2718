//! When the tokens of a record came: records hold the first time and the gaps behind it, slices and recoveries need
//! times. For [`super::timeline`] and [`super::recovery`].

use std::time::Duration;

use crate::record::Record;

/// An event with tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// When it came.
    pub(super) at: Duration,
    /// How many tokens it had.
    pub(super) tokens: u64,
    /// Since the event before, in microseconds; `None` for the first.
    pub(super) gap_us: Option<u32>,
}

/// The events of a record in order. Its tokens are dealt out evenly over them: one each, unless events carried several.
pub(super) fn marks(record: &Record) -> impl Iterator<Item = Mark> + '_ {
    let events = record.gaps_us.len() as u64 + 1;
    let tokens = u64::from(record.tokens);
    let dealt = move |event: u64| tokens * (event + 1) / events - tokens * event / events;
    let first = record.first_token.map(|at| Mark { at, tokens: dealt(0), gap_us: None });
    let mut at = record.first_token.unwrap_or_default();
    let gaps = record.gaps_us.iter().filter(|_| record.first_token.is_some());
    first.into_iter().chain(gaps.enumerate().map(move |(position, gap)| {
        at += Duration::from_micros(u64::from(*gap));
        Mark { at, tokens: dealt(position as u64 + 1), gap_us: Some(*gap) }
    }))
}

#[cfg(test)]
mod tests {
    use super::super::samples::record;
    use super::*;

    #[test]
    fn times_are_the_first_and_the_sum_of_gaps() {
        let record = record(0, 100, 50, &[10, 20]);
        let seen: Vec<(u128, u64, Option<u32>)> =
            marks(&record).map(|mark| (mark.at.as_millis(), mark.tokens, mark.gap_us)).collect();
        assert_eq!(seen, [(150, 1, None), (160, 1, Some(10_000)), (180, 1, Some(20_000))]);
    }

    #[test]
    fn tokens_of_larger_events_are_all_counted() {
        let record = Record { tokens: 11, ..record(0, 0, 5, &[1, 1, 1]) };
        let tokens: Vec<u64> = marks(&record).map(|mark| mark.tokens).collect();
        assert_eq!(tokens.iter().sum::<u64>(), 11);
        assert!(tokens.iter().all(|tokens| (2..=3).contains(tokens)));
        let none = Record { first_token: None, ..record };
        assert_eq!(marks(&none).count(), 0);
    }
}
