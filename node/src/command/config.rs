//! `pomona config`: is it valid, what holds, what is there to set.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::{ConfigCommand, Global};
use crate::exit::Exit;
use crate::output;
use crate::paths::Paths;

/// Checks, shows or describes the configuration. An invalid one is an error with its own exit code.
pub(super) fn run(command: &ConfigCommand, global: &Global) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Check => check(global)?,
        ConfigCommand::Show => show(global)?,
        ConfigCommand::Schema => output::json(&pomona_config::schema())?,
    }
    Ok(Exit::Ok.into())
}

fn check(global: &Global) -> anyhow::Result<()> {
    let paths = Paths::discover(global.home.as_deref())?;
    let loaded = super::load_config(&paths, global, &[])?;
    let file = global.config.clone().unwrap_or(paths.config_file);
    let changed = loaded.sources.len();
    if global.json {
        return output::json(
            &json!({ "valid": true, "file": file, "file_exists": file.exists(), "changed": changed }),
        );
    }
    let presence = if file.exists() { "" } else { " (not there; defaults hold)" };
    output::line(&format!(
        "valid; {changed} keys differ from their defaults; file {}{presence}",
        file.display()
    ))
}

fn show(global: &Global) -> anyhow::Result<()> {
    let paths = Paths::discover(global.home.as_deref())?;
    let loaded = super::load_config(&paths, global, &[])?;
    if global.json {
        output::json(&pomona_config::show_json(&loaded))
    } else {
        output::fragment(&pomona_config::show_toml(&loaded))
    }
}
