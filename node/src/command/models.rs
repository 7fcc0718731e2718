//! `pomona models`: what can be asked.

use std::process::ExitCode;

use pomona_client::ModelInfo;

use crate::cli::{Global, ModelsCommand};
use crate::command::status::{bytes, count};
use crate::exit::Exit;
use crate::output;

/// Lists the models of the gateway.
pub(super) fn run(command: &ModelsCommand, global: &Global) -> anyhow::Result<ExitCode> {
    let ModelsCommand::Ls = command;
    let client = super::connect(global)?;
    let models = super::small_runtime()?.block_on(client.models())?;
    if global.json {
        output::json(&models)?;
    } else if models.is_empty() {
        output::remark("no model can be asked yet; `pomona status` says what it is doing");
    } else {
        output::line(&table(&models))?;
    }
    Ok(Exit::Ok.into())
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
