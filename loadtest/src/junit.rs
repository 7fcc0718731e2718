//! The verdict as JUnit XML, so that a CI system shows each objective, the validity and each promise on tokens as a test.
//!
//! The form is the one that Jenkins, GitLab and GitHub's readers agree on: `testsuites` > `testsuite` > `testcase` with
//! `failure` (not met), `error` (the run itself is no good) or `skipped` (nothing to judge). In a run that is not valid an
//! objective that seems to be met is skipped: nobody shall take it for met.

use crate::markup::Markup;
use crate::report::{Objective, Report};
use crate::words::clock;
use crate::words::verdict::{self, Mark};

const SUITE: &str = "pomona loadtest";

/// One test.
struct Case {
    class: &'static str,
    name: String,
    result: Outcome,
    /// Shown whatever the result is.
    said: String,
}

enum Outcome {
    Passed,
    Failed(String),
    Broken(String),
    Skipped(String),
}

/// The whole file.
#[must_use]
pub fn suite(report: &Report) -> String {
    let cases = cases(report);
    let counted = |is: fn(&Outcome) -> bool| cases.iter().filter(|case| is(&case.result)).count().to_string();
    let (tests, seconds) = (cases.len(), time(report));
    let failures = counted(|result| matches!(result, Outcome::Failed(_)));
    let errors = counted(|result| matches!(result, Outcome::Broken(_)));
    let skipped = counted(|result| matches!(result, Outcome::Skipped(_)));
    let mut xml = Markup::xml();
    xml.open(
        "testsuites",
        &[
            ("name", &SUITE),
            ("tests", &tests),
            ("failures", &failures),
            ("errors", &errors),
            ("time", &seconds),
        ],
    );
    xml.open(
        "testsuite",
        &[
            ("name", &format!("{SUITE} {}", report.asked.model)),
            ("tests", &tests),
            ("failures", &failures),
            ("errors", &errors),
            ("skipped", &skipped),
            ("time", &seconds),
            ("timestamp", &clock::machine(report.asked.started_at_ms)),
        ],
    );
    properties(&mut xml, report);
    for case in &cases {
        write(&mut xml, case);
    }
    xml.close("testsuite");
    xml.close("testsuites");
    xml.into_string()
}

fn time(report: &Report) -> String {
    let seconds = report.totals.seconds;
    format!("{:.3}", if seconds.is_finite() { seconds.max(0.0) } else { 0.0 })
}

fn properties(xml: &mut Markup, report: &Report) {
    let asked = &report.asked;
    let seed = asked.seed.to_string();
    let own = [
        ("command", asked.command.as_str()),
        ("url", &asked.url),
        ("model", &asked.model),
        ("load", &asked.load),
        ("seed", &seed),
    ];
    let versions = asked.versions.iter().map(|(name, version)| (format!("version {name}"), version.as_str()));
    let machine = asked.machine.iter().map(|(name, value)| (format!("machine {name}"), value.as_str()));
    xml.open("properties", &[]);
    for (name, value) in
        own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(versions).chain(machine)
    {
        xml.empty("property", &[("name", &name), ("value", &value)]);
    }
    xml.close("properties");
}

fn cases(report: &Report) -> Vec<Case> {
    let [validity, _, _] = verdict::statements(report);
    let is_valid = validity.mark != Mark::Bad;
    let reasons = validity.reasons.join("\n");
    let mut cases = vec![Case {
        class: "loadtest.validity",
        name: "the run can be believed".to_owned(),
        result: if is_valid { Outcome::Passed } else { Outcome::Broken(reasons.clone()) },
        said: reasons,
    }];
    cases.extend(report.verdict.objectives.iter().map(|objective| objective_case(objective, is_valid)));
    let has_tokens = report.totals.tokens > 0;
    cases.extend(verdict::wrongs(&report.integrity).into_iter().map(|wrong| {
        let said = format!("{}: {}", wrong.name, wrong.count);
        let result = match (wrong.count, wrong.is_checked && has_tokens) {
            (0, true) => Outcome::Passed,
            (0, false) => Outcome::Skipped("there was nothing to compare".to_owned()),
            _ => Outcome::Failed(said.clone()),
        };
        Case { class: "loadtest.integrity", name: wrong.id.to_owned(), result, said }
    }));
    cases
}

fn objective_case(objective: &Objective, is_valid: bool) -> Case {
    let said = verdict::objective(objective);
    let result = match (objective.is_met, is_valid) {
        (true, true) => Outcome::Passed,
        (true, false) => Outcome::Skipped("the run is not valid".to_owned()),
        (false, _) => Outcome::Failed(said.clone()),
    };
    Case { class: "loadtest.objectives", name: objective.name.clone(), result, said }
}

fn write(xml: &mut Markup, case: &Case) {
    // Time 0: the cases are read off one run, whose time the suite has.
    xml.open("testcase", &[("classname", &case.class), ("name", &case.name), ("time", &"0")]);
    match &case.result {
        Outcome::Passed => {}
        Outcome::Failed(why) => xml.element("failure", &[("message", &why), ("type", &"objective")], why),
        Outcome::Broken(why) => xml.element("error", &[("message", &why), ("type", &"invalid")], why),
        Outcome::Skipped(why) => xml.empty("skipped", &[("message", &why)]),
    }
    xml.element("system-out", &[], &case.said);
    xml.close("testcase");
}

#[cfg(test)]
#[path = "junit_tests.rs"]
mod tests;
