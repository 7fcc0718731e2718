//! KV that is kept: between turns in memory, between engines on disk. An answer is the same with it and without.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pomona_config::EngineConfig;
use pomona_engine::serve::{EngineHandle, EngineProcess, spawn_in_thread};
use pomona_protocol::{EngineLoad, Message, Role, Sampling, TurnInput};

use super::fixture::{Transcript, sampling};
use super::socket::{Peer, on_local, request};

/// More than a file's worth of blocks.
const STORY: &str = "Once upon a time there was an apple tree beside a small house. ";

/// As Qwen3's: thoughts of earlier answers are left out when the conversation is rendered again.
const THINKING_TEMPLATE: &str = "{% for m in messages %}<|im_start|>{{ m.role }}
{% if m.role == 'assistant' and '</think>' in m.content %}{{ m.content.split('</think>')[-1] }}\
{% else %}{{ m.content }}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}";

fn sprout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sprout/model")
}

fn greedy(s: &mut Sampling) {
    s.temperature = Some(0.0);
    s.max_tokens = Some(24);
}

/// An engine on a socket.
struct Served {
    socket: PathBuf,
    peer: Peer,
    _handle: EngineHandle,
}

impl Served {
    async fn start(folder: &Path, model_dir: PathBuf, prefix_disk_bytes: u64) -> Self {
        let socket = folder.join("run/engine.sock");
        let engine = EngineConfig {
            threads: 2,
            kv_bytes: 64 << 20,
            prefix_disk_bytes,
            prefix_disk_folder: Some(folder.join("prefix").display().to_string()),
            ..EngineConfig::default()
        };
        let process = EngineProcess {
            socket: socket.clone(),
            model_dir,
            model_id: "fake".into(),
            engine,
            accelerator: None,
        };
        let handle = spawn_in_thread(process).unwrap();
        Self { peer: Peer::connect(&socket).await, socket, _handle: handle }
    }

    async fn ask(&mut self, turns: &[&str]) -> Transcript {
        Transcript::read(&self.peer.turn(request(conversation(turns), sampling(greedy))).await, 0)
    }

    /// What the engine says of itself when there is KV on disk.
    async fn when_kept(&self) -> EngineLoad {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let load = Peer::load_of(&self.socket).await;
            if load.prefix_disk_bytes > 0 {
                return load;
            }
            assert!(Instant::now() < until, "nothing is kept on disk: {load:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn conversation(turns: &[&str]) -> TurnInput {
    let roles = [Role::User, Role::Assistant].into_iter().cycle();
    TurnInput::Messages(turns.iter().zip(roles).map(|(text, role)| Message::text(role, *text)).collect())
}

/// Files with KV, each a safetensors file.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(models) = fs::read_dir(folder.join("prefix")) else { return Vec::new() };
    let files = models.flat_map(|model| fs::read_dir(model.unwrap().path()).unwrap());
    files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "safetensors"))
        .collect()
}

#[test]
fn the_second_turn_of_a_chat_loses_at_most_a_block_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let long = STORY.repeat(12);
    on_local(async {
        let mut engine = Served::start(folder.path(), sprout(), 0).await;
        let first = engine.ask(&[&long]).await;
        let second = engine.ask(&[&long, &first.text(), "Go on."]).await;
        let known = first.usage.prompt_tokens + first.usage.completion_tokens;
        let cached = second.usage.cached_tokens;
        // The KV of the last token was not needed, and what fills no block is not shared.
        assert!(cached + 33 >= known && cached <= known, "{cached} of {known} tokens");
    });
}

#[test]
fn a_template_that_drops_old_thoughts_shares_what_comes_before_them() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    for file in fs::read_dir(sprout()).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, model.join(path.file_name().unwrap())).unwrap();
    }
    fs::write(model.join("chat_template.jinja"), THINKING_TEMPLATE).unwrap();
    let long = STORY.repeat(12);
    on_local(async {
        let mut engine = Served::start(folder.path(), model, 0).await;
        let first = engine.ask(&[&long]).await;
        let thought = format!("a thought that nobody needs</think>{}", first.text());
        let second = engine.ask(&[&long, &thought, "Go on."]).await;
        let (prompt, cached) = (first.usage.prompt_tokens, second.usage.cached_tokens);
        assert!(cached + 33 >= prompt, "{cached} of {prompt} tokens");
    });
}

#[test]
fn a_restart_finds_the_prefix_on_disk_and_answers_alike() {
    let folder = tempfile::tempdir().unwrap();
    let long = STORY.repeat(20);
    on_local(async {
        let mut engine = Served::start(folder.path(), sprout(), 1 << 30).await;
        let cold = engine.ask(&[&long]).await;
        let load = engine.when_kept().await;
        assert_eq!((cold.usage.cached_tokens, load.restored_tokens), (0, 0), "an idle engine writes");
        drop(engine);
        let mut engine = Served::start(folder.path(), sprout(), 1 << 30).await;
        engine.when_kept().await;
        let again = engine.ask(&[&long]).await;
        let load = engine.when_kept().await;
        assert_eq!((&again.ids, again.text()), (&cold.ids, cold.text()));
        assert!(again.usage.cached_tokens + 33 >= cold.usage.prompt_tokens, "{:?}", again.usage);
        assert_eq!(load.restored_tokens, u64::from(again.usage.cached_tokens));
    });
}

#[test]
fn a_damaged_file_costs_time_and_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let long = STORY.repeat(20);
    on_local(async {
        let mut engine = Served::start(folder.path(), sprout(), 1 << 30).await;
        let cold = engine.ask(&[&long]).await;
        engine.when_kept().await;
        drop(engine);
        let mut engine = Served::start(folder.path(), sprout(), 1 << 30).await;
        engine.when_kept().await;
        for path in files(folder.path()) {
            let mut bytes = fs::read(&path).unwrap();
            for place in (0..bytes.len()).skip(bytes.len() / 2).step_by(997) {
                bytes[place] ^= 0x40;
            }
            fs::write(&path, bytes).unwrap();
        }
        let again = engine.ask(&[&long]).await;
        assert_eq!((&again.ids, again.text()), (&cold.ids, cold.text()));
        let load = Peer::load_of(&engine.socket).await;
        assert!(load.broken_prefix_files > 0, "{load:?}");
    });
}
