//! Whether a run can be believed and whether it met its objectives: the lines of a report that decide the exit code.
//! Called by [`crate::figures`] at the end of each report; pure.
//!
//! A run is *invalid*, whatever its figures, when
//!
//! - the generator lagged: the 99th percentile of the time by which it took requests up late is above a tenth of the 95th
//!   percentile of the headline time to the first token, where 5 ms are always allowed and more than 50 ms never are. An
//!   absolute bound alone would refuse every machine on which generator and gateway share two cores; a share alone would
//!   allow seconds when the server is drowned. Lag lengthens the headline figures and never shortens them, so under
//!   this bound they are at most about a tenth too bad;
//! - the generator used more than 90 % of the machine, so that what was measured is the generator;
//! - requests were dropped or have no record, so that the worst are missing;
//! - nothing was asked at all;
//! - an objective names a percentile with fewer than five values beyond it: 100 requests for p95, 500 for p99.

use crate::report::{Integrity, Objective, Report, Summary, Verdict};
use crate::slo::{Percentile, Slo};

/// Lag that is always allowed, in milliseconds, 99th percentile: less than a person sees, and what a machine that runs
/// something else as well takes now and then.
pub const LAG_MS_FLOOR: f64 = 5.0;
/// Lag that is never allowed.
pub const LAG_MS_CEILING: f64 = 50.0;
/// Lag that is allowed between both, as a share of the headline latency.
pub const LAG_SHARE: f64 = 0.1;
/// Share of the machine that the generator may use.
pub const CPU_SHARE_MAX: f64 = 0.9;
/// Values that must lie beyond a percentile before it can be judged.
pub const BEYOND_MIN: f64 = 5.0;

/// Everything was met.
pub const EXIT_WITHIN: u8 = 0;
/// The run can be believed, and some objective was missed or something was lost.
pub const EXIT_OUTSIDE: u8 = 1;
/// The run cannot be believed.
pub const EXIT_INVALID: u8 = 2;

/// The exit code of the command.
pub fn exit_code(verdict: &Verdict) -> u8 {
    match (verdict.invalid.is_empty(), verdict.is_within) {
        (false, _) => EXIT_INVALID,
        (true, false) => EXIT_OUTSIDE,
        (true, true) => EXIT_WITHIN,
    }
}

/// A verdict before there is one, while a report is being built.
pub(crate) fn pending() -> Verdict {
    Verdict { invalid: Vec::new(), objectives: Vec::new(), is_within: false, budget_used: None }
}

/// Judges a report, all of whose other fields are there.
pub fn verdict(report: &Report, slo: Option<&Slo>) -> Verdict {
    let mut invalid = generator_faults(report);
    let mut objectives = slo.map(|slo| objectives(report, slo)).unwrap_or_default();
    if let Some(slo) = slo {
        invalid.extend(too_few(report, slo));
    }
    // A run in which nothing was answered is within nothing, whether or not anybody gave objectives.
    let answered = report.totals.finished + report.totals.cancelled;
    if report.totals.sent > 0 && answered == 0 {
        let name = "rate of answers".to_owned();
        let (bound, unit) = (1.0 / report.totals.seconds.max(1.0), "per s".to_owned());
        objectives.push(Objective { name, bound, seen: 0.0, unit, is_met: false });
    }
    let is_within = objectives.iter().all(|objective| objective.is_met) && is_whole(&report.integrity);
    let allowed = slo.and_then(|slo| slo.error_share).map(|share| share * report.totals.sent as f64);
    let budget_used =
        allowed.filter(|allowed| *allowed > 0.0).map(|allowed| report.totals.failed as f64 / allowed);
    Verdict { invalid, objectives, is_within, budget_used }
}

/// Whether no token was lost, doubled, misplaced or changed. An answer whose count is not the gateway's has lost its last
/// tokens, which leave no gap in the indices.
pub fn is_whole(integrity: &Integrity) -> bool {
    let Integrity { missing, doubled, misplaced, extra_ends, no_end, miscounted, changed, .. } = integrity;
    [missing, doubled, misplaced, extra_ends, no_end, miscounted, changed]
        .into_iter()
        .all(|count| *count == 0)
}

