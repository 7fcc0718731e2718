//! Continuation after `resume` equals the uninterrupted run, at every index.

use pomona_engine::generation::Generation;
use pomona_protocol::{FinishReason, Sampling};

use super::fake::FakeBackend;
use super::fixture::{LIMITS, Transcript, generation, run, sampling};

const PROMPT: &[u32] = &[257, 104, 101, 108, 108, 111];
/// All of them have beginnings that keep text held back.
const STOPS: [&str; 4] = ["aa", "b\n", "ä", " b"];

fn engine() -> Generation {
    let mut backend = FakeBackend::new(64);
    backend.eos_bias = 2.0;
    generation(backend, LIMITS).0
}

/// Runs a turn whole, then resumes it at every index, on engines that know nothing of each other.
fn check(sampling: &Sampling) -> Transcript {
    let whole = Transcript::read(&run(&mut engine(), PROMPT, sampling, &[]), 0);
    let mut warm = engine();
    for index in 0..=whole.ids.len() {
        let (kept, rest) = whole.ids.split_at(index);
        for generation in [&mut engine(), &mut warm] {
            let resumed = Transcript::read(&run(generation, PROMPT, sampling, kept), index);
            assert_eq!(resumed.ids, rest, "ids from index {index}");
            assert_eq!(resumed.texts, whole.texts[index..], "texts from index {index}");
            assert_eq!(resumed.tail, whole.tail, "what was held back, from index {index}");
            assert_eq!(resumed.reason, whole.reason);
            assert_eq!(resumed.usage.completion_tokens, whole.usage.completion_tokens);
        }
    }
    whole
}

#[test]
fn a_greedy_answer_goes_on_as_if_never_interrupted() {
    let whole = check(&sampling(|s| {
        s.temperature = Some(0.0);
        s.max_tokens = Some(64);
        s.ignore_eos = true;
    }));
    assert_eq!((whole.ids.len(), whole.reason), (64, FinishReason::Length));
}

#[test]
fn a_sampled_answer_goes_on_as_if_never_interrupted() {
    for seed in 0..4 {
        let whole = check(&sampling(|s| {
            s.seed = seed;
            s.max_tokens = Some(64);
            s.ignore_eos = true;
            s.top_p = Some(0.95);
            s.repetition_penalty = Some(1.1);
            s.frequency_penalty = 0.2;
        }));
        assert_eq!(whole.ids.len(), 64);
        assert!(whole.text().chars().any(|character| character.len_utf8() > 1), "{:?}", whole.text());
    }
}

#[test]
fn an_answer_with_stop_strings_goes_on_as_if_never_interrupted() {
    let mut stopped = 0;
    for seed in 0..6 {
        let whole = check(&sampling(|s| {
            s.seed = seed;
            s.max_tokens = Some(64);
            s.stop = STOPS.map(str::to_owned).to_vec();
        }));
        stopped += usize::from(whole.reason == FinishReason::Stop && whole.ids.len() < 64);
        for stop in STOPS {
            assert!(!whole.text().contains(stop), "{:?} contains {stop:?}", whole.text());
        }
    }
    assert!(stopped >= 3, "only {stopped} of 6 answers met a stop string or ended");
}

#[test]
fn text_is_that_of_all_ids_decoded_at_once() {
    for seed in 0..8 {
        let request = sampling(|s| {
            s.seed = seed;
            s.max_tokens = Some(100);
            s.ignore_eos = true;
        });
        let whole = Transcript::read(&run(&mut engine(), PROMPT, &request, &[]), 0);
        let bytes: Vec<u8> = whole.ids.iter().filter_map(|id| u8::try_from(*id).ok()).collect();
        assert_eq!(whole.text(), String::from_utf8_lossy(&bytes));
    }
}
