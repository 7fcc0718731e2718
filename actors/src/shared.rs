//! What every actor of this process may read without asking: sections of the configuration, the observer, and
//! snapshots that the owner of each fact publishes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, ArcSwapOption};
use pomona_cluster::path::PathLimits;
use pomona_cluster::restart::RestartPolicy;
use pomona_cluster::turn::TurnLimits;
use pomona_config::{
    EngineConfig, FleetConfig, LinkConfig, ModelConfig, RestartConfig, RoutingConfig, TurnConfig,
};
use pomona_engine::backend::Accelerator;
use pomona_protocol::{Cause, ModelCard, ModelId, NodeFigures, NodeId, NodeReport, PathKind, PeerRole};
use pomona_transport::{Endpoint, Identity};
use ractor::ActorRef;
use tokio::sync::{Semaphore, watch};

use crate::api::{AuthorityParts, Parts};
use crate::counts::Counts;
use crate::desk::Desk;
use crate::downloads::{DownloadsMessage, HubSource};
use crate::engines::Engines;
use crate::fleet::FleetMessage;
use crate::hosting::Hosted;
use crate::hub::QUESTIONS_MAX;
use crate::links::{Bulletin, LinksMessage, Peer, Peers};
use crate::logs::LogSource;
use crate::models::ModelsMessage;
use crate::observer::{Observation, Observer};
use crate::sessions::table::SessionTable;
use crate::watch::Watch;
use crate::watched::{LongPolls, Watched};
use crate::weights::Weights;

/// Whether a model can be asked.
#[derive(Clone, Debug)]
pub(crate) enum Readiness {
    /// Not yet; bytes of weights read, and bytes in all once they are known.
    Loading { done: u64, total: u64 },
    /// Now.
    Ready(ModelCard),
    /// Never.
    Failed(Cause),
}

/// A model whose weights lie on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalModel {
    /// What clients call it.
    pub id: ModelId,
    /// Its Hugging Face folder.
    pub folder: PathBuf,
    /// Bytes that a replica takes in memory, weights and KV together.
    pub memory_bytes: u64,
}

/// One per process, behind an `Arc`.
pub(crate) struct Shared {
    pub(crate) cluster: String,
    pub(crate) node: NodeId,
    pub(crate) name: ArcSwap<String>,
    pub(crate) boot: u64,
    /// Whether this process is a gateway: whether it sends turns anywhere.
    pub(crate) routes: bool,
    /// Whether it hosts models.
    pub(crate) hosts: bool,
    pub(crate) members_max: u32,
    /// Where this machine is reached from anywhere.
    pub(crate) wan_addresses: Vec<String>,
    /// Bytes that models may take here.
    pub(crate) memory_bytes: u64,
    /// Loaded at the start.
    pub(crate) first_model: Option<LocalModel>,
    pub(crate) run_dir: PathBuf,
    pub(crate) routing: RoutingConfig,
    pub(crate) turn: TurnConfig,
    pub(crate) model: ModelConfig,
    pub(crate) engine: EngineConfig,
    pub(crate) accelerator: Option<&'static dyn Accelerator>,
    pub(crate) restart: RestartConfig,
    pub(crate) link: LinkConfig,
    pub(crate) fleet: FleetConfig,
    pub(crate) observer: Arc<dyn Observer>,
    /// What this process tells of itself in its reports.
    pub(crate) counts: Counts,
    pub(crate) long_polls: LongPolls,
    /// Whose certificate this machine shows to others.
    identity: Option<Identity>,
    pub(crate) started_at: Instant,
    pub(crate) draining: AtomicBool,
    /// An admin wants this node to leave, or it is leaving.
    pub(crate) node_draining: AtomicBool,
    pub(crate) clients_open: AtomicU32,
    pub(crate) engines_started: AtomicU64,
    pub(crate) turns_active: watch::Sender<u32>,
    pub(crate) readiness: watch::Sender<Readiness>,
    pub(crate) cards: ArcSwap<Vec<ModelCard>>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) engines: Engines,
    pub(crate) hosted: Arc<Hosted>,
    pub(crate) peers: Peers,
    pub(crate) weights: Arc<Weights>,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) authority: Option<Arc<AuthorityParts>>,
    pub(crate) sessions: SessionTable,
    /// What dashboards are told, on a gateway.
    pub(crate) watch: Watch,
    /// Where the lines of this machine are, once somebody said.
    pub(crate) logs: ArcSwapOption<Arc<dyn LogSource>>,
    /// When the certificate that clients are shown begins and ends, on a gateway that has one.
    pub(crate) server_certificate: ArcSwapOption<(SystemTime, SystemTime)>,
    /// Where models are downloaded from.
    pub(crate) hub: Option<HubSource>,
    /// Places for questions to it.
    pub(crate) hub_questions: Semaphore,
    pub(crate) downloads: ArcSwapOption<ActorRef<DownloadsMessage>>,
    pub(crate) models: ArcSwapOption<ActorRef<ModelsMessage>>,
    pub(crate) clients: ArcSwapOption<ActorRef<()>>,
    pub(crate) fleet_actor: Arc<ArcSwapOption<ActorRef<FleetMessage>>>,
    pub(crate) links_actor: ArcSwapOption<ActorRef<LinksMessage>>,
}

