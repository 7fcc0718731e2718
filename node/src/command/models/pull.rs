//! `pomona models pull`: downloads a model, and waits until this machine's gateway offers it.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use pomona_actors::HubSource;
use pomona_client::Client;
use pomona_protocol::ModelId;
use pomona_weights::hub::{Endpoint, Order, PullError, PullLimits, Pulled, pull};
use serde_json::json;

use super::pull_screen::Screen;
use crate::cli::{Global, PullArgs};
use crate::command::status::bytes;
use crate::exit::Exit;
use crate::hub;
use crate::output::{self, harmless};
use crate::paths::Paths;

/// Between two looks at whether the gateway offers it.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Looks until it should: the models folder is looked at every second.
const LOOKS_MAX: u32 = 40;

pub(super) fn run(args: PullArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let paths = Paths::discover(global.home.as_deref())?;
    let into = args.into.as_deref().map(std::path::absolute).transpose().context("--into is no folder")?;
    let is_offered = into.is_none();
    let model = args.name.map(ModelId);
    let order = Order { reference: args.reference, pattern: args.file, model, into };
    let screen = Arc::new(Screen::new(global.json));
    let runtime = super::super::small_runtime()?;
    let pulled = runtime.block_on(take(order, &paths.data_dir.join("models"), &screen));
    screen.end();
    let pulled = match pulled {
        Ok(pulled) => pulled,
        Err(error) => {
            if global.json {
                output::line(&json!({ "event": "failed", "error": error.to_string() }).to_string())?;
            }
            return Err(error);
        }
    };
    if is_offered && let Some(client) = super::own_gateway(&paths, global) {
        runtime.block_on(until_offered(&client, &pulled.model));
    }
    say(&pulled, is_offered, global)?;
    Ok(Exit::Ok.into())
}

async fn take(order: Order, models: &Path, screen: &Arc<Screen>) -> anyhow::Result<Pulled> {
    let HubSource { address, token } = hub::source()?;
    let endpoint =
        Endpoint::new(&address, token).await.map_err(|error| Exit::Configuration.because(error))?;
    let heard = Arc::clone(screen);
    let pulled =
        pull(order, endpoint, models, PullLimits::default(), Arc::new(move |event| heard.show(&event)));
    Box::pin(pulled).await.map_err(failed)
}

/// An error with the code that the process ends with: what may be better later is told apart from what is wrong.
fn failed(error: PullError) -> anyhow::Error {
    match error {
        PullError::GaveUp { .. }
        | PullError::NoSpace { .. }
        | PullError::DiskFull { .. }
        | PullError::InProgress
        | PullError::Client { .. } => Exit::Unavailable.because(error),
        _ => error.into(),
    }
}

/// The gateway sees it by itself; this only saves a person from asking too early.
async fn until_offered(client: &Client, model: &ModelId) {
    for _ in 0..LOOKS_MAX {
        let Ok(nodes) = client.nodes().await else { return };
        let offers =
            |node: &pomona_protocol::NodeStatus| node.models.iter().any(|offer| offer.model == *model);
        if nodes.iter().any(|node| node.is_here && (offers(node) || !node.hosts)) {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn say(pulled: &Pulled, is_offered: bool, global: &Global) -> anyhow::Result<()> {
    let model = harmless(&pulled.model.0);
    if global.json {
        let done = json!({
            "event": "done", "model": pulled.model, "folder": pulled.folder, "commit": pulled.commit,
            "files": pulled.files, "bytes": pulled.bytes, "was_there": pulled.was_there
        });
        return output::line(&done.to_string());
    }
    let what = if pulled.was_there { "is here already" } else { "is here" };
    output::line(&format!(
        "{model} {what}: {} files, {}, {}",
        pulled.files,
        bytes(pulled.bytes),
        pulled.folder.display()
    ))?;
    if is_offered {
        output::remark(&format!("ask it: pomona do --model {model} 'hello'"));
    } else {
        output::remark(&format!("serve it: pomona up --model {}", pulled.folder.display()));
    }
    Ok(())
}
