//! What sweeps, searches and comparisons say, in sentences. A *study* here is what is made of several runs.

use super::number;
use super::verdict::{Mark, Statement};
use crate::report::comparison::{Compared, ComparisonReport, Difference};
use crate::report::find::{FindEnd, FindReport};
use crate::report::sweep::{Figures, LevelUnit, Point, SweepEnd, SweepReport};

/// One sentence for all, then each answer with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// One sentence for all.
    pub(crate) sentence: String,
    /// Each answer.
    pub(crate) statements: Vec<Statement>,
}

/// A level of load: `42/s`, `16 clients`.
pub(crate) fn level(level: f64, unit: LevelUnit) -> String {
    let value = number::trimmed(level, 3);
    match unit {
        LevelUnit::PerSecond => format!("{value}/s"),
        LevelUnit::Clients if value == "1" => "1 client".to_owned(),
        LevelUnit::Clients => format!("{value} clients"),
    }
}

/// What an axis of levels is called.
pub(crate) fn level_name(unit: LevelUnit) -> &'static str {
    match unit {
        LevelUnit::PerSecond => "starts per second",
        LevelUnit::Clients => "clients at once",
    }
}

/// `41.8 requests/s, 2,675 tokens/s; first token p95 120 ms`.
pub(crate) fn figures(figures: &Figures) -> String {
    let [requests, tokens] = [figures.requests_per_second, figures.tokens_per_second].map(number::figure);
    let first_token = number::duration(figures.first_token[1]);
    format!("{requests} requests/s and {tokens} tokens/s, first token p95 {first_token}")
}

/// The point of the knee, where there is one.
pub(crate) fn knee(report: &SweepReport) -> Option<&Point> {
    report.points.get(report.knee? as usize)
}

/// What a sweep found.
pub(crate) fn sweep(report: &SweepReport) -> Verdict {
    let last =
        report.points.last().map_or_else(|| number::NONE.to_owned(), |point| level(point.level, report.unit));
    let knee = match knee(report) {
        Some(point) => {
            let headline = format!("The knee is at {}.", level(point.level, report.unit));
            let is_highest = report.points.iter().all(|other| other.level <= point.level);
            let above = if is_highest { "" } else { " Above it, time grows faster than what is done." };
            let reason = format!("There it gave {}.{above}", figures(&point.figures));
            Statement::new(Mark::Good, headline, vec![reason])
        }
        None => Statement::new(
            Mark::Bad,
            "There is no knee.",
            vec!["No level that was held can be believed.".to_owned()],
        ),
    };
    let (mark, ended) = match report.ended {
        SweepEnd::Running => (Mark::Open, "The sweep is not over.".to_owned()),
        SweepEnd::OverSaturated => {
            (Mark::Good, format!("It stopped at {last}: more than the server could hold."))
        }
        SweepEnd::AllRun => {
            (Mark::Open, format!("All levels up to {last} were held; the server can do more."))
        }
        SweepEnd::GeneratorLagged => (
            Mark::Bad,
            format!("It stopped at {last}: the generator could not keep up, so the server may do more."),
        ),
    };
    let sentence = knee.headline.clone();
    let invalid = report.points.iter().filter(|point| !point.invalid.is_empty());
    let invalid = invalid.map(|point| (level(point.level, report.unit), point.invalid.as_slice()));
    let statements =
        vec![knee, Statement::new(mark, ended, Vec::new()), believed(invalid, report.points.len())];
    Verdict { sentence, statements }
}

/// What a search found.
pub(crate) fn find(report: &FindReport) -> Verdict {
    let named =
        |value: Option<f64>| value.map_or_else(|| number::NONE.to_owned(), |value| level(value, report.unit));
    let (best, too_much) = (named(report.best), named(report.too_much));
    let (mark, sentence) = match report.ended {
        FindEnd::Running => (Mark::Open, format!("The search is not over; so far {best} is within.")),
        FindEnd::Found => (Mark::Good, format!("The highest load within the objectives is {best}.")),
        FindEnd::NothingWithin => (Mark::Bad, format!("Even the lowest load, {too_much}, is too much.")),
        FindEnd::AllWithin => {
            (Mark::Good, format!("Even the highest load, {best}, is within the objectives."))
        }
        FindEnd::Invalid if report.best.is_none() => {
            (Mark::Bad, "The search gave up, since no run can be believed.".to_owned())
        }
        FindEnd::Invalid => {
            (Mark::Bad, format!("The search gave up; {best} is within, what is above is not known."))
        }
    };
    let mut reasons = Vec::new();
    if report.too_much.is_some() && report.best.is_some() {
        reasons.push(format!("{too_much} is too much."));
    }
    let at_best =
        report.trials.iter().rev().find(|trial| Some(trial.level) == report.best && trial.is_within);
    reasons.extend(at_best.map(|trial| format!("At {best}: {}.", figures(&trial.figures))));
    let found = Statement::new(mark, sentence.clone(), reasons);
    let invalid = report.trials.iter().filter(|trial| !trial.invalid.is_empty());
    let invalid = invalid.map(|trial| (level(trial.level, report.unit), trial.invalid.as_slice()));
    Verdict { sentence, statements: vec![found, believed(invalid, report.trials.len())] }
}

