//! What every role is built from: lock, folders, membership, socket, actors. `up` and `role` add what makes them a
//! gateway or a node.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use pomona_actors::{LocalModel, MeshParts, Observer, Parts, System};
use pomona_config::{Config, EngineConfig, ModelConfig};
use pomona_protocol::{JoinToken, ModelId, PeerRole};
use pomona_store::{Store, StoreParts};
use pomona_transport::certificate::fingerprint_of;
use pomona_transport::discovery::{self, AnnounceParts, Announcement};
use pomona_transport::http3::Http3Connection;
use pomona_transport::{BindError, Endpoint, EndpointParts, OnRefused, RevocationList, Speaker};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::data_lock::DataLock;
use crate::exit::Exit;
use crate::logging::Logs;
use crate::member::Member;
use crate::paths::Paths;
use crate::refusal_log::RefusalLog;
use crate::run_folder::RunFolder;
use crate::telemetry::{self, Telemetry};
use crate::{command, hub, probe, retention};

/// HTTP/3 connections that wait to be served.
const HTTP3_WAITING_MAX: usize = 64;
/// The most that one replica's KV takes by default; what the engine takes of a large machine.
const KV_BYTES_MAX: u64 = 4 << 30;

/// A machine in its cluster, with its actors running.
pub(crate) struct Machine {
    pub(crate) lock: DataLock,
    pub(crate) member: Member,
    pub(crate) system: System,
    pub(crate) endpoint: Endpoint,
    /// HTTP/3 connections, until somebody serves them.
    pub(crate) http3: Option<mpsc::Receiver<Http3Connection>>,
    /// What lasts, on a gateway.
    store: Option<Store>,
    /// Lets old sessions go.
    retention: JoinSet<()>,
    /// Says how this machine is.
    probe: JoinSet<()>,
    /// Sends traces, where that is wanted.
    telemetry: Option<Telemetry>,
    _run_folder: RunFolder,
    /// Writes down whom this gateway refused, where it keeps the audit.
    _refusals: Option<RefusalLog>,
    /// Says on the LAN that this gateway is here, for as long as it lives.
    _announcement: Option<Announcement>,
}

/// What a role wants of its machine.
pub(crate) struct Wish<'a> {
    pub(crate) role: PeerRole,
    pub(crate) token: Option<&'a JoinToken>,
    /// UDP port to try first; 0 for any.
    pub(crate) port: u16,
    pub(crate) observer: Arc<dyn Observer>,
    /// Gateways named on the command line, as `host:port`.
    pub(crate) gateways: &'a [String],
}

