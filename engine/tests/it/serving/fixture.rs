//! A byte-level tokenizer and chat template, and helpers to run turns by hand.

use std::sync::Arc;

use pomona_engine::channels::{AnswerFormat, CallStyle, Channels, Tags};
use pomona_engine::checkpoint::GenerationDefaults;
use pomona_engine::generation::{Generation, LoadBoard, ModelFacts, NewTurn, StepOutcome};
use pomona_engine::grammar::{Grammars, Guide, Opening};
use pomona_engine::scheduler::SchedulerLimits;
use pomona_engine::serve::{Loaded, LoadedModel};
use pomona_engine::template::ChatTemplate;
use pomona_engine::tokenizer::Tokenizer;
use pomona_protocol::said::join_marks;
use pomona_protocol::{
    AnswerForm, FinishReason, Mark, ModelCard, OutputFormat, Sampling, Task, ToolChoice, TurnEvent, Usage,
};
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

/// Without guessing, so that each token has an event of its own.
pub(crate) const LIMITS: SchedulerLimits = SchedulerLimits {
    running_max: 4,
    waiting_max: 16,
    step_prefill_tokens_max: 48,
    step_guesses_max: 0,
    guess_chance_min: None,
};

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
            ..ModelCard::default()
        },
        model: LoadedModel::Generator(Box::new(backend)),
        tokenizer: tokenizer(),
        vision: None,
        template: ChatTemplate::from_parts(Some(TEMPLATE.to_owned()), &config),
        eos_token_ids: vec![EOS],
        defaults: GenerationDefaults::default(),
        prefix_disk: None,
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
    let LoadedModel::Generator(backend) = loaded.model else { panic!("no generator") };
    (Generation::new(backend, facts, limits, Arc::clone(&board)), board)
}

pub(crate) fn sampling(change: impl FnOnce(&mut Sampling)) -> Sampling {
    let mut sampling = Sampling { max_tokens: Some(16), ..Sampling::default() };
    change(&mut sampling);
    sampling
}

/// What forms of answers are made of for one model.
pub(crate) struct Forms {
    pub(crate) grammars: Grammars,
    pub(crate) format: AnswerFormat,
}

impl Forms {
    /// For the fake, as if its answers were marked like this.
    pub(crate) fn new(thinks: bool, calls: CallStyle) -> Self {
        let thoughts = thinks.then_some(Tags { open: "<think>", close: "</think>" });
        let format = AnswerFormat::Tagged { thoughts, calls };
        Self { grammars: Grammars::new(tokenizer().table(), VOCABULARY, &[EOS], format), format }
    }

    /// What an answer of this form is read and held by.
    pub(crate) fn of(&self, form: &AnswerForm) -> (Channels, Option<Guide>) {
        let heard = if form.tool_choice == ToolChoice::None { &[][..] } else { &form.tools };
        let channels = Channels::new(&self.format, heard, false);
        (channels, self.grammars.guide(form, Opening::Chat).unwrap())
    }

    /// Has the model say exactly this text.
    pub(crate) fn script(&self, form: &AnswerForm, text: &str) -> (Channels, Option<Guide>) {
        let grammar = format!("start: {}", Value::from(text));
        let said = AnswerForm { format: OutputFormat::Grammar(grammar), ..AnswerForm::default() };
        (self.of(form).0, self.grammars.guide(&said, Opening::Raw).unwrap())
    }
}

/// Queues a turn whose events all fit its sink.
pub(crate) fn open(
    generation: &mut Generation,
    prompt: &[u32],
    sampling: &Sampling,
    resume: &[u32],
) -> mpsc::Receiver<TurnEvent> {
    open_with_room(generation, prompt, sampling, resume, 4096)
}

/// Queues a turn whose sink holds so many events.
pub(crate) fn open_with_room(
    generation: &mut Generation,
    prompt: &[u32],
    sampling: &Sampling,
    resume: &[u32],
    events: usize,
) -> mpsc::Receiver<TurnEvent> {
    accept(generation, prompt, sampling, resume, (Channels::plain(), None), events)
}

