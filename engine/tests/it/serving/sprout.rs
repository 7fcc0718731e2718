//! The built-in model through the whole engine: folder, CPU backend, template, tokenizer, socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pomona_config::EngineConfig;
use pomona_engine::checkpoint::Checkpoint;
use pomona_engine::cpu::{CpuBackend, CpuOptions};
use pomona_engine::generation::{Generation, LoadBoard, ModelFacts};
use pomona_engine::serve::{EngineProcess, spawn_in_thread};
use pomona_engine::template::{ChatTemplate, Conversation};
use pomona_engine::tokenizer::Tokenizer;
use pomona_protocol::{Message, Role, Sampling};

use super::fixture::{LIMITS, Transcript, run, sampling};
use super::socket::{Peer, chat, on_local, request};

pub(crate) fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sprout/model")
}

pub(crate) fn tokenizer() -> Tokenizer {
    let checkpoint = Checkpoint::open(&model()).unwrap();
    Tokenizer::open(&model(), checkpoint.config.vocabulary).unwrap()
}

pub(crate) fn engine() -> (Generation, Vec<u32>) {
    let checkpoint = Checkpoint::open(&model()).unwrap();
    let tokenizer = tokenizer();
    let options = CpuOptions { threads: 2, kv_blocks: 64, ..CpuOptions::default() };
    let backend = CpuBackend::load(&checkpoint, options).unwrap();
    let facts = ModelFacts {
        tokens: Arc::clone(tokenizer.table()),
        eos_token_ids: checkpoint.eos_token_ids.clone(),
        defaults: checkpoint.generation.clone(),
    };
    let generation = Generation::new(Box::new(backend), facts, LIMITS, Arc::new(LoadBoard::default()));
    let messages = [Message::text(Role::User, "Tell me a long story about an apple tree.")];
    let rendered = ChatTemplate::open(&model()).render(&Conversation::new(&messages)).unwrap();
    (generation, tokenizer.encode_rendered(&rendered).unwrap())
}

/// Resumes at every index, on an engine that has the prefix and on one that has not.
fn check(sampling: &Sampling) {
    let (mut warm, prompt) = engine();
    let whole = Transcript::read(&run(&mut warm, &prompt, sampling, &[]), 0);
    for index in 0..=whole.ids.len() {
        let (kept, rest) = whole.ids.split_at(index);
        let resumed = Transcript::read(&run(&mut warm, &prompt, sampling, kept), index);
        assert_eq!(
            (resumed.ids.as_slice(), &resumed.texts[..]),
            (rest, &whole.texts[index..]),
            "from index {index}"
        );
        assert_eq!((&resumed.tail, resumed.reason), (&whole.tail, whole.reason), "from index {index}");
        if index % 16 == 7 {
            let cold = Transcript::read(&run(&mut engine().0, &prompt, sampling, kept), index);
            assert_eq!((cold.ids, cold.texts), (resumed.ids, resumed.texts), "from index {index}, cold");
        }
    }
}

#[test]
fn an_answer_of_the_built_in_model_goes_on_as_if_never_interrupted() {
    for temperature in [0.0, 1.0] {
        check(&sampling(|s| {
            s.temperature = Some(temperature);
            s.seed = 11;
            s.max_tokens = Some(64);
            s.ignore_eos = true;
        }));
    }
}

#[test]
fn the_built_in_model_answers_over_a_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("run/engine.sock");
    let data = folder.path().join("data");
    let model_dir = pomona_engine::builtin::materialise(&data).unwrap();
    let engine = EngineConfig { threads: 2, kv_bytes: 64 << 20, ..EngineConfig::default() };
    let process = EngineProcess {
        socket: socket.clone(),
        model_dir,
        model_id: "fake".into(),
        engine,
        accelerator: None,
    };
    let handle = spawn_in_thread(process).unwrap();
    on_local(async {
        let mut peer = Peer::connect(&socket).await;
        let greedy = |s: &mut Sampling| s.temperature = Some(0.0);
        let first = Transcript::read(&peer.turn(request(chat("What is Pomona?"), sampling(greedy))).await, 0);
        let again = Transcript::read(&peer.turn(request(chat("What is Pomona?"), sampling(greedy))).await, 0);
        assert!(!first.ids.is_empty() && !first.text().is_empty());
        assert_eq!((first.ids, first.texts), (again.ids, again.texts));
    });
    assert!(handle.is_running());
    drop(handle);
    assert!(!socket.exists());
}
