//! How a run got over its faults: when the figures were as before, which streams went on elsewhere, what failed
//! meanwhile. For [`super::report`].
//!
//! Figures slide over windows of a second in steps of a tenth. The ten seconds before the fault say what is usual. A
//! window is *as before* when it has at least four fifths of the usual tokens, at most one in twenty first tokens and
//! gaps above 1.5 times the usual 95th percentile (and 5 ms), and no failures; or, in each of these, when it is no worse
//! than the worst window before the fault, since a load that comes by chance has bad windows of its own. The run has
//! recovered at the first window that is as before and is followed by such windows alone for five seconds, or to the
//! end of the load; a window admits some of what went before it, so this may be told early by a part of a second. A
//! fault with less than two seconds of load before it has nothing to be compared with.

use std::time::Duration;

use super::marks::marks;
use super::{Quantity, View};
use crate::plan::Plan;
use crate::record::Record;
use crate::report::Event;

/// The kind of an event that is no fault.
pub const NOTE: &str = "note";

const STEP: Duration = Duration::from_millis(100);
/// Steps of a window.
const WINDOW: usize = 10;
/// Steps before the fault that say what is usual, and how many there must be.
const BEFORE: usize = 100;
const BEFORE_MIN: usize = 20;
/// Steps for which figures must stay as before.
const HOLD: usize = 50;
const TOKENS_SHARE: f64 = 0.8;
const SLOW_FACTOR: f64 = 1.5;
const SLOW_MARGIN_MS: f64 = 5.0;
const SLOW_SHARE: f64 = 0.05;

/// The events with what followed from each fault.
pub(super) fn judged(mut events: Vec<Event>, plan: &Plan, views: &[View<'_>]) -> Vec<Event> {
    events.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
    let last = views.iter().map(|view| view.record.ended).max().unwrap_or_default();
    let end = plan.length.min(last);
    for event in &mut events {
        if event.kind != NOTE && event.at_ms.is_finite() && event.at_ms >= 0.0 {
            judge(event, end, views);
        }
    }
    events
}

fn judge(event: &mut Event, end: Duration, views: &[View<'_>]) {
    let at = crate::arrival::micros(event.at_ms / 1e3);
    let before = usual(at, views);
    let recovered = before.and_then(|usual| recovered(at, end, &usual, views));
    event.recovered_ms = recovered.map(|span| span.as_secs_f64() * 1e3);
    if let Some(node) = &event.node {
        let resumed = views.iter().filter(|view| is_resumed(view, at, node));
        event.resumed = Some(resumed.count() as u64);
    }
    let until = recovered.map_or(end.max(at), |span| at + span + STEP * WINDOW as u32);
    let failed = views.iter().filter(|view| view.is_failed() && (at..=until).contains(&view.record.ended));
    event.failed = Some(failed.count() as u64);
}

/// Whether it ran when `node` was struck, and then finished on another.
fn is_resumed(view: &View<'_>, at: Duration, node: &str) -> bool {
    let record: &Record = view.record;
    let ran = record.sent <= at && at < record.ended;
    let ended_elsewhere = record.node.as_deref().is_some_and(|other| other != node);
    ran && record.moves > 0 && ended_elsewhere && view.is_finished()
}

/// What happened in a step or a window.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    tokens: u64,
    gaps: u64,
    slow_gaps: u64,
    firsts: u64,
    slow_firsts: u64,
    failed: u64,
}

/// Bounds for one window.
struct Usual {
    gap_us: f64,
    first_us: f64,
    tokens_min: f64,
    slow_gaps_max: f64,
    slow_firsts_max: f64,
    failed_max: u64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.tokens += other.tokens;
        self.gaps += other.gaps;
        self.slow_gaps += other.slow_gaps;
        self.firsts += other.firsts;
        self.slow_firsts += other.slow_firsts;
        self.failed += other.failed;
    }

    fn slow_gap_share(&self) -> f64 {
        self.slow_gaps as f64 / self.gaps.max(1) as f64
    }

    fn slow_first_share(&self) -> f64 {
        self.slow_firsts as f64 / self.firsts.max(1) as f64
    }
}

impl Usual {
    fn admits(&self, window: &Counts) -> bool {
        window.tokens as f64 >= self.tokens_min
            && window.slow_gap_share() <= self.slow_gaps_max
            && window.slow_first_share() <= self.slow_firsts_max
            && window.failed <= self.failed_max
    }
}

