//! The promise: the bits of a row depend on its tokens and position alone.

use pomona_engine::backend::{BLOCK_TOKENS, Backend};
use pomona_engine::cpu::{CpuBackend, InstructionSet};
use proptest::prelude::*;

use super::support::{FIXTURES, Sequence, best, bits, cases, load, one_shot};

/// Computes all sequences together, each cut as `cuts` says by turns, starting in different steps.
fn ragged(backend: &mut CpuBackend, sequences: &mut [Sequence], cuts: &[usize]) -> Vec<Vec<u32>> {
    let mut results = vec![Vec::new(); sequences.len()];
    let mut logits = Vec::new();
    let mut round = 0;
    while results.iter().any(Vec::is_empty) {
        let is_in =
            |index: usize, sequence: &Sequence| index <= round && sequence.done < sequence.tokens.len();
        let mut counts = vec![0; sequences.len()];
        for (index, sequence) in sequences.iter().enumerate() {
            if is_in(index, sequence) {
                let cut = cuts[(round + index) % cuts.len()];
                counts[index] = cut.min(sequence.tokens.len() - sequence.done);
            }
        }
        // Neighbours change from round to round.
        let mut order: Vec<usize> = (0..sequences.len()).filter(|&index| counts[index] > 0).collect();
        let turn = round % order.len().max(1);
        order.rotate_left(turn);
        let steps: Vec<_> = order.iter().map(|&index| sequences[index].step(counts[index])).collect();
        let wanted: Vec<_> = order.iter().zip(&steps).filter(|(_, step)| step.logit_rows > 0).collect();
        backend.step(&steps, &mut logits).unwrap();
        let vocabulary = backend.shape().vocabulary;
        assert_eq!(logits.len(), wanted.len() * vocabulary);
        for ((index, _), row) in wanted.into_iter().zip(logits.chunks(vocabulary)) {
            results[*index] = bits(row);
        }
        for (sequence, count) in sequences.iter_mut().zip(counts) {
            sequence.done += count;
        }
        round += 1;
    }
    results
}

fn check_cuts(name: &str, cuts: &[usize], threads: usize) {
    let prompts: Vec<Vec<u32>> = cases(name).into_iter().map(|case| case.prompt_ids).collect();
    let mut backend = load(name, threads, None);
    let expected: Vec<Vec<u32>> =
        prompts.iter().map(|prompt| bits(&one_shot(&mut backend, prompt))).collect();
    let numbered = prompts.iter().zip(0..);
    let mut sequences: Vec<_> = numbered.map(|(prompt, index)| Sequence::new(prompt, 8 * index)).collect();
    assert!(ragged(&mut backend, &mut sequences, cuts) == expected, "{name} cut by {cuts:?}");
}

#[test]
fn one_token_at_a_time_gives_the_bits_of_one_shot() {
    for name in FIXTURES {
        check_cuts(name, &[1], 1);
    }
}

#[test]
fn a_different_number_of_threads_gives_the_same_bits() {
    for name in FIXTURES {
        let [mut one, mut three] = [load(name, 1, None), load(name, 3, None)];
        for case in cases(name) {
            let [one, three] =
                [&mut one, &mut three].map(|backend| bits(&one_shot(backend, &case.prompt_ids)));
            assert!(one == three, "{name}, {} tokens", case.prompt_ids.len());
        }
    }
}

#[test]
fn all_instruction_sets_give_the_same_bits() {
    let sets = InstructionSet::available();
    println!("on this machine: {sets:?}");
    for name in FIXTURES {
        let run = |&set: &InstructionSet| {
            let mut backend = load(name, 1, Some(set));
            let logits =
                cases(name).iter().flat_map(|case| one_shot(&mut backend, &case.prompt_ids)).collect();
            decode_together(&mut backend, logits, name)
        };
        let results: Vec<Vec<u32>> = sets.iter().map(run).collect();
        for (set, result) in sets.iter().zip(&results) {
            assert!(*result == results[0], "{name}: {set:?} differs from {:?}", sets[0]);
        }
    }
}

/// Adds the logits of eight sequences decoded side by side, so that tiles of all heights are used.
fn decode_together(backend: &mut CpuBackend, mut logits: Vec<f32>, name: &str) -> Vec<u32> {
    let tokens = &cases(name)[3].prompt_ids;
    for count in 1..=8 {
        let sequences: Vec<_> =
            (0..count).map(|index| Sequence::new(&tokens[..40 + index], 8 * index as u32)).collect();
        let steps: Vec<_> = sequences.iter().map(|sequence| sequence.step(sequence.tokens.len())).collect();
        let mut together = Vec::new();
        backend.step(&steps, &mut together).unwrap();
        logits.extend(together);
    }
    bits(&logits)
}

#[test]
fn a_shared_prefix_gives_the_bits_of_an_own_one() {
    for name in FIXTURES {
        let mut backend = load(name, 2, None);
        let tokens = &cases(name)[3].prompt_ids;
        let shared = 2 * BLOCK_TOKENS;
        let mut first = Sequence::new(tokens, 0);
        let mut logits = Vec::new();
        backend.step(&[first.step(tokens.len())], &mut logits).unwrap();
        first.done = tokens.len();

        let mut other = tokens.clone();
        other[shared + 3] = 5;
        let expected = [other.as_slice(), &other[..shared + 1]].map(|tokens| {
            let mut alone = load(name, 1, None);
            bits(&one_shot(&mut alone, tokens))
        });
        // Two more sequences that go on behind the first one's blocks, while the first goes on as well.
        let mut second = Sequence::new(&other, 8);
        let mut third = Sequence::new(&other[..shared + 1], 16);
        for sequence in [&mut second, &mut third] {
            sequence.blocks[..2].copy_from_slice(&first.blocks[..2]);
            sequence.done = shared;
        }
        first.tokens.push(best(&logits));
        let steps = [first.step(1), second.step(other.len() - shared), third.step(1)];
        backend.step(&steps, &mut logits).unwrap();
        let vocabulary = backend.shape().vocabulary;
        assert!(bits(&logits[vocabulary..2 * vocabulary]) == expected[0], "{name}");
        assert!(bits(&logits[2 * vocabulary..]) == expected[1], "{name}");
    }
}

#[test]
fn a_reused_block_remembers_nothing() {
    let mut backend = load("mistral", 1, None);
    let cases = cases("mistral");
    let fresh = bits(&one_shot(&mut load("mistral", 1, None), &cases[1].prompt_ids));
    one_shot(&mut backend, &cases[3].prompt_ids);
    assert!(bits(&one_shot(&mut backend, &cases[1].prompt_ids)) == fresh);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_cut_and_no_neighbour_changes_a_bit(
        fixture in 0..FIXTURES.len(),
        cuts in proptest::collection::vec(1usize..50, 1..6),
        threads in 1usize..4,
    ) {
        check_cuts(FIXTURES[fixture], &cuts, threads);
    }
}
