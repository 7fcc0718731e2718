//! Figures: from a plan and what became of its requests to a [`Report`]. Called once behind a run, by `report` again
//! from kept records, and for each window of a comparison. Pure: the same records give the same report.
//!
//! What counts where:
//!
//! - From the *intended* start is the headline: a request that left late because the machine was busy has waited. From
//!   the send says what the server did with what it got.
//! - In a closed loop, and behind the first request of a chain, the intended start is the end of the answer before and
//!   the think time: nobody meant to ask earlier. Such figures say what these clients saw; a slow server was asked less.
//! - Time to the first token: all streams that had one, also those that were cancelled or failed later. An answer in one
//!   piece has no first token of its own and counts in end to end alone.
//! - End to end and time per output token: answers that finished. Between tokens: every stream.
//! - Clients that read slowly by plan make their own gaps: they count in time to the first token, not in the others.
//! - Requests that failed have no latency. They are errors, and an SLO should bound these too.

mod marks;
mod quantity;
mod recovery;
mod timeline;
mod totals;

use std::time::Duration;

use crate::plan::{Behaviour, Plan, Request, Transport};
use crate::record::{Outcome, Record};
use crate::report::{Asked, Event, Latencies, Report, Server, VERSION};
use crate::slo::Slo;
use crate::verdict;

pub use quantity::{HOUR_US, Quantity};
pub use recovery::NOTE;

/// Everything that a report is made from.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// What was meant to be asked.
    pub plan: &'a Plan,
    /// What became of it, in any order.
    pub records: &'a [Record],
    /// What was asked of the tool.
    pub asked: Asked,
    /// The objectives, if there are any.
    pub slo: Option<&'a Slo>,
    /// Marks on the time line; recoveries of faults are filled in.
    pub events: Vec<Event>,
    /// How the generator did, besides its lag, which the records say.
    pub generator: GeneratorSeen,
    /// What was read from the gateway's `/metrics`; `None` where it could not be.
    pub server: Option<ServerSeen>,
    /// Records of an undisturbed run of the same plan, whose texts must be the same. Empty for none.
    pub reference: &'a [Record],
    /// Length of a slice of the time line; `None` for one that gives at most 240.
    pub slice: Option<Duration>,
}

/// What the run measured of its generator.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GeneratorSeen {
    /// Share of all cores of the machine that it used, 0 to 1.
    pub cpu_share: f64,
    /// Requests that never left since too many ran.
    pub dropped: u64,
}

/// What was read from the gateway over the run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerSeen {
    /// Processor time of the gateway's process in seconds, before the first request and behind the last.
    pub cpu_s: Option<(f64, f64)>,
    /// Named series over time: pairs of milliseconds from the start and value.
    pub series: std::collections::BTreeMap<String, Vec<(f64, f64)>>,
}

/// The report of a run.
pub fn report(inputs: Inputs<'_>) -> Report {
    let views: Vec<View<'_>> = inputs.records.iter().map(|record| View::new(inputs.plan, record)).collect();
    let spans = Spans::of(&views);
    let totals = totals::totals(&inputs, &views, &spans);
    let mut report = Report {
        version: VERSION,
        from_intended: latencies(&views, |record| record.intended),
        from_sent: latencies(&views, |record| record.sent),
        inter_token: spans.inter_token.summary(),
        per_output_token: spans.per_output_token.summary(),
        queue_wait: spans.queue_wait.summary(),
        timeline: timeline::slices(&views, inputs.slice),
        events: recovery::judged(inputs.events, inputs.plan, &views),
        errors: totals::errors(inputs.records),
        integrity: totals::integrity(inputs.records, inputs.reference),
        nodes: totals::nodes(inputs.records),
        server: inputs.server.map(|seen| server(seen, &totals)),
        generator: totals::generator(inputs.generator, &views),
        verdict: verdict::pending(),
        asked: inputs.asked,
        totals,
    };
    report.verdict = verdict::verdict(&report, inputs.slo);
    report
}

