//! The run over time: latencies, throughput, shares of nodes. All plots have the same axis of time and the same events.

use crate::markup::Markup;
use crate::report::{NodeShare, Objective, Report, Slice};
use crate::words::number;

use super::lines::{Bound, Line, Lines};
use super::marks::Marks;
use super::paragraph;
use super::scale::Scale;
use super::stack::Stack;
use super::table::{Cell, Table};
use super::thin;

/// The time of a run, ready to be drawn on.
pub(super) struct Overtime<'a> {
    report: &'a Report,
    slices: Vec<Slice>,
    /// How many slices of the run are one here.
    each: usize,
    x: Scale,
    marks: Marks,
}

impl<'a> Overtime<'a> {
    /// Of this run.
    pub(super) fn new(report: &'a Report) -> Self {
        let (slices, each) = thin::slices(&report.timeline, thin::SLICES_MAX);
        let marks = Marks::new(&report.events);
        let end = slices.iter().map(|slice| slice.at_ms + slice.length_ms);
        let end = end.filter(|end| end.is_finite()).fold(marks.end(), f64::max);
        let end = if end > 0.0 { end } else { report.totals.seconds * 1e3 };
        Self { report, slices, each, x: Scale::for_time(end), marks }
    }

    /// The axis of time.
    pub(super) fn x(&self) -> &Scale {
        &self.x
    }

    /// The events on it.
    pub(super) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Time to the first token and between tokens.
    pub(super) fn latency(&self) -> Markup {
        let mut markup = Markup::new();
        markup.open("div", &[("class", &"plots")]);
        let first_token = Percentiles {
            id: "first-token",
            title: "Time to the first token",
            unit: "ms, as intended",
            of: |slice| slice.first_token,
            objective: "ttft",
        };
        self.percentiles(&mut markup, &first_token);
        let inter_token = Percentiles {
            id: "inter-token",
            title: "Time between tokens",
            unit: "ms",
            of: |slice| slice.inter_token,
            objective: "itl",
        };
        self.percentiles(&mut markup, &inter_token);
        markup.close("div");
        markup
    }

    fn percentiles(&self, markup: &mut Markup, plot: &Percentiles) {
        let names = ["p50", "p95", "p99"];
        let lines = names.iter().enumerate().map(|(at, name)| {
            let points =
                self.slices.iter().map(|slice| (middle(slice), (plot.of)(slice).map(|values| values[at])));
            Line { name: (*name).to_owned(), style: at, points: points.collect() }
        });
        let lines: Vec<_> = lines.collect();
        let bounds = self.bounds(plot.objective);
        let seen = lines.iter().flat_map(|line| line.points.iter().filter_map(|(_, value)| *value));
        let y = Scale::fitting(seen.chain(bounds.iter().map(|bound| bound.value)));
        let mut table =
            Table::new(format!("{} over time, milliseconds", plot.title), &["From", "p50", "p95", "p99"]);
        for slice in &self.slices {
            let values = (0..3).map(|at| number::maybe((plot.of)(slice).map(|values| values[at])));
            table.push_numbers(Some(self.x.place(middle(slice))), number::duration(slice.at_ms), values);
        }
        let note = (self.each > 1)
            .then(|| format!("Each point is the worst of {} slices that follow each other.", self.each));
        let lines = Lines {
            id: plot.id.to_owned(),
            title: plot.title,
            unit: plot.unit,
            x: &self.x,
            x_name: "",
            y,
            lines,
            marks: Some(&self.marks),
            bounds,
            pins: Vec::new(),
            note,
            table,
        };
        lines.draw(markup);
    }

    /// Objectives in milliseconds whose name begins so.
    fn bounds(&self, objective: &str) -> Vec<Bound> {
        let is_meant = |one: &&Objective| one.unit == "ms" && one.name.to_lowercase().starts_with(objective);
        let bound = |one: &Objective| Bound {
            value: one.bound,
            name: format!("{} at most {}", one.name, number::duration(one.bound)),
        };
        self.report.verdict.objectives.iter().filter(is_meant).map(bound).collect()
    }

