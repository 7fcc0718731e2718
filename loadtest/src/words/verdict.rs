//! The verdict in words: can the run be believed, did it meet its objectives, was anything lost. Terminal, page and JUnit
//! say the same, since they say it from here.

use super::number;
use crate::report::{Integrity, Objective, Report};

/// Most reasons that are told one by one.
const REASONS_MAX: usize = 20;

/// Which way an answer fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Not asked, or not to be known.
    Open,
}

/// One answer of the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Which way it fell.
    pub(crate) mark: Mark,
    /// The answer, a sentence.
    pub(crate) headline: String,
    /// What it rests on, sentences.
    pub(crate) reasons: Vec<String>,
}

impl Statement {
    /// With at most [`REASONS_MAX`] reasons.
    pub(crate) fn new(mark: Mark, headline: impl Into<String>, mut reasons: Vec<String>) -> Self {
        if reasons.len() > REASONS_MAX {
            let more = reasons.len() - REASONS_MAX;
            reasons.truncate(REASONS_MAX);
            reasons.push(format!("And {more} more."));
        }
        Self { mark, headline: headline.into(), reasons }
    }
}

/// Valid or not, within the objectives or not, what was lost: in this order, since none matters without those before.
pub(crate) fn statements(report: &Report) -> [Statement; 3] {
    let (validity, mut objectives) = (validity(report), objectives(report));
    // Figures that are not to be believed meet nothing.
    if validity.mark == Mark::Bad && objectives.mark == Mark::Good {
        objectives.mark = Mark::Open;
        objectives.headline = "Whether the objectives were met is not known.".to_owned();
    }
    [validity, objectives, integrity(report)]
}

/// The whole verdict as one sentence.
pub(crate) fn in_one_sentence(report: &Report) -> &'static str {
    let [validity, objectives, integrity] = statements(report).map(|statement| statement.mark);
    match (validity, objectives, integrity) {
        (Mark::Bad, _, _) => "Not valid: do not believe the figures.",
        (_, _, Mark::Bad) => "Valid, but answers were damaged.",
        (_, Mark::Bad, _) => "Valid, and outside its objectives.",
        (_, Mark::Good, _) => "Valid, and within its objectives.",
        (_, Mark::Open, Mark::Good) => "Valid, and nothing was lost.",
        (_, Mark::Open, Mark::Open) => "Valid, but no answer came.",
    }
}

fn validity(report: &Report) -> Statement {
    if !report.verdict.invalid.is_empty() {
        let reasons = report.verdict.invalid.clone();
        return Statement::new(Mark::Bad, "The run is not valid.", reasons);
    }
    let generator = &report.generator;
    let mut reasons = Vec::new();
    if generator.lag.count > 0 {
        reasons.push(format!(
            "99 % of the requests left within {} of their time.",
            number::duration(generator.lag.p99)
        ));
    }
    reasons.push(format!(
        "The generator used {} of its machine's processors.",
        number::share(generator.cpu_share)
    ));
    Statement::new(Mark::Good, "The run is valid.", reasons)
}

fn objectives(report: &Report) -> Statement {
    let objectives = &report.verdict.objectives;
    let missed: Vec<_> = objectives.iter().filter(|objective| !objective.is_met).collect();
    let all = objectives.len();
    if all == 0 {
        let reason = "Give a file of objectives to judge the figures.".to_owned();
        return Statement::new(Mark::Open, "No objectives were given.", vec![reason]);
    }
    if missed.is_empty() {
        let headline = if all == 1 {
            "The objective was met.".into()
        } else {
            format!("All {all} objectives were met.")
        };
        return Statement::new(Mark::Good, headline, objectives.iter().map(objective).collect());
    }
    let headline = match (missed.len(), all) {
        (1, 1) => "The objective was missed.".to_owned(),
        (1, _) => format!("1 of {all} objectives was missed."),
        (missed, _) => format!("{missed} of {all} objectives were missed."),
    };
    Statement::new(Mark::Bad, headline, missed.into_iter().map(objective).collect())
}

/// `ttft p95 was 812 ms; at most 500 ms was wanted.`
pub(crate) fn objective(objective: &Objective) -> String {
    let bound = with_unit(objective.bound, &objective.unit);
    format!("{} was {}; {} {bound} was wanted.", objective.name, seen(objective), direction(objective))
}

/// What was seen in its unit. A latency of nothing that was missed is one that no answer had.
pub(crate) fn seen(objective: &Objective) -> String {
    let is_none = objective.seen == 0.0 && !objective.is_met && direction(objective) == "at most";
    if is_none { "not measured".to_owned() } else { with_unit(objective.seen, &objective.unit) }
}

