//! One engine process and what it says of itself: spawn, watch, kill. Owned by a Model actor, which hears
//! everything as [`EngineEvent`]s and ends the process by dropping this.
//!
//! The process gets our end of a pipe as its standard input and ends when that closes, so not even `kill -9`
//! of this node leaves an engine behind.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use pomona_config::Isolation;
use pomona_protocol::limits::EVENT_FRAME_BYTES_MAX;
use pomona_protocol::{Cause, EngineReport, FrameDecoder, Open, encode_frame};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::owned;
use crate::shared::{LocalModel, Shared};

/// Between tries to reach the socket of an engine that is starting.
const CONNECT_PAUSE: Duration = Duration::from_millis(5);
/// For a process to end by itself after its stream did, before it is killed.
const EXIT_GRACE: Duration = Duration::from_millis(500);
/// Longest line of an engine's standard error that is passed on.
const LOG_LINE_BYTES_MAX: u64 = 4096;
/// Why an engine ended that nobody wants any more.
const KILLED: &str = "it was killed";

/// What a Model hears of its engine.
#[derive(Debug)]
pub(crate) enum EngineEvent {
    /// It reported.
    Report(EngineReport),
    /// It is gone; nothing follows.
    Ended(Cause),
}

pub(crate) struct EngineProcess {
    socket: PathBuf,
    pid: Arc<AtomicU32>,
    kill: CancellationToken,
    _task: AbortOnDropHandle<()>,
}

impl EngineProcess {
    /// Starts an engine and tells about it until it ended.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        model: &LocalModel,
        tell: impl Fn(EngineEvent) + Send + Sync + 'static,
    ) -> Self {
        let number = shared.engines_started.fetch_add(1, Ordering::Relaxed);
        let socket = shared.run_dir.join(format!("engine-{number}.sock"));
        let pid = Arc::new(AtomicU32::new(0));
        let kill = CancellationToken::new();
        let run =
            run(Arc::clone(shared), model.clone(), socket.clone(), Arc::clone(&pid), kill.clone(), tell);
        Self { socket, pid, kill, _task: owned::spawn(run) }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Process id, when the engine is a process and runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        self.kill.cancel();
    }
}

async fn run(
    shared: Arc<Shared>,
    model: LocalModel,
    socket: PathBuf,
    pid: Arc<AtomicU32>,
    kill: CancellationToken,
    tell: impl Fn(EngineEvent) + Send + Sync + 'static,
) {
    let _ = std::fs::remove_file(&socket);
    let cause = match shared.engine.isolation {
        Isolation::Process => match command(&shared, &model, &socket).spawn() {
            Ok(child) => {
                pid.store(child.id().unwrap_or(0), Ordering::Relaxed);
                let cause = run_process(&shared, child, &socket, &kill, &tell).await;
                pid.store(0, Ordering::Relaxed);
                cause
            }
            Err(error) => Cause::EngineLost { message: format!("the engine process did not start: {error}") },
        },
        Isolation::Thread => run_thread(&shared, &model, &socket, &kill, &tell).await,
    };
    let _ = std::fs::remove_file(&socket);
    tell(EngineEvent::Ended(cause));
}

