//! What the gateway said of itself over the run, read from `/metrics`: one plot per name, one line per set of labels.

use std::collections::BTreeMap;

use crate::markup::{Markup, one_line};
use crate::report::Report;
use crate::words::number;

use super::icon;
use super::lines::{Line, Lines};
use super::marks::Marks;
use super::opening::tile;
use super::paragraph;
use super::scale::{Scale, sane};
use super::table::Table;
use super::thin;

/// Most names that get a plot.
const PLOTS_MAX: usize = 16;
/// Longest name of a series.
const NAME_CHARACTERS_MAX: usize = 60;
/// Most rows of the table beside a plot.
const ROWS_MAX: usize = 60;

/// Points of one set of labels.
type Series<'a> = (&'a str, &'a [(f64, f64)]);

/// All that is known of gateway and nodes.
pub(super) fn server(report: &Report, x: &Scale, marks: &Marks) -> Markup {
    let Some(server) = &report.server else {
        return paragraph("The gateway's metrics could not be read in this run.");
    };
    let mut markup = Markup::new();
    markup.open("dl", &[("class", &"tiles")]);
    let tiles = [
        ("Processor per request", server.cpu_us_per_request),
        ("Processor per token", server.cpu_us_per_token),
    ];
    for (name, value) in tiles {
        let value =
            value.map_or_else(|| number::NONE.to_owned(), |value| format!("{} µs", number::figure(value)));
        tile(&mut markup, name, &value, "of the gateway");
    }
    markup.close("dl");
    let mut plots: BTreeMap<&str, Vec<Series>> = BTreeMap::new();
    for (name, points) in &server.series {
        let (name, labels) = name.split_once('{').unwrap_or((name, ""));
        plots.entry(name.trim()).or_default().push((labels.trim_end_matches('}'), points));
    }
    let left_out = plots.len().saturating_sub(PLOTS_MAX);
    markup.open("div", &[("class", &"plots")]);
    for (position, (name, series)) in plots.into_iter().take(PLOTS_MAX).enumerate() {
        draw(&mut markup, position, name, series, (x, marks));
    }
    markup.close("div");
    if left_out > 0 {
        let more = number::things(left_out as u64, "series");
        markup.element("p", &[("class", &"note")], &format!("{more} more are in the JSON."));
    }
    markup
}

fn draw(
    markup: &mut Markup,
    position: usize,
    name: &str,
    mut series: Vec<Series>,
    (x, marks): (&Scale, &Marks),
) {
    let peak = |points: &[(f64, f64)]| points.iter().filter_map(|point| sane(point.1)).fold(0.0, f64::max);
    series.sort_by(|one, other| peak(other.1).total_cmp(&peak(one.1)).then(one.0.cmp(other.0)));
    let left_out = series.len().saturating_sub(icon::LINES_MAX);
    series.truncate(icon::LINES_MAX);
    let highest = series.iter().map(|(_, points)| peak(points)).fold(0.0, f64::max);
    let (title, unit, factor) = unit(name, highest);
    let lines = series.iter().enumerate().map(|(style, (labels, points))| {
        let points = thin::points(points).into_iter().map(|(at, value)| (at, Some(value * factor)));
        Line { name: label(labels), style, points: points.collect() }
    });
    let lines: Vec<_> = lines.collect();
    let y =
        Scale::from_zero(lines.iter().flat_map(|line| line.points.iter().filter_map(|(_, value)| *value)));
    let note = (left_out > 0)
        .then(|| format!("The {} highest are drawn; {left_out} more are in the JSON.", icon::LINES_MAX));
    let plot = Lines {
        id: format!("server-{position}"),
        title: &title,
        unit,
        x,
        x_name: "",
        y,
        table: table(&title, unit, &lines, x),
        lines,
        marks: (!marks.is_empty()).then_some(marks),
        bounds: Vec::new(),
        pins: Vec::new(),
        note,
    };
    plot.draw(markup);
}

/// `node="n2"` as `n2`; what has several labels keeps all of their values.
fn label(labels: &str) -> String {
    let values = labels.split(',').map(|label| label.split_once('=').map_or(label, |(_, value)| value));
    let values: Vec<_> = values.map(|value| value.trim().trim_matches('"')).collect();
    let name = one_line(&values.join(" "), NAME_CHARACTERS_MAX);
    if name.is_empty() { "all".to_owned() } else { name }
}

/// A name as words, the unit its values are shown in, and the factor from the metric's own unit.
fn unit(name: &str, highest: f64) -> (String, &'static str, f64) {
    let words = |name: &str| {
        let name = one_line(name, NAME_CHARACTERS_MAX).replace('_', " ");
        let mut letters = name.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    let ends = |end: &str| name.strip_suffix(end).map(words);
    if let Some(title) = ends("_bytes") {
        return if highest >= 1e9 { (title, "GB", 1e-9) } else { (title, "MB", 1e-6) };
    }
    if let Some(title) = ends("_seconds") {
        return if highest < 10.0 { (title, "ms", 1e3) } else { (title, "s", 1.0) };
    }
    let suffixes = [
        ("_ms", "ms", 1.0),
        ("_us", "µs", 1.0),
        ("_share", "%", 100.0),
        ("_ratio", "%", 100.0),
        ("_cores", "cores", 1.0),
    ];
    for (suffix, unit, factor) in suffixes {
        if let Some(title) = ends(suffix) {
            return (title, unit, factor);
        }
    }
    (words(name), "", 1.0)
}

/// The values of all lines at the times of the first.
fn table(title: &str, unit: &str, lines: &[Line], x: &Scale) -> Table {
    let heads: Vec<_> = std::iter::once("At").chain(lines.iter().map(|line| line.name.as_str())).collect();
    let mut table = Table::new(format!("{title} over time, {unit}"), &heads);
    let times: Vec<_> = lines
        .iter()
        .flat_map(|line| line.points.first().map(|_| &line.points))
        .next()
        .into_iter()
        .flatten()
        .map(|point| point.0)
        .collect();
    let each = times.len().div_ceil(ROWS_MAX).max(1);
    for at in times.into_iter().step_by(each).filter_map(sane) {
        let values = lines.iter().map(|line| {
            let before = line.points.iter().rev().find(|(time, _)| *time <= at);
            number::maybe(before.and_then(|(_, value)| *value))
        });
        table.push_numbers(Some(x.place(at)), number::duration(at), values);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_in_units_that_people_read() {
        let check = |name, highest| {
            let (title, unit, factor) = unit(name, highest);
            (title, unit, factor * highest)
        };
        assert_eq!(check("memory_bytes", 4.2e7), ("Memory".into(), "MB", 42.0));
        assert_eq!(check("tokio_lag_seconds", 0.5), ("Tokio lag".into(), "ms", 500.0));
        assert_eq!(check("kv_share", 0.5), ("Kv".into(), "%", 50.0));
        assert_eq!(check("running", 3.0), ("Running".into(), "", 3.0));
    }

    #[test]
    fn a_line_is_named_by_its_labels() {
        assert_eq!(label(""), "all");
        assert_eq!(label("node=\"n2\""), "n2");
        assert_eq!(label("node=\"n2\", model=\"m\""), "n2 m");
    }
}
