//! The engine as a process: it goes with its parent, however that goes, and when told.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use pomona_config::EngineConfig;
use pomona_engine::serve::{EngineProcess, run_process};

use super::fixture::{Transcript, sampling};
use super::socket::{Peer, chat, on_local, request};
use super::sprout::model;

/// Set for a copy of this test binary that is to be the engine.
const SOCKET_VARIABLE: &str = "POMONA_TEST_ENGINE_SOCKET";
/// The folder of its model, if it is not the built-in one.
const MODEL_VARIABLE: &str = "POMONA_TEST_ENGINE_MODEL";
const PATIENCE: Duration = Duration::from_secs(20);

/// No test of its own: the body of the child process.
#[test]
fn engine_process() {
    let Some(socket) = std::env::var_os(SOCKET_VARIABLE) else { return };
    run_process(EngineProcess {
        socket: socket.into(),
        model_dir: std::env::var_os(MODEL_VARIABLE).map_or_else(model, PathBuf::from),
        model_id: "fake".into(),
        engine: EngineConfig { threads: 1, kv_bytes: 16 << 20, ..EngineConfig::default() },
        accelerator: None,
    })
    .unwrap();
}

fn spawn(socket: &Path) -> Child {
    spawn_with(socket, &model())
}

/// An engine process that serves the model of a folder.
pub(crate) fn spawn_with(socket: &Path, model: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["serving::process::engine_process", "--exact"])
        .env(SOCKET_VARIABLE, socket)
        .env(MODEL_VARIABLE, model)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

pub(crate) fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < until, "nothing happened within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts an engine process, has it answer a turn, ends it; returns how it ended and its socket.
fn check(end: impl FnOnce(&mut Child)) -> (ExitStatus, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("run/engine.sock");
    let mut child = spawn(&socket);
    wait_for(|| std::os::unix::net::UnixStream::connect(&socket).ok());
    on_local(async {
        let mut peer = Peer::connect(&socket).await;
        Transcript::read(&peer.turn(request(chat("hello"), sampling(|_| ()))).await, 0);
    });
    end(&mut child);
    (wait_for(|| child.try_wait().unwrap()), socket)
}

#[test]
fn an_engine_process_ends_when_its_parent_has_gone() {
    let (status, socket) = check(|child| drop(child.stdin.take()));
    assert!(status.success(), "{status}");
    assert!(!socket.exists());
}

#[test]
fn an_engine_process_ends_when_told_and_leaves_interrupts_to_its_parent() {
    let kill = |child: &Child, signal: &str| {
        let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(status.success());
    };
    let (status, _) = check(|child| {
        kill(child, "-INT");
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(child.try_wait().unwrap(), None);
        kill(child, "-TERM");
    });
    assert!(status.success(), "{status}");
}
