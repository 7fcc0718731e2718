//! Against `transformers`, whose results lie beside each checkpoint.

use super::support::{FIXTURES, cases, greedy, load, one_shot};

/// Logits are around 10 here; two correct orders of summation differ by some millionths of that.
const TOLERANCE: f32 = 1e-4;
/// Where activations are rounded to bytes, a last bit may make a step of a 127th, which later blocks carry on; logits
/// go to 7 there. What the kernels compute is held to the last millionths by their own tests.
const TOLERANCE_OF_BYTES: f32 = 1e-1;

fn tolerance(name: &str) -> f32 {
    if matches!(name, "gguf-32" | "gguf-256") { TOLERANCE_OF_BYTES } else { TOLERANCE }
}

#[test]
fn logits_are_those_of_the_reference() {
    for name in FIXTURES {
        let mut backend = load(name, 2, None);
        for case in cases(name) {
            let logits = one_shot(&mut backend, &case.prompt_ids);
            assert_eq!(logits.len(), case.logits.len(), "{name}");
            let distance = logits.iter().zip(&case.logits).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            println!("{name}, {} tokens: off by at most {distance:e}", case.prompt_ids.len());
            assert!(
                distance < tolerance(name),
                "{name}, {} tokens: off by {distance}",
                case.prompt_ids.len()
            );
        }
    }
}

#[test]
fn greedy_choices_are_those_of_the_reference() {
    for name in FIXTURES {
        let mut backend = load(name, 2, None);
        for case in cases(name) {
            let chosen = greedy(&mut backend, &case.prompt_ids, case.greedy.len());
            assert_eq!(chosen, case.greedy, "{name}, {} tokens", case.prompt_ids.len());
        }
    }
}