fn command(shared: &Shared, model: &LocalModel, socket: &Path) -> Command {
    let mut command = match shared.engine.command.split_first() {
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
        None => {
            let mut command =
                Command::new(std::env::current_exe().unwrap_or_else(|_| PathBuf::from("pomona")));
            command.arg("engine");
            command
        }
    };
    let engine = serde_json::to_string(&shared.engine).unwrap_or_default();
    command.arg("--socket").arg(socket).arg("--model-dir").arg(&model.folder);
    command.arg("--model-id").arg(&model.id.0).arg("--engine-json").arg(engine);
    // A signal from the terminal is for the node, which ends its engines itself.
    command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn run_process(
    shared: &Shared,
    mut child: Child,
    socket: &Path,
    kill: &CancellationToken,
    tell: &(impl Fn(EngineEvent) + Sync),
) -> Cause {
    let _lifeline = child.stdin.take();
    let log = child.stderr.take().map(|stderr| owned::spawn(forward_log(stderr)));
    let opened = tokio::select! {
        opened = open_watch(shared, socket) => opened,
        status = child.wait() => Err(ended(status)),
        () = kill.cancelled() => Err(KILLED.to_owned()),
    };
    let watched = match opened {
        Ok(stream) => {
            let mut watching = std::pin::pin!(watch(shared, stream, tell));
            tokio::select! {
                watched = &mut watching => watched,
                status = child.wait() => {
                    // Its last report, which may say why, can still be on its way; the stream's end follows.
                    let _ = tokio::time::timeout(EXIT_GRACE, watching).await;
                    ended(status)
                }
                () = kill.cancelled() => KILLED.to_owned(),
            }
        }
        Err(message) => message,
    };
    if kill.is_cancelled() || tokio::time::timeout(EXIT_GRACE, child.wait()).await.is_err() {
        let _ = child.start_kill();
    }
    let status = child.wait().await;
    if let Some(log) = log {
        // What it said last is what a person wants to read.
        let _ = tokio::time::timeout(EXIT_GRACE, log).await;
    }
    Cause::EngineLost { message: format!("{watched} ({})", describe(status)) }
}

async fn run_thread(
    shared: &Shared,
    model: &LocalModel,
    socket: &Path,
    kill: &CancellationToken,
    tell: &(impl Fn(EngineEvent) + Sync),
) -> Cause {
    let engine = pomona_engine::serve::EngineProcess {
        socket: socket.to_owned(),
        model_dir: model.folder.clone(),
        model_id: model.id.clone(),
        engine: shared.engine.clone(),
        accelerator: shared.accelerator,
    };
    let thread = match pomona_engine::serve::spawn_in_thread(engine) {
        Ok(thread) => thread,
        Err(error) => {
            return Cause::EngineLost { message: format!("the engine thread did not start: {error}") };
        }
    };
    let watched = async {
        match open_watch(shared, socket).await {
            Ok(stream) => watch(shared, stream, tell).await,
            Err(message) => message,
        }
    };
    let message = tokio::select! {
        watched = watched => watched,
        () = kill.cancelled() => KILLED.to_owned(),
    };
    // Its end waits for a running step.
    let _ = tokio::task::spawn_blocking(move || drop(thread)).await;
    Cause::EngineLost { message }
}

/// Asks the engine for its reports, once it has opened its socket.
async fn open_watch(shared: &Shared, socket: &Path) -> Result<UnixStream, String> {
    let load_timeout = Duration::from_millis(shared.model.load_timeout_ms);
    let Ok(mut stream) = tokio::time::timeout(load_timeout, connect(socket)).await else {
        return Err(format!("it did not open its socket within {} ms", shared.model.load_timeout_ms));
    };
    let mut open = BytesMut::new();
    encode_frame(&Open::Watch, &mut open, EVENT_FRAME_BYTES_MAX).map_err(|error| error.to_string())?;
    stream.write_all(&open).await.map_err(|error| format!("its socket failed: {error}"))?;
    Ok(stream)
}

/// Passes reports on until the engine stops reporting; says how that ended.
async fn watch(shared: &Shared, mut stream: UnixStream, tell: &(impl Fn(EngineEvent) + Sync)) -> String {
    let load_timeout = Duration::from_millis(shared.model.load_timeout_ms);
    let mut decoder = FrameDecoder::<EngineReport>::new(EVENT_FRAME_BYTES_MAX);
    let mut load_until = Some(tokio::time::Instant::now() + load_timeout);
    loop {
        let read = stream.read_buf(decoder.buffer());
        let read = match load_until {
            Some(until) => match tokio::time::timeout_at(until, read).await {
                Ok(read) => read,
                Err(_) => return format!("it did not load within {} ms", shared.model.load_timeout_ms),
            },
            None => read.await,
        };
        match read {
            Ok(0) => return "its watch stream ended".to_owned(),
            Ok(_) => {}
            Err(error) => return format!("its watch stream failed: {error}"),
        }
        loop {
            match decoder.next_frame() {
                Ok(Some(report)) => {
                    if matches!(report, EngineReport::Ready { .. }) {
                        load_until = None;
                    }
                    tell(EngineEvent::Report(report));
                }
                Ok(None) => break,
                Err(error) => return format!("its watch stream broke the protocol: {error}"),
            }
        }
    }
}

async fn connect(socket: &Path) -> UnixStream {
    loop {
        if let Ok(stream) = UnixStream::connect(socket).await {
            return stream;
        }
        tokio::time::sleep(CONNECT_PAUSE).await;
    }
}

/// Passes the engine's own log on, at the level that each line begins with.
async fn forward_log(stderr: impl AsyncRead + Unpin) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut stderr).take(LOG_LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let line = String::from_utf8_lossy(&line);
                let (level, message) = line.trim().split_once(' ').unwrap_or_default();
                match level {
                    "ERROR" => tracing::error!(target: "engine", "{message}"),
                    "WARN" => tracing::warn!(target: "engine", "{message}"),
                    "INFO" => tracing::info!(target: "engine", "{message}"),
                    _ => tracing::info!(target: "engine", "{}", line.trim_end()),
                }
            }
        }
    }
}

fn ended(status: std::io::Result<std::process::ExitStatus>) -> String {
    format!("its process ended: {}", describe(status))
}

fn describe(status: std::io::Result<std::process::ExitStatus>) -> String {
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}
