//! A comparison of two gateways in one run: windows in turn, A B A B, so that whatever drifts on the machine meets both.
//! A state machine for the command: [`Compare::next`] says whose window is next, [`Compare::done`] takes its report,
//! [`Compare::result`] is what is shown. Pure; the bootstrap draws from a seed.
//!
//! Each figure gives one value per window. B over A is the ratio of medians, and of means, with intervals from a
//! bootstrap over rounds: the two windows of a round stay together, since they met the same weather. The two sides
//! *differ* when the interval of the ratio of medians does not hold 1 and Mann and Whitney's test finds the order of
//! the values unlikely too. B *fails* when it is worse by more than the bound and they differ.

use crate::random::{Purpose, Random};
use crate::report::comparison::{Compared, ComparisonReport, Difference, Ratio};
use crate::report::{Asked, Report, Summary, VERSION};
use crate::statistics::{bootstrap, mann_whitney, mean, median};

/// Rounds that a difference needs: with three of each side no order of values is unlikely enough.
pub const ROUNDS_MIN: u32 = 4;
/// Rounds at most.
pub const ROUNDS_MAX: u32 = 1_000;
/// How sure intervals are, and one less the chance that is small enough.
pub const CONFIDENCE: f64 = 0.95;
/// Draws of the bootstrap.
const RESAMPLES: u32 = 2_000;

/// How a comparison goes.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareSettings {
    /// Rounds of one window of each side.
    pub rounds: u32,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// By how much B may be worse, as a share, before it fails.
    pub fail_if: Option<f64>,
}

/// A comparison that cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CompareError {
    /// Rounds that cannot tell the sides apart, or never end.
    #[error("{0} rounds; take from {ROUNDS_MIN} to {ROUNDS_MAX}, fewer cannot tell two sides apart")]
    Rounds(u32),
    /// A bound that is none.
    #[error("bound {0} is not a share from 0 to 10")]
    FailIf(f64),
}

/// Whose window it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What is there.
    A,
    /// What is judged.
    B,
}

/// A comparison that runs.
#[derive(Clone, Debug)]
pub struct Compare {
    settings: CompareSettings,
    windows: Vec<Window>,
}

/// What is kept of a window.
#[derive(Clone, Debug)]
struct Window {
    asked: Asked,
    invalid: Vec<String>,
    /// By position in [`FIGURES`].
    values: Vec<Option<f64>>,
}

/// A figure that is compared.
struct Figure {
    name: &'static str,
    unit: &'static str,
    is_less_better: bool,
    of: fn(&Report) -> Option<f64>,
}

const fn less(name: &'static str, unit: &'static str, of: fn(&Report) -> Option<f64>) -> Figure {
    Figure { name, unit, is_less_better: true, of }
}

const fn more(name: &'static str, of: fn(&Report) -> Option<f64>) -> Figure {
    Figure { name, unit: "per s", is_less_better: false, of }
}

/// What is compared, in the order in which it is shown.
static FIGURES: [Figure; 13] = [
    less("first token p50", "ms", |r| seen(&r.from_intended.first_token, |s| s.p50)),
    less("first token p95", "ms", |r| seen(&r.from_intended.first_token, |s| s.p95)),
    less("first token p99", "ms", |r| seen(&r.from_intended.first_token, |s| s.p99)),
    less("inter token p50", "ms", |r| seen(&r.inter_token, |s| s.p50)),
    less("inter token p99", "ms", |r| seen(&r.inter_token, |s| s.p99)),
    less("per output token p50", "ms", |r| seen(&r.per_output_token, |s| s.p50)),
    less("end to end p50", "ms", |r| seen(&r.from_intended.end_to_end, |s| s.p50)),
    less("end to end p99", "ms", |r| seen(&r.from_intended.end_to_end, |s| s.p99)),
    less("error share", "share", |r| Some(r.totals.error_share())),
    less("cpu per request", "us", |r| r.server.as_ref()?.cpu_us_per_request),
    less("cpu per token", "us", |r| r.server.as_ref()?.cpu_us_per_token),
    more("requests", |r| Some(r.totals.requests_per_second)),
    more("tokens", |r| Some(r.totals.tokens_per_second)),
];

fn seen(summary: &Summary, of: fn(&Summary) -> f64) -> Option<f64> {
    (summary.count > 0).then(|| of(summary))
}

impl Compare {
    /// A comparison before its first window.
    pub fn new(settings: CompareSettings) -> Result<Self, CompareError> {
        if !(ROUNDS_MIN..=ROUNDS_MAX).contains(&settings.rounds) {
            return Err(CompareError::Rounds(settings.rounds));
        }
        if let Some(bound) = settings.fail_if.filter(|bound| !(0.0..=10.0).contains(bound)) {
            return Err(CompareError::FailIf(bound));
        }
        Ok(Self { settings, windows: Vec::new() })
    }