/// The bounds from the time before the fault; `None` when it is too short or had no tokens.
fn usual(at: Duration, views: &[View<'_>]) -> Option<Usual> {
    let steps = ((at.as_micros() / STEP.as_micros()) as usize).min(BEFORE);
    if steps < BEFORE_MIN {
        return None;
    }
    let from = at - STEP * steps as u32;
    let (mut gaps, mut firsts) = (Quantity::new(), Quantity::new());
    for view in views.iter().filter(|view| overlaps(view, from, at)) {
        for mark in marks(view.record).filter(|mark| (from..at).contains(&mark.at)) {
            match mark.gap_us {
                Some(gap) if view.has_gaps() => gaps.add(u64::from(gap)),
                None if view.is_streamed() => firsts.add_span(mark.at.saturating_sub(view.record.intended)),
                _ => {}
            }
        }
    }
    let bound = |quantity: &Quantity| {
        let usual_ms = quantity.at_ms(0.95);
        (usual_ms * SLOW_FACTOR).max(usual_ms + SLOW_MARGIN_MS) * 1e3
    };
    let (gap_us, first_us) = (bound(&gaps), bound(&firsts));
    let windows = windows(&count(from, steps, gap_us, first_us, views));
    let mean = windows.iter().map(|window| window.tokens as f64).sum::<f64>() / windows.len().max(1) as f64;
    let worst = |of: fn(&Counts) -> f64| windows.iter().map(of).fold(SLOW_SHARE, f64::max);
    let fewest = windows.iter().map(|window| window.tokens as f64).fold(f64::INFINITY, f64::min);
    (mean > 0.0).then(|| Usual {
        gap_us,
        first_us,
        tokens_min: fewest.min(mean * TOKENS_SHARE),
        slow_gaps_max: worst(Counts::slow_gap_share),
        slow_firsts_max: worst(Counts::slow_first_share),
        failed_max: windows.iter().map(|window| window.failed).max().unwrap_or(0),
    })
}

/// From the fault to the first of the windows from which on all are as before.
fn recovered(at: Duration, end: Duration, usual: &Usual, views: &[View<'_>]) -> Option<Duration> {
    let steps = (end.saturating_sub(at).as_micros() / STEP.as_micros()) as usize;
    let windows = windows(&count(at, steps, usual.gap_us, usual.first_us, views));
    let mut since = None;
    for (position, window) in windows.iter().enumerate() {
        if !usual.admits(window) {
            since = None;
        } else if position - *since.get_or_insert(position) >= HOLD {
            break;
        }
    }
    since.map(|position: usize| STEP * position as u32)
}

/// Counts in steps from `from` on. A failure lies where it ended, a token where it came.
fn count(from: Duration, steps: usize, gap_us: f64, first_us: f64, views: &[View<'_>]) -> Vec<Counts> {
    let mut counts = vec![Counts::default(); steps];
    let until = from + STEP * steps as u32;
    let step = |at: Duration| {
        (from..until).contains(&at).then(|| ((at - from).as_micros() / STEP.as_micros()) as usize)
    };
    for view in views.iter().filter(|view| overlaps(view, from, until)) {
        let record = view.record;
        if let Some(step) = step(record.ended).filter(|_| view.is_failed()) {
            counts[step].failed += 1;
        }
        for mark in marks(record) {
            let Some(step) = step(mark.at) else { continue };
            let counts = &mut counts[step];
            counts.tokens += mark.tokens;
            match mark.gap_us {
                Some(gap) if view.has_gaps() => {
                    counts.gaps += 1;
                    counts.slow_gaps += u64::from(f64::from(gap) > gap_us);
                }
                None if view.is_streamed() => {
                    let waited = mark.at.saturating_sub(record.intended);
                    counts.firsts += 1;
                    counts.slow_firsts += u64::from(waited.as_secs_f64() * 1e6 > first_us);
                }
                _ => {}
            }
        }
    }
    counts
}

/// Sums over each run of [`WINDOW`] steps.
fn windows(steps: &[Counts]) -> Vec<Counts> {
    let sum = |window: &[Counts]| {
        let mut sum = Counts::default();
        window.iter().for_each(|step| sum.add(step));
        sum
    };
    steps.windows(WINDOW).map(sum).collect()
}

fn overlaps(view: &View<'_>, from: Duration, until: Duration) -> bool {
    view.record.sent < until && view.record.ended >= from
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
