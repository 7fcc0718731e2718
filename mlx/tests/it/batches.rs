//! What else is in a batch, how a prompt was cut and where its KV came from may not change an answer.

use pomona_engine::backend::{BLOCK_TOKENS, Backend, BlockId, PictureRows};
use pomona_engine::checkpoint::{Checkpoint, VisionCheckpoint};
use pomona_engine::cpu::{CpuBackend, CpuOptions, CpuTower};
use pomona_engine::vision::VisionShape;
use pomona_mlx::MlxBackend;

use super::support::{
    Sequence, best, cases, distance, fixture_names, folder, greedy, load, load_with, one_shot,
};

/// Products of other heights sum in another order.
const TOLERANCE: f32 = 1e-4;

/// Lets all sequences grow together by `count` tokens each, prompts cut to pieces, each joining a step later than
/// the one before.
fn together(backend: &mut MlxBackend, prompts: &[Vec<u32>], count: usize, cut: usize) -> Vec<Vec<u32>> {
    let numbered = prompts.iter().zip(0..);
    let spacing = (backend.shape().kv_blocks / prompts.len()) as u32;
    let mut sequences: Vec<Sequence> =
        numbered.map(|(prompt, index)| Sequence::new(prompt, spacing * index)).collect();
    let mut round = 0;
    let is_done = |sequence: &Sequence, prompt: &Vec<u32>| sequence.tokens.len() == prompt.len() + count;
    while !sequences.iter().zip(prompts).all(|(sequence, prompt)| is_done(sequence, prompt)) {
        round += 1;
        let waits = |index: usize| sequences[index].tokens.len() - sequences[index].done;
        let in_step: Vec<usize> = (0..sequences.len())
            .filter(|&index| index < round && !is_done(&sequences[index], &prompts[index]))
            .collect();
        let counts: Vec<usize> = in_step.iter().map(|&index| waits(index).min(cut)).collect();
        let steps: Vec<_> =
            in_step.iter().zip(&counts).map(|(&index, &count)| sequences[index].step(count)).collect();
        let wants: Vec<bool> = steps.iter().map(|step| step.logit_rows > 0).collect();
        let mut logits = Vec::new();
        backend.step(&steps, &mut logits).unwrap();
        let mut rows = logits.chunks(backend.shape().vocabulary);
        for ((&index, count), wants) in in_step.iter().zip(counts).zip(wants) {
            sequences[index].done += count;
            if wants {
                sequences[index].tokens.push(best(rows.next().unwrap()));
            }
        }
        assert!(rows.next().is_none(), "a row of logits for each sequence that wants one");
    }
    sequences.iter().zip(prompts).map(|(sequence, prompt)| sequence.tokens[prompt.len()..].to_vec()).collect()
}

#[test]
fn a_mixed_batch_gives_the_answers_of_solo_runs() {
    for name in fixture_names() {
        let (prompts, solo): (Vec<_>, Vec<_>) =
            cases(&name).into_iter().map(|case| (case.prompt_ids, case.greedy)).unzip();
        for cut in [7, 33] {
            let answers = together(&mut load(&name), &prompts, solo[0].len(), cut);
            assert_eq!(answers, solo, "{name}, cut by {cut}");
        }
    }
}

#[test]
fn too_little_memory_for_all_lines_makes_steps_slower_and_nothing_else() {
    // Blocks for three sequences of 96 tokens; a line takes memory for 256, so each step runs in three parts.
    let (prompts, solo): (Vec<_>, Vec<_>) =
        cases("llama").into_iter().take(3).map(|case| (case.prompt_ids, case.greedy)).unzip();
    assert_eq!(together(&mut load_with("llama", 9), &prompts, solo[0].len(), 33), solo);
}

#[test]
fn an_answer_that_goes_on_elsewhere_is_the_same() {
    for name in fixture_names() {
        let case = cases(&name).remove(2);
        for shown in [1, case.greedy.len() / 2, case.greedy.len() - 1] {
            let resumed = [case.prompt_ids.as_slice(), &case.greedy[..shown]].concat();
            let rest = greedy(&mut load(&name), &resumed, case.greedy.len() - shown);
            assert_eq!(rest, case.greedy[shown..], "{name} behind {shown} tokens");
        }
    }
}

#[test]
fn a_shared_prefix_gives_the_logits_of_an_own_one() {
    for name in ["llama", "mistral", "qwen2"] {
        let mut backend = load(name);
        let tokens = &cases(name)[3].prompt_ids;
        let shared = 2 * BLOCK_TOKENS;
        let mut first = Sequence::new(tokens, 0);
        let mut logits = Vec::new();
        backend.step(&[first.step(tokens.len())], &mut logits).unwrap();
        first.done = tokens.len();
        let mut other = tokens.clone();
        other[shared + 3] = 5;
        let expected =
            [other.as_slice(), &other[..shared + 1]].map(|tokens| one_shot(&mut load(name), tokens));
        // Two more that go on behind the first one's blocks, while the first goes on as well.
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
        assert!(distance(&logits[vocabulary..2 * vocabulary], &expected[0]) < TOLERANCE, "{name}");
        assert!(distance(&logits[2 * vocabulary..], &expected[1]) < TOLERANCE, "{name}");
    }
}

