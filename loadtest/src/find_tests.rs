//! Searches on servers whose limit is known.

use super::*;
use crate::figures::samples;
use crate::report::Objective;

fn settings() -> FindSettings {
    FindSettings { unit: LevelUnit::PerSecond, low: 1.0, high: 64.0, repeats: 1, precision: 0.05 }
}

fn run(is_within: bool) -> Report {
    let mut report = samples::report(None);
    report.verdict.is_within = is_within;
    let objective = |name: &str, is_met| Objective {
        name: name.to_owned(),
        bound: 1.0,
        seen: 2.0,
        unit: "ms".to_owned(),
        is_met,
    };
    report.verdict.objectives = vec![objective("ttft p95", is_within), objective("itl p99", true)];
    report
}

fn invalid() -> Report {
    let mut report = run(true);
    report.verdict.invalid = vec!["the generator lagged".to_owned()];
    report
}

/// Runs a search to its end; `answer` gets level and repeat.
fn search(settings: FindSettings, answer: impl Fn(f64, u32) -> Report) -> FindReport {
    let mut find = Find::new(settings).unwrap();
    let mut runs = 0;
    while let Some((level, repeat)) = find.next() {
        find.done(&answer(level, repeat));
        runs += 1;
        assert!(runs < 200, "{:?}", find.result().trials.last());
    }
    let before = find.result();
    find.done(&run(true));
    assert_eq!(find.result(), before, "nothing comes behind the end");
    before
}

#[test]
fn the_limit_is_found_as_near_as_asked() {
    for limit in [1.0, 1.3, 7.77, 20.0, 33.3, 63.0] {
        let found = search(settings(), |level, _| run(level <= limit));
        let (best, too_much) = (found.best.unwrap(), found.too_much.unwrap());
        assert_eq!(found.ended, FindEnd::Found);
        assert!(
            best <= limit && limit < too_much && too_much <= best * 1.05,
            "{best} {too_much} for {limit}"
        );
        assert!(found.trials.len() <= 13, "{}", found.trials.len());
    }
}

#[test]
fn a_search_ends_at_its_edges() {
    let nothing = search(settings(), |_, _| run(false));
    assert_eq!((nothing.best, nothing.too_much, nothing.ended), (None, Some(1.0), FindEnd::NothingWithin));
    assert_eq!(nothing.trials[0].missed, ["ttft p95"]);
    let all = search(settings(), |_, _| run(true));
    assert_eq!((all.best, all.too_much, all.ended), (Some(64.0), None, FindEnd::AllWithin));
    assert_eq!(
        all.trials.iter().map(|trial| trial.level).collect::<Vec<_>>(),
        [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
    );
}

#[test]
fn most_repeats_decide_and_no_more_are_run() {
    let three = FindSettings { repeats: 3, high: 2.0, ..settings() };
    // The level 2 is within in the first and the third run.
    let found = search(three.clone(), |level, repeat| run(level < 2.0 || repeat != 1));
    assert_eq!((found.best, found.ended), (Some(2.0), FindEnd::AllWithin));
    let repeats = |level: f64| found.trials.iter().filter(|trial| trial.level == level).count();
    assert_eq!((repeats(1.0), repeats(2.0)), (2, 3));
    assert_eq!(found.trials.iter().map(|trial| trial.repeat).collect::<Vec<_>>(), [0, 1, 0, 1, 2]);
}

#[test]
fn a_run_that_cannot_be_believed_comes_again_and_then_ends_the_search() {
    let once = search(settings(), |level, repeat| if repeat == 0 { invalid() } else { run(level <= 10.0) });
    assert_eq!(once.ended, FindEnd::Found);
    assert!(once.best.is_some_and(|best| (9.5..=10.0).contains(&best)));
    let never = search(settings(), |level, _| if level > 4.0 { invalid() } else { run(true) });
    assert_eq!((never.best, never.too_much, never.ended), (Some(4.0), None, FindEnd::Invalid));
    assert_eq!(never.trials.iter().filter(|trial| trial.level == 8.0).count(), INVALID_MAX as usize);
}

#[test]
fn clients_are_whole() {
    let clients = FindSettings { unit: LevelUnit::Clients, precision: 0.001, ..settings() };
    let found = search(clients, |level, _| run(level <= 11.0));
    assert_eq!((found.best, found.too_much, found.ended), (Some(11.0), Some(12.0), FindEnd::Found));
}

#[test]
fn settings_that_cannot_be_searched_are_named() {
    let error = |settings| Find::new(settings).unwrap_err().to_string();
    for (low, high) in [(0.0, 1.0), (2.0, 1.0), (1.0, 1.0), (1.0, f64::INFINITY), (f64::NAN, 1.0)] {
        assert!(error(FindSettings { low, high, ..settings() }).starts_with("a search from"));
    }
    for repeats in [0, 2, 101] {
        let message = format!("{repeats} repeats cannot decide; take an odd number from 1 to 99");
        assert_eq!(error(FindSettings { repeats, ..settings() }), message);
    }
    assert!(error(FindSettings { precision: 0.0, ..settings() }).starts_with("precision 0 of a search"));
}
