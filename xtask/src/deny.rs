//! `cargo xtask deny`: licences, bans and advisories, by the rules of `deny.toml`. Needs `cargo-deny`, which
//! takes long to build and reads an advisory database from the network, so it is not a lane of `test`.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// Runs `cargo deny check`; `true` when nothing was found.
pub(crate) fn run() -> Result<bool> {
    let present =
        Command::new("cargo").args(["deny", "--version"]).output().is_ok_and(|out| out.status.success());
    if !present {
        bail!("cargo-deny is not installed; `cargo install --locked cargo-deny` builds it");
    }
    let status = Command::new("cargo").args(["deny", "check"]).current_dir(workspace::root()).status();
    Ok(status.context("cargo deny cannot be started")?.success())
}