impl Shared {
    /// `parts.mesh` stays with the caller.
    pub(crate) fn new(parts: &Parts) -> Self {
        let parts = parts.clone();
        let fleet_actor = Arc::new(ArcSwapOption::empty());
        let hosted = Arc::<Hosted>::default();
        let busy = Arc::clone(&hosted);
        Self {
            desk: Arc::new(Desk::new(&parts.routing, Arc::clone(&parts.observer), Arc::clone(&fleet_actor))),
            weights: Arc::new(Weights::new(&parts, move || busy.running() > 0)),
            watch: Watch::new(&parts),
            server_certificate: ArcSwapOption::empty(),
            logs: ArcSwapOption::empty(),
            members_max: parts.members_max,
            wan_addresses: parts.mesh.as_ref().map(|mesh| mesh.wan_addresses.clone()).unwrap_or_default(),
            cluster: parts.cluster,
            node: parts.node,
            name: ArcSwap::from_pointee(parts.name),
            boot: parts.boot,
            routes: parts.routes,
            hosts: parts.hosts,
            memory_bytes: parts.memory_bytes,
            first_model: parts.first_model,
            run_dir: parts.run_dir,
            routing: parts.routing,
            turn: parts.turn,
            model: parts.model,
            engine: parts.engine,
            accelerator: parts.accelerator,
            restart: parts.restart,
            link: parts.link,
            fleet: parts.fleet,
            long_polls: LongPolls::new(Arc::clone(&parts.observer)),
            observer: parts.observer,
            counts: Counts::default(),
            identity: parts.mesh.as_ref().map(|mesh| mesh.identity.clone()),
            started_at: Instant::now(),
            draining: AtomicBool::new(false),
            node_draining: AtomicBool::new(false),
            clients_open: AtomicU32::new(0),
            engines_started: AtomicU64::new(0),
            turns_active: watch::Sender::new(0),
            readiness: watch::Sender::new(Readiness::Loading { done: 0, total: 0 }),
            cards: ArcSwap::default(),
            engines: Engines::default(),
            hosted,
            peers: Peers::default(),
            endpoint: parts.mesh.as_ref().map(|mesh| mesh.endpoint.clone()),
            authority: parts.mesh.and_then(|mesh| mesh.authority),
            sessions: SessionTable::new(parts.store, parts.session),
            hub: parts.hub,
            hub_questions: Semaphore::new(QUESTIONS_MAX),
            downloads: ArcSwapOption::empty(),
            models: ArcSwapOption::empty(),
            clients: ArcSwapOption::empty(),
            fleet_actor,
            links_actor: ArcSwapOption::empty(),
        }
    }

    pub(crate) fn observe(&self, observation: Observation<'_>) {
        if let Observation::FirstToken { after, .. } = observation {
            self.watch.first_token(after);
        }
        self.observer.record(observation);
    }

    /// An actor whose handlers are watched under this name.
    pub(crate) fn watched<A>(&self, name: &'static str, actor: A) -> Watched<A> {
        Watched::new(name, actor, self.long_polls.clone(), Arc::clone(&self.counts.actors))
    }

    /// What this process has counted.
    pub(crate) fn figures(&self) -> NodeFigures {
        let (expires, life) = self.certificate();
        NodeFigures {
            certificate_expires_unix_s: expires.as_secs(),
            certificate_life_s: life.as_secs(),
            hosted_turns: u64::from(self.hosted.running()),
            long_polls: self.long_polls.count(),
            ..self.counts.figures()
        }
    }

