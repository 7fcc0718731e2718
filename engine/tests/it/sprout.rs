//! The built-in model against the reference implementation: prompts, tokens and text.

use std::path::Path;

use pomona_engine::checkpoint::Checkpoint;
use pomona_engine::cpu::{CpuBackend, CpuOptions};
use pomona_engine::detokenizer::Detokenizer;
use pomona_engine::template::{ChatTemplate, Conversation};
use pomona_engine::tokenizer::Tokenizer;
use pomona_protocol::{Message, Role};
use serde::Deserialize;

use crate::backend::support::greedy;

#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
}

/// A conversation, the prompt that the reference made of it, and how it went on.
#[derive(Deserialize)]
struct Case {
    messages: Vec<Said>,
    prompt_ids: Vec<u32>,
    greedy_ids: Vec<u32>,
    greedy_text: String,
}

#[derive(Deserialize)]
struct Said {
    role: Role,
    content: String,
}

/// The reference spells the marks between messages; an answer never shows them.
fn without_marks(text: &str) -> String {
    ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
        .iter()
        .fold(text.to_owned(), |text, mark| text.replace(mark, ""))
}

#[test]
fn the_built_in_model_says_what_the_reference_says() {
    let engine = Path::new(env!("CARGO_MANIFEST_DIR"));
    let model = engine.join("sprout/model");
    let reference = std::fs::read(engine.join("fixtures/sprout/greedy.json")).unwrap();
    let reference: Reference = serde_json::from_slice(&reference).unwrap();
    assert_eq!(reference.cases.len(), 20);
    let checkpoint = Checkpoint::open(&model).unwrap();
    let tokenizer = Tokenizer::open(&model, 2048).unwrap();
    let template = ChatTemplate::open(&model);
    let options = CpuOptions { threads: 2, kv_blocks: 64, ..CpuOptions::default() };
    let mut backend = CpuBackend::load(&checkpoint, options).unwrap();
    for case in &reference.cases {
        let messages: Vec<Message> =
            case.messages.iter().map(|said| Message::text(said.role, said.content.clone())).collect();
        let prompt =
            tokenizer.encode_rendered(&template.render(&Conversation::new(&messages)).unwrap()).unwrap();
        let question = &case.messages.last().unwrap().content;
        assert_eq!(prompt, case.prompt_ids, "the prompt of: {question}");
        let chosen = greedy(&mut backend, &prompt, case.greedy_ids.len());
        assert_eq!(chosen, case.greedy_ids, "the answer to: {question}");
        let mut detokenizer = Detokenizer::new(tokenizer.table(), true);
        let mut text = String::new();
        chosen.iter().for_each(|id| detokenizer.push(*id, &mut text));
        detokenizer.flush(&mut text);
        assert_eq!(text, without_marks(&case.greedy_text), "the text of the answer to: {question}");
    }
}