    /// Requests and tokens per second, and requests at once.
    pub(super) fn throughput(&self) -> Markup {
        let mut markup = Markup::new();
        markup.open("div", &[("class", &"plots")]);
        let per_second = |count: fn(&Slice) -> u64| {
            move |slice: &Slice| {
                Some(count(slice) as f64 / (slice.length_ms / 1e3)).filter(|rate| rate.is_finite())
            }
        };
        let requests: [Series; 3] = [
            ("wanted", &per_second(|slice| slice.started)),
            ("finished", &per_second(|slice| slice.finished)),
            ("failed", &per_second(|slice| slice.failed)),
        ];
        self.series(&mut markup, "requests", "Requests", "per second", &requests);
        let tokens: [Series; 1] = [("tokens", &per_second(|slice| slice.tokens))];
        self.series(&mut markup, "tokens", "Tokens", "per second, all streams together", &tokens);
        let in_flight: [Series; 1] = [("running", &|slice| Some(slice.in_flight as f64))];
        self.series(&mut markup, "in-flight", "Requests at once", "at the end of each slice", &in_flight);
        markup.close("div");
        markup
    }

    fn series(&self, markup: &mut Markup, id: &str, title: &str, unit: &str, series: &[Series]) {
        let lines = series.iter().enumerate().map(|(style, (name, of))| {
            let points = self.slices.iter().map(|slice| (middle(slice), of(slice)));
            Line { name: (*name).to_owned(), style, points: points.collect() }
        });
        let lines: Vec<_> = lines.collect();
        let y = Scale::from_zero(
            lines.iter().flat_map(|line| line.points.iter().filter_map(|(_, value)| *value)),
        );
        let heads: Vec<_> = std::iter::once("From").chain(series.iter().map(|(name, _)| *name)).collect();
        let mut table = Table::new(format!("{title} over time, {unit}"), &heads);
        for slice in &self.slices {
            let values = series.iter().map(|(_, of)| number::maybe(of(slice)));
            table.push_numbers(Some(self.x.place(middle(slice))), number::duration(slice.at_ms), values);
        }
        let marks = Some(&self.marks);
        let (bounds, pins, id) = (Vec::new(), Vec::new(), id.to_owned());
        let x = &self.x;
        Lines { id, title, unit, x, x_name: "", y, lines, marks, bounds, pins, note: None, table }
            .draw(markup);
    }

    /// Share of each node over time and over the whole run.
    pub(super) fn nodes(&self) -> Markup {
        if self.report.nodes.is_empty() {
            return paragraph("The answers do not say which node they came from.");
        }
        let mut markup = Markup::new();
        let stack = Stack::new(&self.slices, &self.x);
        markup.open("div", &[("class", &"plots")]);
        stack.draw(&mut markup, &self.marks);
        let mut nodes: Vec<(&String, &NodeShare)> = self.report.nodes.iter().collect();
        nodes.sort_by(|one, other| other.1.tokens.cmp(&one.1.tokens).then(one.0.cmp(other.0)));
        let all = nodes.iter().map(|(_, node)| node.tokens).fold(0, u64::saturating_add);
        let mut table =
            Table::new("Share of each node in the run", &["Node", "Requests", "Tokens", "Share", ""]);
        for (name, node) in nodes {
            table.push(vec![
                Cell::Textured(stack.texture(name), name.clone()),
                Cell::Number(number::count(node.requests)),
                Cell::Number(number::count(node.tokens)),
                Cell::Number(number::share_of(node.tokens, all)),
                Cell::Bar(node.tokens as f64 / all.max(1) as f64),
            ]);
        }
        markup.open("div", &[]);
        table.draw(&mut markup);
        markup.close("div");
        markup.close("div");
        markup
    }
}

/// A name, and its value in a slice.
type Series<'a> = (&'a str, &'a dyn Fn(&Slice) -> Option<f64>);

/// A plot of three percentiles.
struct Percentiles {
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    of: fn(&Slice) -> Option<[f64; 3]>,
    /// How the names of its objectives begin.
    objective: &'static str,
}

fn middle(slice: &Slice) -> f64 {
    slice.at_ms + slice.length_ms / 2.0
}
