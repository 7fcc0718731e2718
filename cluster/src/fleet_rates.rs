//! How fast the fleet is: tokens and turns per second, recent latencies, and a history from which a dashboard draws at
//! once. Fed by [`crate::fleet_watch`] once a second.

use std::collections::{BTreeMap, VecDeque};

use pomona_protocol::{ModelId, NodeId, Quantiles, RateSample};

/// Samples that are kept: five minutes, as much as a graph on a dashboard shows.
pub const HISTORY_MAX: usize = 300;
/// Latencies that are kept; at more than 34 turns a second the newest of the minute stand for it.
const LATENCIES_MAX: usize = 2048;
/// Latencies that are older count no more.
const LATENCY_WINDOW_MS: u64 = 60_000;
/// Weight of the newest second in the shown tokens per second of a replica. A replica that works in bursts would
/// otherwise flicker; after five seconds nine tenths of a change are shown.
const SMOOTHING: f64 = 0.4;
/// What is slower than this shows as 0.
const TOKENS_PER_S_MIN: f64 = 0.05;

/// Durations of the last minute.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// When each was measured and how long it was, both in milliseconds, the oldest first.
    measured: VecDeque<(u64, f64)>,
}

impl Latencies {
    /// Takes a measurement.
    pub fn push(&mut self, now_ms: u64, ms: f64) {
        if self.measured.len() == LATENCIES_MAX {
            self.measured.pop_front();
        }
        self.measured.push_back((now_ms, ms));
    }

    /// Quantiles by the nearest rank, after forgetting what is old.
    pub fn quantiles(&mut self, now_ms: u64) -> Quantiles {
        let oldest = now_ms.saturating_sub(LATENCY_WINDOW_MS);
        while self.measured.front().is_some_and(|(at_ms, _)| *at_ms < oldest) {
            self.measured.pop_front();
        }
        let mut sorted: Vec<f64> = self.measured.iter().map(|(_, ms)| *ms).collect();
        sorted.sort_by(f64::total_cmp);
        let rank = |percent: usize| {
            let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            sorted.get(index).copied().unwrap_or(0.0)
        };
        Quantiles { p50: rank(50), p95: rank(95), count: sorted.len() as u32 }
    }
}

/// Counts of the running second, rates of the last ones.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// Tokens of the running second by replica.
    tokens: BTreeMap<(NodeId, ModelId), u64>,
    /// Tokens of the running second that no replica is known for.
    tokens_of_nobody: u64,
    turns_ended: u64,
    /// Tokens per second by replica, smoothed.
    shown: BTreeMap<(NodeId, ModelId), f64>,
    first_token: Latencies,
    turn: Latencies,
    history: VecDeque<RateSample>,
    sampled_ms: Option<u64>,
}

impl Rates {
    /// Tokens came from a replica, or from one that is not known any more.
    pub fn add_tokens(&mut self, from: Option<(NodeId, ModelId)>, tokens: u64) {
        match from {
            _ if tokens == 0 => {}
            Some(replica) => *self.tokens.entry(replica).or_default() += tokens,
            None => self.tokens_of_nobody += tokens,
        }
    }

    /// A turn showed its first token after this long.
    pub fn first_token(&mut self, now_ms: u64, after_ms: f64) {
        self.first_token.push(now_ms, after_ms);
    }

    /// A turn ended after this long.
    pub fn turn_ended(&mut self, now_ms: u64, after_ms: f64) {
        self.turns_ended += 1;
        self.turn.push(now_ms, after_ms);
    }

    /// Ends the running second. A second that took longer counts as long as it was.
    pub fn sample(&mut self, now_ms: u64, turns_running: u32, turns_queued: u32) -> RateSample {
        let since_ms = self.sampled_ms.replace(now_ms).map_or(1000, |last| now_ms.saturating_sub(last));
        let seconds = (since_ms.max(1) as f64) / 1e3;
        let counted = std::mem::take(&mut self.tokens);
        let all = counted.values().sum::<u64>() + std::mem::take(&mut self.tokens_of_nobody);
        for replica in counted.keys() {
            self.shown.entry(replica.clone()).or_default();
        }
        self.shown.retain(|replica, shown| {
            let newest = counted.get(replica).copied().unwrap_or(0) as f64 / seconds;
            *shown += (newest - *shown) * SMOOTHING;
            *shown >= TOKENS_PER_S_MIN
        });
        let sample = RateSample {
            at_unix_ms: now_ms,
            tokens_per_s: all as f64 / seconds,
            turns_per_s: std::mem::take(&mut self.turns_ended) as f64 / seconds,
            turns_running,
            turns_queued,
            first_token_ms: self.first_token.quantiles(now_ms),
            turn_ms: self.turn.quantiles(now_ms),
        };
        if self.history.len() == HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back(sample);
        sample
    }

    /// Tokens per second of a replica, smoothed.
    pub fn of_replica(&self, node: &NodeId, model: &str) -> f64 {
        let found = self.shown.iter().find(|((of, what), _)| of == node && what.0 == model);
        found.map_or(0.0, |(_, shown)| *shown)
    }

    /// Samples of the last minutes, the oldest first.
    pub fn history(&self) -> Vec<RateSample> {
        self.history.iter().copied().collect()
    }

    /// The newest sample.
    pub fn newest(&self) -> RateSample {
        self.history.back().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(node: &str) -> (NodeId, ModelId) {
        (NodeId::from(node), ModelId::from("sprout"))
    }

    #[test]
    fn quantiles_are_ranks_of_the_last_minute() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantiles(0), Quantiles::default());
        latencies.push(0, 9000.0);
        for ms in (1..=100).rev() {
            latencies.push(10_000, f64::from(ms));
        }
        let with_old = latencies.quantiles(60_000);
        assert_eq!((with_old.p50, with_old.p95, with_old.count), (51.0, 96.0, 101));
        let without = latencies.quantiles(60_001);
        assert_eq!((without.p50, without.p95, without.count), (50.0, 95.0, 100));
        assert_eq!(latencies.quantiles(80_000).count, 0);
    }

    #[test]
    fn a_flood_of_latencies_is_bounded() {
        let mut latencies = Latencies::default();
        (0..10_000).for_each(|ms| latencies.push(ms, 1.0));
        assert_eq!(latencies.measured.len(), LATENCIES_MAX);
    }

    #[test]
    fn tokens_count_over_the_time_that_passed() {
        let mut rates = Rates::default();
        rates.add_tokens(Some(replica("a")), 100);
        rates.add_tokens(None, 20);
        let first = rates.sample(1_000, 3, 1);
        assert_eq!((first.tokens_per_s, first.turns_running, first.turns_queued), (120.0, 3, 1));
        assert_eq!(rates.of_replica(&NodeId::from("a"), "sprout"), 40.0);
        rates.add_tokens(Some(replica("a")), 100);
        assert_eq!(rates.sample(3_000, 3, 1).tokens_per_s, 50.0);
        for second in 0..40 {
            rates.sample(4_000 + second * 1000, 0, 0);
        }
        assert_eq!(rates.of_replica(&NodeId::from("a"), "sprout"), 0.0);
        assert!(rates.shown.is_empty(), "a replica that rests is forgotten");
    }

    #[test]
    fn the_history_is_bounded_and_ends_with_the_newest() {
        let mut rates = Rates::default();
        for second in 0..1000 {
            rates.sample(second * 1000, 0, 0);
        }
        assert_eq!(rates.history().len(), HISTORY_MAX);
        assert_eq!(rates.history().last().map(|sample| sample.at_unix_ms), Some(999_000));
        assert_eq!(rates.newest().at_unix_ms, 999_000);
    }
}
