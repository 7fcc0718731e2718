//! How many streams to try next: doubled until one number of streams is too many, halved when the first one is, and at
//! last one number between the last that went well and the first that did not. Decides only; others measure.

use std::fmt;

/// Streams of the first rung.
const FIRST: u32 = 64;
/// Added latency that a rung may have at p99.
pub(super) const LATE_MS_MAX: f64 = 10.0;
/// Busy cores leave no time: from this share on a core is the bottleneck.
const BUSY_MIN: f64 = 0.95;

/// How a rung went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rung {
    Held,
    /// By the gateway's fault.
    Missed,
    /// Missed, but so did the upstream asked directly, or its core had no time left while the gateway's had.
    Bound,
}

/// What a rung looked like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Latest tokens of a hundred, through the gateway and directly.
    pub(super) late_ms: f64,
    pub(super) direct_late_ms: f64,
    /// Streams that broke.
    pub(super) failed: u64,
    /// Share of time in which the gateway's core and that of upstream and load were busy.
    pub(super) gateway_busy: f64,
    pub(super) upstream_busy: f64,
}

impl Look {
    pub(super) fn judge(&self) -> Rung {
        // What is late anyhow excuses only so much.
        let added_ms = self.late_ms - self.direct_late_ms.min(LATE_MS_MAX);
        let upstream_is_full = self.upstream_busy >= BUSY_MIN && self.gateway_busy < BUSY_MIN;
        if self.failed == 0 && added_ms <= LATE_MS_MAX {
            Rung::Held
        } else if self.direct_late_ms > LATE_MS_MAX || upstream_is_full {
            Rung::Bound
        } else {
            Rung::Missed
        }
    }
}

impl fmt::Display for Look {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [gateway, upstream] = [self.gateway_busy, self.upstream_busy].map(|share| share * 100.0);
        write!(
            formatter,
            "p99 {:.1} ms late, directly {:.1} ms, {} failed, cores {gateway:.0} % and {upstream:.0} % busy",
            self.late_ms, self.direct_late_ms, self.failed
        )
    }
}

/// A climb.
#[derive(Debug)]
pub(super) struct Ladder {
    top: u32,
    held: Option<u32>,
    missed: Option<u32>,
    has_halved: bool,
    is_bound: bool,
}

impl Ladder {
    /// `top` is the most streams that are tried.
    pub(super) fn new(top: u32) -> Self {
        Self { top, held: None, missed: None, has_halved: false, is_bound: false }
    }

    /// Streams of the next rung; `None` at the end.
    pub(super) fn next(&self) -> Option<u32> {
        match (self.held, self.missed) {
            (None, None) => Some(FIRST.min(self.top)),
            (None, Some(missed)) => (missed > 1).then_some(missed / 2),
            (Some(held), None) => (held < self.top).then_some((held * 2).min(self.top)),
            (Some(held), Some(missed)) => {
                let between = held.midpoint(missed);
                (!self.has_halved && between > held).then_some(between)
            }
        }
    }

    /// Takes how the rung of [`Ladder::next`] went.
    pub(super) fn take(&mut self, rung: Rung) {
        let Some(streams) = self.next() else { return };
        self.has_halved = self.held.is_some() && self.missed.is_some();
        if rung == Rung::Held {
            self.held = Some(streams);
        } else {
            // The last miss is the one that ends the climb.
            self.missed = Some(streams);
            self.is_bound = rung == Rung::Bound;
        }
    }

    /// The most streams that went well.
    pub(super) fn held(&self) -> u32 {
        self.held.unwrap_or(0)
    }

    /// Whether it was the gateway that set the end, rather than the top or what stands around it.
    pub(super) fn found_the_end(&self) -> bool {
        self.missed.is_some() && !self.is_bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Climbs before a gateway that holds so many; the rungs that were tried.
    fn climb(top: u32, capacity: u32, miss: Rung) -> (Ladder, Vec<u32>) {
        let (mut ladder, mut tried) = (Ladder::new(top), Vec::new());
        while let Some(streams) = ladder.next() {
            tried.push(streams);
            ladder.take(if streams <= capacity { Rung::Held } else { miss });
        }
        (ladder, tried)
    }

    #[test]
    fn a_climb_doubles_and_then_looks_once_between() {
        let (ladder, tried) = climb(2048, 400, Rung::Missed);
        assert_eq!(tried, [64, 128, 256, 512, 384]);
        assert_eq!((ladder.held(), ladder.found_the_end()), (384, true));
        let (ladder, tried) = climb(2048, 300, Rung::Missed);
        assert_eq!((ladder.held(), tried.last()), (256, Some(&384)));
    }

    #[test]
    fn a_climb_goes_down_when_the_first_rung_is_too_many() {
        let (ladder, tried) = climb(2048, 20, Rung::Missed);
        assert_eq!(tried, [64, 32, 16, 24]);
        assert_eq!(ladder.held(), 16);
        let (ladder, tried) = climb(2048, 0, Rung::Missed);
        assert_eq!((ladder.held(), tried.last()), (0, Some(&1)));
    }

    #[test]
    fn the_end_is_not_the_gateways_when_it_is_bound_or_at_the_top() {
        let (ladder, _) = climb(2048, 400, Rung::Bound);
        assert_eq!((ladder.held(), ladder.found_the_end()), (384, false));
        let (ladder, tried) = climb(128, 1000, Rung::Missed);
        assert_eq!(tried, [64, 128]);
        assert!(!ladder.found_the_end());
    }

    #[test]
    fn a_rung_is_judged_by_what_the_gateway_adds() {
        let look =
            Look { late_ms: 12.0, direct_late_ms: 3.0, failed: 0, gateway_busy: 0.5, upstream_busy: 0.5 };
        assert_eq!(look.judge(), Rung::Held);
        assert_eq!(Look { late_ms: 14.0, ..look }.judge(), Rung::Missed);
        assert_eq!(Look { failed: 1, ..look }.judge(), Rung::Missed);
        assert_eq!(Look { direct_late_ms: 11.0, ..look }.judge(), Rung::Held);
        assert_eq!(Look { late_ms: 21.0, direct_late_ms: 30.0, ..look }.judge(), Rung::Bound);
        assert_eq!(Look { late_ms: 14.0, upstream_busy: 0.99, ..look }.judge(), Rung::Bound);
        let both = Look { late_ms: 14.0, upstream_busy: 0.99, gateway_busy: 0.99, ..look };
        assert_eq!(both.judge(), Rung::Missed);
    }
}
