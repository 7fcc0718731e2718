//! The engine as a process or a thread of its own.
//!
//! A process lives no longer than its parent: the parent holds the other end of its standard input, whose end
//! it takes as the order to go, however the parent died.

use std::fs::{DirBuilder, Permissions};
use std::future::Future;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use pomona_config::EngineConfig;
use pomona_protocol::ModelId;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::{EngineError, ServeOptions, serve};
use crate::backend::Accelerator;

/// What an engine is started with.
#[derive(Clone, Debug)]
pub struct EngineProcess {
    /// Unix socket to listen on; made anew, for this user only.
    pub socket: PathBuf,
    /// A Hugging Face folder.
    pub model_dir: PathBuf,
    /// What turns call the model.
    pub model_id: ModelId,
    /// Threads, memory and batch.
    pub engine: EngineConfig,
    /// What serves models besides the CPU, if this build has such.
    pub accelerator: Option<&'static dyn Accelerator>,
}

/// Runs an engine in this process until standard input ends, SIGTERM comes, or it fails. SIGINT is left to the
/// parent: a terminal sends it to both, and the parent wants its turns to end well.
pub fn run_process(process: EngineProcess) -> Result<(), EngineError> {
    let listener = bind(&process.socket)?;
    run(process, listener, async {
        let (Ok(mut terminate), Ok(_interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            tracing::warn!("signals cannot be watched; the engine ends with its standard input only");
            return stdin_end().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            () = stdin_end() => {}
        }
    })
}

/// An engine in a thread of this process. Ends when it is dropped.
#[derive(Debug)]
pub struct EngineHandle {
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), EngineError>>>,
}

/// Starts an engine in a thread; its socket takes connections when this returns.
pub fn spawn_in_thread(process: EngineProcess) -> Result<EngineHandle, EngineError> {
    let listener = bind(&process.socket)?;
    let (shutdown, ordered) = oneshot::channel::<()>();
    // A sender that is dropped says the same as one that sends.
    let body = move || run(process, listener, async { drop(ordered.await) });
    let thread = std::thread::Builder::new().name("engine-io".to_owned()).spawn(body);
    let thread = thread.map_err(failed("start a thread"))?;
    Ok(EngineHandle { shutdown: Some(shutdown), thread: Some(thread) })
}

impl EngineHandle {
    /// Whether it still runs; one that failed has told its watchers why.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for EngineHandle {
    fn drop(&mut self) {
        drop(self.shutdown.take());
        if let Some(thread) = self.thread.take() {
            // How it ended was logged and told to watchers.
            let _ = thread.join();
        }
    }
}

fn run(
    process: EngineProcess,
    listener: UnixListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), EngineError> {
    let EngineProcess { socket, model_dir, model_id, engine, accelerator } = process;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed("start the engine's runtime"))?;
    let result = runtime.block_on(async {
        let listener = tokio::net::UnixListener::from_std(listener).map_err(failed("listen"))?;
        let options = ServeOptions { model_dir, model_id, engine, accelerator };
        serve(listener, options, shutdown).await
    });
    // A prompt that is still being tokenised must not hold up the end.
    runtime.shutdown_background();
    // The next engine on this path removes what is left.
    let _ = std::fs::remove_file(socket);
    result
}

/// Binds the socket so that only this user can connect, in a folder that is made when missing.
fn bind(socket: &Path) -> Result<UnixListener, EngineError> {
    let bound = || {
        if let Some(folder) = socket.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(socket)?;
        std::fs::set_permissions(socket, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bound().map_err(failed(format!("listen on {}", socket.display())))
}

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> EngineError {
    let what = what.into();
    move |source| EngineError::Io { what, source }
}

/// Completes when standard input ends. Reads on a thread that nobody waits for.
async fn stdin_end() {
    let (ended, end) = oneshot::channel::<()>();
    let body = move || {
        let mut bytes = [0; 64];
        let mut stdin = io::stdin().lock();
        loop {
            match stdin.read(&mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        drop(ended);
    };
    match std::thread::Builder::new().name("lifeline".to_owned()).spawn(body) {
        Ok(_) => drop(end.await),
        // Without the thread only SIGTERM ends this process.
        Err(_) => std::future::pending().await,
    }
}