/// `at most`, or `at least` for what should be high.
pub(crate) fn direction(objective: &Objective) -> &'static str {
    let is_high = ["goodput", "rate"].iter().any(|name| objective.name.starts_with(name));
    if is_high { "at least" } else { "at most" }
}

/// A value of an objective in its unit.
pub(crate) fn with_unit(value: f64, unit: &str) -> String {
    match unit {
        "ms" => number::duration(value),
        "share" => number::share(value),
        "" => number::figure(value),
        "count" => number::trimmed(value, 1),
        "us" => format!("{} µs", number::figure(value)),
        "per s" => format!("{}/s", number::figure(value)),
        unit => format!("{} {unit}", number::figure(value)),
    }
}

fn integrity(report: &Report) -> Statement {
    let integrity = &report.integrity;
    let wrongs: Vec<_> = wrongs(integrity)
        .into_iter()
        .filter(|wrong| wrong.count > 0)
        .map(|wrong| format!("{}: {}.", wrong.name, number::count(wrong.count)))
        .collect();
    if !wrongs.is_empty() {
        return Statement::new(Mark::Bad, "Answers were damaged.", wrongs);
    }
    if report.totals.tokens == 0 {
        let reason = "There was no token to look at.".to_owned();
        return Statement::new(Mark::Open, "No answer came, so nothing can be said of losses.", vec![reason]);
    }
    let mut reasons = vec![match integrity.compared {
        0 => "Order and count were checked; no text was compared with an undisturbed run.".to_owned(),
        1 => "1 text was compared with an undisturbed run, and was the same.".to_owned(),
        compared => {
            format!(
                "{} texts were compared with an undisturbed run, and were the same.",
                number::count(compared)
            )
        }
    }];
    if integrity.moved > 0 {
        let moved = number::things(integrity.moved, "answer");
        reasons.push(format!("{moved} moved to another replica on the way."));
    }
    Statement::new(Mark::Good, "No token was missing, doubled, misplaced or changed.", reasons)
}

/// One way in which answers can be damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// What it is, in words.
    pub(crate) name: &'static str,
    /// Stable short name.
    pub(crate) id: &'static str,
    /// How often it was seen; 0 is right.
    pub(crate) count: u64,
    /// Whether it could be seen at all.
    pub(crate) is_checked: bool,
}

/// All ways in which answers can be damaged, in the order of a table.
pub(crate) fn wrongs(integrity: &Integrity) -> [Wrong; 7] {
    let wrong = |name, id, count| Wrong { name, id, count, is_checked: true };
    [
        wrong("Tokens missing", "missing", integrity.missing),
        wrong("Tokens doubled", "doubled", integrity.doubled),
        wrong("Tokens out of order", "misplaced", integrity.misplaced),
        wrong("Ends beyond the first", "extra_ends", integrity.extra_ends),
        wrong("Answers without an end", "no_end", integrity.no_end),
        wrong("Answers whose count differs from the gateway's", "miscounted", integrity.miscounted),
        Wrong {
            is_checked: integrity.compared > 0 || integrity.changed > 0,
            ..wrong("Texts that changed", "changed", integrity.changed)
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(name: &str, seen: f64, is_met: bool) -> Objective {
        Objective { name: name.into(), bound: 500.0, seen, unit: "ms".into(), is_met }
    }

    #[test]
    fn an_objective_says_which_way_its_bound_holds() {
        let said =
            [judged("ttft p95", 812.0, false), judged("goodput", 600.0, true)].map(|one| objective(&one));
        assert_eq!(said[0], "ttft p95 was 812 ms; at most 500 ms was wanted.");
        assert_eq!(said[1], "goodput was 600 ms; at least 500 ms was wanted.");
    }

    #[test]
    fn a_latency_that_nothing_had_is_not_zero() {
        assert_eq!(seen(&judged("ttft p95", 0.0, false)), "not measured");
        assert_eq!(seen(&judged("ttft p95", 0.0, true)), "0 ms");
    }

    #[test]
    fn texts_that_were_not_compared_are_not_said_to_be_the_same() {
        let checked = |compared| wrongs(&Integrity { compared, ..Integrity::default() })[6].is_checked;
        assert!(!checked(0));
        assert!(checked(1));
    }

    #[test]
    fn many_reasons_are_cut() {
        let statement = Statement::new(Mark::Bad, "Bad.", vec!["Reason.".to_owned(); 50]);
        assert_eq!(statement.reasons.len(), REASONS_MAX + 1);
        assert_eq!(statement.reasons.last().map(String::as_str), Some("And 30 more."));
    }
}
