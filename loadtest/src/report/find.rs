//! The result of a search for the highest load within an SLO: every run, and what follows from them. Made by
//! [`crate::find`], drawn by the pages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Asked;
use super::sweep::{Figures, LevelUnit};

/// A search for the highest load within an SLO.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FindReport {
    /// [`super::VERSION`].
    pub version: u32,
    /// What the first run was asked; all others differ from it in level and seed.
    pub asked: Option<Asked>,
    /// What a level counts.
    pub unit: LevelUnit,
    /// The highest level that was within the SLO in most of its runs; `None` when none was.
    pub best: Option<f64>,
    /// The lowest level above `best` that was not; `None` when all were within.
    pub too_much: Option<f64>,
    /// All runs in order.
    pub trials: Vec<Trial>,
    /// Why it ended.
    pub ended: FindEnd,
}

/// One run of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// Its level.
    pub level: f64,
    /// Counts from 0 at each level.
    pub repeat: u32,
    /// Whether it met the SLO and lost nothing. Says nothing when it is invalid.
    pub is_within: bool,
    /// Names of the objectives that it missed.
    pub missed: Vec<String>,
    /// Why the run is not to be believed; empty when it is.
    pub invalid: Vec<String>,
    /// Its figures.
    pub figures: Figures,
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindEnd {
    /// It is not over.
    Running,
    /// `best` and `too_much` are as near as was asked.
    Found,
    /// Even the lowest level is too much.
    NothingWithin,
    /// Even the highest level is within.
    AllWithin,
    /// A level gave no run that can be believed. `best` holds, what is above it is not known.
    Invalid,
}
