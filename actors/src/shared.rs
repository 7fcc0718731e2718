//! What every actor of this process may read without asking: sections of the configuration, the observer, and
//! snapshots that the owner of each fact publishes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use pomona_cluster::restart::RestartPolicy;
use pomona_cluster::turn::TurnLimits;
use pomona_config::{EngineConfig, ModelConfig, RestartConfig, TurnConfig};
use pomona_protocol::{Cause, ModelCard, ModelId, NodeId};
use ractor::ActorRef;
use tokio::sync::watch;

use crate::api::Parts;
use crate::desk::Desk;
use crate::models::ModelsMessage;
use crate::observer::{Observation, Observer};

/// Whether the model can be asked.
#[derive(Clone, Debug)]
pub(crate) enum Readiness {
    /// Not yet; bytes of weights read, and bytes in all once they are known.
    Loading { done: u64, total: u64 },
    /// Now.
    Ready(ModelCard),
    /// Never.
    Failed(Cause),
}

/// One per process, behind an `Arc`.
pub(crate) struct Shared {
    pub(crate) cluster: String,
    pub(crate) node: NodeId,
    pub(crate) model_id: ModelId,
    pub(crate) model_dir: PathBuf,
    pub(crate) run_dir: PathBuf,
    pub(crate) turn: TurnConfig,
    pub(crate) model: ModelConfig,
    pub(crate) engine: EngineConfig,
    pub(crate) restart: RestartConfig,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) started_at: Instant,
    pub(crate) draining: AtomicBool,
    pub(crate) clients_open: AtomicU32,
    pub(crate) turns_active: watch::Sender<u32>,
    pub(crate) readiness: watch::Sender<Readiness>,
    pub(crate) cards: ArcSwap<Vec<ModelCard>>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) models: ArcSwapOption<ActorRef<ModelsMessage>>,
    pub(crate) clients: ArcSwapOption<ActorRef<()>>,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            cluster: parts.cluster,
            node: parts.node,
            model_id: parts.model_id,
            model_dir: parts.model_dir,
            run_dir: parts.run_dir,
            desk: Arc::new(Desk::new(&parts.routing, Arc::clone(&parts.observer))),
            turn: parts.turn,
            model: parts.model,
            engine: parts.engine,
            restart: parts.restart,
            observer: parts.observer,
            started_at: Instant::now(),
            draining: AtomicBool::new(false),
            clients_open: AtomicU32::new(0),
            turns_active: watch::Sender::new(0),
            readiness: watch::Sender::new(Readiness::Loading { done: 0, total: 0 }),
            cards: ArcSwap::default(),
            models: ArcSwapOption::empty(),
            clients: ArcSwapOption::empty(),
        }
    }

    pub(crate) fn observe(&self, observation: Observation<'_>) {
        self.observer.record(observation);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn turn_limits(&self) -> TurnLimits {
        TurnLimits {
            attempts_max: self.turn.attempts_max,
            total_max: Duration::from_millis(self.turn.total_ms_max),
            backoff_base: Duration::from_millis(self.turn.backoff_base_ms),
            backoff_max: Duration::from_millis(self.turn.backoff_ms_max),
        }
    }

    pub(crate) fn restart_policy(&self) -> RestartPolicy {
        RestartPolicy {
            enabled: self.restart.enabled,
            max_attempts: self.restart.max_attempts,
            base: Duration::from_millis(self.restart.base_ms),
            multiplier: self.restart.multiplier,
            max: Duration::from_millis(self.restart.max_ms),
            window: Duration::from_millis(self.restart.window_ms),
        }
    }
}

/// A number in 0..1 to spread pauses.
pub(crate) fn jitter() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}