/// Lag that a run with these latencies may have, in milliseconds.
pub fn lag_bound_ms(report: &Report) -> f64 {
    let first_token = &report.from_intended.first_token;
    let headline = if first_token.count > 0 { first_token } else { &report.from_intended.end_to_end };
    (LAG_SHARE * headline.p95).clamp(LAG_MS_FLOOR, LAG_MS_CEILING)
}

fn generator_faults(report: &Report) -> Vec<String> {
    let (totals, generator) = (&report.totals, &report.generator);
    let mut faults = Vec::new();
    if totals.sent == 0 {
        faults.push("no request left".to_owned());
    }
    let bound = lag_bound_ms(report);
    if generator.lag.p99 > bound {
        faults.push(format!(
            "the generator lagged: requests began {:.1} ms late at the 99th percentile, at most {bound:.1} ms; use a \
             lower rate or another machine",
            generator.lag.p99
        ));
    }
    if generator.cpu_share > CPU_SHARE_MAX {
        faults.push(format!(
            "the generator used {:.0} % of the machine, at most {:.0} %; use a lower rate or another machine",
            generator.cpu_share * 100.0,
            CPU_SHARE_MAX * 100.0
        ));
    }
    if generator.dropped > 0 {
        faults.push(format!(
            "{} requests never left since too many ran; raise the limit or lower the rate",
            generator.dropped
        ));
    }
    let unknown = totals.planned.saturating_sub(totals.sent + generator.dropped);
    if unknown > 0 {
        faults.push(format!("{unknown} planned requests have no record; the run was cut short"));
    }
    faults
}

fn objectives(report: &Report, slo: &Slo) -> Vec<Objective> {
    let totals = &report.totals;
    let mut objectives = Vec::new();
    for bounds in &slo.bounds {
        let summary = bounds.measure.summary(report);
        for (percentile, bound) in &bounds.percentiles {
            let name = format!("{} {}", bounds.measure.name(), percentile.name());
            // A latency that nothing had was not kept to: a server that answers nothing is not fast.
            let is_met = summary.count > 0 && percentile.of(summary) <= *bound;
            let (bound, seen, unit) = (*bound, percentile.of(summary), "ms".to_owned());
            objectives.push(Objective { name, bound, seen, unit, is_met });
        }
    }
    let mut add = |name: &str, unit: &str, bound: Option<f64>, seen: f64, is_met: fn(f64, f64) -> bool| {
        if let Some(bound) = bound {
            let (name, unit) = (name.to_owned(), unit.to_owned());
            objectives.push(Objective { name, bound, seen, unit, is_met: is_met(seen, bound) });
        }
    };
    let counted = totals.sent.saturating_sub(totals.cancelled);
    let good = totals.goodput.unwrap_or(0.0) * totals.seconds;
    let good_share = if counted == 0 { 0.0 } else { (good / counted as f64).min(1.0) };
    add("error_share", "share", slo.error_share, totals.error_share(), |seen, bound| seen <= bound);
    // The share comes from a rate and has its rounding.
    add("goodput_share", "share", slo.goodput_share, good_share, |seen, bound| seen >= bound - 1e-9);
    add("rate_min", "per s", slo.rate_min, totals.requests_per_second, |seen, bound| seen >= bound);
    objectives
}

fn too_few(report: &Report, slo: &Slo) -> Vec<String> {
    let mut faults = Vec::new();
    for bounds in &slo.bounds {
        let summary: &Summary = bounds.measure.summary(report);
        for (percentile, _) in
            bounds.percentiles.iter().filter(|(percentile, _)| *percentile != Percentile::Max)
        {
            let needed = (BEYOND_MIN / (1.0 - percentile.share())).round() as u64;
            if summary.count < needed {
                faults.push(format!(
                    "{} {} needs at least {needed} values, there are {}; run longer or at a higher rate",
                    bounds.measure.name(),
                    percentile.name(),
                    summary.count
                ));
            }
        }
    }
    faults
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
