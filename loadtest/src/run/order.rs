//! Whether tokens came in order, by the indices that events carry. One per answer; `tally` feeds it.

use crate::record::Disorder;

/// Gaps that are remembered; a stream with more of them is broken whatever comes behind.
const HOLES_MAX: usize = 64;

/// What was seen of the indices so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    /// The index that should come next.
    next: u32,
    /// Ranges that were passed over, from and to behind the last.
    holes: Vec<(u32, u32)>,
    seen: Disorder,
}

impl Order {
    /// Takes `count` tokens from `index` on.
    pub(super) fn take(&mut self, index: u32, count: u32) {
        let end = index.saturating_add(count);
        if index == self.next {
            self.next = end;
            return;
        }
        if index > self.next {
            self.seen.missing = self.seen.missing.saturating_add(index - self.next);
            if self.holes.len() < HOLES_MAX {
                self.holes.push((self.next, index));
            }
            self.next = end;
            return;
        }
        let late = end.min(self.next) - index;
        let filled = self.fill(index, index + late);
        self.seen.missing -= filled;
        self.seen.misplaced = self.seen.misplaced.saturating_add(filled);
        self.seen.doubled = self.seen.doubled.saturating_add(late - filled);
        self.next = self.next.max(end);
    }

    /// Takes a terminal event that was not the first.
    pub(super) fn extra_end(&mut self) {
        self.seen.extra_ends += 1;
    }

    /// Takes `count` tokens that belong to no turn of this client's.
    pub(super) fn foreign(&mut self, count: u32) {
        self.seen.doubled = self.seen.doubled.saturating_add(count);
    }

    /// Takes what is known now out of the gaps, and says how many tokens these were.
    fn fill(&mut self, from: u32, to: u32) -> u32 {
        let mut filled = 0;
        let mut left = Vec::with_capacity(self.holes.len() + 1);
        for (start, end) in self.holes.drain(..) {
            let (begin, finish) = (start.max(from), end.min(to));
            if begin >= finish {
                left.push((start, end));
                continue;
            }
            filled += finish - begin;
            left.extend([(start, begin), (finish, end)].into_iter().filter(|(from, to)| from < to));
        }
        self.holes = left;
        filled
    }

    /// Different tokens that came.
    pub(super) fn tokens(&self) -> u32 {
        self.next.saturating_sub(self.seen.missing)
    }

    /// What was wrong.
    pub(super) fn disorder(&self) -> Disorder {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn disorder(events: &[(u32, u32)]) -> (Disorder, u32) {
        let mut order = Order::default();
        events.iter().for_each(|(index, count)| order.take(*index, *count));
        (order.disorder(), order.tokens())
    }

    #[test]
    fn each_kind_of_disorder_is_told_apart() {
        let is = |missing, doubled, misplaced| Disorder { missing, doubled, misplaced, extra_ends: 0 };
        for (events, expected, tokens) in [
            (&[(0, 1), (1, 2), (3, 1)][..], is(0, 0, 0), 4),
            (&[(0, 1), (2, 1)], is(1, 0, 0), 2),
            (&[(0, 1), (0, 1), (1, 1)], is(0, 1, 0), 2),
            (&[(0, 1), (2, 1), (1, 1)], is(0, 0, 1), 3),
            (&[(0, 1), (5, 1), (2, 2)], is(2, 0, 2), 4),
            (&[(0, 2), (1, 3)], is(0, 1, 0), 4),
            (&[(3, 1), (0, 4)], is(0, 1, 3), 4),
        ] {
            assert_eq!(disorder(events), (expected, tokens), "{events:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_each_different_token_counts_once(events in prop::collection::vec((0u32..40, 0u32..5), 0..30)) {
            let mut all: Vec<u32> = events.iter().flat_map(|(index, count)| *index..index + count).collect();
            let came = all.len();
            all.sort_unstable();
            all.dedup();
            let (seen, tokens) = disorder(&events);
            prop_assert_eq!(tokens as usize, all.len());
            prop_assert_eq!(seen.doubled as usize, came - all.len());
        }
    }
}
