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

use super::{EngineError, Loaded, LoadedModel, Loader};
use crate::backend::BackendError;
use crate::channels::AnswerFormat;
use crate::embedding::EmbeddingQueue;
use crate::generation::{Generation, LoadBoard, ModelFacts, NewTurn, StepOutcome};
use crate::grammar::Grammars;
use crate::scheduler::SchedulerLimits;
use crate::template::ChatTemplate;
use crate::tier::Tier;
use crate::tokenizer::Tokenizer;
use crate::vision::PictureWords;

/// How long to sleep when all turns wait for their consumers, who do not wake this thread. A slow consumer
/// takes events far more rarely than this.
const BLOCKED_SLEEP: Duration = Duration::from_millis(2);

/// Between two looks whether a block can be saved while there is nothing else to do.
const SAVE_PAUSE: Duration = Duration::from_millis(5);
/// How long blocks are saved when the engine ends: within what `serve` waits for it.
const SAVE_TIME: Duration = Duration::from_millis(1000);

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
    /// How it is shown pictures; none if it sees none.
    pub(super) vision: Option<PictureWords>,
    pub(super) format: AnswerFormat,
    pub(super) grammars: Grammars,
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
        let format = AnswerFormat::detect(loaded.template.source(), &loaded.tokenizer);
        let (tokens, eos_token_ids) = (loaded.tokenizer.table(), &loaded.eos_token_ids);
        let grammars = Grammars::new(tokens, loaded.model.vocabulary(), eos_token_ids, format);
        let facts = ModelFacts {
            tokens: Arc::clone(loaded.tokenizer.table()),
            eos_token_ids: loaded.eos_token_ids,
            defaults: loaded.defaults,
        };
        let board = Arc::clone(&self.board);
        let work = match loaded.model {
            LoadedModel::Generator(backend) => {
                let mut generation = Generation::new(backend, facts, self.limits, board);
                if let Some(options) = loaded.prefix_disk {
                    generation.keep_on_disk(Tier::start(options));
                }
                Work::Generation(Box::new(generation))
            }
            LoadedModel::Encoder(encoder, pooling) => {
                Work::Embeddings(EmbeddingQueue::new(encoder, pooling, self.limits, board))
            }
        };
        let load_ms = self.born.elapsed().as_millis() as u64;
        tracing::info!(model = %self.model_id, load_ms, "model loaded");
        let Loaded { tokenizer, template, vision, card, .. } = loaded;
        let model = Model { tokenizer, template, vision, format, grammars, card, load_ms };
        self.phase.send_replace(Phase::Ready(Arc::new(model)));
        self.serve_turns(work)
    }

    fn serve_turns(&self, mut work: Work) -> Result<(), EngineError> {
        loop {
            let arrived = match work.step()? {
                StepOutcome::Worked => self.inbox.try_recv(),
                StepOutcome::Blocked => self.wait_for(BLOCKED_SLEEP),
                StepOutcome::Idle if work.save_some()? => self.wait_for(SAVE_PAUSE),
                StepOutcome::Idle => self.inbox.recv().map_err(|_| TryRecvError::Disconnected),
            };
            let mut next = arrived;
            loop {
                match next {
                    Ok(Command::Turn(turn)) => work.accept(*turn),
                    Ok(Command::Stop) | Err(TryRecvError::Disconnected) => {
                        let message = "the engine is shutting down".to_owned();
                        work.fail_all(&Cause::EngineLost { message });
                        return Ok(work.save_rest(SAVE_TIME)?);
                    }
                    Err(TryRecvError::Empty) => break,
                }
                next = self.inbox.try_recv();
            }
        }
    }

    fn wait_for(&self, time: Duration) -> Result<Command, TryRecvError> {
        self.inbox.recv_timeout(time).map_err(|error| match error {
            RecvTimeoutError::Timeout => TryRecvError::Empty,
            RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
        })
    }
}

/// What the thread does.
enum Work {
    Generation(Box<Generation>),
    Embeddings(EmbeddingQueue),
}

impl Work {
    fn accept(&mut self, turn: NewTurn) {
        match self {
            Work::Generation(generation) => generation.accept(turn),
            Work::Embeddings(queue) => queue.accept(turn),
        }
    }

    fn step(&mut self) -> Result<StepOutcome, BackendError> {
        match self {
            Work::Generation(generation) => generation.step(),
            Work::Embeddings(queue) => queue.step(),
        }
    }

    fn save_some(&mut self) -> Result<bool, BackendError> {
        match self {
            Work::Generation(generation) => generation.save_some(),
            Work::Embeddings(_) => Ok(false),
        }
    }

    fn save_rest(&mut self, time: Duration) -> Result<(), BackendError> {
        match self {
            Work::Generation(generation) => generation.save_rest(time),
            Work::Embeddings(_) => Ok(()),
        }
    }

    fn fail_all(&mut self, cause: &Cause) {
        match self {
            Work::Generation(generation) => generation.fail_all(cause),
            Work::Embeddings(queue) => queue.fail_all(cause),
        }
    }
}

/// The message of a panic.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}