/// Queues a turn for an answer of some form.
pub(crate) fn open_form(
    generation: &mut Generation,
    prompt: &[u32],
    sampling: &Sampling,
    resume: &[u32],
    form: (Channels, Option<Guide>),
) -> mpsc::Receiver<TurnEvent> {
    accept(generation, prompt, sampling, resume, form, 4096)
}

fn accept(
    generation: &mut Generation,
    prompt: &[u32],
    sampling: &Sampling,
    resume: &[u32],
    (channels, guide): (Channels, Option<Guide>),
    events: usize,
) -> mpsc::Receiver<TurnEvent> {
    let (sink, events) = mpsc::channel(events);
    let (prompt, resume) = (prompt.to_vec(), resume.to_vec());
    generation.accept(NewTurn {
        task: Task::Generate,
        prompt,
        pictures: Vec::new(),
        stands_alone: true,
        channels,
        one_call: false,
        guide,
        sampling: sampling.clone(),
        resume,
        sink,
        tells_prefill: false,
    });
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
    run_form(generation, prompt, sampling, resume, (Channels::plain(), None))
}

/// The same for an answer of some form.
pub(crate) fn run_form(
    generation: &mut Generation,
    prompt: &[u32],
    sampling: &Sampling,
    resume: &[u32],
    form: (Channels, Option<Guide>),
) -> Vec<TurnEvent> {
    let mut events = open_form(generation, prompt, sampling, resume, form);
    exhaust(generation);
    drain(&mut events)
}

/// What a consumer makes of the events of one turn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Transcript {
    pub(crate) ids: Vec<u32>,
    /// Text that came with each id.
    pub(crate) texts: Vec<String>,
    /// What the text of each id is.
    pub(crate) marks: Vec<Vec<Mark>>,
    pub(crate) reason: FinishReason,
    pub(crate) tail: String,
    pub(crate) tail_marks: Vec<Mark>,
    /// The stop string that was met.
    pub(crate) stop: Option<String>,
    pub(crate) usage: Usage,
}

impl Transcript {
    /// Reads events and checks their order: `Queued`, `Started` once, tokens without a gap, one end.
    pub(crate) fn read(events: &[TurnEvent], first: usize) -> Self {
        let mut events = events.iter().skip_while(|event| matches!(event, TurnEvent::Queued { .. }));
        assert!(matches!(events.next(), Some(TurnEvent::Started { .. })), "a turn starts before it speaks");
        let (mut ids, mut texts, mut all_marks) = (Vec::new(), Vec::new(), Vec::new());
        for event in events.by_ref() {
            match event {
                TurnEvent::Tokens { first: at, ids: new, text, marks, .. } => {
                    assert_eq!(*at as usize, first + ids.len(), "nothing is missing or twice");
                    ids.extend(new);
                    texts.push(text.clone());
                    all_marks.push(marks.clone());
                }
                TurnEvent::Finished { reason, text, usage, marks, stop, .. } => {
                    assert_eq!(events.next(), None, "nothing follows the end");
                    let (tail, tail_marks, stop) = (text.clone(), marks.clone(), stop.clone());
                    let (reason, usage) = (*reason, *usage);
                    return Self { ids, texts, marks: all_marks, reason, tail, tail_marks, stop, usage };
                }
                other => panic!("unexpected {other:?}"),
            }
        }
        panic!("the turn did not end");
    }

    /// Whole: its text and what it is.
    pub(crate) fn spoken(&self) -> (String, Vec<Mark>) {
        let (mut text, mut joined) = (String::new(), Vec::new());
        let tail = std::iter::once((&self.tail, &self.tail_marks));
        for (piece, marks) in self.texts.iter().zip(&self.marks).chain(tail) {
            join_marks(&mut joined, text.len() as u32, marks);
            text.push_str(piece);
        }
        (text, joined)
    }

    pub(crate) fn text(&self) -> String {
        self.texts.concat() + &self.tail
    }
}
