//! The pages of a sweep and of a search: what each level of load gave.

use crate::markup::Markup;
use crate::report::Asked;
use crate::report::find::{FindReport, Trial};
use crate::report::sweep::{Figures, LevelUnit, Point, SweepReport};
use crate::words::verdict::Mark;
use crate::words::{clock, number, studies};

use super::document::{self, Section};
use super::frame::{Frame, HEIGHT, Sample, TOP, down, percent};
use super::lines::{Line, Lines, Pin};
use super::opening;
use super::pen;
use super::scale::Scale;
use super::table::{Cell, Table};

/// The page of a sweep.
pub(super) fn sweep(report: &SweepReport) -> String {
    let opening = heading("Sweep", report.asked.as_ref(), &studies::sweep(report));
    let sections = vec![
        Section::new("levels", "Latency and throughput over load", sweep_plots(report)),
        Section::new("figures", "Figures", sweep_table(report)),
        Section::new("asked", "How it was measured", command(report.asked.as_ref())),
    ];
    document::document("Sweep", opening, sections)
}

/// The page of a search.
pub(super) fn find(report: &FindReport) -> String {
    let opening = heading("Highest load", report.asked.as_ref(), &studies::find(report));
    let mut trials = Markup::new();
    trials.open("div", &[("class", &"plots")]);
    draw_trials(&mut trials, report);
    trials.close("div");
    let sections = vec![
        Section::new("trials", "The search", trials),
        Section::new("figures", "Figures", find_table(report)),
        Section::new("asked", "How it was measured", command(report.asked.as_ref())),
    ];
    document::document("Highest load", opening, sections)
}

/// Heading and verdict of a study.
pub(super) fn heading(what: &str, asked: Option<&Asked>, verdict: &studies::Verdict) -> Markup {
    let mut markup = Markup::new();
    markup.open("h1", &[]);
    markup.text(what);
    if let Some(asked) = asked {
        markup.text(" of ");
        markup.element("bdi", &[], &crate::markup::one_line(&asked.model, 80));
    }
    markup.close("h1");
    if let Some(asked) = asked {
        let from = format!("{} · {}", asked.url, clock::people(asked.started_at_ms));
        markup.element("p", &[("class", &"note")], &from);
    }
    opening::verdict(&mut markup, &verdict.sentence, &verdict.statements);
    markup
}

/// The command of the first run.
pub(super) fn command(asked: Option<&Asked>) -> Markup {
    let Some(asked) = asked else { return super::paragraph("Nothing was run.") };
    let mut markup = Markup::new();
    markup.open("pre", &[("tabindex", &0)]);
    markup.element("code", &[], &asked.command);
    markup.close("pre");
    let machine = asked.machine.iter().chain(&asked.versions).map(|(name, value)| format!("{name} {value}"));
    let machine = machine.collect::<Vec<_>>().join(", ");
    markup.element(
        "p",
        &[("class", &"note")],
        &format!("First run: {}; seed {}; {machine}.", asked.load, asked.seed),
    );
    markup
}

fn sweep_plots(report: &SweepReport) -> Markup {
    let x = Scale::fitting(report.points.iter().map(|point| point.level));
    let mut markup = Markup::new();
    markup.open("div", &[("class", &"plots")]);
    let percentiles: [Plot; 3] = [
        ("first-token", "Time to the first token", |figures| figures.first_token),
        ("inter-token", "Time between tokens", |figures| figures.inter_token),
        ("end-to-end", "End to end", |figures| figures.end_to_end),
    ];
    for (id, title, of) in percentiles {
        let names = ["p50", "p95", "p99"].iter().enumerate();
        let line = |(at, name): (usize, &&str)| line(report, name, at, |point| Some(of(&point.figures)[at]));
        let lines: Vec<_> = names.map(line).collect();
        let y = fitting(&lines, Scale::fitting);
        draw_levels(&mut markup, report, (id, title, "ms"), (&x, y), lines);
    }
    let mut done = vec![line(report, "finished", 0, |point| Some(point.figures.requests_per_second))];
    if report.unit == LevelUnit::PerSecond {
        done.push(line(report, "wanted", 1, |point| Some(point.level)));
    }
    done.push(line(report, "goodput", 2, |point| point.figures.goodput));
    let y = fitting(&done, Scale::from_zero);
    draw_levels(&mut markup, report, ("requests", "Requests", "per second"), (&x, y), done);
    markup.close("div");
    if report.points.iter().any(|point| !point.invalid.is_empty()) {
        let note = "Levels that are not to be believed are left out of the plots; the table has them.";
        markup.element("p", &[("class", &"note")], note);
    }
    markup
}

