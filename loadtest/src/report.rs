//! The result of a run as data: computed once from plan and records, then printed, drawn, compared and kept. Its JSON has
//! a schema in the repository.
//!
//! Durations are milliseconds, times are milliseconds from the start of the run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod comparison;
pub mod find;
pub mod sweep;

/// Version of the JSON; counts up when a field changes its meaning.
pub const VERSION: u32 = 1;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// What was asked of the tool, so that it can be repeated.
    pub asked: Asked,
    /// Whether the run can be believed, and whether it met its objectives.
    pub verdict: Verdict,
    /// Counts over the whole run.
    pub totals: Totals,
    /// The headline: from the intended start.
    pub from_intended: Latencies,
    /// From when the request was really sent.
    pub from_sent: Latencies,
    /// Between tokens, over all streams.
    pub inter_token: Summary,
    /// (end to end − first token) / (tokens − 1), per request.
    pub per_output_token: Summary,
    /// In the gateway's queue, where answers say it.
    pub queue_wait: Summary,
    /// One entry per slice of the run, in order.
    pub timeline: Vec<Slice>,
    /// What happened on the way: faults and recoveries.
    pub events: Vec<Event>,
    /// Requests that failed or broke, by code.
    pub errors: BTreeMap<String, u64>,
    /// What was wrong with tokens; all zero is the promise.
    pub integrity: Integrity,
    /// Share of each node, by name.
    pub nodes: BTreeMap<String, NodeShare>,
    /// What the gateway said of itself over the run; `None` where `/metrics` could not be read.
    pub server: Option<Server>,
    /// How the generator itself did.
    pub generator: Generator,
}

/// What was asked of the tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// Wall time of the start, milliseconds since 1970.
    pub started_at_ms: u64,
    /// The command line that repeats it, without the key.
    pub command: String,
    /// Address of the gateway.
    pub url: String,
    /// The model that was asked for.
    pub model: String,
    /// Version of this tool and of the gateway.
    pub versions: BTreeMap<String, String>,
    /// The machine of the generator: processor, cores, memory, system.
    pub machine: BTreeMap<String, String>,
    /// The seed of the plan.
    pub seed: u64,
    /// The load in words: `poisson 20/s, 60 s, prompts 20–200 words, answers 64 tokens`.
    pub load: String,
    /// Requests per second that the plan wanted; `None` in a closed loop.
    pub rate: Option<f64>,
}

/// Whether the run can be believed, and whether it met its objectives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Why the figures are not to be believed; empty when they are.
    pub invalid: Vec<String>,
    /// Each objective, what was seen, and whether it was met; empty without an SLO file.
    pub objectives: Vec<Objective>,
    /// Whether all objectives were met and nothing was lost.
    pub is_within: bool,
    /// Requests that failed as a share of those that may fail under the objective `error_share`: 1 and above is a spent
    /// error budget. `None` without such an objective, or when none may fail.
    pub budget_used: Option<f64>,
}

/// One line of an SLO.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Objective {
    /// `ttft p95`, `errors`, `goodput`.
    pub name: String,
    /// The bound.
    pub bound: f64,
    /// What was seen.
    pub seen: f64,
    /// Unit of both: `ms`, `share`, `per s`.
    pub unit: String,
    /// Whether it was met.
    pub is_met: bool,
}

/// Counts over the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// Requests that the plan held, as far as it was reached: those of a chain behind its last answer do not count.
    pub planned: u64,
    /// Requests that left.
    pub sent: u64,
    /// Requests that ended as they should.
    pub finished: u64,
    /// Requests that the client left as planned.
    pub cancelled: u64,
    /// Requests that failed or broke.
    pub failed: u64,
    /// Tokens that were shown.
    pub tokens: u64,
    /// From the first start to the last end.
    pub seconds: f64,
    /// Finished requests per second.
    pub requests_per_second: f64,
    /// Tokens per second.
    pub tokens_per_second: f64,
    /// Finished requests per second that met every objective of the SLO file; `None` without one.
    pub goodput: Option<f64>,
    /// Tokens of these per second; `None` without an SLO file.
    pub goodput_tokens: Option<f64>,
    /// Most requests that ran at once.
    pub in_flight_max: u64,
    /// Gaps longer than ten times the median one.
    pub stalls: u64,
}

