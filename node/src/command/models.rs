//! `pomona models`: what there is, how it comes and goes, and where it is loaded.

mod disk;
mod list;
mod pull;
mod pull_screen;
mod remove;
mod show;

use std::process::ExitCode;

use pomona_client::Client;
use serde_json::json;

use crate::cli::{Global, ModelsCommand, PlacedModel};
use crate::data_lock;
use crate::exit::Exit;
use crate::output;
use crate::paths::Paths;

/// Lists, shows, pulls, removes, verifies, or asks the gateway for one to be loaded, unloaded or kept.
pub(super) fn run(command: ModelsCommand, global: &Global) -> anyhow::Result<ExitCode> {
    match command {
        ModelsCommand::Ls => list::run(global),
        ModelsCommand::Show(named) => show::run(&named.model, global),
        ModelsCommand::Pull(args) => pull::run(args, global),
        ModelsCommand::Rm(removed) => remove::run(&removed, global),
        ModelsCommand::Verify(named) => disk::verify(&named.model, global),
        ModelsCommand::Load(placed) => {
            ask(&placed, global, async |client, model, node| client.load_model(model, node).await)?;
            said("loading", &placed, "where there is room", true, global)
        }
        ModelsCommand::Unload(placed) => {
            ask(&placed, global, async |client, model, node| client.unload_model(model, node).await)?;
            said("unloading", &placed, "everywhere", true, global)
        }
        ModelsCommand::Pin(placed) => {
            ask(&placed, global, async |client, model, node| client.pin_model(model, node, true).await)?;
            said("pinned", &placed, "wherever it lies", false, global)
        }
        ModelsCommand::Unpin(placed) => {
            ask(&placed, global, async |client, model, node| client.pin_model(model, node, false).await)?;
            said("unpinned", &placed, "wherever it lies", false, global)
        }
    }
}

/// Has the gateway do something with a model.
fn ask(
    placed: &PlacedModel,
    global: &Global,
    order: impl AsyncFn(&Client, &str, Option<&str>) -> Result<(), pomona_client::ClientError>,
) -> anyhow::Result<()> {
    let client = super::connect(global)?;
    let runtime = super::small_runtime()?;
    Ok(runtime.block_on(order(&client, &placed.model, placed.node.as_deref()))?)
}

/// Says what was taken on; loading and unloading are not done yet.
fn said(
    what: &str,
    placed: &PlacedModel,
    anywhere: &str,
    takes_time: bool,
    global: &Global,
) -> anyhow::Result<ExitCode> {
    if global.json {
        output::json(&json!({ "model": placed.model, "node": placed.node, "state": what }))?;
        return Ok(Exit::Ok.into());
    }
    let place = placed.node.as_ref().map_or_else(|| anywhere.to_owned(), |node| format!("on {node}"));
    let hint = if takes_time { "; `pomona status` says how far it is" } else { "" };
    output::line(&format!("{what} {} {place}{hint}", placed.model))?;
    Ok(Exit::Ok.into())
}

/// The gateway of this machine's own data folder, when one runs. Models on this disk are its models; one that was
/// named by flags may be anywhere.
fn own_gateway(paths: &Paths, global: &Global) -> Option<Client> {
    data_lock::running_gateway(&paths.data_dir)?;
    let own = Global { url: Vec::new(), ..global.clone() };
    super::connect(&own).ok()
}
