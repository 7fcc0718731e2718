//! A byte-level tokenizer and chat template, and helpers to run turns by hand.

use std::sync::Arc;

use pomona_engine::checkpoint::GenerationDefaults;
use pomona_engine::generation::{Generation, LoadBoard, ModelFacts, NewTurn, StepOutcome};
use pomona_engine::scheduler::SchedulerLimits;
use pomona_engine::serve::Loaded;
use pomona_engine::template::ChatTemplate;
use pomona_engine::tokenizer::Tokenizer;
use pomona_protocol::{FinishReason, ModelCard, Sampling, TurnEvent, Usage};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::fake::FakeBackend;

/// Ids 0 to 255 are the bytes; then the special tokens.
pub(crate) const EOS: u32 = 256;
pub(crate) const BOS: u32 = 257;
pub(crate) const VOCABULARY: usize = 260;
/// What the fake likes to say: letters, and the pieces of characters of two, three and four bytes.
pub(crate) const LIKELY_BYTES: [u8; 12] =
    [b'a', b'b', b' ', b'\n', 0xc3, 0xa4, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98];

pub(crate) const LIMITS: SchedulerLimits =
    SchedulerLimits { running_max: 4, waiting_max: 16, step_prefill_tokens_max: 48 };

const TEMPLATE: &str =
    "{{ bos_token }}{% for m in messages %}{{ m.role }}:{{ m.content }}\n{% endfor %}assistant:";

/// The ByteLevel alphabet, told independently of the engine.
fn byte_characters() -> Vec<char> {
    let printable = |byte: &u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut moved = (256u32..).filter_map(char::from_u32);
    (0..=255u8).map(|byte| if printable(&byte) { byte as char } else { moved.next().unwrap() }).collect()
}

pub(crate) fn tokenizer_json() -> Vec<u8> {
    let vocabulary: Map<String, Value> = byte_characters()
        .into_iter()
        .enumerate()
        .map(|(id, character)| (character.to_string(), json!(id)))
        .collect();
    let special = |id: u32, content: &str| {
        json!({ "id": id, "content": content, "special": true, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false })
    };
    let tokenizer = json!({
        "version": "1.0",
        "added_tokens": [special(EOS, "<|end|>"), special(BOS, "<|begin|>")],
        "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false },
        "decoder": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{ "SpecialToken": { "id": "<|begin|>", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 0 } }],
            "special_tokens": { "<|begin|>": { "id": "<|begin|>", "ids": [BOS], "tokens": ["<|begin|>"] } },
        },
        "model": { "type": "BPE", "vocab": vocabulary, "merges": [] },
    });
    serde_json::to_vec(&tokenizer).unwrap()
}

pub(crate) fn tokenizer() -> Tokenizer {
    Tokenizer::from_json(&tokenizer_json(), VOCABULARY).unwrap()
}

pub(crate) fn loaded(backend: FakeBackend) -> Loaded {
    let config = json!({ "bos_token": "<|begin|>", "eos_token": "<|end|>" });
    Loaded {
        card: ModelCard {
            id: "fake".into(),
            architecture: "fake".to_owned(),
            parameters: 0,
            dtype: "none".to_owned(),
            context_tokens: backend.shape.context_tokens as u32,
            vocabulary: VOCABULARY as u32,
            weight_bytes: 0,
            kv_bytes_per_token: 4,
        },
        backend: Box::new(backend),
        tokenizer: tokenizer(),
        template: ChatTemplate::from_parts(Some(TEMPLATE.to_owned()), &config),
        eos_token_ids: vec![EOS],
        defaults: GenerationDefaults::default(),
    }
}

pub(crate) fn generation(backend: FakeBackend, limits: SchedulerLimits) -> (Generation, Arc<LoadBoard>) {
    let loaded = loaded(backend);
    let facts = ModelFacts {
        tokens: Arc::clone(loaded.tokenizer.table()),
        eos_token_ids: loaded.eos_token_ids,
        defaults: loaded.defaults,
    };
    let board = Arc::new(LoadBoard::default());
    (Generation::new(loaded.backend, facts, limits, Arc::clone(&board)), board)
}

pub(crate) fn sampling(change: impl FnOnce(&mut Sampling)) -> Sampling {
    let mut sampling = Sampling { max_tokens: Some(16), ..Sampling::default() };
    change(&mut sampling);
    sampling
}

/// Queues a turn whose events all fit its sink.
pub(crate) fn open(
    generation: &mut Generation,
    prompt: &[u32],
    sampling: &Sampling,
    resume: &[u32],
) -> mpsc::Receiver<TurnEvent> {
    let (sink, events) = mpsc::channel(4096);
    let (prompt, resume) = (prompt.to_vec(), resume.to_vec());
    generation.accept(NewTurn { prompt, stands_alone: true, sampling: sampling.clone(), resume, sink });
    events
}

/// Steps until there is nothing to do.
pub(crate) fn exhaust(generation: &mut Generation) {
    for _ in 0..100_000 {
        if generation.step().unwrap() == StepOutcome::Idle {
            return;
        }
    }
    panic!("turns do not end");
}

pub(crate) fn drain(events: &mut mpsc::Receiver<TurnEvent>) -> Vec<TurnEvent> {
    std::iter::from_fn(|| events.try_recv().ok()).collect()
}

/// A whole turn, alone in the engine.
pub(crate) fn run(
    generation: &mut Generation,
    prompt: &[u32],
    sampling: &Sampling,
    resume: &[u32],
) -> Vec<TurnEvent> {
    let mut events = open(generation, prompt, sampling, resume);
    exhaust(generation);
    drain(&mut events)
}

/// What a consumer makes of the events of one turn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Transcript {
    pub(crate) ids: Vec<u32>,
    /// Text that came with each id.
    pub(crate) texts: Vec<String>,
    pub(crate) reason: FinishReason,
    pub(crate) tail: String,
    pub(crate) usage: Usage,
}

impl Transcript {
    /// Reads events and checks their order: `Queued`, `Started` once, tokens without a gap, one end.
    pub(crate) fn read(events: &[TurnEvent], first: usize) -> Self {
        let mut events = events.iter().skip_while(|event| matches!(event, TurnEvent::Queued { .. }));
        assert!(matches!(events.next(), Some(TurnEvent::Started { .. })), "a turn starts before it speaks");
        let (mut ids, mut texts) = (Vec::new(), Vec::new());
        for event in events.by_ref() {
            match event {
                TurnEvent::Tokens { first: at, ids: new, text, .. } => {
                    assert_eq!(*at as usize, first + ids.len(), "nothing is missing or twice");
                    ids.extend(new);
                    texts.push(text.clone());
                }
                TurnEvent::Finished { reason, text, usage } => {
                    assert_eq!(events.next(), None, "nothing follows the end");
                    return Self { ids, texts, reason: *reason, tail: text.clone(), usage: *usage };
                }
                other => panic!("unexpected {other:?}"),
            }
        }
        panic!("the turn did not end");
    }

    pub(crate) fn text(&self) -> String {
        self.texts.concat() + &self.tail
    }
}
