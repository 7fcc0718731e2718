//! What the rest of the program sees of the actors: a [`System`] to start and drain, a [`Handle`] to clone,
//! a [`Client`] per connection, a [`TurnStream`] per turn.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use pomona_config::{
    EngineConfig, FleetConfig, LinkConfig, ModelConfig, NotificationsConfig, RestartConfig, RoutingConfig,
    TurnConfig, WeightsConfig,
};
use pomona_engine::backend::Accelerator;
use pomona_protocol::join::GatewayAddresses;
use pomona_protocol::{Cause, ModelCard, NodeId, Status, TurnEvent, TurnId, TurnRequest};
use pomona_transport::http3::Http3Connection;
use pomona_transport::registry::Registry;
use pomona_transport::{Authority, Endpoint, Identity};
use ractor::{Actor, ActorCell, ActorRef, RpcReplyPort};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use crate::client::ClientActor;
use crate::downloads::HubSource;
use crate::fleet::FleetMessage;
use crate::observer::Observer;
use crate::owned;
use crate::root::{Root, RootArguments, RootMessage};
use crate::shared::{LocalModel, Readiness, Shared};
use crate::turn::{Past, Turn, TurnArguments, TurnMessage};
use crate::watched::watch_lag;

/// For an actor to answer a question about its state; it does nothing else for that long.
const OBSERVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two looks at what still runs during a drain.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// For the tree to stop its children after the drain.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// What the actors are built from.
#[derive(Clone)]
pub struct Parts {
    /// Name of the cluster.
    pub cluster: String,
    /// Id of this machine.
    pub node: NodeId,
    /// What people call it.
    pub name: String,
    /// Drawn at this start of the process.
    pub boot: u64,
    /// Whether this process is a gateway: whether it sends turns anywhere.
    pub routes: bool,
    /// Whether it hosts models.
    pub hosts: bool,
    /// The model that is loaded at the start, if any.
    pub first_model: Option<LocalModel>,
    /// Bytes that models may take on this machine.
    pub memory_bytes: u64,
    /// Bytes of KV that each replica gets.
    pub kv_bytes: u64,
    /// Where models that were fetched lie.
    pub data_dir: PathBuf,
    /// A private folder for engine sockets; short, since socket paths are limited to about 100 bytes.
    pub run_dir: PathBuf,
    /// Members at once.
    pub members_max: u32,
    /// Admission and queueing.
    pub routing: RoutingConfig,
    /// Attempts, time and buffers of a turn.
    pub turn: TurnConfig,
    /// When a replica counts as stuck.
    pub model: ModelConfig,
    /// Passed on to the engine.
    pub engine: EngineConfig,
    /// For engines that run as a thread: what serves models besides the CPU, if this build has such.
    pub accelerator: Option<&'static dyn Accelerator>,
    /// When a failed child is restarted.
    pub restart: RestartConfig,
    /// Dials and greetings.
    pub link: LinkConfig,
    /// Beats, suspicion, placement.
    pub fleet: FleetConfig,
    /// Weights between machines.
    pub weights: WeightsConfig,
    /// Who measures.
    pub observer: Arc<dyn Observer>,
    /// Links to other machines; without it this one is alone.
    pub mesh: Option<MeshParts>,
    /// Where sessions last; a gateway has one, a node none.
    pub store: Option<pomona_store::Store>,
    /// Limits of sessions.
    pub session: pomona_config::SessionConfig,
    /// When notices are made.
    pub notifications: NotificationsConfig,
    /// Where models are downloaded from; without it none are.
    pub hub: Option<HubSource>,
}

/// Who hears where the gateways are.
pub type OnGateways = Arc<dyn Fn(&[GatewayAddresses]) + Send + Sync>;

/// What links are built from.
#[derive(Clone)]
pub struct MeshParts {
    /// The socket.
    pub endpoint: Endpoint,
    /// Who this machine is.
    pub identity: Identity,
    /// The cluster's authority, where this machine holds it.
    pub authority: Option<Arc<AuthorityParts>>,
    /// Gateways to dial.
    pub gateways: Vec<GatewayAddresses>,
    /// Where this machine is reached from anywhere, as `host:port`.
    pub wan_addresses: Vec<String>,
    /// Takes connections of HTTP/3 clients.
    pub http3: Option<mpsc::Sender<Http3Connection>>,
    /// Hears of every change of the gateways, so that this machine finds them after a restart.
    pub on_gateways: OnGateways,
}

/// The authority and what it remembers.
pub struct AuthorityParts {
    /// Signs.
    pub authority: Authority,
    /// Members and tokens.
    pub registry: Registry,
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
    _canary: AbortOnDropHandle<()>,
}

impl System {
    /// Spawns the tree and returns at once; the model loads behind it (see [`Handle::ready`]).
    pub async fn start(parts: Parts) -> Result<System, StartError> {
        let shared = Arc::new(Shared::new(&parts));
        let arguments = RootArguments { shared: Arc::clone(&shared), mesh: parts.mesh };
        let (root, joined) = Actor::spawn(None, shared.watched("root", Root), arguments)
            .await
            .map_err(|error| StartError(error.to_string()))?;
        let canary = watch_lag(Arc::clone(&shared.observer), Arc::clone(&shared.counts.lag_micros));
        Ok(System { root, joined, handle: Handle { shared }, _canary: owned::spawn(canary) })
    }