    /// When the certificate of whose life the least is left ends, since 1970, and how long it lasts.
    fn certificate(&self) -> (Duration, Duration) {
        // A member's is renewed at two thirds of its life.
        let life = |identity: &Identity| {
            identity.expires_at().duration_since(identity.renew_at()).unwrap_or_default() * 3
        };
        let member = self.identity.as_ref().map(|identity| (identity.expires_at(), life(identity)));
        let server = self.server_certificate.load();
        let server = server.as_ref().map(|span| (span.1, span.1.duration_since(span.0).unwrap_or_default()));
        let now = SystemTime::now();
        let left = |(ends, life): &(SystemTime, Duration)| {
            ends.duration_since(now).unwrap_or_default().as_secs_f64() / life.as_secs_f64().max(1.0)
        };
        let all = [member, server].into_iter().flatten();
        let least = all.min_by(|a, b| left(a).total_cmp(&left(b)));
        least.map_or((Duration::ZERO, Duration::ZERO), |(ends, life)| {
            (ends.duration_since(UNIX_EPOCH).unwrap_or_default(), life)
        })
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Says in reports from now on that this node leaves, or that it stays.
    pub(crate) fn set_node_draining(&self, on: bool) {
        self.node_draining.store(on, Ordering::Relaxed);
        self.engines.note_change();
    }

    pub(crate) fn tell_fleet(&self, message: FleetMessage) {
        if let Some(fleet) = self.fleet_actor.load().as_deref() {
            let _ = fleet.cast(message);
        }
    }

    /// A member says how it is. What it says of others is taken as what it reaches for them.
    pub(crate) fn fleet_hears(&self, peer: &Peer, mut report: NodeReport) {
        if report.node != peer.node {
            return tracing::warn!(node = %peer.node, claimed = %report.node, "a member reports in another's name");
        }
        if peer.role == PeerRole::Node {
            report.replicas.retain(|replica| replica.replica.node == peer.node);
        }
        self.peers.note_heard(&peer.node);
        self.peers.set_store(&peer.node, report.store);
        self.tell_fleet(FleetMessage::Report(Box::new(report)));
    }

    /// A gateway says its bulletin.
    pub(crate) fn links_hear(&self, peer: &Peer, bulletin: Bulletin) {
        self.tell_links(LinksMessage::Bulletin { from: peer.clone(), bulletin });
    }

    /// What the authority calls a member, where this process holds it.
    pub(crate) fn name_of(&self, node: &NodeId) -> Option<String> {
        let authority = self.authority.as_ref()?;
        Some(authority.registry.member(&node.0)?.name)
    }

    /// Is called this from now on.
    pub(crate) fn set_name(&self, name: String) {
        if **self.name.load() != name {
            tracing::info!(name, "this machine has another name");
            self.watch.set_name(&name);
            self.name.store(Arc::new(name));
            self.engines.note_change();
        }
    }

    /// Where this machine takes links itself. One without a network takes them from itself alone.
    pub(crate) fn own_addresses(&self) -> Vec<String> {
        let Some(bound) = self.endpoint.as_ref().and_then(|endpoint| endpoint.local_addr().ok()) else {
            return Vec::new();
        };
        let mut local = pomona_transport::local_addresses(bound.ip(), bound.port());
        if local.is_empty() && bound.ip().is_unspecified() {
            local.push(SocketAddr::from(([127, 0, 0, 1], bound.port())));
        }
        local.iter().map(ToString::to_string).collect()
    }

    /// Counts links for the metrics.
    pub(crate) fn observe_links(&self) {
        let linked = self.peers.linked();
        let count = |kind| linked.iter().filter(|path| path.kind == kind).count() as u32;
        self.observe(Observation::Links { lan: count(PathKind::Lan), wan: count(PathKind::Wan) });
    }

    pub(crate) fn tell_links(&self, message: LinksMessage) {
        if let Some(links) = self.links_actor.load().as_deref() {
            let _ = links.cast(message);
        }
    }

    /// Loading a model has come this far. Counts until something is ready.
    pub(crate) fn on_load_progress(&self, done: u64, total: u64) {
        self.readiness.send_if_modified(|readiness| match readiness {
            Readiness::Loading { .. } => {
                *readiness = Readiness::Loading { done, total };
                true
            }
            Readiness::Ready(_) | Readiness::Failed(_) => false,
        });
    }

    /// Silence that makes another member suspect.
    pub(crate) fn suspect_after(&self, path: PathKind) -> Duration {
        Duration::from_millis(match path {
            PathKind::Lan => self.fleet.lan_suspect_ms,
            PathKind::Wan => self.fleet.wan_suspect_ms,
        })
    }

    pub(crate) fn path_limits(&self) -> PathLimits {
        PathLimits {
            head_start: Duration::from_millis(self.link.wan_head_start_ms),
            redial_base: Duration::from_millis(self.link.redial_base_ms),
            redial_max: Duration::from_millis(self.link.redial_ms_max),
            ..PathLimits::default()
        }
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
