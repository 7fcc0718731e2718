//! A sweep: rising levels of load until the server cannot hold one, and where the knee is. A state machine for the
//! command: [`Sweep::next`] says what to run, [`Sweep::done`] takes the report, [`Sweep::result`] is what is shown. Pure.
//!
//! A load is *more than the server can hold* when requests in flight and the median time to the first token both rise
//! over the run: the slope of a line through the slices of its last three quarters is above 0 by a one-sided t-test at
//! 5 %, and the line rises by at least a quarter of its mean over that time. Both at once, since in flight alone also
//! rises with longer answers; a size besides the test, since slices follow from each other and the test alone would be
//! too sure. The first quarter fills the server and rises always. A gateway that refuses what it cannot hold shows no
//! rise, so a share of errors above 5 % says the same.
//!
//! The *knee* is the level with the greatest power in Kleinrock's sense (1979): finished requests per second over the
//! mean time to the end. Below it more load costs little time, above it time grows faster than what is done.

use crate::report::sweep::{Figures, LevelUnit, Point, Saturation, SweepEnd, SweepReport};
use crate::report::{Asked, Report, Slice, VERSION};
use crate::statistics::{Line, mean};

/// Levels of a sweep at most.
pub const LEVELS_MAX: usize = 100;
/// Slices that the rule of over-saturation needs.
pub const SLICES_MIN: usize = 8;
/// Chance of a slope without a rise that is small enough.
pub const P_MAX: f64 = 0.05;
/// Rise over the examined time, as a share of the mean, that is large enough.
pub const RISE_MIN: f64 = 0.25;
/// Share of failed requests above which the server cannot hold the load.
pub const ERROR_SHARE_MAX: f64 = 0.05;
/// Share of the run that is not examined, at its start.
const FILLING_SHARE: f64 = 0.25;

/// Which levels a sweep tries.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepSettings {
    /// What a level counts.
    pub unit: LevelUnit,
    /// The levels, rising.
    pub levels: Vec<f64>,
}

/// Levels that cannot be tried.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SweepError {
    /// None, or too many.
    #[error("a sweep has 1 to {LEVELS_MAX} levels, not {0}")]
    Count(usize),
    /// Not rising numbers above 0.
    #[error("level {0} of a sweep is not a number above 0 and above the level before it")]
    Level(f64),
    /// Levels from a range that is none.
    #[error(
        "a sweep from {from} to {to} by a factor of {factor} has no levels; from must be above 0, to not below it, the factor above 1"
    )]
    Range {
        /// The lowest.
        from: f64,
        /// The highest.
        to: f64,
        /// From one to the next.
        factor: f64,
    },
}

impl SweepSettings {
    /// Levels from `from` to `to`, each `factor` times the one before; `to` is always the last.
    pub fn geometric(unit: LevelUnit, from: f64, to: f64, factor: f64) -> Result<Self, SweepError> {
        let is_right = from > 0.0 && to >= from && factor > 1.0 && to.is_finite();
        if !is_right {
            return Err(SweepError::Range { from, to, factor });
        }
        let mut levels = Vec::new();
        let mut level = from;
        while level < to && levels.len() < LEVELS_MAX {
            let rounded = round(unit, level);
            if levels.last().is_none_or(|last| rounded > *last) {
                levels.push(rounded);
            }
            level *= factor;
        }
        let last = round(unit, to);
        if levels.last().is_none_or(|before| last > *before) {
            levels.push(last);
        }
        Ok(Self { unit, levels })
    }

    fn check(&self) -> Result<(), SweepError> {
        if self.levels.is_empty() || self.levels.len() > LEVELS_MAX {
            return Err(SweepError::Count(self.levels.len()));
        }
        let mut before = 0.0;
        for level in &self.levels {
            if !(level.is_finite() && *level > before) {
                return Err(SweepError::Level(*level));
            }
            before = *level;
        }
        Ok(())
    }
}

/// A level that can be run: whole clients, or a rate with three digits, so that it reads well and repeats.
pub(crate) fn round(unit: LevelUnit, level: f64) -> f64 {
    match unit {
        LevelUnit::Clients => level.round().max(1.0),
        LevelUnit::PerSecond => {
            let digit = 10f64.powi(level.max(1e-6).log10().floor() as i32 - 2);
            // Dividing by a power of ten is exact where multiplying by its inverse is not.
            let whole = (level / digit).round();
            if digit < 1.0 { whole / (1.0 / digit).round() } else { whole * digit }
        }
    }
}

/// A sweep that runs.
#[derive(Clone, Debug)]
pub struct Sweep {
    settings: SweepSettings,
    asked: Option<Asked>,
    points: Vec<Point>,
    ended: SweepEnd,
}