    /// A handle for the gateway.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Resolves when the tree ended by itself, which it does only when restarting was given up.
    pub async fn failed(&mut self) {
        let _ = (&mut self.joined).await;
    }

    /// Refuses new turns, tells every gateway that this node leaves, waits up to `grace` for turns to end or to be
    /// handed over, then stops every actor and engine. Returns the number of turns that were cut off.
    pub async fn drain(self, grace: Duration) -> u32 {
        let shared = &self.handle.shared;
        shared.draining.store(true, Ordering::Relaxed);
        shared.engines.note_change();
        if let Some(endpoint) = &shared.endpoint {
            endpoint.drain();
        }
        let running = || *shared.turns_active.borrow() + shared.hosted.running();
        let ended = async {
            while running() > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let _ = tokio::time::timeout(grace, ended).await;
        let cut_off = running();
        // What sessions run is left to their next activation: from here on they note nothing, and nodes hold turns
        // whose link is gone.
        shared.sessions.freeze();
        shared.watch.closing();
        if let Some(endpoint) = &shared.endpoint {
            endpoint.close().await;
        }
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
        let client = self.shared.watched("client", ClientActor);
        let (actor, _) = Actor::spawn_linked(None, client, Arc::clone(&self.shared), clients.get_cell())
            .await
            .map_err(|error| Cause::Internal { message: error.to_string() })?;
        Ok(Client { shared: Arc::clone(&self.shared), actor })
    }

    /// The way to sessions.
    pub fn sessions(&self) -> crate::Sessions {
        crate::Sessions { shared: Arc::clone(&self.shared) }
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

    /// What this gateway and every replica that it knows of are doing.
    pub async fn status(&self) -> Result<Status, Cause> {
        let nodes = self.nodes().await?;
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: self.shared.cluster.clone(),
            node: self.shared.node.clone(),
            name: self.shared.name.load().to_string(),
            uptime_ms: self.shared.started_at.elapsed().as_millis() as u64,
            draining: self.shared.is_draining(),
            turns_active: *self.shared.turns_active.borrow(),
            turns_queued: self.shared.desk.view().queued,
            clients: self.shared.clients_open.load(Ordering::Relaxed),
            replicas: nodes.into_iter().flat_map(|node| node.replicas).collect(),
        })
    }

    /// Asks the Fleet; it answers at once.
    pub(crate) async fn ask_fleet<T: Send + 'static>(
        &self,
        question: impl FnOnce(RpcReplyPort<T>) -> FleetMessage,
    ) -> Result<T, Cause> {
        let fleet = self.shared.fleet_actor.load_full().ok_or(Cause::ShuttingDown)?;
        answered(fleet.call(question, Some(OBSERVE_TIMEOUT)).await)
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
        self.start_for(0, request).await
    }

    /// As [`Client::start`], for the client key with this number: keys share what is scarce.
    pub async fn start_for(&self, key: u64, request: TurnRequest) -> Result<TurnStream, Cause> {
        start_turn(&self.shared, self.actor.get_cell(), key, request, Past::default()).await
    }
}

/// Starts a turn below `owner`. `past` is for whoever goes on with a turn of an earlier process.
pub(crate) async fn start_turn(
    shared: &Arc<Shared>,
    owner: ActorCell,
    key: u64,
    request: TurnRequest,
    past: Past,
) -> Result<TurnStream, Cause> {
    if shared.is_draining() {
        return Err(Cause::ShuttingDown);
    }
    let turn = request.turn;
    // One place more than configured: the terminal event's own.
    let (sink, events) = mpsc::channel(shared.turn.buffer_events as usize + 1);
    let terminal = sink
        .clone()
        .try_reserve_owned()
        .map_err(|_| Cause::Internal { message: "a new channel has no room".to_owned() })?;
    let arguments = TurnArguments { shared: Arc::clone(shared), request, key, sink, terminal, past };
    let (actor, _) = Actor::spawn_linked(None, shared.watched("turn", Turn), arguments, owner)
        .await
        .map_err(|error| Cause::Internal { message: error.to_string() })?;
    Ok(TurnStream { turn, actor, events, ended: false })
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
    events: mpsc::Receiver<Box<TurnEvent>>,
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
        let lost = || TurnEvent::Failed {
            cause: Cause::Internal { message: "the turn's actor was lost".to_owned() },
        };
        let event = event.map_or_else(lost, |event| *event);
        self.ended = event.is_terminal();
        Poll::Ready(Some(event))
    }

    /// What ends the turn while somebody else reads the stream.
    pub(crate) fn canceller(&self) -> Canceller {
        Canceller(self.actor.clone())
    }

    /// Asks for the end of the turn; the stream then ends with `Finished` and reason `cancelled`, unless it had
    /// ended before.
    pub fn cancel(&self) {
        let _ = self.actor.cast(TurnMessage::Cancel);
    }
}

/// Ends a turn; see [`TurnStream::cancel`].
pub(crate) struct Canceller(ActorRef<TurnMessage>);

impl Canceller {
    pub(crate) fn cancel(&self) {
        let _ = self.0.cast(TurnMessage::Cancel);
    }
}

impl Drop for TurnStream {
    fn drop(&mut self) {
        if !self.ended {
            self.cancel();
        }
    }
}