/// Id, title and values of a plot of percentiles.
type Plot = (&'static str, &'static str, fn(&Figures) -> [f64; 3]);

/// Points that can be believed.
fn line(report: &SweepReport, name: &str, style: usize, of: impl Fn(&Point) -> Option<f64>) -> Line {
    let points =
        report.points.iter().map(|point| (point.level, of(point).filter(|_| point.invalid.is_empty())));
    Line { name: name.to_owned(), style, points: points.collect() }
}

/// An axis for the values of these lines.
fn fitting(lines: &[Line], axis: fn(Vec<f64>) -> Scale) -> Scale {
    axis(lines.iter().flat_map(|line| line.points.iter().filter_map(|(_, value)| *value)).collect())
}

fn draw_levels(
    markup: &mut Markup,
    report: &SweepReport,
    (id, title, unit): (&str, &str, &str),
    (x, y): (&Scale, Scale),
    lines: Vec<Line>,
) {
    let heads: Vec<_> = std::iter::once("Load").chain(lines.iter().map(|line| line.name.as_str())).collect();
    let mut table = Table::new(format!("{title} over load, {unit}"), &heads);
    for (row, point) in report.points.iter().enumerate() {
        let values = lines.iter().map(|line| number::maybe(line.points[row].1));
        table.push_numbers(Some(x.place(point.level)), studies::level(point.level, report.unit), values);
    }
    let knee = studies::knee(report).map(|point| Pin {
        at: point.level,
        name: format!("knee {}", studies::level(point.level, report.unit)),
    });
    let over = report.points.iter().find(|point| point.saturation.is_over && point.invalid.is_empty());
    let over = over.map(|point| Pin { at: point.level, name: "too much".to_owned() });
    let plot = Lines {
        id: id.to_owned(),
        title,
        unit,
        x,
        x_name: studies::level_name(report.unit),
        y,
        lines,
        marks: None,
        bounds: Vec::new(),
        pins: knee.into_iter().chain(over).collect(),
        note: None,
        table,
    };
    plot.draw(markup);
}

const FIGURES: [&str; 9] = [
    "requests/s",
    "tokens/s",
    "goodput/s",
    "first token p50",
    "p95",
    "p99",
    "between tokens p95",
    "end to end p95",
    "failed",
];

fn figure_cells(figures: &Figures) -> Vec<Cell> {
    let mut cells =
        vec![number::figure(figures.requests_per_second), number::figure(figures.tokens_per_second)];
    cells.push(number::maybe(figures.goodput));
    cells.extend(figures.first_token.map(number::figure));
    cells.extend([figures.inter_token[1], figures.end_to_end[1]].map(number::figure));
    cells.push(number::share(figures.error_share));
    cells.into_iter().map(Cell::Number).collect()
}

/// Behind the figures stand words.
fn in_words(table: &mut Table) {
    table.heads.iter_mut().skip(FIGURES.len() + 1).for_each(|head| head.1 = false);
}

