//! What the rest of the program sees of the actors: a [`System`] to start and drain, a [`Handle`] to clone,
//! a [`Client`] per connection, a [`TurnStream`] per turn.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use pomona_config::{EngineConfig, ModelConfig, RestartConfig, RoutingConfig, TurnConfig};
use pomona_protocol::{Cause, ModelCard, ModelId, NodeId, Status, TurnEvent, TurnId, TurnRequest};
use ractor::{Actor, ActorRef};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::client::ClientActor;
use crate::models::ModelsMessage;
use crate::observer::Observer;
use crate::root::{Root, RootMessage};
use crate::shared::{Readiness, Shared};
use crate::turn::{Turn, TurnArguments, TurnMessage};

/// For an actor to answer a question about its state; it does nothing else for that long.
const OBSERVE_TIMEOUT: Duration = Duration::from_secs(2);
/// For the tree to stop its children after the drain.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// What the actors are built from.
pub struct Parts {
    /// Name of the cluster.
    pub cluster: String,
    /// Name of this node.
    pub node: NodeId,
    /// What clients call the model.
    pub model_id: ModelId,
    /// Its Hugging Face folder.
    pub model_dir: PathBuf,
    /// A private folder for engine sockets; short, since socket paths are limited to about 100 bytes.
    pub run_dir: PathBuf,
    /// Admission and queueing.
    pub routing: RoutingConfig,
    /// Attempts, time and buffers of a turn.
    pub turn: TurnConfig,
    /// When a replica counts as stuck.
    pub model: ModelConfig,
    /// Passed on to the engine.
    pub engine: EngineConfig,
    /// When a failed child is restarted.
    pub restart: RestartConfig,
    /// Who measures.
    pub observer: Arc<dyn Observer>,
}

/// Why the actors could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the actors could not be started: {0}")]
pub struct StartError(pub String);

/// All actors of this process.
pub struct System {
    root: ActorRef<RootMessage>,
    joined: JoinHandle<()>,
    handle: Handle,
}

impl System {
    /// Spawns the tree and returns at once; the model loads behind it (see [`Handle::ready`]).
    pub async fn start(parts: Parts) -> Result<System, StartError> {
        let shared = Arc::new(Shared::new(parts));
        let (root, joined) = Actor::spawn(None, Root, Arc::clone(&shared))
            .await
            .map_err(|error| StartError(error.to_string()))?;
        Ok(System { root, joined, handle: Handle { shared } })
    }

    /// A handle for the gateway.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Resolves when the tree ended by itself, which it does only when restarting was given up.
    pub async fn failed(&mut self) {
        let _ = (&mut self.joined).await;
    }

    /// Refuses new turns, waits up to `grace` for running ones, then stops every actor and engine.
    /// Returns the number of turns that were cut off.
    pub async fn drain(self, grace: Duration) -> u32 {
        let shared = &self.handle.shared;
        shared.draining.store(true, Ordering::Relaxed);
        let mut turns = shared.turns_active.subscribe();
        let _ = tokio::time::timeout(grace, turns.wait_for(|turns| *turns == 0)).await;
        let cut_off = *turns.borrow();
        let _ = self.root.stop_and_wait(None, Some(STOP_TIMEOUT)).await;
        cut_off
    }
}

