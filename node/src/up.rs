//! The composition root of `pomona up` and `pomona gateway`: builds every part, hands each its section, waits for a
//! signal, drains.
//!
//! The order matters: the port before the machine, so that the socket for members gets the same number; the lock
//! before anything is written; the banner when a turn would be answered.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use pomona_actors::Handle;
use pomona_config::Config;
use pomona_gateway::{Door, Gateway, GatewayParts, KeyRing, Metrics};
use pomona_protocol::{JoinToken, ModelCard, NewToken, PeerRole};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::banner::{self, GatewayBanner, Via};
use crate::cli::{GatewayArgs, UpArgs};
use crate::data_lock::DataLock;
use crate::encryption;
use crate::exit::Exit;
use crate::logging::Logs;
use crate::machine::{Machine, Wish};
use crate::paths::Paths;
use crate::signals::Signals;

/// For clients to be told how their turns ended; those that do not read are cut off.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long the banner of a gateway that joined another one waits for the link.
const LINK_PATIENCE: Duration = Duration::from_secs(2);
/// How long the token of the banner may be used.
const BANNER_TOKEN_S: u64 = 15 * 60;

/// Runs a gateway and a node until a signal ends them.
pub(crate) async fn up(args: UpArgs, config: Config, paths: Paths, logs: Logs) -> anyhow::Result<ExitCode> {
    serve(args.join.token.as_ref(), args.serve.no_open, config, paths, logs).await
}

/// Runs a gateway that hosts no model.
pub(crate) async fn gateway(
    args: GatewayArgs,
    config: Config,
    paths: Paths,
    logs: Logs,
) -> anyhow::Result<ExitCode> {
    serve(args.join.token.as_ref(), args.serve.no_open, config, paths, logs).await
}

async fn serve(
    token: Option<&JoinToken>,
    no_open: bool,
    config: Config,
    paths: Paths,
    logs: Logs,
) -> anyhow::Result<ExitCode> {
    let started_at = Instant::now();
    let mut signals = Signals::listen()?;
    // Said before a port is opened, since it is the clearest answer to a second start.
    drop(DataLock::acquire(&paths.data_dir)?);
    let door = Door::open(&config.gateway).await.map_err(|error| Exit::Unavailable.because(error))?;
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION")).with_vllm_names(config.telemetry.vllm_names);
    let metrics = Arc::new(metrics);
    let wish = Wish {
        role: PeerRole::Gateway,
        token,
        port: door.local_addr().port(),
        observer: Arc::<Metrics>::clone(&metrics),
        gateways: &[],
    };
    let mut machine = Machine::start(&config, &paths, wish).await?;
    let keys = KeyRing::load_or_create(&paths.key_file).map_err(|error| Exit::Unavailable.because(error))?;
    let handle = machine.system.handle();
    let (shutdown, kill) = (CancellationToken::new(), CancellationToken::new());
    let tls = encryption::source(&config, &machine.member, door.local_addr())?;
    let gateway = Gateway::behind(
        door,
        GatewayParts {
            gateway: config.gateway.clone(),
            api: config.api.clone(),
            limits: config.limits.clone(),
            session: config.session.clone(),
            notifications: config.notifications.clone(),
            keys,
            handle: handle.clone(),
            metrics,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            tls,
            shutdown: shutdown.clone(),
        },
    )
    .map_err(|error| Exit::Unavailable.because(error))?;
    let address = gateway.local_addr();
    let fell_back_from = gateway.fell_back_from();
    let url = url(&gateway, address);
    machine.lock.announce(&url)?;
    machine.answer_logs(logs);
    let mut helpers = http3_and_renewal(&config, &mut machine, &gateway, &shutdown);
    let links = gateway.sign_in_links();
    let mut served = JoinSet::new();
    served.spawn(gateway.serve(kill.clone()));
    let exit = tokio::select! {
        card = until_useful(&handle, config.cluster.hosts) => match card {
            Ok(card) => {
                let link = || links.path().map(|path| format!("{url}{path}"));
                // A link works once: the browser that is opened here gets one of its own.
                if let (false, Some(link)) = (no_open, link()) {
                    banner::open_browser(&link);
                }
                let sign_in = link();
                let banner = GatewayBanner { fell_back_from, sign_in, ..banner_of(&machine, &handle, url, card, &paths).await };
                banner::show_gateway(&banner, started_at.elapsed())?;
                tokio::select! {
                    () = signals.next() => Exit::Ok,
                    () = machine.system.failed() => return Err(anyhow!("the actors ended; the log says why")),
                }
            }
            Err(cause) => return Err(Exit::Unavailable.because(cause)),
        },
        () = signals.next() => Exit::Ok,
    };

    let grace = Duration::from_millis(config.shutdown.grace_ms);
    tracing::info!(grace_ms = config.shutdown.grace_ms, "shutting down: running turns may end");
    shutdown.cancel();
    let drained = async {
        let cut_off = machine.drain(grace).await;
        // Turns that were cut off still have to tell their clients.
        let _ = tokio::time::timeout(LAST_WORDS, served.join_next()).await;
        kill.cancel();
        served.join_next().await;
        helpers.shutdown().await;
        cut_off
    };
    tokio::select! {
        cut_off = drained => tracing::info!(cut_off, "ended"),
        () = signals.next() => tracing::info!("ended at once by a second signal"),
    }
    Ok(exit.into())
}

