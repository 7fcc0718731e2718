//! The result of a comparison of two gateways in one run: windows in turn, ratios with confidence intervals. Made by
//! [`crate::compare`], drawn by the pages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Asked;

/// A comparison of A and B. A is what is there, B what is judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparisonReport {
    /// [`super::VERSION`].
    pub version: u32,
    /// What the first window of A was asked.
    pub a: Option<Asked>,
    /// What the first window of B was asked.
    pub b: Option<Asked>,
    /// Rounds that were measured, of one window of each side.
    pub rounds: u32,
    /// How sure the intervals are: 0.95.
    pub confidence: f64,
    /// Each figure that both sides have in every round.
    pub figures: Vec<Compared>,
    /// By how much B may be worse than A, as a share, before it fails; `None` when it cannot fail.
    pub fail_if: Option<f64>,
    /// Whether some figure of B is worse than that, and by more than chance.
    pub is_failed: bool,
    /// Why windows are not to be believed, with side and round; empty when all are.
    pub invalid: Vec<String>,
}

/// One figure on both sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Compared {
    /// What: `first token p95`.
    pub name: String,
    /// Of the values: `ms`, `per s`, `us`, `share`.
    pub unit: String,
    /// Whether less is better.
    pub is_less_better: bool,
    /// Values of A, one per round.
    pub a: Vec<f64>,
    /// Values of B, one per round.
    pub b: Vec<f64>,
    /// Median of B's windows over median of A's; `None` when A's is 0.
    pub of_medians: Option<Ratio>,
    /// The same of means.
    pub of_means: Option<Ratio>,
    /// Chance of such a difference or a greater one when there is none: Mann and Whitney's test, two-sided.
    pub p_value: f64,
    /// What follows.
    pub difference: Difference,
    /// Whether B is worse by more than `fail_if`, and by more than chance.
    pub is_failed: bool,
}

/// A ratio with its confidence interval, by a bootstrap over rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ratio {
    /// B over A.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// How B compares with A in one figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// B is better: faster, or more per second, or cheaper.
    Better,
    /// B is worse.
    Worse,
    /// The rounds do not tell them apart.
    None,
}