/// The gateway's way to the actors. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// Spawns the Client actor of a new connection.
    pub async fn connect(&self) -> Result<Client, Cause> {
        let clients = self.shared.clients.load().as_deref().cloned().ok_or(Cause::ShuttingDown)?;
        let (actor, _) = Actor::spawn_linked(None, ClientActor, Arc::clone(&self.shared), clients.get_cell())
            .await
            .map_err(|error| Cause::Internal { message: error.to_string() })?;
        Ok(Client { shared: Arc::clone(&self.shared), actor })
    }

    /// Cards of the models that were loaded; a snapshot without locks.
    pub fn models(&self) -> Arc<Vec<ModelCard>> {
        self.shared.cards.load_full()
    }

    /// Whether a turn would find a ready replica now.
    pub fn is_ready(&self) -> bool {
        !self.shared.is_draining() && matches!(*self.shared.readiness.borrow(), Readiness::Ready(_))
    }

    /// Waits until a replica is ready, or says why none will be.
    pub async fn ready(&self) -> Result<ModelCard, Cause> {
        let mut readiness = self.shared.readiness.subscribe();
        let settled = readiness.wait_for(|readiness| !matches!(readiness, Readiness::Loading { .. })).await;
        match settled.as_deref() {
            Ok(Readiness::Ready(card)) => Ok(card.clone()),
            Ok(Readiness::Failed(cause)) => Err(cause.clone()),
            Ok(Readiness::Loading { .. }) | Err(_) => Err(Cause::ShuttingDown),
        }
    }

    /// Bytes of weights read and bytes in all, while a model is being loaded.
    pub fn load_progress(&self) -> Option<(u64, u64)> {
        match *self.shared.readiness.borrow() {
            Readiness::Loading { done, total } => Some((done, total)),
            Readiness::Ready(_) | Readiness::Failed(_) => None,
        }
    }

    /// Every actor's state as plain data.
    pub async fn status(&self) -> Result<Status, Cause> {
        let models = self.shared.models.load().as_deref().cloned().ok_or(Cause::ShuttingDown)?;
        let view = self.shared.desk.view();
        let mut replica = answered(models.call(ModelsMessage::Observe, Some(OBSERVE_TIMEOUT)).await)?;
        replica.turns = view.placed.values().sum();
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: self.shared.cluster.clone(),
            node: self.shared.node.clone(),
            uptime_ms: self.shared.started_at.elapsed().as_millis() as u64,
            draining: self.shared.is_draining(),
            turns_active: *self.shared.turns_active.borrow(),
            turns_queued: view.queued,
            clients: self.shared.clients_open.load(Ordering::Relaxed),
            replicas: vec![replica],
        })
    }
}

fn answered<T, E: std::fmt::Display>(answer: Result<ractor::rpc::CallResult<T>, E>) -> Result<T, Cause> {
    match answer {
        Ok(ractor::rpc::CallResult::Success(value)) => Ok(value),
        Ok(_) => Err(Cause::Internal { message: "an actor did not answer in time".to_owned() }),
        Err(error) => Err(Cause::Internal { message: error.to_string() }),
    }
}

/// A client connection. Dropping it cancels the turns that it started.
pub struct Client {
    shared: Arc<Shared>,
    actor: ActorRef<()>,
}

impl Client {
    /// Accepts a turn and starts it. The only refusal here is that of a process which is going down; all others
    /// come as [`TurnEvent::Failed`], first in the stream.
    pub async fn start(&self, request: TurnRequest) -> Result<TurnStream, Cause> {
        if self.shared.is_draining() {
            return Err(Cause::ShuttingDown);
        }
        let turn = request.turn;
        // One place more than configured: the terminal event's own.
        let (sink, events) = mpsc::channel(self.shared.turn.buffer_events as usize + 1);
        let terminal = sink
            .clone()
            .try_reserve_owned()
            .map_err(|_| Cause::Internal { message: "a new channel has no room".to_owned() })?;
        let arguments = TurnArguments { shared: Arc::clone(&self.shared), request, sink, terminal };
        let (actor, _) = Actor::spawn_linked(None, Turn, arguments, self.actor.get_cell())
            .await
            .map_err(|error| Cause::Internal { message: error.to_string() })?;
        Ok(TurnStream { turn, actor, events, ended: false })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.actor.stop(None);
    }
}

/// The events of one turn: `Queued`, `Started` and `Tokens`, then exactly one `Finished` or `Failed`, whatever
/// happens to engines on the way. `Started` is given once. Dropping the stream cancels the turn.
pub struct TurnStream {
    turn: TurnId,
    actor: ActorRef<TurnMessage>,
    events: mpsc::Receiver<TurnEvent>,
    ended: bool,
}

impl TurnStream {
    /// The turn.
    pub fn turn(&self) -> TurnId {
        self.turn
    }

    /// The next event; `None` after the terminal one.
    pub async fn next(&mut self) -> Option<TurnEvent> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`TurnStream::next`], for streams.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<TurnEvent>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let Poll::Ready(event) = self.events.poll_recv(context) else { return Poll::Pending };
        // A channel that closes without a terminal event means that the actor itself was lost.
        let event = event.unwrap_or_else(|| TurnEvent::Failed {
            cause: Cause::Internal { message: "the turn's actor was lost".to_owned() },
        });
        self.ended = event.is_terminal();
        Poll::Ready(Some(event))
    }

    /// Asks for the end of the turn; the stream then ends with `Finished` and reason `cancelled`, unless it had
    /// ended before.
    pub fn cancel(&self) {
        let _ = self.actor.cast(TurnMessage::Cancel);
    }
}

impl Drop for TurnStream {
    fn drop(&mut self) {
        if !self.ended {
            self.cancel();
        }
    }
}
