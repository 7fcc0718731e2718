//! The small parts of JUnit; its whole form is held to in the tests of the files.

use super::*;

fn objective(is_met: bool) -> Objective {
    Objective { name: "ttft p95".into(), bound: 500.0, seen: 812.0, unit: "ms".into(), is_met }
}

#[test]
fn an_objective_passes_only_when_it_is_met_in_a_valid_run() {
    assert!(matches!(objective_case(&objective(true), true).result, Outcome::Passed));
    assert!(matches!(objective_case(&objective(true), false).result, Outcome::Skipped(_)));
    assert!(matches!(objective_case(&objective(false), true).result, Outcome::Failed(_)));
    assert!(matches!(objective_case(&objective(false), false).result, Outcome::Failed(_)));
}

#[test]
fn a_failure_says_what_was_wanted() {
    let mut xml = Markup::new();
    write(&mut xml, &objective_case(&objective(false), true));
    let text = xml.into_string();
    assert!(text.contains("ttft p95 was 812 ms; at most 500 ms was wanted."), "{text}");
}
