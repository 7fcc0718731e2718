//! What studies say, case by case.

use super::*;
use crate::report::VERSION;
use crate::report::comparison::Ratio;
use crate::report::sweep::Saturation;

fn point(level: f64, invalid: &[&str]) -> Point {
    let saturation = Saturation {
        is_over: false,
        in_flight_rise: None,
        in_flight_p: None,
        first_token_rise: None,
        first_token_p: None,
        error_share: 0.0,
    };
    let invalid = invalid.iter().map(|why| (*why).to_owned()).collect();
    Point { level, figures: Figures::default(), saturation, invalid, is_within: true }
}

fn swept(knee: Option<u32>, ended: SweepEnd) -> SweepReport {
    let points = vec![point(10.0, &[]), point(20.0, &["it lagged"])];
    SweepReport { version: VERSION, asked: None, unit: LevelUnit::PerSecond, points, knee, ended }
}

#[test]
fn a_sweep_says_where_its_knee_is_and_why_it_ended() {
    let verdict = sweep(&swept(Some(0), SweepEnd::OverSaturated));
    assert_eq!(verdict.sentence, "The knee is at 10/s.");
    assert_eq!(verdict.statements[1].headline, "It stopped at 20/s: more than the server could hold.");
    assert_eq!(verdict.statements[2].headline, "1 of 2 runs is not to be believed.");
    assert_eq!(verdict.statements[2].reasons, ["20/s: it lagged"]);
}

#[test]
fn a_knee_that_is_not_there_is_none() {
    assert_eq!(sweep(&swept(None, SweepEnd::AllRun)).sentence, "There is no knee.");
    assert_eq!(sweep(&swept(Some(99), SweepEnd::AllRun)).sentence, "There is no knee.");
}

#[test]
fn levels_are_counted_in_their_unit() {
    assert_eq!(level(42.5, LevelUnit::PerSecond), "42.5/s");
    assert_eq!(level(1.0, LevelUnit::Clients), "1 client");
    assert_eq!(level(1600.0, LevelUnit::Clients), "1,600 clients");
}

#[test]
fn a_search_says_the_highest_load() {
    let report = FindReport {
        version: VERSION,
        asked: None,
        unit: LevelUnit::PerSecond,
        best: Some(38.0),
        too_much: Some(40.0),
        trials: vec![],
        ended: FindEnd::Found,
    };
    let verdict = find(&report);
    assert_eq!(verdict.sentence, "The highest load within the objectives is 38/s.");
    assert_eq!(verdict.statements[0].reasons, ["40/s is too much."]);
}

fn compared(difference: Difference, is_failed: bool) -> Compared {
    Compared {
        name: "first token p95".into(),
        unit: "ms".into(),
        is_less_better: true,
        a: vec![100.0],
        b: vec![112.0],
        of_medians: Some(Ratio { value: 1.12, low: 1.05, high: 1.2 }),
        of_means: None,
        p_value: 0.01,
        difference,
        is_failed,
    }
}

#[test]
fn a_comparison_names_what_is_better_and_what_is_worse() {
    let check = |differences: &[Difference], expected: &str| {
        let report = ComparisonReport {
            version: VERSION,
            a: None,
            b: None,
            rounds: 5,
            confidence: 0.95,
            figures: differences.iter().map(|difference| compared(*difference, false)).collect(),
            fail_if: None,
            is_failed: false,
            invalid: vec![],
        };
        assert_eq!(comparison(&report).sentence, expected);
    };
    use Difference::{Better, None as Same, Worse};
    check(&[Same, Same], "The rounds do not tell B from A.");
    check(&[Better, Same], "B is better than A in 1 of 2 figures, and worse in none.");
    check(&[Worse, Worse], "B is worse than A in 2 of 2 figures, and better in none.");
    check(&[Better, Worse, Same], "B is better than A in 1 of 3 figures, and worse in 1.");
    assert_eq!(ratio(&compared(Worse, true)), "1.12 times A (1.05 to 1.20)");
}