fn sweep_table(report: &SweepReport) -> Markup {
    let mut table = Table::new(
        "Each level; latencies in milliseconds",
        &[&["Load"], &FIGURES[..], &["Verdict"]].concat(),
    );
    in_words(&mut table);
    let knee = studies::knee(report).map(|point| point.level);
    for point in &report.points {
        let (mark, said) = match point {
            point if !point.invalid.is_empty() => (Mark::Open, "not valid"),
            point if point.saturation.is_over => (Mark::Bad, "too much"),
            point if Some(point.level) == knee => (Mark::Good, "knee"),
            _ => (Mark::Good, "held"),
        };
        let mut cells = vec![Cell::Words(studies::level(point.level, report.unit))];
        cells.extend(figure_cells(&point.figures));
        cells.push(Cell::Marked(mark, said.to_owned()));
        table.push(cells);
    }
    let mut markup = Markup::new();
    table.draw(&mut markup);
    markup
}

/// Sign, class and words of a trial.
fn judged(trial: &Trial) -> (Mark, &'static str) {
    match trial {
        trial if !trial.invalid.is_empty() => (Mark::Open, "not valid"),
        trial if trial.is_within => (Mark::Good, "within"),
        _ => (Mark::Bad, "outside"),
    }
}

fn find_table(report: &FindReport) -> Markup {
    let heads = [&["Load"], &FIGURES[..], &["Verdict", "Missed"]].concat();
    let mut table = Table::new("Each run in order; latencies in milliseconds", &heads);
    in_words(&mut table);
    for trial in &report.trials {
        let (mark, said) = judged(trial);
        let mut cells = vec![Cell::Words(studies::level(trial.level, report.unit))];
        cells.extend(figure_cells(&trial.figures));
        cells.push(Cell::Marked(mark, said.to_owned()));
        cells.push(Cell::Words(trial.missed.join(", ")));
        table.push(cells);
    }
    let mut markup = Markup::new();
    table.draw(&mut markup);
    markup
}

/// Level of each run in order, with the sign of its verdict.
fn draw_trials(markup: &mut Markup, report: &FindReport) {
    let count = report.trials.len();
    let x = Scale::from_zero([count as f64 + 0.5]);
    let y = Scale::from_zero(report.trials.iter().map(|trial| trial.level));
    let mut table = Table::of_words("Level of each run", &["Run", "Load", "Verdict"]);
    for (position, trial) in report.trials.iter().enumerate() {
        let (_, said) = judged(trial);
        let level = studies::level(trial.level, report.unit);
        let cells = [format!("{}", position + 1), level, said.to_owned()].map(Cell::Words).to_vec();
        table.rows.push(super::table::Row { at: Some(x.place(position as f64 + 1.0)), cells });
    }
    let frame = Frame {
        id: "trials-plot".to_owned(),
        title: "Level of each run",
        unit: studies::level_name(report.unit),
        words: studies::find(report).sentence,
        x: &x,
        x_name: "the runs in order",
        y: &y,
        legend: Vec::<(Sample, String)>::new(),
        marks: None,
        has_long_labels: false,
        is_empty: count == 0,
        note: Some(
            "A round spot is a run within the objectives, a cross one outside, a ring one that is not valid."
                .to_owned(),
        ),
        table,
    };
    frame.draw(markup, |markup| {
        if let Some(best) = report.best {
            pen::level(markup, "recovery", down(y.place(best)));
        }
        for (position, trial) in report.trials.iter().enumerate() {
            let place = (percent(x.place(position as f64 + 1.0)), down(y.place(trial.level)));
            draw_sign(markup, judged(trial).0, (&place.0, place.1.clamp(TOP, TOP + HEIGHT)));
        }
    });
}

/// A spot, a cross or a ring.
pub(super) fn draw_sign(markup: &mut Markup, mark: Mark, (x, y): (&str, f64)) {
    match mark {
        Mark::Good => pen::spot(markup, "spot-good", (x, y), 5.0),
        Mark::Open => pen::spot(markup, "spot-open", (x, y), 5.0),
        Mark::Bad => {
            // Lines between percentages cannot lean, so two small ones are moved to the place.
            markup
                .open("svg", &[("x", &x), ("y", &y), ("class", &"stretched"), ("width", &1), ("height", &1)]);
            markup.empty("path", &[("class", &"cross-bad"), ("d", &"M-5,-5l10,10M5,-5l-10,10")]);
            markup.close("svg");
        }
    }
}