/// What a comparison found.
pub(crate) fn comparison(report: &ComparisonReport) -> Verdict {
    let named = |difference| {
        let names = report.figures.iter().filter(move |figure| figure.difference == difference);
        names.map(|figure| format!("{}: {}.", figure.name, ratio(figure))).collect::<Vec<_>>()
    };
    let (better, worse) = (named(Difference::Better), named(Difference::Worse));
    let all = report.figures.len();
    let sentence = match (better.len(), worse.len()) {
        _ if !report.invalid.is_empty() => "Not valid: do not believe the figures.".to_owned(),
        (0, 0) => "The rounds do not tell B from A.".to_owned(),
        (better, 0) => format!("B is better than A in {better} of {all} figures, and worse in none."),
        (0, worse) => format!("B is worse than A in {worse} of {all} figures, and better in none."),
        (better, worse) => format!("B is better than A in {better} of {all} figures, and worse in {worse}."),
    };
    let mut statements = vec![
        statement(Mark::Good, Mark::Open, better, "B is better in", "B is better in nothing."),
        statement(Mark::Bad, Mark::Good, worse, "B is worse in", "B is worse in nothing."),
    ];
    if let Some(fail_if) = report.fail_if {
        let bound = number::share(fail_if);
        let failed = report.figures.iter().filter(|figure| figure.is_failed);
        let failed: Vec<_> = failed.map(|figure| format!("{}: {}.", figure.name, ratio(figure))).collect();
        let (mark, headline) = match report.is_failed {
            true => (Mark::Bad, format!("B is worse by more than {bound}.")),
            false => (Mark::Good, format!("B is nowhere surely worse by more than {bound}.")),
        };
        statements.push(Statement::new(mark, headline, failed));
    }
    let valid = match report.invalid.is_empty() {
        true => Statement::new(Mark::Good, "All windows are valid.", Vec::new()),
        false => Statement::new(Mark::Bad, "Some windows are not to be believed.", report.invalid.clone()),
    };
    statements.push(valid);
    Verdict { sentence, statements }
}

/// `1.12 times A (1.05 to 1.20)`.
pub(crate) fn ratio(figure: &Compared) -> String {
    figure.of_medians.map_or_else(
        || "A’s median is 0".to_owned(),
        |ratio| {
            let [value, low, high] = [ratio.value, ratio.low, ratio.high].map(number::figure);
            format!("{value} times A ({low} to {high})")
        },
    )
}

/// What follows, in a word.
pub(crate) fn difference(difference: Difference) -> (Mark, &'static str) {
    match difference {
        Difference::Better => (Mark::Good, "better"),
        Difference::Worse => (Mark::Bad, "worse"),
        Difference::None => (Mark::Open, "no difference"),
    }
}

fn statement(some: Mark, none: Mark, reasons: Vec<String>, head: &str, nothing: &str) -> Statement {
    match reasons.len() {
        0 => Statement::new(none, nothing, reasons),
        count => Statement::new(some, format!("{head} {}.", number::things(count as u64, "figure")), reasons),
    }
}

fn believed<'a>(invalid: impl Iterator<Item = (String, &'a [String])>, all: usize) -> Statement {
    let reasons: Vec<_> = invalid.map(|(level, why)| format!("{level}: {}", why.join("; "))).collect();
    match reasons.len() {
        0 if all == 0 => Statement::new(Mark::Open, "Nothing was run.", reasons),
        0 => Statement::new(Mark::Good, "All runs are valid.", reasons),
        1 => Statement::new(Mark::Bad, format!("1 of {all} runs is not to be believed."), reasons),
        bad => Statement::new(Mark::Bad, format!("{bad} of {all} runs are not to be believed."), reasons),
    }
}

#[cfg(test)]
#[path = "studies_tests.rs"]
mod tests;
