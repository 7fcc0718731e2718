//! `pomona models`: what can be asked, and where it is loaded.

use std::process::ExitCode;

use pomona_client::ModelInfo;
use serde_json::json;

use crate::cli::{Global, ModelsCommand, PlacedModel};
use crate::command::status::{bytes, count};
use crate::exit::Exit;
use crate::output;

/// Lists the models of the gateway, or asks for one to be loaded or unloaded.
pub(super) fn run(command: &ModelsCommand, global: &Global) -> anyhow::Result<ExitCode> {
    let client = super::connect(global)?;
    let runtime = super::small_runtime()?;
    match command {
        ModelsCommand::Ls => list(&runtime.block_on(client.models())?, global)?,
        ModelsCommand::Load(placed @ PlacedModel { model, node }) => {
            runtime.block_on(client.load_model(model, node.as_deref()))?;
            placing("loading", placed, "where there is room", global)?;
        }
        ModelsCommand::Unload(placed @ PlacedModel { model, node }) => {
            runtime.block_on(client.unload_model(model, node.as_deref()))?;
            placing("unloading", placed, "everywhere", global)?;
        }
    }
    Ok(Exit::Ok.into())
}

/// Says what was taken on; it is not done yet.
fn placing(what: &str, placed: &PlacedModel, anywhere: &str, global: &Global) -> anyhow::Result<()> {
    if global.json {
        return output::json(&json!({ "model": placed.model, "node": placed.node, "state": what }));
    }
    let place = placed.node.as_ref().map_or_else(|| anywhere.to_owned(), |node| format!("on {node}"));
    output::line(&format!("{what} {} {place}; `pomona status` says how far it is", placed.model))
}

fn list(models: &[ModelInfo], global: &Global) -> anyhow::Result<()> {
    if global.json {
        output::json(&models)
    } else if models.is_empty() {
        output::remark("no model can be asked yet; `pomona status` says what it is doing");
        Ok(())
    } else {
        output::line(&table(models))
    }
}

fn table(models: &[ModelInfo]) -> String {
    let row = |model: &ModelInfo| match &model.card {
        None => vec![model.id.clone()],
        Some(card) => vec![
            model.id.clone(),
            card.architecture.clone(),
            count(card.parameters),
            card.dtype.clone(),
            card.context_tokens.to_string(),
            bytes(card.weight_bytes),
        ],
    };
    let rows: Vec<Vec<String>> = models.iter().map(row).collect();
    output::table(&["MODEL", "FAMILY", "WEIGHTS", "TYPE", "CONTEXT", "MEMORY"], &rows)
}
