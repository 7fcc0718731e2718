//! The tables of a run: objectives, latencies, events, errors, integrity.

use crate::markup::Markup;
use crate::report::Report;
use crate::words::verdict::{self, Mark};
use crate::words::{self, number};

use super::marks::EVENTS_MAX;
use super::paragraph;
use super::table::{Cell, Table};

/// Objectives and latencies.
pub(super) fn figures(report: &Report) -> Markup {
    let mut markup = Markup::new();
    if !report.verdict.objectives.is_empty() {
        objectives(report).draw(&mut markup);
    }
    latencies(report).draw(&mut markup);
    markup.element(
        "p",
        &[("class", &"note")],
        "“As intended” counts from when a request should have left, so that waiting for a slow answer before it is part of \
         the figure; “as sent” from when it left. A stall is a gap of more than ten times the median one.",
    );
    markup
}

fn objectives(report: &Report) -> Table {
    let mut table = Table::of_words("Objectives", &["Objective", "Wanted", "Seen", "Met"]);
    for objective in &report.verdict.objectives {
        let bound = verdict::with_unit(objective.bound, &objective.unit);
        let (mark, met) = if objective.is_met { (Mark::Good, "met") } else { (Mark::Bad, "missed") };
        table.push(vec![
            Cell::Words(objective.name.clone()),
            Cell::Words(format!("{} {bound}", verdict::direction(objective))),
            Cell::Words(verdict::seen(objective)),
            Cell::Marked(mark, met.to_owned()),
        ]);
    }
    table
}

fn latencies(report: &Report) -> Table {
    let heads = ["Milliseconds", "p50", "p90", "p95", "p99", "p99.9", "max", "mean", "values"];
    let mut table = Table::new("Latencies", &heads);
    for (name, summary) in words::quantities(report) {
        let values =
            [summary.p50, summary.p90, summary.p95, summary.p99, summary.p999, summary.max, summary.mean];
        let said = |value| if summary.count == 0 { number::NONE.to_owned() } else { number::figure(value) };
        let values = values.into_iter().map(said).chain([number::count(summary.count)]);
        table.push_numbers(None, name.to_owned(), values);
    }
    table
}

/// Faults and recoveries, numbered as in the plots.
pub(super) fn events(report: &Report) -> Markup {
    if report.events.is_empty() {
        return paragraph("No fault was made and none was noted.");
    }
    let heads = [
        "No.",
        "At",
        "What",
        "Kind",
        "Lasted",
        "As before after",
        "Failed until then",
        "Streams that went on",
    ];
    let mut table = Table::of_words("Events", &heads);
    for (position, event) in report.events.iter().enumerate() {
        let lasted = event.until_ms.map(|until| number::duration(until - event.at_ms));
        let recovered = match event.recovered_ms {
            Some(recovered) => number::duration(recovered),
            None if event.kind == "note" => number::NONE.to_owned(),
            None => "never".to_owned(),
        };
        table.push(vec![
            Cell::Words((position + 1).to_string()),
            Cell::Words(number::duration(event.at_ms)),
            Cell::Words(event.what.clone()),
            Cell::Words(event.kind.clone()),
            Cell::Words(lasted.unwrap_or_else(|| number::NONE.to_owned())),
            Cell::Words(recovered),
            Cell::Words(event.failed.map_or_else(|| number::NONE.to_owned(), number::count)),
            Cell::Words(event.resumed.map_or_else(|| number::NONE.to_owned(), number::count)),
        ]);
    }
    let mut markup = Markup::new();
    table.draw(&mut markup);
    let drawn = "The plots over time carry these numbers. A hatched band runs from a fault until the figures were as before it, \
                 where a dashed line stands; the bar above it is the time that the fault itself lasted.";
    markup.element("p", &[("class", &"note")], drawn);
    if report.events.len() > EVENTS_MAX {
        markup.element("p", &[("class", &"note")], &format!("The first {EVENTS_MAX} are drawn."));
    }
    markup
}

/// Requests that failed or broke, by code.
pub(super) fn errors(report: &Report) -> Markup {
    if report.errors.is_empty() {
        return paragraph("No request failed.");
    }
    let mut codes: Vec<_> = report.errors.iter().collect();
    codes.sort_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
    let most = codes.first().map_or(1, |(_, count)| **count).max(1);
    let mut table = Table::new("Errors by code", &["Code", "Requests", "Of those sent", ""]);
    for (code, count) in codes {
        table.push(vec![
            Cell::Words(code.clone()),
            Cell::Number(number::count(*count)),
            Cell::Number(number::share_of(*count, report.totals.sent)),
            Cell::Bar(*count as f64 / most as f64),
        ]);
    }
    let mut markup = Markup::new();
    table.draw(&mut markup);
    markup
}

/// What was wrong with tokens.
pub(super) fn integrity(report: &Report) -> Markup {
    let mut table = Table::of_words("Tokens lost or changed", &["What", "Seen", "Verdict"]);
    for wrong in verdict::wrongs(&report.integrity) {
        let (mark, said) = match (wrong.count, wrong.is_checked && report.totals.tokens > 0) {
            (0, true) => (Mark::Good, "as it should be"),
            (0, false) => (Mark::Open, "not checked"),
            _ => (Mark::Bad, "wrong"),
        };
        table.push(vec![
            Cell::Words(wrong.name.to_owned()),
            Cell::Words(number::count(wrong.count)),
            Cell::Marked(mark, said.to_owned()),
        ]);
    }
    let mut markup = Markup::new();
    table.draw(&mut markup);
    let (compared, moved) = (report.integrity.compared, report.integrity.moved);
    let note = format!(
        "{} compared with an undisturbed run; {} moved to another replica on the way.",
        number::things(compared, "text"),
        number::things(moved, "answer"),
    );
    markup.element("p", &[("class", &"note")], &note);
    markup
}