/// A record and what the plan says of it.
struct View<'a> {
    record: &'a Record,
    /// `None` when the plan does not have it.
    request: Option<&'a Request>,
}

impl<'a> View<'a> {
    fn new(plan: &'a Plan, record: &'a Record) -> Self {
        let chain = plan.chains.get(record.chain as usize);
        Self { record, request: chain.and_then(|chain| chain.requests.get(record.position as usize)) }
    }

    fn is_finished(&self) -> bool {
        matches!(self.record.outcome, Outcome::Finished(_))
    }

    fn is_failed(&self) -> bool {
        matches!(self.record.outcome, Outcome::Failed(_) | Outcome::Broken(_))
    }

    /// Whether its tokens came one after the other.
    fn is_streamed(&self) -> bool {
        self.record.transport != Transport::Whole
    }

    /// Whether the client slowed itself down.
    fn is_slow_reader(&self) -> bool {
        self.request.is_some_and(|request| matches!(request.behaviour, Behaviour::ReadSlowly(_)))
    }

    /// Whether its gaps are the server's.
    fn has_gaps(&self) -> bool {
        self.is_streamed() && !self.is_slow_reader()
    }

    /// When its first token came, if it came by itself.
    fn first_token(&self) -> Option<Duration> {
        self.record.first_token.filter(|_| self.is_streamed())
    }

    /// Whether its end says how fast the server was.
    fn has_end(&self) -> bool {
        self.is_finished() && !self.is_slow_reader()
    }

    /// (end − first token) / (tokens − 1) in microseconds, for a finished stream of at least two tokens.
    fn per_output_token_us(&self) -> Option<f64> {
        let first = self.first_token().filter(|_| self.has_end() && self.record.tokens > 1)?;
        let after = self.record.ended.saturating_sub(first);
        Some(after.as_secs_f64() * 1e6 / f64::from(self.record.tokens - 1))
    }
}

/// Quantities that do not depend on where one counts from.
struct Spans {
    inter_token: Quantity,
    per_output_token: Quantity,
    queue_wait: Quantity,
}

impl Spans {
    fn of(views: &[View<'_>]) -> Self {
        let mut spans = Self {
            inter_token: Quantity::new(),
            per_output_token: Quantity::new(),
            queue_wait: Quantity::new(),
        };
        for view in views {
            if view.has_gaps() {
                view.record.gaps_us.iter().for_each(|gap| spans.inter_token.add(u64::from(*gap)));
            }
            if let Some(us) = view.per_output_token_us() {
                spans.per_output_token.add(us.round() as u64);
            }
            if let Some(us) = view.record.queue_us {
                spans.queue_wait.add(us);
            }
        }
        spans
    }
}

fn latencies(views: &[View<'_>], from: impl Fn(&Record) -> Duration) -> Latencies {
    let (mut first_token, mut end_to_end) = (Quantity::new(), Quantity::new());
    for view in views {
        let start = from(view.record);
        if let Some(first) = view.first_token() {
            first_token.add_span(first.saturating_sub(start));
        }
        if view.has_end() {
            end_to_end.add_span(view.record.ended.saturating_sub(start));
        }
    }
    Latencies { first_token: first_token.summary(), end_to_end: end_to_end.summary() }
}

fn server(seen: ServerSeen, totals: &crate::report::Totals) -> Server {
    let cpu_us = seen.cpu_s.map(|(before, after)| (after - before).max(0.0) * 1e6);
    let per = |count: u64| cpu_us.filter(|_| count > 0).map(|us| us / count as f64);
    Server { cpu_us_per_request: per(totals.sent), cpu_us_per_token: per(totals.tokens), series: seen.series }
}

#[cfg(test)]
#[path = "figures/samples_tests.rs"]
pub(crate) mod samples;

#[cfg(test)]
#[path = "figures_tests.rs"]
mod tests;
