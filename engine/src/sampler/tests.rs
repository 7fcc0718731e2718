//! The sampler by case, and its selections against full sorts.

use proptest::prelude::*;

use super::*;

fn sampling(change: impl FnOnce(&mut Sampling)) -> Sampling {
    let mut sampling = Sampling::default();
    change(&mut sampling);
    sampling
}

fn sampler(change: impl FnOnce(&mut Sampling)) -> Sampler {
    Sampler::new(&sampling(change), &GenerationDefaults::default(), &[])
}

/// How often each of `logits` is drawn over many indexes.
fn frequencies(sampler: &mut Sampler, logits: &[f32]) -> Vec<f64> {
    const DRAWS: u32 = 20_000;
    let mut counts = vec![0u32; logits.len()];
    for index in 0..DRAWS {
        let choice = sampler.choose(&mut logits.to_vec(), index).unwrap();
        counts[choice.id as usize] += 1;
    }
    counts.into_iter().map(|count| f64::from(count) / f64::from(DRAWS)).collect()
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let weights: Vec<f64> = logits.iter().map(|logit| f64::from(*logit).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

#[test]
fn temperature_zero_takes_the_likeliest_and_of_equals_the_lowest_id() {
    let mut sampler = sampler(|sampling| sampling.temperature = Some(0.0));
    assert_eq!(sampler.choose(&mut [0.5, 2.0, 2.0, -1.0], 0).unwrap().id, 1);
}

#[test]
fn draws_follow_the_softmax() {
    let logits = [0.0, 1.0, 2.0, -3.0];
    let frequencies = frequencies(&mut sampler(|sampling| sampling.seed = 7), &logits);
    for (seen, expected) in frequencies.iter().zip(softmax(&logits)) {
        assert!((seen - expected).abs() < 0.02, "{seen} against {expected}");
    }
}

#[test]
fn a_draw_depends_on_seed_and_index_alone() {
    let logits: Vec<f32> = (0..50).map(|id| (id as f32 * 0.7).sin()).collect();
    let ids = |seed: u64, indexes: &[u32]| -> Vec<u32> {
        let mut sampler = sampler(|sampling| sampling.seed = seed);
        indexes.iter().map(|index| sampler.choose(&mut logits.clone(), *index).unwrap().id).collect()
    };
    let forward = ids(3, &[0, 1, 2, 3]);
    let mut backward = ids(3, &[3, 2, 1, 0]);
    backward.reverse();
    assert_eq!(forward, backward);
    assert_ne!(ids(4, &[0, 1, 2, 3, 4, 5, 6, 7]), ids(5, &[0, 1, 2, 3, 4, 5, 6, 7]));
}

#[test]
fn truncation_draws_from_the_kept_tokens_only() {
    let logits = [3.0, 1.0, 2.0, 0.0, -1.0];
    let kept = |change: fn(&mut Sampling)| -> Vec<usize> {
        let seen = frequencies(&mut sampler(change), &logits);
        seen.iter().enumerate().filter(|(_, seen)| **seen > 0.0).map(|(id, _)| id).collect()
    };
    assert_eq!(kept(|sampling| sampling.top_k = Some(2)), [0, 2]);
    assert_eq!(kept(|sampling| sampling.top_k = Some(0)), [0, 1, 2, 3, 4]);
    // Shares are 0.636, 0.086, 0.234, 0.032, 0.012.
    assert_eq!(kept(|sampling| sampling.top_p = Some(0.6)), [0]);
    assert_eq!(kept(|sampling| sampling.top_p = Some(0.65)), [0, 2]);
    assert_eq!(kept(|sampling| sampling.top_p = Some(0.9)), [0, 1, 2]);
    assert_eq!(kept(|sampling| sampling.min_p = Some(0.3)), [0, 2]);
}

#[test]
fn a_request_wins_over_the_model_and_the_model_over_ours() {
    let defaults =
        GenerationDefaults { temperature: Some(0.0), top_k: Some(1), ..GenerationDefaults::default() };
    let from_model = Sampler::new(&Sampling::default(), &defaults, &[]);
    assert_eq!((from_model.temperature, from_model.truncation.top_k), (0.0, 1));
    let from_request = Sampler::new(&sampling(|s| s.temperature = Some(0.5)), &defaults, &[]);
    assert_eq!((from_request.temperature, from_request.truncation.top_k), (0.5, 1));
    assert_eq!(sampler(|_| ()).temperature, 1.0);
}

#[test]
fn repetition_divides_positive_and_multiplies_negative_logits_of_seen_tokens() {
    let request = sampling(|sampling| sampling.repetition_penalty = Some(2.0));
    let mut sampler = Sampler::new(&request, &GenerationDefaults::default(), &[0, 1, 1]);
    sampler.replay(2);
    let mut logits = [4.0, -4.0, 1.0, 1.0];
    sampler.penalise(&mut logits);
    assert_eq!(logits, [2.0, -8.0, 0.5, 1.0]);
}

#[test]
fn presence_counts_once_and_frequency_each_time_in_the_answer_only() {
    let request = sampling(|sampling| {
        sampling.presence_penalty = 1.0;
        sampling.frequency_penalty = 0.25;
        sampling.logit_bias.insert(3, -5.0);
    });
    let mut sampler = Sampler::new(&request, &GenerationDefaults::default(), &[0]);
    for id in [1, 2, 2] {
        sampler.replay(id);
    }
    let mut logits = [0.0; 4];
    sampler.penalise(&mut logits);
    assert_eq!(logits, [0.0, -1.25, -1.5, -5.0]);
}

#[test]
fn logprobs_are_those_of_the_raw_model() {
    let mut sampler = sampler(|sampling| {
        sampling.temperature = Some(0.0);
        sampling.logprobs = Some(2);
        sampling.logit_bias.insert(0, 100.0);
    });
    let choice = sampler.choose(&mut [0.0, 2.0, 2.0, 1.0], 0).unwrap();
    let logprobs = choice.logprobs.unwrap();
    assert_eq!(choice.id, 0);
    let expected: Vec<f32> = softmax(&[0.0, 2.0, 2.0, 1.0]).iter().map(|share| share.ln() as f32).collect();
    assert!((logprobs.chosen - expected[0]).abs() < 1e-6);
    assert_eq!(logprobs.top.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2]);
    assert!((logprobs.top[0].1 - expected[1]).abs() < 1e-6);
}

#[test]
fn logits_that_are_not_numbers_are_refused() {
    for temperature in [0.0, 1.0] {
        let mut sampler = sampler(|sampling| sampling.temperature = Some(temperature));
        for row in [[0.0, f32::NAN], [f32::NAN, 0.0], [f32::INFINITY, 0.0], [f32::NEG_INFINITY; 2]] {
            assert_eq!(sampler.choose(&mut row.clone(), 0), Err(UnusableLogits), "{row:?}");
        }
        let masked = sampler.choose(&mut [f32::NEG_INFINITY, 1.0], 0).unwrap();
        assert_eq!(masked.id, 1);
    }
}

proptest! {
    #[test]
    fn the_best_few_are_those_that_a_full_sort_finds(
        logits in prop::collection::vec(-4i8..4, 1..200),
        count in 0usize..40,
    ) {
        let logits: Vec<f32> = logits.into_iter().map(f32::from).collect();
        let mut sorted: Vec<(f32, u32)> = logits.iter().enumerate().map(|(id, logit)| (*logit, id as u32)).collect();
        sorted.sort_by(select::by_rank);
        sorted.truncate(count);
        prop_assert_eq!(best(&logits, count), sorted);
    }

    #[test]
    fn top_p_keeps_the_smallest_set_with_enough_mass(
        logits in prop::collection::vec(-6.0f32..6.0, 2..80),
        top_p in 0.01f32..0.99,
        index in 0u32..1000,
    ) {
        let mut sampler = sampler(|sampling| sampling.top_p = Some(top_p));
        let id = sampler.choose(&mut logits.clone(), index).unwrap().id;
        let shares = softmax(&logits);
        let likelier: f64 = shares.iter().filter(|share| **share > shares[id as usize]).sum();
        prop_assert!(likelier < f64::from(top_p) + 1e-6);
    }
}
