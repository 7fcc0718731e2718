//! Against the reference implementation, whose results lie beside each checkpoint.

use super::support::{cases, distance, fixture_names, greedy, load, one_shot};

/// Logits are around 10 here; two correct orders of summation in f32 differ by some millionths of that.
const TOLERANCE: f32 = 2e-3;

#[test]
fn logits_are_those_of_the_reference() {
    for name in fixture_names() {
        let mut backend = load(&name);
        for case in cases(&name) {
            let logits = one_shot(&mut backend, &case.prompt_ids);
            let distance = distance(&logits, &case.logits);
            println!("{name}, {} tokens: off by at most {distance:e}", case.prompt_ids.len());
            assert!(distance < TOLERANCE, "{name}, {} tokens: off by {distance}", case.prompt_ids.len());
        }
    }
}

#[test]
fn greedy_choices_are_those_of_the_reference() {
    for name in fixture_names() {
        let mut backend = load(&name);
        for case in cases(&name) {
            let chosen = greedy(&mut backend, &case.prompt_ids, case.greedy.len());
            assert_eq!(chosen, case.greedy, "{name}, {} tokens", case.prompt_ids.len());
        }
    }
}
