//! Objectives for a run, from a TOML file, and whether one request met those that bear on it. Asked by [`crate::verdict`]
//! for the whole run and by [`crate::figures`] for the goodput.
//!
//! ```toml
//! error_share = 0.001        # at most; failed and broken requests of all
//! goodput_share = 0.95       # at least; requests that met every bound below of all that were not cancelled
//! rate_min = 18.0            # at least; finished requests per second
//!
//! [ttft_ms]                  # from the intended start to the first token
//! p95 = 500
//! p99 = 1000
//! [itl_ms]                   # between tokens
//! p99 = 100
//! [tpot_ms]                  # per output token behind the first
//! p90 = 60
//! [e2e_ms]                   # from the intended start to the end
//! p99 = 20000
//! each = 15000               # for the goodput, see below
//! ```
//!
//! A table takes `p50`, `p90`, `p95`, `p99`, `p999` and `max`, all optional, and `each`, which bounds single requests for
//! the goodput. Without `each`, a request must keep to the loosest bound of the table. Gaps of one request are judged by
//! their 99th percentile, or by the highest percentile that `[itl_ms]` names.

use toml::{Table, Value};

use crate::report::{Report, Summary};

/// Largest objective file, in bytes.
pub const SLO_BYTES_MAX: usize = 65_536;

const TABLES: [(&str, Measure); 4] = [
    ("ttft_ms", Measure::FirstToken),
    ("itl_ms", Measure::InterToken),
    ("tpot_ms", Measure::PerOutputToken),
    ("e2e_ms", Measure::EndToEnd),
];
const SHARES: &str = "error_share, goodput_share, rate_min";
const PERCENTILES: [(&str, Percentile); 6] = [
    ("p50", Percentile::P50),
    ("p90", Percentile::P90),
    ("p95", Percentile::P95),
    ("p99", Percentile::P99),
    ("p999", Percentile::P999),
    ("max", Percentile::Max),
];

/// The objectives of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slo {
    /// Bounds of latencies, in the order of the documentation above.
    pub bounds: Vec<Bounds>,
    /// Largest share of requests that may fail.
    pub error_share: Option<f64>,
    /// Smallest share of requests that must meet every bound.
    pub goodput_share: Option<f64>,
    /// Fewest finished requests per second.
    pub rate_min: Option<f64>,
}

/// The bounds of one latency.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    /// Of which.
    pub measure: Measure,
    /// Per percentile, in milliseconds; rising percentiles.
    pub percentiles: Vec<(Percentile, f64)>,
    /// For single requests, in milliseconds.
    pub each: Option<f64>,
}

/// A latency that can be bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Time to the first token, from the intended start.
    FirstToken,
    /// Between tokens.
    InterToken,
    /// Per output token behind the first.
    PerOutputToken,
    /// To the end, from the intended start.
    EndToEnd,
}

/// A percentile that can be bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Percentile {
    /// Half.
    P50,
    /// 90 %.
    P90,
    /// 95 %.
    P95,
    /// 99 %.
    P99,
    /// 99.9 %.
    P999,
    /// All.
    Max,
}

/// A file that says no objectives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SloError {
    /// No TOML.
    #[error("the objectives are not TOML: {0}")]
    Toml(String),
    /// Larger than any set of objectives.
    #[error("the objectives have {0} bytes, at most {SLO_BYTES_MAX}")]
    TooLong(usize),
    /// A key that is not known.
    #[error("key `{key}` of the objectives is unknown; known: {known}")]
    Unknown {
        /// Which, with its table.
        key: String,
        /// Which there are.
        known: String,
    },
    /// A value that is none.
    #[error("key `{key}` of the objectives is {value}, not {expected}")]
    Value {
        /// Which, with its table.
        key: String,
        /// What it is.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// Nothing is asked.
    #[error("the objectives are empty; set one of ttft_ms, itl_ms, tpot_ms, e2e_ms, {SHARES}")]
    Empty,
}

/// What one request took, for the goodput. Milliseconds; `None` where it does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Single<'a> {
    pub(crate) first_token: Option<f64>,
    pub(crate) gaps_us: &'a [u32],
    pub(crate) per_output_token: Option<f64>,
    pub(crate) end_to_end: Option<f64>,
}

