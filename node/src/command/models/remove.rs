//! `pomona models rm`: takes a model off this machine's disk, once this machine has it loaded no more.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use pomona_client::Client;
use pomona_protocol::{ModelId, NodeStatus};
use pomona_weights::remove_model;
use serde_json::json;

use crate::cli::{Global, RemovedModel};
use crate::exit::Exit;
use crate::output::{self, harmless};
use crate::paths::Paths;

/// Between two looks at whether it is unloaded.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Looks until it has to be: turns that run get half a minute to end or move.
const LOOKS_MAX: u32 = 150;

pub(super) fn run(removed: &RemovedModel, global: &Global) -> anyhow::Result<ExitCode> {
    let paths = Paths::discover(global.home.as_deref())?;
    let RemovedModel { model, force } = removed;
    // A name that is not there shall not unload anything.
    if super::disk::folder(&paths, model).is_some()
        && let Some(client) = super::own_gateway(&paths, global)
    {
        super::super::small_runtime()?.block_on(free(&client, model, *force))?;
    }
    let folder = remove_model(&paths.data_dir, &ModelId::from(model.as_str()))?;
    if global.json {
        output::json(&json!({ "model": model, "folder": folder, "state": "removed" }))?;
    } else {
        output::line(&format!("removed {} from {}", harmless(model), folder.display()))?;
    }
    Ok(Exit::Ok.into())
}

/// Returns once this machine has the model loaded no more.
async fn free(client: &Client, model: &str, force: bool) -> anyhow::Result<()> {
    let Some(node) = holder(&client.nodes().await?, model) else { return Ok(()) };
    if !force {
        let message = format!(
            "`{}` is loaded here; `pomona models unload {} --node {}` first, or --force",
            harmless(model),
            harmless(model),
            harmless(&node.name)
        );
        return Err(Exit::Unavailable.because(anyhow!(message)));
    }
    client.unload_model(model, Some(&node.node.0)).await?;
    for _ in 0..LOOKS_MAX {
        if holder(&client.nodes().await?, model).is_none() {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(Exit::Unavailable
        .because(anyhow!("`{}` is still loaded here; try again when its turns are done", harmless(model))))
}

/// This machine, when it has a replica of the model in whatever state.
fn holder(nodes: &[NodeStatus], model: &str) -> Option<NodeStatus> {
    let has_it =
        |node: &&NodeStatus| node.is_here && node.replicas.iter().any(|replica| replica.model == model);
    nodes.iter().find(has_it).cloned()
}
