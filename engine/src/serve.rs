//! An engine on a Unix socket: the shell around [`crate::generation`].
//!
//! Spawned by the node, as a process of its own ([`run_process`]) or as a thread ([`spawn_in_thread`]). The
//! socket is answered from the start. A watcher is told of loading and load; a turn that comes early waits
//! until the model is there. Tokens go from the engine's thread to a connection through one bounded channel
//! per turn, and nothing on that way blocks. The words are those of [`pomona_protocol::engine`]. Restarting is
//! the node's business: an engine whose backend failed says so and ends.

mod choice;
mod connection;
mod load;
mod prepare;
mod process;
mod thread;
mod turn;
mod watch;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use pomona_config::{EngineConfig, Speculation};
use pomona_protocol::ModelId;
use tokio::net::UnixListener;
use tokio::sync::{oneshot, watch as phase_channel};
use tokio::task::JoinSet;

use crate::backend::Accelerator;
use crate::generation::LoadBoard;
use crate::scheduler::SchedulerLimits;
pub use load::{Loaded, LoadedModel};
pub use process::{EngineHandle, EngineProcess, run_process, spawn_in_thread};
use thread::{Command, Phase};

/// Connections at once. Each takes a file descriptor and a few KiB; more wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 8192;
/// Guessed tokens in one step: two answers' worth. More would keep the others of a batch waiting for longer than a
/// reader overlooks.
const STEP_GUESSES_MAX: usize = 16;
/// How long connections get to say their last words before the engine ends.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long a running step may delay the end.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// Why an engine ended.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The model could not be loaded.
    #[error("the model could not be loaded: {message}")]
    Load {
        /// What was expected and found.
        message: String,
    },
    /// The socket or the runtime could not be set up.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, on which path.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A step failed.
    #[error(transparent)]
    Backend(#[from] crate::backend::BackendError),
    /// The engine's thread panicked.
    #[error("the engine's thread panicked: {message}")]
    Panicked {
        /// The panic's message.
        message: String,
    },
}

/// What to serve.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// A Hugging Face folder.
    pub model_dir: PathBuf,
    /// What turns call the model.
    pub model_id: ModelId,
    /// Threads, memory and batch.
    pub engine: EngineConfig,
    /// What serves models besides the CPU, if this build has such.
    pub accelerator: Option<&'static dyn Accelerator>,
}

/// Loads a model; told where to report bytes done and bytes in all.
pub type Loader = Box<dyn FnOnce(&mut dyn FnMut(u64, u64)) -> Result<Loaded, EngineError> + Send>;

/// Serves the model of a folder until `shutdown` completes or the engine fails.
pub async fn serve(
    listener: UnixListener,
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> Result<(), EngineError> {
    let ServeOptions { model_dir, model_id, engine, accelerator } = options;
    let limits = limits(&engine);
    let id = model_id.clone();
    let loader: Loader =
        Box::new(move |progress| load::load_folder(&model_dir, id, &engine, accelerator, progress));
    serve_loaded_by(listener, loader, model_id, limits, shutdown).await
}

/// Serves what `loader` loads; it runs on the engine's thread, which the backend never leaves.
pub async fn serve_loaded_by(
    listener: UnixListener,
    loader: Loader,
    model_id: ModelId,
    limits: SchedulerLimits,
    shutdown: impl Future<Output = ()>,
) -> Result<(), EngineError> {
    let (commands, inbox) = mpsc::channel();
    let (phase, phase_seen) = phase_channel::channel(Phase::Loading { bytes_done: 0, bytes_total: 0 });
    let (ended, mut engine_end) = oneshot::channel();
    let board = Arc::new(LoadBoard::default());
    let engine_thread = thread::EngineThread {
        born: Instant::now(),
        model_id: model_id.clone(),
        limits,
        inbox,
        phase,
        board: Arc::clone(&board),
    };
    engine_thread.spawn(loader, ended)?;

    let service = Service { model_id, phase: phase_seen, commands, board };
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    let result = loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection::run(stream, service.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            },
            Some(_) = connections.join_next() => {}
            ended = &mut engine_end => {
                let silent = |_| Err(EngineError::Panicked { message: "it ended without a word".to_owned() });
                break ended.unwrap_or_else(silent);
            }
            () = &mut shutdown => {
                // Without a receiver the thread is gone already; one that is in a long step is left behind.
                let _ = service.commands.send(Command::Stop);
                let _ = tokio::time::timeout(STOP_WAIT, &mut engine_end).await;
                break Ok(());
            }
        }
    };
    let all_ended = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_WORDS, all_ended).await;
    result
}

/// What every connection needs.
#[derive(Clone)]
struct Service {
    model_id: ModelId,
    phase: phase_channel::Receiver<Phase>,
    commands: mpsc::Sender<Command>,
    board: Arc<LoadBoard>,
}

fn limits(engine: &EngineConfig) -> SchedulerLimits {
    SchedulerLimits {
        running_max: engine.running_max.max(1) as usize,
        waiting_max: engine.waiting_max as usize,
        step_prefill_tokens_max: engine.step_prefill_tokens_max.max(1) as usize,
        step_guesses_max: match engine.speculation {
            Speculation::PromptLookup => STEP_GUESSES_MAX,
            Speculation::Off => 0,
        },
        guess_chance_min: None,
    }
}