impl Slo {
    /// Reads a file.
    pub fn parse(text: &str) -> Result<Self, SloError> {
        if text.len() > SLO_BYTES_MAX {
            return Err(SloError::TooLong(text.len()));
        }
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            SloError::Toml(error.to_string().trim_end().replace('\n', "; "))
        })?;
        if let Some(key) = table.keys().find(|key| !is_known(key)) {
            let tables: Vec<&str> = TABLES.iter().map(|(name, _)| *name).collect();
            let known = format!("{}, {SHARES}", tables.join(", "));
            return Err(SloError::Unknown { key: key.clone(), known });
        }
        let mut slo = Self {
            bounds: Vec::new(),
            error_share: number(&table, "error_share", 1.0, "a share from 0 to 1")?,
            goodput_share: number(&table, "goodput_share", 1.0, "a share from 0 to 1")?,
            rate_min: number(&table, "rate_min", f64::MAX, "requests per second, at least 0")?,
        };
        for (name, measure) in TABLES {
            if let Some(value) = table.get(name) {
                slo.bounds.push(bounds(name, measure, value)?);
            }
        }
        if slo == Self::default() { Err(SloError::Empty) } else { Ok(slo) }
    }

    /// Whether a finished request met every bound that bears on it.
    pub(crate) fn is_met_by(&self, single: &Single<'_>) -> bool {
        self.bounds.iter().all(|bounds| {
            let Some(bound) = bounds.for_each() else { return true };
            match bounds.measure {
                Measure::FirstToken => single.first_token.is_none_or(|ms| ms <= bound),
                Measure::PerOutputToken => single.per_output_token.is_none_or(|ms| ms <= bound),
                Measure::EndToEnd => single.end_to_end.is_none_or(|ms| ms <= bound),
                Measure::InterToken => {
                    let above = single.gaps_us.iter().filter(|gap| f64::from(**gap) > bound * 1e3).count();
                    let allowed = single.gaps_us.len() as f64 * (1.0 - bounds.gap_percentile().share());
                    // A share of a hundred is not exact in binary.
                    above as f64 <= (allowed + 1e-9).floor()
                }
            }
        })
    }
}

impl Bounds {
    /// The bound of single requests: `each`, or the loosest of all.
    fn for_each(&self) -> Option<f64> {
        self.each.or_else(|| self.percentiles.iter().map(|(_, ms)| *ms).reduce(f64::max))
    }

    fn gap_percentile(&self) -> Percentile {
        self.percentiles.last().map_or(Percentile::P99, |(percentile, _)| *percentile)
    }
}

impl Measure {
    /// Its short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstToken => "ttft",
            Self::InterToken => "itl",
            Self::PerOutputToken => "tpot",
            Self::EndToEnd => "e2e",
        }
    }

    /// Its figures in a report.
    pub fn summary(self, report: &Report) -> &Summary {
        match self {
            Self::FirstToken => &report.from_intended.first_token,
            Self::InterToken => &report.inter_token,
            Self::PerOutputToken => &report.per_output_token,
            Self::EndToEnd => &report.from_intended.end_to_end,
        }
    }
}

impl Percentile {
    /// Its short name.
    pub fn name(self) -> &'static str {
        PERCENTILES.iter().find(|(_, percentile)| *percentile == self).map_or("max", |(name, _)| name)
    }

    /// The share of values that are not above it.
    pub fn share(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P90 => 0.9,
            Self::P95 => 0.95,
            Self::P99 => 0.99,
            Self::P999 => 0.999,
            Self::Max => 1.0,
        }
    }

    /// Its value in a summary, in milliseconds.
    pub fn of(self, summary: &Summary) -> f64 {
        match self {
            Self::P50 => summary.p50,
            Self::P90 => summary.p90,
            Self::P95 => summary.p95,
            Self::P99 => summary.p99,
            Self::P999 => summary.p999,
            Self::Max => summary.max,
        }
    }
}

fn is_known(key: &str) -> bool {
    TABLES.iter().any(|(name, _)| *name == key) || SHARES.split(", ").any(|name| name == key)
}

fn bounds(name: &str, measure: Measure, value: &Value) -> Result<Bounds, SloError> {
    let table = value.as_table().ok_or_else(|| wrong(name, value, "a table like { p95 = 500 }"))?;
    let known = PERCENTILES.iter().map(|(key, _)| *key).chain(["each"]).collect::<Vec<_>>();
    if let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(SloError::Unknown { key: format!("{name}.{key}"), known: known.join(", ") });
    }
    let bound = |key: &str| number(table, key, f64::MAX, "milliseconds, at least 0");
    let named = |error: SloError| match error {
        SloError::Value { key, value, expected } => {
            SloError::Value { key: format!("{name}.{key}"), value, expected }
        }
        other => other,
    };
    let mut bounds = Bounds { measure, percentiles: Vec::new(), each: bound("each").map_err(named)? };
    for (key, percentile) in PERCENTILES {
        if let Some(ms) = bound(key).map_err(named)? {
            bounds.percentiles.push((percentile, ms));
        }
    }
    if table.is_empty() {
        Err(wrong(name, value, "a table with at least one of p50 to p999, max, each"))
    } else {
        Ok(bounds)
    }
}

fn number(table: &Table, key: &str, max: f64, expected: &'static str) -> Result<Option<f64>, SloError> {
    let Some(value) = table.get(key) else { return Ok(None) };
    let number = value.as_float().or_else(|| value.as_integer().map(|integer| integer as f64));
    let number = number.filter(|number| (0.0..=max).contains(number));
    number.map(Some).ok_or_else(|| wrong(key, value, expected))
}

fn wrong(key: &str, value: &Value, expected: &'static str) -> SloError {
    SloError::Value { key: key.to_owned(), value: value.to_string(), expected }
}

#[cfg(test)]
#[path = "slo_tests.rs"]
mod tests;