impl Sweep {
    /// A sweep before its first run.
    pub fn new(settings: SweepSettings) -> Result<Self, SweepError> {
        settings.check()?;
        Ok(Self { settings, asked: None, points: Vec::new(), ended: SweepEnd::Running })
    }

    /// The level to run next; `None` when it is over.
    pub fn next(&self) -> Option<f64> {
        match self.ended {
            SweepEnd::Running => self.settings.levels.get(self.points.len()).copied(),
            _ => None,
        }
    }

    /// The level that was to run next gave this report. Nothing happens when the sweep is over.
    pub fn done(&mut self, report: &Report) {
        let Some(level) = self.next() else { return };
        self.asked.get_or_insert_with(|| report.asked.clone());
        let point = Point {
            level,
            figures: Figures::of(report),
            saturation: saturation(report),
            invalid: report.verdict.invalid.clone(),
            is_within: report.verdict.is_within,
        };
        self.ended = if point.saturation.is_over {
            SweepEnd::OverSaturated
        } else if has_lagged(report) {
            SweepEnd::GeneratorLagged
        } else if self.points.len() + 1 == self.settings.levels.len() {
            SweepEnd::AllRun
        } else {
            SweepEnd::Running
        };
        self.points.push(point);
    }

    /// What is known so far.
    pub fn result(&self) -> SweepReport {
        SweepReport {
            version: VERSION,
            asked: self.asked.clone(),
            unit: self.settings.unit,
            points: self.points.clone(),
            knee: knee(&self.points),
            ended: self.ended,
        }
    }
}

/// Whether the generator is why the run is not to be believed: higher levels would be no better.
fn has_lagged(report: &Report) -> bool {
    let generator = &report.generator;
    generator.lag.p99 > crate::verdict::lag_bound_ms(report)
        || generator.cpu_share > crate::verdict::CPU_SHARE_MAX
        || generator.dropped > 0
}

/// The point with the greatest power of those that can be believed and held.
fn knee(points: &[Point]) -> Option<u32> {
    let power = |point: &Point| point.figures.requests_per_second / point.figures.end_to_end_mean;
    let held = points.iter().enumerate().filter(|(_, point)| {
        point.invalid.is_empty() && !point.saturation.is_over && point.figures.end_to_end_mean > 0.0
    });
    held.max_by(|(_, a), (_, b)| power(a).total_cmp(&power(b))).map(|(position, _)| position as u32)
}

/// Whether the load of a run was more than the server could hold; see the head of this module.
pub fn saturation(report: &Report) -> Saturation {
    let slices = examined(&report.timeline);
    let in_flight: Vec<(f64, f64)> =
        slices.iter().map(|slice| (slice.at_ms, slice.in_flight as f64)).collect();
    let first_token: Vec<(f64, f64)> =
        slices.iter().filter_map(|slice| slice.first_token.map(|three| (slice.at_ms, three[0]))).collect();
    let (in_flight_rise, in_flight_p) = rise(&in_flight);
    let (first_token_rise, first_token_p) = rise(&first_token);
    let is_rising = |rise: Option<f64>, p: Option<f64>| {
        rise.is_some_and(|rise| rise >= RISE_MIN) && p.is_some_and(|p| p < P_MAX)
    };
    let is_growing = is_rising(in_flight_rise, in_flight_p) && is_rising(first_token_rise, first_token_p);
    let error_share = report.totals.error_share();
    let is_over = is_growing || error_share > ERROR_SHARE_MAX;
    Saturation { is_over, in_flight_rise, in_flight_p, first_token_rise, first_token_p, error_share }
}

/// The slices in which load was offered, without the first quarter.
fn examined(timeline: &[Slice]) -> &[Slice] {
    let offered = timeline.iter().rposition(|slice| slice.started > 0).map_or(0, |last| last + 1);
    &timeline[(offered as f64 * FILLING_SHARE).ceil() as usize..offered]
}

/// How much a line through the points rises from the first to the last, as a share of their mean, and the chance of its
/// slope.
fn rise(points: &[(f64, f64)]) -> (Option<f64>, Option<f64>) {
    let level = mean(&points.iter().map(|(_, y)| *y).collect::<Vec<_>>());
    let line = Line::through(points).filter(|_| points.len() >= SLICES_MIN && level > 0.0);
    let span = points.last().map_or(0.0, |(x, _)| *x) - points.first().map_or(0.0, |(x, _)| *x);
    (line.map(|line| line.slope * span / level), line.map(|line| line.p_rising))
}

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