/// Waits for a model of this machine's own. A gateway that hosts none is useful at once: its nodes come to it.
async fn until_useful(handle: &Handle, hosts: bool) -> Result<Option<ModelCard>, pomona_protocol::Cause> {
    if hosts { banner::until_loaded(handle).await.map(Some) } else { Ok(None) }
}

fn url(gateway: &Gateway, address: SocketAddr) -> String {
    let scheme = if gateway.is_encrypted() { "https" } else { "http" };
    // Commands on this machine come over loopback, whose address every certificate of ours has.
    let host = if address.ip().is_unspecified() { "127.0.0.1".to_owned() } else { host(address) };
    format!("{scheme}://{host}:{}", address.port())
}

fn host(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

/// What runs beside an encrypted gateway: HTTP/3 on the members' socket, and the renewal of our own certificate.
fn http3_and_renewal(
    config: &Config,
    machine: &mut Machine,
    gateway: &Gateway,
    shutdown: &CancellationToken,
) -> JoinSet<()> {
    let mut helpers = JoinSet::new();
    let Some(certificate) = gateway.certificate() else { return helpers };
    let address = gateway.local_addr();
    if let (true, Some(member_address)) = (config.tls.http3, machine.member_address()) {
        machine.endpoint.offer_http3(Arc::<pomona_gateway::ServerCertificate>::clone(&certificate));
        gateway.offer_http3(member_address.port());
        if let Some(arrived) = machine.http3.take() {
            helpers.spawn(encryption::serve(arrived, gateway.http_service(), address, shutdown.clone()));
        }
    }
    if let Some(authority) = &machine.member.authority {
        let (authority, tls) = (Arc::clone(authority), config.tls.clone());
        if matches!(tls.mode, pomona_config::TlsMode::Auto | pomona_config::TlsMode::Authority) {
            helpers.spawn(encryption::keep(authority, tls, address, certificate));
        }
    }
    helpers
}

async fn banner_of(
    machine: &Machine,
    handle: &Handle,
    url: String,
    card: Option<ModelCard>,
    paths: &Paths,
) -> GatewayBanner {
    let wish = NewToken { role: PeerRole::Node, ttl_s: BANNER_TOKEN_S, uses: 1, name: None };
    let token = handle.create_token(wish).await.ok();
    let mut nodes = handle.nodes().await.unwrap_or_default();
    let asked_at = Instant::now();
    // Who joined another cluster wants to read how it is reached.
    while machine.member.authority.is_none() && asked_at.elapsed() < LINK_PATIENCE && nodes.len() < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        nodes = handle.nodes().await.unwrap_or_default();
    }
    let joined = nodes.iter().filter(|node| !node.is_here && node.role == PeerRole::Gateway);
    let joined = joined.filter(|_| machine.member.authority.is_none()).find_map(|node| {
        let path = node.path.as_ref()?;
        Some(Via { name: node.name.clone(), address: path.address.clone(), path: path.kind })
    });
    let is_encrypted = url.starts_with("https");
    GatewayBanner {
        url,
        sign_in: None,
        fell_back_from: None,
        cluster: machine.member.identity.cluster(),
        name: machine.member.name.clone(),
        members: nodes.iter().filter(|node| node.path.is_some() || node.is_here).count(),
        model: card.map(|card| card.id.0),
        key_file: paths.key_file.clone(),
        member_address: machine.member_address(),
        join_token: token.map(|token| token.token),
        authority: is_encrypted.then(|| machine.member.folder.join("authority.pem")),
        joined,
    }
}
