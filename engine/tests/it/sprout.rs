//! The built-in model against the reference implementation, token by token.

use std::path::Path;

use pomona_engine::checkpoint::Checkpoint;
use pomona_engine::cpu::{CpuBackend, CpuOptions};
use serde::Deserialize;

use crate::backend::support::greedy;

/// One prompt and the tokens that the reference chose.
#[derive(Deserialize)]
struct Golden {
    prompt_ids: Vec<u32>,
    greedy: Vec<u32>,
}

#[test]
fn the_built_in_model_says_what_the_reference_says() {
    let engine = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (golden, model) = (engine.join("fixtures/sprout/greedy.json"), engine.join("sprout/model"));
    if !golden.exists() || !model.join("config.json").exists() {
        eprintln!("no {} or no {}", golden.display(), model.display());
        return;
    }
    let goldens: Vec<Golden> = serde_json::from_str(&std::fs::read_to_string(golden).unwrap()).unwrap();
    let checkpoint = Checkpoint::open(&model).unwrap();
    let options = CpuOptions { threads: 2, kv_blocks: 64, ..CpuOptions::default() };
    let mut backend = CpuBackend::load(&checkpoint, options).unwrap();
    for (number, golden) in goldens.iter().enumerate() {
        let chosen = greedy(&mut backend, &golden.prompt_ids, golden.greedy.len());
        assert_eq!(chosen, golden.greedy, "prompt {number}");
    }
}
