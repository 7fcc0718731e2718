//! The composition root of `pomona up`: builds every part, hands each its section, waits for a signal, drains.
//!
//! The order matters: the lock before anything is written, the port before the model is loaded, the banner when
//! a turn would be answered.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use pomona_actors::{Parts, System};
use pomona_config::{Config, ModelConfig};
use pomona_gateway::{Gateway, GatewayParts, KeyRing, Metrics};
use pomona_protocol::{ModelId, NodeId};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::banner::{self, Banner};
use crate::cli::UpArgs;
use crate::data_lock::DataLock;
use crate::exit::Exit;
use crate::paths::Paths;
use crate::run_folder::RunFolder;
use crate::signals::Signals;

/// Clusters will get names of their own when they have more than one machine.
const CLUSTER: &str = "orchard";
/// For clients to be told how their turns ended; those that do not read are cut off.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs a gateway and a node until a signal ends them.
pub(crate) async fn up(args: UpArgs, config: Config, paths: Paths) -> anyhow::Result<ExitCode> {
    let started_at = Instant::now();
    let mut signals = Signals::listen()?;
    let lock = DataLock::acquire(&paths.data_dir)?;
    let run_folder = RunFolder::make(&paths)?;
    let keys = KeyRing::load_or_create(&paths.key_file).map_err(|error| Exit::Unavailable.because(error))?;
    let (model_id, model_dir) = model(&config.model, &paths.data_dir)?;
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    let mut system = System::start(Parts {
        cluster: CLUSTER.to_owned(),
        node: NodeId(node_name()),
        model_id,
        model_dir,
        run_dir: run_folder.path().to_owned(),
        routing: config.routing,
        turn: config.turn,
        model: config.model,
        engine: config.engine,
        restart: config.restart,
        observer: Arc::<Metrics>::clone(&metrics),
    })
    .await?;
    let handle = system.handle();
    let gateway = Gateway::bind(GatewayParts {
        gateway: config.gateway,
        api: config.api,
        limits: config.limits,
        keys,
        handle: handle.clone(),
        metrics,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
    .await
    .map_err(|error| Exit::Unavailable.because(error))?;
    let address = gateway.local_addr();
    let fell_back_from = gateway.fell_back_from();
    lock.announce(&format!("http://{address}"))?;

    let (shutdown, kill) = (CancellationToken::new(), CancellationToken::new());
    let mut served = JoinSet::new();
    served.spawn(gateway.serve(shutdown.clone(), kill.clone()));
    let exit = tokio::select! {
        card = banner::until_loaded(&handle) => match card {
            Ok(card) => {
                let banner = Banner { address, fell_back_from, cluster: CLUSTER, card: &card, key_file: &paths.key_file };
                banner::show(&banner, started_at.elapsed())?;
                if !args.no_open {
                    banner::open_browser(address);
                }
                tokio::select! {
                    () = signals.next() => Exit::Ok,
                    () = system.failed() => return Err(anyhow!("the actors ended; the log says why")),
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
        let cut_off = system.drain(grace).await;
        // Turns that were cut off still have to tell their clients.
        let _ = tokio::time::timeout(LAST_WORDS, served.join_next()).await;
        kill.cancel();
        served.join_next().await;
        cut_off
    };
    tokio::select! {
        cut_off = drained => tracing::info!(cut_off, "ended"),
        () = signals.next() => tracing::info!("ended at once by a second signal"),
    }
    Ok(exit.into())
}

/// The model's name and folder: the configured one, else the built-in one, unpacked into the data folder.
fn model(config: &ModelConfig, data_dir: &Path) -> anyhow::Result<(ModelId, PathBuf)> {
    let Some(path) = &config.path else {
        let folder = pomona_engine::builtin::materialise(data_dir)
            .with_context(|| format!("cannot unpack the built-in model into {}", data_dir.display()))?;
        let name = config.name.clone().unwrap_or_else(|| pomona_engine::builtin::NAME.to_owned());
        return Ok((ModelId(name), folder));
    };
    let folder = std::path::absolute(path).with_context(|| format!("model.path {}", path.display()))?;
    if !folder.is_dir() {
        let error = anyhow!(
            "model.path = {}: there is no such folder; name one with config.json in it",
            folder.display()
        );
        return Err(Exit::Unavailable.because(error));
    }
    let name =
        config.name.clone().or_else(|| folder.file_name().map(|name| name.to_string_lossy().into_owned()));
    Ok((ModelId(name.unwrap_or_else(|| "model".to_owned())), folder))
}

fn node_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "node".to_owned() } else { name }
}
