//! Pictures against `transformers`, whose results lie beside the checkpoint.

mod turns;

use std::path::{Path, PathBuf};

use pomona_engine::backend::{Backend, BlockId, PictureRows, SequenceStep};
use pomona_engine::checkpoint::{Checkpoint, VisionCheckpoint};
use pomona_engine::cpu::{CpuBackend, CpuOptions, CpuTower, InstructionSet};
use pomona_engine::vision::{Picture, Tower, place_ids};
use serde::Deserialize;

/// Numbers are around 1 here; two correct orders of summation differ by some millionths of that.
const TOLERANCE: f32 = 2e-5;

/// Logits are around 10 here.
const LOGIT_TOLERANCE: f32 = 1e-4;
/// What stands for a picture's place in the reference; it is never chosen there.
const PLACE_ID: u32 = 140;

#[derive(Deserialize)]
struct Expected {
    pictures: Vec<Vec<u8>>,
    rows: Vec<f32>,
    cases: Vec<Case>,
}

/// A prompt with the first so many pictures.
#[derive(Deserialize)]
struct Case {
    prompt_ids: Vec<u32>,
    pictures: usize,
    logits: Vec<f32>,
    greedy: Vec<u32>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gemma3-vision")
}

fn expected() -> Expected {
    serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap()
}

fn tower(threads: usize, set: Option<InstructionSet>) -> CpuTower {
    let checkpoint = Checkpoint::open(&folder()).unwrap();
    let eyes = VisionCheckpoint::open(&folder(), &checkpoint.config).unwrap().unwrap();
    CpuTower::load(&eyes, threads, set).unwrap()
}

#[test]
fn a_picture_becomes_the_rows_of_the_reference() {
    let expected = expected();
    let mut tower = tower(2, None);
    let picture = Picture::from_rgb(tower.shape().side, expected.pictures[0].clone()).unwrap();
    let rows = tower.look(&picture).unwrap();
    assert_eq!(rows.len(), expected.rows.len());
    let off = rows.iter().zip(&expected.rows).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("off by at most {off:e}");
    assert!(off < TOLERANCE, "off by {off}");
}

#[test]
fn a_picture_has_the_same_bits_on_every_machine() {
    let picture = Picture::from_rgb(24, expected().pictures[1].clone()).unwrap();
    let rows = tower(1, Some(InstructionSet::Portable)).look(&picture).unwrap();
    for set in InstructionSet::available() {
        assert_eq!(tower(3, Some(set)).look(&picture).unwrap(), rows, "{set:?}");
    }
}

/// A prompt as the engine has it, and where its pictures begin.
fn with_places(case: &Case, pictures: &[Picture], places: usize) -> (Vec<u32>, Vec<usize>) {
    let mut ids = case.prompt_ids.clone();
    let mut starts = Vec::new();
    for picture in &pictures[..case.pictures] {
        let start = ids.iter().position(|id| *id == PLACE_ID).unwrap();
        ids[start..start + places].copy_from_slice(&place_ids(picture, places));
        starts.push(start);
    }
    (ids, starts)
}

/// Prefills in chunks that end at these positions, then decodes greedily; returns the first logits too.
fn generate(
    backend: &mut CpuBackend,
    ids: &[u32],
    shown: &[PictureRows<'_>],
    ends: &[usize],
    count: usize,
) -> (Vec<f32>, Vec<u32>) {
    let blocks: Vec<BlockId> = (0..8).map(BlockId).collect();
    let (mut logits, mut start) = (Vec::new(), 0);
    for &end in ends {
        let within = |picture: &&PictureRows<'_>| (start..end).contains(&picture.position);
        let pictures: Vec<_> = shown.iter().filter(within).copied().collect();
        let tokens = &ids[start..end];
        let step =
            SequenceStep { tokens, position: start, blocks: &blocks, pictures: &pictures, logit_rows: 1 };
        backend.step(&[step], &mut logits).unwrap();
        start = end;
    }
    let first = logits.clone();
    let mut chosen = Vec::new();
    while chosen.len() < count {
        logits[PLACE_ID as usize] = f32::NEG_INFINITY;
        let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap() as u32;
        chosen.push(best);
        let position = ids.len() + chosen.len() - 1;
        let step = SequenceStep { tokens: &[best], position, blocks: &blocks, pictures: &[], logit_rows: 1 };
        backend.step(&[step], &mut logits).unwrap();
    }
    (first, chosen)
}

#[test]
fn answers_to_pictures_are_those_of_the_reference_however_the_prompt_is_cut() {
    let expected = expected();
    let mut tower = tower(2, None);
    let shape = tower.shape();
    let picture = |bytes: &Vec<u8>| Picture::from_rgb(shape.side, bytes.clone()).unwrap();
    let pictures: Vec<Picture> = expected.pictures.iter().map(picture).collect();
    let rows: Vec<Vec<f32>> = pictures.iter().map(|picture| tower.look(picture).unwrap()).collect();
    let checkpoint = Checkpoint::open(&folder()).unwrap();
    for case in &expected.cases {
        let (ids, starts) = with_places(case, &pictures, shape.places);
        let shown: Vec<_> = starts
            .iter()
            .zip(&rows)
            .map(|(&position, rows)| PictureRows { position, places: shape.places, rows })
            .collect();
        let eyes = || self::tower(1, None);
        let options = || CpuOptions { threads: 2, kv_blocks: 8, ..CpuOptions::default() };
        let mut backend = CpuBackend::load(&checkpoint, options()).unwrap().with_eyes(eyes());
        let (logits, chosen) = generate(&mut backend, &ids, &shown, &[ids.len()], case.greedy.len());
        let off = logits.iter().zip(&case.logits).map(|(a, b)| (a - b).abs());
        let off = off.zip(0..).filter(|(_, id)| *id != PLACE_ID).map(|(off, _)| off).fold(0.0, f32::max);
        println!("{} tokens, {} pictures: off by at most {off:e}", ids.len(), case.pictures);
        assert!(off < LOGIT_TOLERANCE, "off by {off}");
        assert_eq!(chosen, case.greedy);
        let mut ends: Vec<usize> = starts.iter().map(|start| start + shape.places).collect();
        ends.extend([1, ids.len()]);
        ends.sort_unstable();
        ends.dedup();
        let mut backend = CpuBackend::load(&checkpoint, options()).unwrap().with_eyes(eyes());
        assert_eq!(generate(&mut backend, &ids, &shown, &ends, case.greedy.len()), (logits, chosen));
    }
}