impl Machine {
    /// Takes the lock before anything is written; then joins or comes back, opens the socket, starts the actors.
    pub(crate) async fn start(config: &Config, paths: &Paths, wish: Wish<'_>) -> anyhow::Result<Self> {
        let (observer, telemetry) = telemetry::start(&config.telemetry, wish.observer)?;
        let lock = DataLock::acquire(&paths.data_dir)?;
        let run_folder = RunFolder::make(paths)?;
        let store = open_store(config, paths, wish.role).await?;
        let cluster = &config.cluster;
        let member = Member::enter(cluster, &paths.data_dir, wish.role, wish.token).await?;
        let boot = getrandom::u64().context("the system gives no random numbers")?;
        let refusals = member.authority.as_ref().map(RefusalLog::start);
        let on_refused = refusals.as_ref().map(RefusalLog::listener);
        let endpoint = bind(config, &member, boot, wish.port, on_refused).await?;
        let announcement = announce(config, &member, &endpoint, wish.role);
        let (http3, http3_arrived) = mpsc::channel(HTTP3_WAITING_MAX);
        let memory = sysinfo::System::new_with_specifics(
            sysinfo::RefreshKind::nothing().with_memory(sysinfo::MemoryRefreshKind::nothing().with_ram()),
        )
        .map_or(0, |system| system.total_memory());
        let kv_bytes = match config.engine.kv_bytes {
            0 => (memory / 8).min(KV_BYTES_MAX),
            given => given,
        };
        let first_model =
            cluster.hosts.then(|| model(&config.model, &paths.data_dir, kv_bytes)).transpose()?;
        let mut gateways = member.gateways.clone();
        for gateway in &mut gateways {
            gateway.wan.extend(wish.gateways.iter().cloned());
        }
        let mesh = MeshParts {
            endpoint: endpoint.clone(),
            identity: member.identity.clone(),
            authority: member.authority.clone(),
            gateways,
            wan_addresses: cluster.wan_addresses.clone(),
            http3: Some(http3),
            on_gateways: member.remembers(),
        };
        let system = System::start(Parts {
            cluster: member.identity.cluster(),
            node: member.node(),
            name: member.name.clone(),
            boot,
            routes: wish.role == PeerRole::Gateway,
            hosts: cluster.hosts,
            first_model,
            memory_bytes: match config.fleet.memory_bytes {
                0 => memory / 4 * 3,
                given => given,
            },
            kv_bytes,
            data_dir: paths.data_dir.clone(),
            run_dir: run_folder.path().to_owned(),
            members_max: cluster.members_max,
            routing: config.routing.clone(),
            turn: config.turn.clone(),
            model: config.model.clone(),
            engine: engine_config(config, &paths.data_dir),
            accelerator: pomona_mlx::accelerator(),
            restart: config.restart.clone(),
            link: config.link.clone(),
            fleet: config.fleet.clone(),
            weights: config.weights.clone(),
            observer,
            mesh: Some(mesh),
            store: store.clone(),
            session: config.session.clone(),
            notifications: config.notifications.clone(),
            hub: hub::source()
                .inspect_err(
                    |error| tracing::warn!(%error, "no models can be downloaded through this gateway"),
                )
                .ok(),
        })
        .await?;
        let temporary = vec![run_folder.path().to_owned(), paths.data_dir.join("models").join(".partial")];
        let probe = probe::start(system.handle(), paths.data_dir.clone(), temporary);
        let retention =
            store.as_ref().map(|store| retention::start(store, &config.store)).unwrap_or_default();
        Ok(Self {
            lock,
            member,
            system,
            endpoint,
            http3: Some(http3_arrived),
            store,
            retention,
            probe,
            telemetry,
            _run_folder: run_folder,
            _refusals: refusals,
            _announcement: announcement,
        })
    }

    /// From now on gateways that ask hear what this machine logged.
    pub(crate) fn answer_logs(&self, logs: Logs) {
        self.system.handle().set_logs(Arc::new(logs));
    }

    /// Where members reach this machine.
    pub(crate) fn member_address(&self) -> Option<SocketAddr> {
        self.endpoint.local_addr().ok()
    }

    /// Lets turns end or be handed over, then stops everything, the store last: what the actors said until their end is
    /// in it. Returns the number of turns that were cut off.
    pub(crate) async fn drain(mut self, grace: Duration) -> u32 {
        self.retention.shutdown().await;
        self.probe.shutdown().await;
        let cut_off = self.system.drain(grace).await;
        if let Some(telemetry) = self.telemetry {
            telemetry.finish().await;
        }
        if let Some(store) = self.store
            && let Err(error) = store.close().await
        {
            tracing::error!("the store was not closed well: {error}");
        }
        cut_off
    }
}

/// A gateway has a store, a node has none: sessions live at gateways.
async fn open_store(config: &Config, paths: &Paths, role: PeerRole) -> anyhow::Result<Option<Store>> {
    if role != PeerRole::Gateway {
        return Ok(None);
    }
    let parts = StoreParts { config: config.store.clone(), data_dir: paths.data_dir.clone() };
    let store = Store::open(parts).await.map_err(command::store_failed)?;
    tracing::info!(store = store.describe(), "the store is open");
    Ok(Some(store))
}

