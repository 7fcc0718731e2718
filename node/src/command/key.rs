//! `pomona key`: where the key of this machine lies, and the key itself for whoever asks for it by name.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use crate::cli::{Global, KeyArgs, KeyCommand};
use crate::exit::Exit;
use crate::output;
use crate::paths::Paths;

/// Prints the path, or the key when asked.
pub(super) fn run(args: &KeyArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let file = match &global.key_file {
        Some(file) => file.clone(),
        None => Paths::discover(global.home.as_deref())?.key_file,
    };
    match args.command {
        None if global.json => output::json(&json!({ "file": file, "file_exists": file.exists() }))?,
        None => output::line(&file.display().to_string())?,
        Some(KeyCommand::Show) => {
            let key =
                super::read_key(&file).context("no key yet? `pomona up` makes one on its first start")?;
            if global.json {
                output::json(&json!({ "file": file, "key": key.reveal() }))?;
            } else {
                output::line(key.reveal())?;
            }
        }
    }
    Ok(Exit::Ok.into())
}
