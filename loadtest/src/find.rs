//! A search for the highest load within an SLO. A state machine for the command: [`Find::next`] says what to run,
//! [`Find::done`] takes the report, [`Find::result`] is what is shown. Pure.
//!
//! It begins at the lowest level and doubles it up to the highest until one is too much, then halves the ratio between
//! the two (bisection in the logarithm) until they are as near as was asked. A level is within when most of its
//! repeats are; a level that is decided is not repeated further. A run that cannot be believed counts for neither and
//! comes again, a few times.

use crate::report::find::{FindEnd, FindReport, Trial};
use crate::report::sweep::{Figures, LevelUnit};
use crate::report::{Asked, Report, VERSION};
use crate::sweep::round;

/// Repeats of a level at most.
pub const REPEATS_MAX: u32 = 99;
/// Runs of one level that cannot be believed before the search gives up.
pub const INVALID_MAX: u32 = 3;
/// Lowest level that can be searched from.
pub const LEVEL_MIN: f64 = 0.001;
/// Highest level that can be searched to. From the one to the other are 27 doublings, so a search ends.
pub const LEVEL_MAX: f64 = 100_000.0;

/// Where and how a search looks.
#[derive(Clone, Debug, PartialEq)]
pub struct FindSettings {
    /// What a level counts.
    pub unit: LevelUnit,
    /// The lowest level, which should be within.
    pub low: f64,
    /// The highest level.
    pub high: f64,
    /// Runs that decide on a level; odd.
    pub repeats: u32,
    /// How near the highest level within and the lowest above may come, as a share: 0.05.
    pub precision: f64,
}

/// A search that cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FindError {
    /// A range that is none.
    #[error(
        "a search from {low} to {high} has no levels; take two from {LEVEL_MIN} to {LEVEL_MAX}, the lower first"
    )]
    Range {
        /// The lowest.
        low: f64,
        /// The highest.
        high: f64,
    },
    /// Repeats that cannot decide.
    #[error("{0} repeats cannot decide; take an odd number from 1 to {REPEATS_MAX}")]
    Repeats(u32),
    /// A precision that is never or always reached.
    #[error("precision {0} of a search is not a share from 0.001 to 1")]
    Precision(f64),
}

/// A search that runs.
#[derive(Clone, Debug)]
pub struct Find {
    settings: FindSettings,
    asked: Option<Asked>,
    trials: Vec<Trial>,
    /// The highest level that was within.
    best: Option<f64>,
    /// The lowest level that was not.
    too_much: Option<f64>,
    /// The level that runs now.
    level: f64,
    ended: FindEnd,
}

impl Find {
    /// A search before its first run.
    pub fn new(settings: FindSettings) -> Result<Self, FindError> {
        let FindSettings { low, high, repeats, precision, unit } = settings;
        if !(low >= LEVEL_MIN && high > low && high <= LEVEL_MAX) {
            return Err(FindError::Range { low, high });
        }
        if repeats.is_multiple_of(2) || repeats > REPEATS_MAX {
            return Err(FindError::Repeats(repeats));
        }
        if !(0.001..=1.0).contains(&precision) {
            return Err(FindError::Precision(precision));
        }
        let level = round(unit, low);
        let (best, too_much) = (None, None);
        Ok(Self { settings, asked: None, trials: Vec::new(), best, too_much, level, ended: FindEnd::Running })
    }

    /// The level to run next, and which repeat of it; `None` when it is over. The repeat is meant for the seed, so that
    /// repeats are not the same arrivals again.
    pub fn next(&self) -> Option<(f64, u32)> {
        (self.ended == FindEnd::Running).then(|| (self.level, self.at_level().count() as u32))
    }

    /// The level that was to run next gave this report. Nothing happens when the search is over.
    pub fn done(&mut self, report: &Report) {
        let Some((level, repeat)) = self.next() else { return };
        self.asked.get_or_insert_with(|| report.asked.clone());
        let missed = report.verdict.objectives.iter().filter(|objective| !objective.is_met);
        self.trials.push(Trial {
            level,
            repeat,
            is_within: report.verdict.is_within,
            missed: missed.map(|objective| objective.name.clone()).collect(),
            invalid: report.verdict.invalid.clone(),
            figures: Figures::of(report),
        });
        if let Some(is_within) = self.decided() {
            self.move_on(is_within);
        } else if self.at_level().filter(|trial| !trial.invalid.is_empty()).count() as u32 >= INVALID_MAX {
            self.ended = FindEnd::Invalid;
        }
    }

    /// What is known so far.
    pub fn result(&self) -> FindReport {
        FindReport {
            version: VERSION,
            asked: self.asked.clone(),
            unit: self.settings.unit,
            best: self.best,
            too_much: self.too_much,
            trials: self.trials.clone(),
            ended: self.ended,
        }
    }

    fn at_level(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(|trial| trial.level == self.level)
    }

    /// Whether the level is within, once more than half of its repeats say so or the contrary.
    fn decided(&self) -> Option<bool> {
        let count = |is_within: bool| {
            self.at_level().filter(|trial| trial.invalid.is_empty() && trial.is_within == is_within).count()
        };
        let most = self.settings.repeats as usize / 2 + 1;
        match (count(true) >= most, count(false) >= most) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }

    /// The level is decided: which comes next.
    fn move_on(&mut self, is_within: bool) {
        if is_within {
            self.best = Some(self.level);
        } else {
            self.too_much = Some(self.level);
        }
        let unit = self.settings.unit;
        let highest = round(unit, self.settings.high);
        let next = match (self.best, self.too_much) {
            (None, _) => return self.ended = FindEnd::NothingWithin,
            (Some(best), None) if best >= highest => return self.ended = FindEnd::AllWithin,
            (Some(best), None) => round(unit, best * 2.0).min(highest),
            (Some(best), Some(too_much)) if too_much <= best * (1.0 + self.settings.precision) => {
                return self.ended = FindEnd::Found;
            }
            (Some(best), Some(too_much)) => round(unit, (best * too_much).sqrt()),
        };
        let is_between =
            self.best.is_none_or(|best| next > best) && self.too_much.is_none_or(|above| next < above);
        if is_between {
            self.level = next;
        } else {
            // Levels are rounded, so nothing may be left between two of them.
            self.ended = FindEnd::Found;
        }
    }
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