/// The socket for members, at the wished port or, when somebody has that one, at any.
async fn bind(
    config: &Config,
    member: &Member,
    boot: u64,
    port: u16,
    on_refused: Option<OnRefused>,
) -> anyhow::Result<Endpoint> {
    let cluster = &config.cluster;
    let wished = if cluster.port == 0 { port } else { cluster.port };
    let parts = |port| EndpointParts {
        bind: SocketAddr::new(cluster.bind, port),
        identity: member.identity.clone(),
        speaker: Speaker {
            name: member.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            boot,
            addresses: Vec::new(),
        },
        link: config.link.clone(),
        members_max: cluster.members_max,
        revoked: RevocationList::default(),
        on_refused: on_refused.clone(),
    };
    let bound = match Endpoint::bind(parts(wished)).await {
        Err(BindError::Socket { source, .. })
            if source.kind() == std::io::ErrorKind::AddrInUse && cluster.port == 0 && wished != 0 =>
        {
            tracing::info!(port = wished, "the UDP port is in use; members use another one");
            Endpoint::bind(parts(0)).await
        }
        bound => bound,
    };
    let endpoint = bound.map_err(|error| Exit::Unavailable.because(error))?;
    if let Some(authority) = &member.authority {
        endpoint.revoke(&authority.registry.revoked());
    }
    Ok(endpoint)
}

/// Lets machines on the LAN find this gateway by the fingerprint of its authority.
fn announce(config: &Config, member: &Member, endpoint: &Endpoint, role: PeerRole) -> Option<Announcement> {
    if role != PeerRole::Gateway || !config.cluster.mdns {
        return None;
    }
    let bound = endpoint.local_addr().ok()?;
    let fingerprint = fingerprint_of(member.identity.authority()).ok()?;
    let (node, name) = (member.node(), member.name.clone());
    discovery::announce(&AnnounceParts { fingerprint, node, name, bind: bound.ip(), port: bound.port() })
}

/// With a folder for KV on disk, absolute: an engine is started anywhere.
fn engine_config(config: &Config, data_dir: &Path) -> EngineConfig {
    let chosen = config.engine.prefix_disk_folder.as_ref().filter(|folder| !folder.is_empty());
    let folder = chosen.map_or_else(|| data_dir.join("prefix"), PathBuf::from);
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    EngineConfig { prefix_disk_folder: Some(folder.display().to_string()), ..config.engine.clone() }
}

/// The configured model, else the built-in one, unpacked into the data folder.
fn model(config: &ModelConfig, data_dir: &Path, kv_bytes: u64) -> anyhow::Result<LocalModel> {
    let (name, folder) = match &config.path {
        None => {
            let folder = pomona_engine::builtin::materialise(data_dir)
                .with_context(|| format!("cannot unpack the built-in model into {}", data_dir.display()))?;
            (Some(pomona_engine::builtin::NAME.to_owned()), folder)
        }
        Some(path) => {
            let folder =
                std::path::absolute(path).with_context(|| format!("model.path {}", path.display()))?;
            if !folder.is_dir() {
                let error = anyhow!(
                    "model.path = {}: there is no such folder; name one with config.json in it",
                    folder.display()
                );
                return Err(Exit::Unavailable.because(error));
            }
            (folder.file_name().map(|name| name.to_string_lossy().into_owned()), folder)
        }
    };
    let name = config.name.clone().or(name).unwrap_or_else(|| "model".to_owned());
    let memory_bytes = weight_bytes(&folder) + kv_bytes;
    Ok(LocalModel { id: ModelId(name), folder, memory_bytes })
}

fn weight_bytes(folder: &PathBuf) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let weights = files.filter(|file| file.path().extension().is_some_and(|kind| kind == "safetensors"));
    weights.filter_map(|file| Some(std::fs::metadata(file.path()).ok()?.len())).sum()
}
