//! `kill -9` in the middle of an answer that has a form: another engine goes on where it stood.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;

use pomona_protocol::said::marks_from;
use pomona_protocol::{AnswerForm, Open, Sampling, TurnEvent, TurnRequest};
use serde_json::Value;
use tempfile::TempDir;

use super::fixture::{Transcript, sampling};
use super::forms::{required, schema};
use super::process::{spawn_with, wait_for};
use super::socket::{Peer, chat, on_local, request};
use super::sprout;

/// Set to kill at every token; otherwise it is done at [`PLACES`].
const FULL_VARIABLE: &str = "POMONA_TEST_FULL";
const PLACES: usize = 6;
const TEMPLATE: &str = "{% for t in tools %}{{ t | tojson }}<tool_call>\n{% endfor %}{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}{{ '<|im_start|>assistant\n' }}";

/// The built-in model with a template that has a place for tools.
fn model_with_tools(folder: &Path) -> PathBuf {
    let model = folder.join("model");
    fs::create_dir(&model).unwrap();
    for entry in fs::read_dir(sprout::model()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), model.join(entry.file_name())).unwrap();
    }
    let path = model.join("tokenizer_config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["chat_template"] = Value::from(TEMPLATE);
    fs::write(path, serde_json::to_vec(&config).unwrap()).unwrap();
    model
}

/// An engine in a process of its own.
struct Engine {
    child: Child,
    folder: TempDir,
}

impl Engine {
    fn start(model: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = Self { child: spawn_with(&folder.path().join("engine.sock"), model), folder };
        wait_for(|| std::os::unix::net::UnixStream::connect(engine.socket()).ok());
        engine
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn turn(form: &AnswerForm, sampling: &Sampling, resume: &[u32]) -> TurnRequest {
    let plain = request(chat("What is Pomona?"), sampling.clone());
    TurnRequest { form: form.clone(), resume: resume.to_vec(), ..plain }
}

/// Asks, and stops listening at this many tokens; returns their ids.
async fn first_tokens(socket: &Path, asked: TurnRequest, count: usize) -> Vec<u32> {
    let mut peer = Peer::connect(socket).await;
    peer.open(&Open::Turn { attempt: 1, request: Box::new(asked) }).await;
    let mut shown = Vec::new();
    while shown.len() < count {
        match peer.next::<TurnEvent>().await.expect("the engine lives") {
            TurnEvent::Tokens { ids, .. } => shown.extend(ids),
            TurnEvent::Queued { .. } | TurnEvent::Started { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    shown.truncate(count);
    shown
}

/// Kills at one index after the other; whoever goes on ends the answer as it would have ended.
fn check(model: &Path, form: &AnswerForm, sampling: &Sampling) {
    let mut engine = Engine::start(model);
    let socket = engine.socket();
    let whole = on_local(async {
        Transcript::read(&Peer::connect(&socket).await.turn(turn(form, sampling, &[])).await, 0)
    });
    let stride = if std::env::var_os(FULL_VARIABLE).is_some() { 1 } else { whole.ids.len().div_ceil(PLACES) };
    for index in (1..whole.ids.len()).step_by(stride) {
        let socket = engine.socket();
        let shown = on_local(first_tokens(&socket, turn(form, sampling, &[]), index));
        assert_eq!(shown, whole.ids[..index]);
        engine.kill();
        engine = Engine::start(model);
        let socket = engine.socket();
        let rest = on_local(async {
            Transcript::read(&Peer::connect(&socket).await.turn(turn(form, sampling, &shown)).await, index)
        });
        assert_eq!(rest.ids, whole.ids[index..], "at {index}");
        // Tokens that were guessed come several to an event; what they say is the same.
        let ((all, all_marks), (text, marks)) = (whole.spoken(), rest.spoken());
        assert!(all.ends_with(&text), "at {index}: {text}");
        assert_eq!(marks, marks_from(&all_marks, (all.len() - text.len()) as u32), "at {index}");
        let ends = [&rest, &whole].map(|read| (read.reason, read.usage.completion_tokens));
        assert_eq!(ends[0], ends[1], "at {index}");
    }
    engine.kill();
}

#[test]
fn an_answer_of_a_form_survives_kill_9_at_every_token() {
    let folder = tempfile::tempdir().unwrap();
    let model = model_with_tools(folder.path());
    let request = sampling(|s| (s.seed, s.max_tokens) = (5, Some(450)));
    check(&model, &schema(), &request);
    check(&model, &required(), &request);
}

#[test]
fn what_a_model_cannot_do_is_refused_over_the_socket() {
    let engine = Engine::start(&sprout::model());
    let socket = engine.socket();
    let refused = |form: AnswerForm| {
        on_local(async {
            match Peer::connect(&socket).await.turn(turn(&form, &sampling(|_| ()), &[])).await.pop() {
                Some(TurnEvent::Failed { cause }) => cause.to_string(),
                other => panic!("{other:?}"),
            }
        })
    };
    assert_eq!(refused(required()), "tools: the chat template of model `fake` has no place for tools");
    let mut nameless = required();
    nameless.tools[0].name = "two words".to_owned();
    assert!(refused(nameless).starts_with("tools: the name `two words` is not"));
    let bad = AnswerForm { format: pomona_protocol::OutputFormat::JsonSchema("[".to_owned()), ..schema() };
    assert!(refused(bad).starts_with("response_format: the schema is no JSON: "));
    engine.kill();
}
