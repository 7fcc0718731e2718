//! The composition root of `pomona node`: a machine that hosts models for the gateways of its cluster.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use pomona_actors::{Handle, Unobserved};
use pomona_config::Config;
use pomona_protocol::{NodeStatus, PeerRole};

use crate::banner::{self, NodeBanner, Via};
use crate::cli::NodeArgs;
use crate::exit::Exit;
use crate::logging::Logs;
use crate::machine::{Machine, Wish};
use crate::paths::Paths;
use crate::signals::Signals;

/// Between two looks at whether a gateway is linked.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// After this long without a gateway a person is told what is being tried.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs a node until a signal ends it. It comes back to its gateways by itself whenever it loses them.
pub(crate) async fn node(
    args: NodeArgs,
    config: Config,
    paths: Paths,
    logs: Logs,
) -> anyhow::Result<ExitCode> {
    let started_at = Instant::now();
    let mut signals = Signals::listen()?;
    let wish = Wish {
        role: PeerRole::Node,
        token: args.join.token.as_ref(),
        port: 0,
        observer: Arc::new(Unobserved),
        gateways: &args.gateways,
    };
    let mut machine = Machine::start(&config, &paths, wish).await?;
    machine.answer_logs(logs);
    let handle = machine.system.handle();
    let exit = tokio::select! {
        linked = linked(&handle) => {
            let model = if config.cluster.hosts {
                match banner::until_loaded(&handle).await {
                    Ok(card) => Some(card.id.0),
                    Err(cause) => return Err(Exit::Unavailable.because(cause)),
                }
            } else {
                None
            };
            if let Some((gateway, member_address)) = linked.zip(machine.member_address()) {
                let cluster = machine.member.identity.cluster();
                let banner = NodeBanner { cluster, name: machine.member.name.clone(), gateway, model, member_address };
                banner::show_node(&banner, started_at.elapsed())?;
            }
            tokio::select! {
                () = signals.next() => Exit::Ok,
                () = machine.system.failed() => return Err(anyhow!("the actors ended; the log says why")),
            }
        }
        () = signals.next() => Exit::Ok,
        () = machine.system.failed() => return Err(anyhow!("the actors ended; the log says why")),
    };
    let grace = Duration::from_millis(config.shutdown.grace_ms);
    tracing::info!(grace_ms = config.shutdown.grace_ms, "leaving: running turns are handed over");
    tokio::select! {
        cut_off = machine.drain(grace) => tracing::info!(cut_off, "ended"),
        () = signals.next() => tracing::info!("ended at once by a second signal"),
    }
    Ok(exit.into())
}

/// Waits until a gateway is linked.
async fn linked(handle: &Handle) -> Option<Via> {
    let started_at = Instant::now();
    let mut has_told = false;
    loop {
        let nodes = handle.nodes().await.ok()?;
        if let Some(via) = nodes.iter().find_map(via) {
            return Some(via);
        }
        if started_at.elapsed() > PATIENCE && !std::mem::replace(&mut has_told, true) {
            tracing::warn!("no gateway answers yet; trying on (the log at debug level says where)");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn via(node: &NodeStatus) -> Option<Via> {
    let path = node.path.as_ref().filter(|_| !node.is_here)?;
    Some(Via { name: node.name.clone(), address: path.address.clone(), path: path.kind })
}
