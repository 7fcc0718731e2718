//! `pomona completions`: what a shell needs to complete commands and flags.

use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs};
use crate::exit::Exit;
use crate::output;

/// Prints the script for the shell.
pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pomona", &mut script);
    output::fragment(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok.into())
}