impl Totals {
    /// Requests that failed or broke, of those that left; 0 when none did.
    pub fn error_share(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { self.failed as f64 / self.sent as f64 }
    }
}

/// Latencies that depend on where one counts from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latencies {
    /// To the first token that is not empty.
    pub first_token: Summary,
    /// To the end of the answer.
    pub end_to_end: Summary,
}

/// Percentiles of one quantity, in milliseconds, from an HDR histogram with three digits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Values counted; all others are 0 when it is 0.
    pub count: u64,
    /// Mean.
    pub mean: f64,
    /// Half are below.
    pub p50: f64,
    /// 90 % are below.
    pub p90: f64,
    /// 95 % are below.
    pub p95: f64,
    /// 99 % are below.
    pub p99: f64,
    /// 99.9 % are below.
    pub p999: f64,
    /// The largest.
    pub max: f64,
    /// Pairs of percentile (0 to 100) and value, rising, for a curve.
    pub curve: Vec<(f64, f64)>,
}

/// A piece of the run, of equal length for all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Slice {
    /// Its start.
    pub at_ms: f64,
    /// Its length.
    pub length_ms: f64,
    /// Requests that were meant to start in it.
    pub started: u64,
    /// Requests that ended well in it.
    pub finished: u64,
    /// Requests that failed or broke in it.
    pub failed: u64,
    /// Tokens that came in it.
    pub tokens: u64,
    /// Requests that ran at its end.
    pub in_flight: u64,
    /// Time to the first token of those that were meant to start in it: p50, p95, p99; `None` when none.
    pub first_token: Option<[f64; 3]>,
    /// Gaps that ended in it: p50, p95, p99.
    pub inter_token: Option<[f64; 3]>,
    /// Tokens that came in it, by node.
    pub tokens_by_node: BTreeMap<String, u64>,
}

/// A mark on the time line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// When it began.
    pub at_ms: f64,
    /// When it was over; `None` for an instant.
    pub until_ms: Option<f64>,
    /// What kind: `note`, or a fault: `kill`, `stop`, `slow`, `cut`, `drain`.
    pub kind: String,
    /// In words: `node n2 killed`.
    pub what: String,
    /// The node that it befell.
    pub node: Option<String>,
    /// From the fault until the figures were as before it; `None` when they never were, or it is no fault.
    pub recovered_ms: Option<f64>,
    /// Streams that ran on the node and went on elsewhere.
    pub resumed: Option<u64>,
    /// Requests that failed or broke from the fault until the recovery, or until the end of the load without one.
    pub failed: Option<u64>,
}

/// What was wrong with tokens, over the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Integrity {
    /// Tokens that never came though later ones did.
    pub missing: u64,
    /// Tokens that came twice.
    pub doubled: u64,
    /// Tokens behind later ones.
    pub misplaced: u64,
    /// Terminal events beyond the first.
    pub extra_ends: u64,
    /// Answers without a terminal event.
    pub no_end: u64,
    /// Answers whose count of tokens is not the gateway's.
    pub miscounted: u64,
    /// Answers that were compared with an undisturbed run.
    pub compared: u64,
    /// Those whose text was another.
    pub changed: u64,
    /// Turns that moved to another replica.
    pub moved: u64,
}

/// Share of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeShare {
    /// Answers that ended there.
    pub requests: u64,
    /// Their tokens.
    pub tokens: u64,
}

/// What the gateway said of itself over the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Server {
    /// Processor time of the gateway per request, in microseconds.
    pub cpu_us_per_request: Option<f64>,
    /// Processor time of the gateway per token that was shown, in microseconds.
    pub cpu_us_per_token: Option<f64>,
    /// Named series over time: pairs of milliseconds from the start and value.
    pub series: BTreeMap<String, Vec<(f64, f64)>>,
}

/// How the generator itself did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Generator {
    /// How much later than intended the generator took requests up whose time a clock said: those that begin a chain or
    /// come after a time to think.
    pub lag: Summary,
    /// Share of one core per core of the machine that it used, 0 to 1.
    pub cpu_share: f64,
    /// Requests that never left since too many ran.
    pub dropped: u64,
}
