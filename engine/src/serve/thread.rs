//! The engine's own thread: loads the model, then steps for as long as there are turns, and sleeps otherwise.
//!
//! Everything that computes lives and dies here. Its end, panics included, is reported once: to connections
//! through the [`Phase`], to `serve` through a oneshot.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use pomona_protocol::{Cause, ModelCard, ModelId};
use tokio::sync::{oneshot, watch};

use super::{EngineError, Loader};
use crate::generation::{Generation, LoadBoard, ModelFacts, NewTurn, StepOutcome};
use crate::scheduler::SchedulerLimits;
use crate::template::ChatTemplate;
use crate::tokenizer::Tokenizer;

/// How long to sleep when all turns wait for their consumers, who do not wake this thread. A slow consumer
/// takes events far more rarely than this.
const BLOCKED_SLEEP: Duration = Duration::from_millis(2);

/// How far the engine is.
#[derive(Clone)]
pub(super) enum Phase {
    /// Weights are being read.
    Loading { bytes_done: u64, bytes_total: u64 },
    /// Turns are served.
    Ready(Arc<Model>),
    /// Nothing will be served any more.
    Failed(Cause),
}

/// What connections need of the loaded model.
pub(super) struct Model {
    pub(super) tokenizer: Tokenizer,
    pub(super) template: ChatTemplate,
    pub(super) card: ModelCard,
    pub(super) load_ms: u64,
}

/// What connections ask of the thread.
pub(super) enum Command {
    /// Run this turn.
    Turn(Box<NewTurn>),
    /// Fail what runs, and end.
    Stop,
}

/// A thread that is about to start.
pub(super) struct EngineThread {
    pub(super) born: Instant,
    pub(super) model_id: ModelId,
    pub(super) limits: SchedulerLimits,
    pub(super) inbox: Receiver<Command>,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) board: Arc<LoadBoard>,
}

impl EngineThread {
    /// Starts the thread; `ended` hears how it ended.
    pub(super) fn spawn(
        self,
        loader: Loader,
        ended: oneshot::Sender<Result<(), EngineError>>,
    ) -> Result<(), EngineError> {
        let body = move || {
            let result = catch_unwind(AssertUnwindSafe(|| self.run(loader)));
            let result = result.unwrap_or_else(|panic| Err(EngineError::Panicked { message: said(&*panic) }));
            if let Err(error) = &result {
                tracing::error!(%error, "the engine failed");
                let model = self.model_id.0.clone();
                let cause = Cause::ModelUnavailable { model, message: error.to_string() };
                self.phase.send_replace(Phase::Failed(cause));
            }
            // Nobody listens when `serve` has ended first.
            let _ = ended.send(result);
        };
        let spawned = std::thread::Builder::new().name("engine".to_owned()).spawn(body);
        spawned
            .map(drop)
            .map_err(|source| EngineError::Io { what: "start the engine's thread".to_owned(), source })
    }

    fn run(&self, loader: Loader) -> Result<(), EngineError> {
        let mut progress = |bytes_done, bytes_total| {
            self.phase.send_replace(Phase::Loading { bytes_done, bytes_total });
        };
        let loaded = loader(&mut progress)?;
        let facts = ModelFacts {
            tokens: Arc::clone(loaded.tokenizer.table()),
            eos_token_ids: loaded.eos_token_ids,
            defaults: loaded.defaults,
        };
        let generation = Generation::new(loaded.backend, facts, self.limits, Arc::clone(&self.board));
        let load_ms = self.born.elapsed().as_millis() as u64;
        tracing::info!(model = %self.model_id, load_ms, "model loaded");
        let model =
            Model { tokenizer: loaded.tokenizer, template: loaded.template, card: loaded.card, load_ms };
        self.phase.send_replace(Phase::Ready(Arc::new(model)));
        self.serve_turns(generation)
    }

    fn serve_turns(&self, mut generation: Generation) -> Result<(), EngineError> {
        loop {
            let arrived = match generation.step()? {
                StepOutcome::Worked => self.inbox.try_recv(),
                StepOutcome::Blocked => self.inbox.recv_timeout(BLOCKED_SLEEP).map_err(|error| match error {
                    RecvTimeoutError::Timeout => TryRecvError::Empty,
                    RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
                }),
                StepOutcome::Idle => self.inbox.recv().map_err(|_| TryRecvError::Disconnected),
            };
            let mut next = arrived;
            loop {
                match next {
                    Ok(Command::Turn(turn)) => generation.accept(*turn),
                    Ok(Command::Stop) | Err(TryRecvError::Disconnected) => {
                        let message = "the engine is shutting down".to_owned();
                        generation.fail_all(&Cause::EngineLost { message });
                        return Ok(());
                    }
                    Err(TryRecvError::Empty) => break,
                }
                next = self.inbox.try_recv();
            }
        }
    }
}

/// The message of a panic.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}
