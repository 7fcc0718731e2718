//! The result of a sweep: one point per level, where the knee is, and why it stopped. Made by [`crate::sweep`], drawn by
//! the pages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Asked, Report};

/// A sweep over levels of load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SweepReport {
    /// [`super::VERSION`].
    pub version: u32,
    /// What the first run was asked; all others differ from it in the level.
    pub asked: Option<Asked>,
    /// What a level counts.
    pub unit: LevelUnit,
    /// In the order in which they ran, rising.
    pub points: Vec<Point>,
    /// Position of the knee in `points`: of the levels that can be believed and that the server could hold, the one with
    /// the most answers per second and second of waiting. `None` when there is no such level.
    pub knee: Option<u32>,
    /// Why it ended.
    pub ended: SweepEnd,
}

/// What a level of load counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LevelUnit {
    /// Chains of requests that start per second: an open loop.
    PerSecond,
    /// Clients that ask at the same time: a closed loop.
    Clients,
}

/// Why a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SweepEnd {
    /// It is not over.
    Running,
    /// The last level was more than the server could hold.
    OverSaturated,
    /// All levels were run.
    AllRun,
    /// The generator could not keep up, so higher levels would say nothing.
    GeneratorLagged,
}

/// One level of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// Its level.
    pub level: f64,
    /// The figures of its run that are compared.
    pub figures: Figures,
    /// Whether it was more than the server could hold.
    pub saturation: Saturation,
    /// Why the run is not to be believed; empty when it is.
    pub invalid: Vec<String>,
    /// Whether it met the SLO and lost nothing.
    pub is_within: bool,
}

/// Whether a load was more than the server could hold, from the slices of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Saturation {
    /// Whether it was: too many requests failed, or both rises below are more than chance and large.
    pub is_over: bool,
    /// How much requests in flight rose over the examined time, as a share of their mean; `None` with too few slices.
    pub in_flight_rise: Option<f64>,
    /// Chance of such a slope or a steeper one without a rise, one-sided t-test.
    pub in_flight_p: Option<f64>,
    /// The same for the median time to the first token.
    pub first_token_rise: Option<f64>,
    /// The same chance for it.
    pub first_token_p: Option<f64>,
    /// Share of requests that failed or broke.
    pub error_share: f64,
}

/// The figures of a run that sweeps and searches show for each level. Milliseconds, from the intended start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Finished requests per second.
    pub requests_per_second: f64,
    /// Tokens per second.
    pub tokens_per_second: f64,
    /// Finished requests per second that met the SLO; `None` without one.
    pub goodput: Option<f64>,
    /// Time to the first token: p50, p95, p99.
    pub first_token: [f64; 3],
    /// Between tokens: p50, p95, p99.
    pub inter_token: [f64; 3],
    /// To the end of the answer: p50, p95, p99.
    pub end_to_end: [f64; 3],
    /// To the end of the answer, mean.
    pub end_to_end_mean: f64,
    /// Most requests that ran at once.
    pub in_flight_max: u64,
    /// Share of requests that failed or broke.
    pub error_share: f64,
}

impl Figures {
    /// Those of a run.
    pub fn of(report: &Report) -> Self {
        let three = |summary: &super::Summary| [summary.p50, summary.p95, summary.p99];
        let totals = &report.totals;
        Self {
            requests_per_second: totals.requests_per_second,
            tokens_per_second: totals.tokens_per_second,
            goodput: totals.goodput,
            first_token: three(&report.from_intended.first_token),
            inter_token: three(&report.inter_token),
            end_to_end: three(&report.from_intended.end_to_end),
            end_to_end_mean: report.from_intended.end_to_end.mean,
            in_flight_max: totals.in_flight_max,
            error_share: totals.error_share(),
        }
    }
}
