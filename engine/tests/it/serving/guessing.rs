//! Guessing ahead changes no answer: same ids, same text, same end as without.

use pomona_engine::generation::Generation;
use pomona_engine::scheduler::SchedulerLimits;
use pomona_protocol::{EngineLoad, Sampling};

use super::fake::FakeBackend;
use super::fixture::{EOS, LIMITS, Transcript, drain, exhaust, generation, open, run, sampling};

const PROMPT: &[u32] = &[257, 97, 98, 32, 98, 97, 10, 97, 98, 97, 98, 32];

/// Guesses whatever it costs, so that no test depends on the time that a step takes.
const EAGER: SchedulerLimits =
    SchedulerLimits { step_guesses_max: 16, guess_chance_min: Some(0.2), ..LIMITS };

/// An engine whose answers repeat themselves, with slips.
fn engine(step_guesses_max: usize) -> Generation {
    let mut backend = FakeBackend::new(64);
    backend.echo = 9.0;
    backend.eos_bias = 2.0;
    generation(backend, SchedulerLimits { step_guesses_max, ..EAGER }).0
}

/// Runs a turn with and without; returns tokens that were guessed and found right.
fn check(sampling: &Sampling, resume: usize) -> u32 {
    let without = Transcript::read(&run(&mut engine(0), PROMPT, sampling, &[]), 0);
    let resume = &without.ids[..resume.min(without.ids.len())];
    let with = Transcript::read(&run(&mut engine(16), PROMPT, sampling, resume), resume.len());
    assert_eq!([resume, &with.ids].concat(), without.ids);
    let shown: String = without.texts[..resume.len()].concat();
    assert_eq!(shown + &with.text(), without.text());
    assert_eq!((with.reason, &with.tail), (without.reason, &without.tail));
    assert_eq!(with.usage.completion_tokens, without.usage.completion_tokens);
    assert_eq!(without.usage.accepted_tokens, 0);
    with.usage.accepted_tokens
}

#[test]
fn a_greedy_answer_is_the_same_with_guesses() {
    let request = sampling(|s| {
        s.temperature = Some(0.0);
        s.max_tokens = Some(200);
        s.ignore_eos = true;
    });
    let accepted = check(&request, 0);
    assert!(accepted > 20, "{accepted} of 200 tokens were guessed right");
}

#[test]
fn a_sampled_answer_is_the_same_with_guesses_penalties_and_stops() {
    let mut accepted = 0;
    for seed in 0..6 {
        accepted += check(
            &sampling(|s| {
                s.seed = seed;
                s.max_tokens = Some(120);
                s.temperature = Some(0.7);
                s.top_p = Some(0.95);
                s.repetition_penalty = Some(1.02);
                s.frequency_penalty = 0.02;
                s.logprobs = Some(2);
                s.stop = if seed % 2 == 0 { vec!["bbb".to_owned(), "ä\n".to_owned()] } else { Vec::new() };
            }),
            7 * seed as usize,
        );
    }
    assert!(accepted > 0, "no token was guessed right");
}

#[test]
fn an_answer_that_ends_among_guesses_ends_there() {
    for max_tokens in 1..40 {
        check(
            &sampling(|s| {
                s.temperature = Some(0.0);
                s.max_tokens = Some(max_tokens);
                s.logit_bias = [(EOS, 1.5)].into();
            }),
            0,
        );
    }
}

#[test]
fn guesses_are_counted_and_tokens_of_a_step_come_together() {
    let mut backend = FakeBackend::new(64);
    backend.echo = 100.0;
    let (mut engine, board) = generation(backend, EAGER);
    let request = sampling(|s| s.max_tokens = Some(200));
    let mut events = open(&mut engine, PROMPT, &request, &[]);
    exhaust(&mut engine);
    let events = drain(&mut events);
    let whole = Transcript::read(&events, 0);
    let EngineLoad { steps, generated_tokens, guessed_tokens, accepted_tokens, .. } = board.snapshot(0);
    assert_eq!((whole.ids.len(), generated_tokens), (200, 200));
    assert_eq!(u64::from(whole.usage.accepted_tokens), accepted_tokens);
    assert!(accepted_tokens <= guessed_tokens);
    assert!(steps < 150 && events.len() as u64 <= steps + 2, "{steps} steps, {} events", events.len());
}
