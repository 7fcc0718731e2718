//! Nobody hears anybody else: whatever happens around it, an answer is the one that its prompt gets alone.
//!
//! Many turns at once join, leave, come back with what they have heard (`resume`) and read slowly, on an engine whose
//! memory is too small for all of them and whose prefix tree is warm. Each is compared with its run on an engine of
//! its own without guessing. `POMONA_TEST_SEED` repeats a run, `POMONA_TEST_FULL=1` takes the heavy counts.

mod crowd;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pomona_engine::checkpoint::Checkpoint;
use pomona_engine::cpu::{CpuBackend, CpuOptions};
use pomona_engine::generation::{Generation, LoadBoard, ModelFacts};
use pomona_engine::scheduler::SchedulerLimits;
use pomona_engine::template::{ChatTemplate, Conversation};
use pomona_engine::tokenizer::{TokenTable, Tokenizer};
use pomona_protocol::{Message, Role};

use super::fixture::{Transcript, open_with_room, run, sampling, tokenizer};
use crowd::{Asked, Random, crowd};

/// Prompts at once.
const CROWD: usize = 64;
/// Whether the heavy counts were asked for.
fn is_full() -> bool {
    std::env::var_os("POMONA_TEST_FULL").is_some()
}

/// A model folder with what is needed to say something with it.
struct Model {
    folder: PathBuf,
    checkpoint: Checkpoint,
    tokens: Arc<TokenTable>,
}

impl Model {
    fn fixture(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
        Self::new(folder, |_| Arc::clone(tokenizer().table()))
    }

    fn sprout() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sprout/model");
        Self::new(folder.clone(), |checkpoint| Arc::clone(open_tokenizer(&folder, checkpoint).table()))
    }

    fn new(folder: PathBuf, tokens: impl FnOnce(&Checkpoint) -> Arc<TokenTable>) -> Self {
        let checkpoint = Checkpoint::open(&folder).unwrap();
        Self { tokens: tokens(&checkpoint), folder, checkpoint }
    }

    fn engine(&self, kv_blocks: usize, step_guesses_max: usize) -> (Generation, Arc<LoadBoard>) {
        let options = CpuOptions { threads: 2, kv_blocks, ..CpuOptions::default() };
        let backend = CpuBackend::load(&self.checkpoint, options).unwrap();
        let facts = ModelFacts {
            tokens: Arc::clone(&self.tokens),
            eos_token_ids: self.checkpoint.eos_token_ids.clone(),
            defaults: self.checkpoint.generation.clone(),
        };
        let limits = SchedulerLimits {
            running_max: 48,
            waiting_max: 2 * CROWD,
            step_prefill_tokens_max: 96,
            step_guesses_max,
            guess_chance_min: Some(0.3),
        };
        let board = Arc::new(LoadBoard::default());
        (Generation::new(Box::new(backend), facts, limits, Arc::clone(&board)), board)
    }
}

fn open_tokenizer(folder: &Path, checkpoint: &Checkpoint) -> Tokenizer {
    Tokenizer::open(folder, checkpoint.config.vocabulary).unwrap()
}

/// Prompts of all lengths: of chance, with a common beginning, and such that repeat themselves.
fn random_prompts(random: &mut Random, vocabulary: u32) -> Vec<Vec<u32>> {
    let common: Vec<u32> = (0..70).map(|_| random.below(vocabulary)).collect();
    let mut prompts = Vec::new();
    for index in 0..CROWD {
        let length = 1 + random.below(100) as usize;
        let period = if index % 3 == 2 { 2 + random.below(9) as usize } else { length };
        let text: Vec<u32> = (0..period).map(|_| random.below(vocabulary)).collect();
        let own = text.iter().cycle().take(length).copied();
        let shared = if index % 3 == 1 { 33 + random.below(38) as usize } else { 0 };
        prompts.push(common[..shared].iter().copied().chain(own).collect());
    }
    prompts
}

/// Questions to the built-in model, some with the same beginning.
fn questions(model: &Model, count: usize) -> Vec<Vec<u32>> {
    const BEGINNINGS: [&str; 4] =
        ["Tell me a story about", "What is", "Repeat these words three times:", "How do I use"];
    const THINGS: [&str; 8] =
        ["an apple tree", "a node", "Pomona", "the sea", "a fox", "7 + 5", "tea", "a king"];
    let tokenizer = open_tokenizer(&model.folder, &model.checkpoint);
    let template = ChatTemplate::open(&model.folder);
    let ask = |index: usize| {
        let text = format!("{} {} ({index})", BEGINNINGS[index % 4], THINGS[index / 4 % 8]);
        let rendered = template.render(&Conversation::new(&[Message::text(Role::User, &text)])).unwrap();
        tokenizer.encode_rendered(&rendered).unwrap()
    };
    (0..count).map(ask).collect()
}

/// Asks each prompt alone, on a cold engine without guessing, for an answer of some length.
fn ask_alone(model: &Model, random: &mut Random, prompts: Vec<Vec<u32>>, answer_max: u32) -> Vec<Asked> {
    let ask = |prompt: Vec<u32>| {
        let request = sampling(|s| {
            s.temperature = Some(0.0);
            s.max_tokens = Some(1 + random.below(answer_max));
            s.repetition_penalty = Some(1.0);
        });
        let mut engine = model.engine(prompt.len() / 32 + 6, 0).0;
        let alone = Transcript::read(&run(&mut engine, &prompt, &request, &[]), 0);
        Asked { prompt, sampling: request, alone }
    };
    prompts.into_iter().map(ask).collect()
}

/// So many rounds of all together on one engine, with and without guessing. Returns the tokens that were guessed.
fn check(model: &Model, kv_blocks: usize, asked: &[Asked], random: &mut Random, rounds: usize) -> u64 {
    let mut guessed = 0;
    for guesses in [16, 0] {
        let (mut engine, board) = model.engine(kv_blocks, guesses);
        for _ in 0..rounds {
            crowd(&mut engine, asked, random);
        }
        let load = board.snapshot(0);
        assert_eq!((load.running, load.waiting), (0, 0));
        assert!(load.cached_tokens > 0, "the prefix tree is warm");
        assert!(guesses > 0 || load.guessed_tokens == 0, "{} guesses", load.guessed_tokens);
        eprintln!("{} of {} guesses were right", load.accepted_tokens, load.guessed_tokens);
        guessed += load.guessed_tokens;
    }
    guessed
}

#[test]
fn nobody_hears_anybody_else() {
    let mut random = Random::announced();
    let names: &[&str] = if is_full() { &["qwen3", "llama", "mistral", "qwen2"] } else { &["qwen3"] };
    for name in names {
        let model = Model::fixture(name);
        let prompts = random_prompts(&mut random, model.checkpoint.config.vocabulary as u32);
        let asked = ask_alone(&model, &mut random, prompts, 40);
        let guessed = check(&model, 150, &asked, &mut random, if is_full() { 200 } else { 20 });
        assert!(guessed > 0, "some prompts repeat themselves");
    }
}

#[test]
fn nobody_hears_anybody_else_from_the_built_in_model() {
    let mut random = Random::announced();
    let model = Model::sprout();
    let (count, rounds, answer_max) = if is_full() { (CROWD, 20, 200) } else { (16, 2, 48) };
    let prompts = questions(&model, count);
    let asked = ask_alone(&model, &mut random, prompts, answer_max);
    check(&model, 4 * count, &asked, &mut random, rounds);
}
