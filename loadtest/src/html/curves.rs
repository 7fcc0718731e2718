//! Percentile curves as HDR plots draw them: from 90 to 99 % is as wide as from 99 to 99.9 %, so that the tail is seen.

use crate::markup::Markup;
use crate::report::{Report, Summary};
use crate::words::number;

use super::lines::{Line, Lines};
use super::scale::{Scale, sane};
use super::table::Table;
use super::thin;

/// Percentiles of the table beside a curve.
const TOLD: [f64; 10] = [10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0];

/// All curves of a run.
pub(super) fn curves(report: &Report) -> Markup {
    let (intended, sent) = (&report.from_intended, &report.from_sent);
    let mut markup = Markup::new();
    markup.open("div", &[("class", &"plots")]);
    let both = |of_intended, of_sent| vec![("intended", of_intended), ("sent", of_sent)];
    curve(&mut markup, "first-token-curve", "First token", &both(&intended.first_token, &sent.first_token));
    curve(&mut markup, "end-to-end-curve", "End to end", &both(&intended.end_to_end, &sent.end_to_end));
    let between = [("between", &report.inter_token), ("per token", &report.per_output_token)];
    curve(&mut markup, "tokens-curve", "Between tokens, and per output token", &between);
    if report.queue_wait.count > 0 {
        curve(&mut markup, "queue-curve", "Queue of the gateway", &[("wait", &report.queue_wait)]);
    }
    markup.close("div");
    let note = "Read it so: at 99 %, ninety-nine of a hundred were faster than the line. Where “intended” lies above “sent”, \
                requests waited for their turn to leave.";
    markup.element("p", &[("class", &"note")], note);
    markup
}

fn curve(markup: &mut Markup, id: &str, title: &str, summaries: &[(&str, &Summary)]) {
    let count = summaries.iter().map(|(_, summary)| summary.count).max().unwrap_or(0);
    let x = Scale::for_percentiles(count);
    let y = Scale::fitting(summaries.iter().flat_map(|(_, summary)| values(summary)));
    let lines = summaries.iter().enumerate().map(|(style, (name, summary))| {
        let points =
            thin::points(&summary.curve).into_iter().map(|(percentile, value)| (percentile, Some(value)));
        Line { name: (*name).to_owned(), style, points: points.collect() }
    });
    let lines = lines.collect();
    let heads: Vec<_> =
        std::iter::once("Percentile").chain(summaries.iter().map(|(name, _)| *name)).collect();
    let mut table = Table::new(format!("{title} by percentile, milliseconds"), &heads);
    for told in TOLD {
        let values: Vec<_> = summaries.iter().map(|(_, summary)| at(summary, told)).collect();
        if values.iter().any(Option::is_some) {
            let name = if told == 100.0 { "largest".to_owned() } else { format!("{told} %") };
            table.push_numbers(Some(x.place(told)), name, values.into_iter().map(number::maybe));
        }
    }
    let (id, bounds, pins) = (id.to_owned(), Vec::new(), Vec::new());
    let plot = Lines {
        id,
        title,
        unit: "ms",
        x: &x,
        x_name: "",
        y,
        lines,
        marks: None,
        bounds,
        pins,
        note: None,
        table,
    };
    plot.draw(markup);
}

fn values(summary: &Summary) -> impl Iterator<Item = f64> {
    summary.curve.iter().map(|(_, value)| *value)
}

/// The value of the first point of the curve that is not below a percentile; `None` beyond what the count can tell.
fn at(summary: &Summary, percentile: f64) -> Option<f64> {
    let can_tell = percentile == 100.0 || (1.0 - percentile / 100.0) * summary.count as f64 >= 0.999;
    let point = summary.curve.iter().find(|(place, _)| *place >= percentile - 1e-9);
    point.or(summary.curve.last()).filter(|_| can_tell).and_then(|(_, value)| sane(*value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_that_the_count_cannot_tell_is_not_told() {
        let curve = (0..=100).map(|at| (f64::from(at), f64::from(at) * 2.0)).collect();
        let summary = Summary { count: 100, curve, ..Summary::default() };
        assert_eq!(at(&summary, 50.0), Some(100.0));
        assert_eq!(at(&summary, 99.0), Some(198.0));
        assert_eq!(at(&summary, 99.9), None);
        assert_eq!(at(&summary, 100.0), Some(200.0));
    }
}