    /// Whose window is next, and of which round, from 0; `None` when it is over. Both windows of a round should have the
    /// same seed, so that they are asked the same at the same times, [in other words](crate::plan::Plan::reworded).
    pub fn next(&self) -> Option<(Side, u32)> {
        let round = (self.windows.len() / 2) as u32;
        let side = if self.windows.len().is_multiple_of(2) { Side::A } else { Side::B };
        (round < self.settings.rounds).then_some((side, round))
    }

    /// The window that was next gave this report. Nothing happens when the comparison is over.
    pub fn done(&mut self, report: &Report) {
        if self.next().is_some() {
            self.windows.push(Window {
                asked: report.asked.clone(),
                invalid: report.verdict.invalid.clone(),
                values: FIGURES.iter().map(|figure| (figure.of)(report)).collect(),
            });
        }
    }

    /// What is known so far, from whole rounds.
    pub fn result(&self) -> ComparisonReport {
        let rounds: Vec<(&Window, &Window)> =
            self.windows.chunks_exact(2).map(|round| (&round[0], &round[1])).collect();
        let mut invalid = Vec::new();
        for (number, (a, b)) in rounds.iter().enumerate() {
            for (side, window) in [("A", a), ("B", b)] {
                invalid
                    .extend(window.invalid.iter().map(|why| format!("{side}, round {}: {why}", number + 1)));
            }
        }
        let compared = |(position, figure): (usize, &Figure)| {
            let pairs: Option<Vec<(f64, f64)>> =
                rounds.iter().map(|(a, b)| Some((a.values[position]?, b.values[position]?))).collect();
            pairs.filter(|pairs| !pairs.is_empty()).map(|pairs| self.compared(figure, &pairs))
        };
        let figures: Vec<Compared> = FIGURES.iter().enumerate().filter_map(compared).collect();
        ComparisonReport {
            version: VERSION,
            a: self.windows.first().map(|window| window.asked.clone()),
            b: self.windows.get(1).map(|window| window.asked.clone()),
            rounds: rounds.len() as u32,
            confidence: CONFIDENCE,
            fail_if: self.settings.fail_if,
            is_failed: figures.iter().any(|figure| figure.is_failed),
            figures,
            invalid,
        }
    }

    fn compared(&self, figure: &Figure, pairs: &[(f64, f64)]) -> Compared {
        let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        // Each figure draws the same rounds, so that their intervals can be read side by side.
        let seed = self.settings.seed;
        let of_medians = ratio(pairs, seed, median);
        let of_means = ratio(pairs, seed, mean);
        let p_value = mann_whitney(&a, &b);
        // Without a ratio, A has nothing and B is more than any share above it.
        let ratio = of_medians.unwrap_or_else(|| beyond(&a, &b));
        let difference = difference(ratio, p_value, figure.is_less_better);
        let worse = if figure.is_less_better { ratio.value - 1.0 } else { 1.0 - ratio.value };
        let is_failed =
            difference == Difference::Worse && self.settings.fail_if.is_some_and(|bound| worse > bound);
        Compared {
            name: figure.name.to_owned(),
            unit: figure.unit.to_owned(),
            is_less_better: figure.is_less_better,
            a,
            b,
            of_medians,
            of_means,
            p_value,
            difference,
            is_failed,
        }
    }
}

/// The exit code of the command: 2 when a window cannot be believed, 1 when B fails, else 0.
pub fn exit_code(report: &ComparisonReport) -> u8 {
    match (report.invalid.is_empty(), report.is_failed) {
        (false, _) => crate::verdict::EXIT_INVALID,
        (true, true) => crate::verdict::EXIT_OUTSIDE,
        (true, false) => crate::verdict::EXIT_WITHIN,
    }
}

fn ratio(pairs: &[(f64, f64)], seed: u64, middle: fn(&[f64]) -> f64) -> Option<Ratio> {
    let of = |pairs: &[(f64, f64)]| {
        let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let below = middle(&a);
        (below > 0.0).then(|| middle(&b) / below)
    };
    let value = of(pairs)?;
    let mut random = Random::new(seed, Purpose::Resampling);
    let (low, high) = bootstrap(pairs, RESAMPLES, CONFIDENCE, &mut random, of)?;
    Some(Ratio { value, low, high })
}

/// What stands for the ratio when A's median is 0: no difference, or a boundless one when B's mean is above A's.
fn beyond(a: &[f64], b: &[f64]) -> Ratio {
    let value = if mean(b) > mean(a) { f64::INFINITY } else { 1.0 };
    Ratio { value, low: value, high: value }
}

fn difference(ratio: Ratio, p_value: f64, is_less_better: bool) -> Difference {
    if p_value >= 1.0 - CONFIDENCE {
        return Difference::None;
    }
    match (ratio.high < 1.0, ratio.low > 1.0) {
        (true, _) if is_less_better => Difference::Better,
        (true, _) => Difference::Worse,
        (_, true) if is_less_better => Difference::Worse,
        (_, true) => Difference::Better,
        _ => Difference::None,
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
