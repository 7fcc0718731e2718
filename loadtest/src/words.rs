//! The result in a terminal: the verdict in sentences, a table of the headline figures, what failed and what happened. Ends
//! of lines are the only control characters when no colours are asked for.

use std::fmt::Write;

use crate::report::comparison::ComparisonReport;
use crate::report::find::FindReport;
use crate::report::sweep::{Figures, SweepReport};
use crate::report::{Event, NodeShare, Report, Summary};

pub(crate) mod clock;
pub(crate) mod number;
pub(crate) mod studies;
mod text;
pub(crate) mod verdict;

use text::Text;

/// The summary, with its last line ended. `colours` is for terminals that have them.
#[must_use]
pub fn summary(report: &Report, colours: bool) -> String {
    let mut text = Text::new(colours);
    let asked = &report.asked;
    text.line(&format!("{} at {}, {}", asked.model, asked.url, clock::people(asked.started_at_ms)));
    text.line(&format!("{}; seed {}", asked.load, asked.seed));
    text.end();
    for statement in verdict::statements(report) {
        text.statement(&statement);
    }
    text.end();
    latencies(&mut text, report);
    text.end();
    totals(&mut text, report);
    text.list(
        "Failed",
        report.errors.iter().map(|(code, count)| format!("{} of {code}", number::count(*count))),
    );
    text.list("Happened", report.events.iter().map(event));
    let share = |(name, node): (&String, &NodeShare)| {
        let [requests, tokens] = [(node.requests, "request"), (node.tokens, "token")]
            .map(|(count, thing)| number::things(count, thing));
        format!("{name}: {requests}, {tokens}")
    };
    text.list("By node", report.nodes.iter().map(share));
    text.text
}

/// A sweep: what was found, and a line per level.
#[must_use]
pub fn sweep(report: &SweepReport, colours: bool) -> String {
    let lines = report.points.iter().map(|point| (studies::level(point.level, report.unit), &point.figures));
    study(&studies::sweep(report), lines, colours)
}

/// A search: what was found, and a line per run.
#[must_use]
pub fn find(report: &FindReport, colours: bool) -> String {
    let lines = report.trials.iter().map(|trial| (studies::level(trial.level, report.unit), &trial.figures));
    study(&studies::find(report), lines, colours)
}

/// A comparison: what was found, and a line per figure.
#[must_use]
pub fn comparison(report: &ComparisonReport, colours: bool) -> String {
    let mut text = Text::new(colours);
    let verdict = studies::comparison(report);
    text.bold(&verdict.sentence);
    verdict.statements.iter().for_each(|statement| text.statement(statement));
    text.end();
    text.bold(&format!("{:26}{:>34}  B is", "B over A", "median (interval)"));
    for figure in &report.figures {
        let (_, said) = studies::difference(figure.difference);
        text.line(&format!("{:26}{:>34}  {said}", figure.name, studies::ratio(figure)));
    }
    text.text
}

fn study<'a>(
    verdict: &studies::Verdict,
    lines: impl Iterator<Item = (String, &'a Figures)>,
    colours: bool,
) -> String {
    let mut text = Text::new(colours);
    verdict.statements.iter().for_each(|statement| text.statement(statement));
    text.end();
    let heads = ["requests/s", "tokens/s", "ttft p50", "ttft p95", "ttft p99", "failed"];
    text.bold(&heads.iter().fold(format!("{:12}", "Load"), |line, head| format!("{line}{head:>11}")));
    for (level, figures) in lines {
        let mut values =
            vec![number::figure(figures.requests_per_second), number::figure(figures.tokens_per_second)];
        values.extend(figures.first_token.map(number::figure));
        values.push(number::share(figures.error_share));
        text.line(&values.iter().fold(format!("{level:12}"), |line, value| format!("{line}{value:>11}")));
    }
    text.text
}

/// A quantity of the report: its name, its percentiles.
pub(crate) type Quantity<'a> = (&'static str, &'a Summary);

/// All latencies of a report, the headline first: from when a request was intended to start, then from when it was sent.
pub(crate) fn quantities(report: &Report) -> [Quantity<'_>; 7] {
    [
        ("First token, as intended", &report.from_intended.first_token),
        ("First token, as sent", &report.from_sent.first_token),
        ("End to end, as intended", &report.from_intended.end_to_end),
        ("End to end, as sent", &report.from_sent.end_to_end),
        ("Between tokens", &report.inter_token),
        ("Per output token", &report.per_output_token),
        ("Queue of the gateway", &report.queue_wait),
    ]
}

/// `At 30 s: node n2 killed; as before after 4.2 s; 12 streams went on elsewhere.`
pub(crate) fn event(event: &Event) -> String {
    let mut text = format!("At {}: {}", number::duration(event.at_ms), event.what);
    if let Some(until) = event.until_ms {
        let _ = write!(text, ", for {}", number::duration(until - event.at_ms));
    }
    match event.recovered_ms {
        Some(recovered) => {
            let _ = write!(text, "; as before after {}", number::duration(recovered));
        }
        None if event.kind != "note" => text.push_str("; never as before"),
        None => {}
    }
    if let Some(resumed) = event.resumed {
        let _ = write!(text, "; {} went on elsewhere", number::things(resumed, "stream"));
    }
    text
}

fn latencies(text: &mut Text, report: &Report) {
    let heads = ["p50", "p90", "p95", "p99", "p99.9", "max"];
    let mut line = format!("{:26}", "Milliseconds");
    for head in heads {
        let _ = write!(line, "{head:>9}");
    }
    text.bold(&line);
    for (name, summary) in quantities(report) {
        let values = [summary.p50, summary.p90, summary.p95, summary.p99, summary.p999, summary.max];
        let mut line = format!("{name:26}");
        for value in values {
            let value = if summary.count == 0 { number::NONE.to_owned() } else { number::figure(value) };
            let _ = write!(line, "{value:>9}");
        }
        text.line(&line);
    }
}

fn totals(text: &mut Text, report: &Report) {
    let totals = &report.totals;
    let count = number::count;
    text.line(&format!(
        "{} of {} sent, {} finished, {} cancelled, {} failed, in {}",
        count(totals.sent),
        number::things(totals.planned, "request"),
        count(totals.finished),
        count(totals.cancelled),
        count(totals.failed),
        number::duration(totals.seconds * 1000.0),
    ));
    let goodput = match totals.goodput {
        Some(goodput) => format!(", {}/s within all objectives", number::figure(goodput)),
        None => String::new(),
    };
    text.line(&format!(
        "{} requests/s and {} tokens/s{goodput}; at most {} in flight; {}",
        number::figure(totals.requests_per_second),
        number::figure(totals.tokens_per_second),
        count(totals.in_flight_max),
        number::things(totals.stalls, "stall"),
    ));
    if let Some(server) = &report.server
        && (server.cpu_us_per_request.is_some() || server.cpu_us_per_token.is_some())
    {
        text.line(&format!(
            "Gateway: {} µs of processor per request, {} per token",
            number::maybe(server.cpu_us_per_request),
            number::maybe(server.cpu_us_per_token),
        ));
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