#[test]
fn a_second_turn_takes_over_what_the_first_has_left() {
    let mut backend = load("llama");
    let tokens = &cases("llama")[3].prompt_ids;
    let alone = one_shot(&mut load("llama"), tokens);
    // The first turn ends inside its third block, and others run for a while.
    one_shot(&mut backend, &tokens[..80]);
    for first_block in [16, 24] {
        let other = Sequence::new(&tokens[..5], first_block);
        backend.step(&[other.step(5)], &mut Vec::new()).unwrap();
    }
    let mut second = Sequence::new(tokens, 8);
    second.blocks[..2].copy_from_slice(&[BlockId(0), BlockId(1)]);
    second.done = 2 * BLOCK_TOKENS;
    let mut logits = Vec::new();
    backend.step(&[second.step(tokens.len() - second.done)], &mut logits).unwrap();
    assert!(distance(&logits, &alone) < TOLERANCE);
}

#[test]
fn a_reused_block_remembers_nothing() {
    let mut backend = load("mistral");
    let cases = cases("mistral");
    let fresh = one_shot(&mut load("mistral"), &cases[1].prompt_ids);
    one_shot(&mut backend, &cases[3].prompt_ids);
    assert!(distance(&one_shot(&mut backend, &cases[1].prompt_ids), &fresh) < TOLERANCE);
}

#[test]
fn guesses_that_are_not_kept_leave_no_trace() {
    for name in fixture_names() {
        let case = cases(&name).remove(1);
        let mut backend = load(&name);
        let vocabulary = backend.shape().vocabulary;
        let mut sequence = Sequence::new(&case.prompt_ids, 0);
        let mut logits = Vec::new();
        // Guesses cross the ends of blocks, so that blocks get full with tokens that are taken back.
        for guesses in [1, 30, 3, 40] {
            sequence.tokens.truncate(case.prompt_ids.len());
            sequence.done = sequence.done.min(case.prompt_ids.len());
            let waiting = sequence.tokens.len() - sequence.done.min(sequence.tokens.len() - 1);
            sequence.done = sequence.tokens.len() - waiting;
            sequence.tokens.extend((0..guesses).map(|guess| 3 + guess % 5));
            let mut step = sequence.step(waiting + guesses as usize);
            step.logit_rows = guesses as usize + 1;
            backend.step(&[step], &mut logits).unwrap();
            assert_eq!(logits.len(), (guesses as usize + 1) * vocabulary);
            let behind_prompt = &logits[..vocabulary];
            assert!(distance(behind_prompt, &case.logits) < 2e-3, "{name}, {guesses} guesses");
            sequence.done = sequence.tokens.len();
        }
        // Then the answer goes on from the prompt as if there had been no guess.
        sequence.tokens.truncate(case.prompt_ids.len());
        sequence.done = case.prompt_ids.len() - 1;
        for expected in &case.greedy {
            backend.step(&[sequence.step(1)], &mut logits).unwrap();
            sequence.done += 1;
            sequence.tokens.push(best(&logits));
            assert_eq!(best(&logits), *expected, "{name}");
        }
    }
}

#[test]
fn pictures_are_seen_as_the_other_backend_sees_them() {
    let name = "gemma3-vision";
    let checkpoint = Checkpoint::open(&folder(name)).unwrap();
    let eyes = || {
        CpuTower::load(&VisionCheckpoint::open(&folder(name), &checkpoint.config).unwrap().unwrap(), 1, None)
            .unwrap()
    };
    let options = CpuOptions { threads: 1, kv_blocks: 64, ..CpuOptions::default() };
    let mut cpu = CpuBackend::load(&checkpoint, options).unwrap().with_eyes(eyes());
    let mut mlx = load(name).with_eyes(Box::new(eyes()));
    let VisionShape { places, width, .. } = mlx.shape().vision.unwrap();
    let mut tokens: Vec<u32> = (3..103).collect();
    let rows: Vec<f32> = (0..places * width).map(|number| (number as f32 * 0.37).sin()).collect();
    let pictures = [PictureRows { position: 30, places, rows: &rows }];
    tokens[30..30 + places].fill(u32::MAX);
    // The second step begins behind the picture.
    let cut = 35 + places;
    for (from, to) in [(0, cut), (cut, tokens.len())] {
        let mut sequence = Sequence::new(&tokens, 0);
        sequence.done = from;
        let mut step = sequence.step(to - from);
        step.logit_rows = (to - from).min(places + 3);
        step.pictures = if from == 0 { &pictures } else { &[] };
        let mut both = [Vec::new(), Vec::new()];
        cpu.step(&[step], &mut both[0]).unwrap();
        mlx.step(&[step], &mut both[1]).unwrap();
        assert!(distance(&both[0], &both[1]) < 2e-3, "{from} to {to}");
    }
}
