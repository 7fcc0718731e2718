//! Turns over the Unix socket, answered by MLX as the node has it answer them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::BytesMut;
use pomona_config::{BackendChoice, EngineConfig};
use pomona_engine::serve::{EngineHandle, EngineProcess, spawn_in_thread};
use pomona_protocol::limits::REQUEST_FRAME_BYTES_MAX;
use pomona_protocol::{
    AnswerForm, FrameDecoder, Message, Open, Role, Sampling, Task, TurnEvent, TurnId, TurnInput, TurnRequest,
    encode_frame,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

const PATIENCE: Duration = Duration::from_secs(60);
const PROMPTS: [&str; 4] = [
    "What is Pomona?",
    "How do I add a node?",
    "Tell me a long story about an apple tree.",
    "Who are you, and what happens when one of your machines is switched off in the middle of a sentence?",
];

struct Engine {
    socket: PathBuf,
    _handle: EngineHandle,
    _folder: tempfile::TempDir,
}

fn start(backend: BackendChoice) -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("run/engine.sock");
    let model_dir = pomona_engine::builtin::materialise(&folder.path().join("data")).unwrap();
    let engine = EngineConfig { backend, threads: 2, kv_bytes: 256 << 20, ..EngineConfig::default() };
    let accelerator = pomona_mlx::accelerator();
    let process =
        EngineProcess { socket: socket.clone(), model_dir, model_id: "sprout".into(), engine, accelerator };
    Engine { socket, _handle: spawn_in_thread(process).unwrap(), _folder: folder }
}

/// The ids of an answer behind those that were shown, greedily chosen.
async fn answer(socket: &Path, prompt: &str, resume: &[u32]) -> Vec<u32> {
    let sampling =
        Sampling { temperature: Some(0.0), max_tokens: Some(24), ignore_eos: true, ..Sampling::default() };
    let request = TurnRequest {
        turn: TurnId(7),
        model: "sprout".into(),
        input: TurnInput::Messages(vec![Message::text(Role::User, prompt)]),
        sampling,
        task: Task::Generate,
        form: AnswerForm::default(),
        resume: resume.to_vec(),
        asked_ms: 0,
        tells_prefill: false,
        trace: None,
        deadline_ms: 0,
    };
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let mut frame = BytesMut::new();
    let open = Open::Turn { attempt: 1, request: Box::new(request) };
    encode_frame(&open, &mut frame, REQUEST_FRAME_BYTES_MAX).unwrap();
    stream.write_all(&frame).await.unwrap();
    let mut decoder = FrameDecoder::<TurnEvent>::new(REQUEST_FRAME_BYTES_MAX);
    let mut answer = Vec::new();
    loop {
        while let Some(event) = decoder.next_frame().unwrap() {
            match event {
                TurnEvent::Tokens { ids, .. } => answer.extend(ids),
                TurnEvent::Finished { .. } => return answer,
                TurnEvent::Failed { cause } => panic!("{cause:?}"),
                _ => {}
            }
        }
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(decoder.buffer()));
        assert!(read.await.expect("the engine speaks").unwrap() > 0, "a turn ends with a terminal event");
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn turns_side_by_side_and_resumed_ones_get_the_answers_of_solo_turns() {
    let engine = start(BackendChoice::Mlx);
    run(async {
        let mut solo = Vec::new();
        for prompt in PROMPTS {
            solo.push(answer(&engine.socket, prompt, &[]).await);
        }
        assert!(solo.iter().all(|answer| answer.len() == 24));
        let [a, b, c, d] = PROMPTS.map(|prompt| answer(&engine.socket, prompt, &[]));
        let together = tokio::join!(a, b, c, d);
        assert_eq!([together.0, together.1, together.2, together.3].as_slice(), solo);
        // On an engine that has never seen the beginning, and in the middle of a block.
        let other = start(BackendChoice::Mlx);
        for (prompt, solo) in PROMPTS.iter().zip(&solo) {
            assert_eq!(answer(&other.socket, prompt, &solo[..9]).await, solo[9..], "{prompt}");
        }
    });
}

#[test]
fn both_backends_say_the_same() {
    let (mlx, cpu) = (start(BackendChoice::Auto), start(BackendChoice::Cpu));
    run(async {
        for prompt in PROMPTS {
            let both = tokio::join!(answer(&mlx.socket, prompt, &[]), answer(&cpu.socket, prompt, &[]));
            assert_eq!(both.0, both.1, "{prompt}");
        }
    });
}
