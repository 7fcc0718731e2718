//! `cargo xtask sim`: simulated clusters from seeds, optimised, with the statistics on standard output. The simulator
//! itself is `cluster/tests/sim`; this builds and starts it.

use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::workspace;

/// How many clusters, and whether something is broken on purpose.
#[derive(Args)]
pub(crate) struct SimArguments {
    /// Seeds to run.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Breaks a shell on purpose, to see that it is found; a wrong name lists those that there are.
    #[arg(long = "break", value_name = "NAME")]
    broken: Option<String>,
}

impl SimArguments {
    /// As many seeds from the first one on.
    pub(crate) fn of(seeds: u64) -> Self {
        Self { seeds, seed: 1, broken: None }
    }

    /// The command line that runs them.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "pomona-cluster",
            "--example",
            "sim",
            "--",
        ]);
        command.arg("--seeds").arg(self.seeds.to_string()).arg("--seed").arg(self.seed.to_string());
        if let Some(name) = &self.broken {
            command.arg("--break").arg(name);
        }
        command
    }
}

/// Runs the seeds; `true` when every promise held.
pub(crate) fn run(arguments: &SimArguments) -> Result<bool> {
    let mut command = arguments.command();
    let status = command.current_dir(workspace::root()).status().context("cargo cannot be started")?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_names_seeds_and_break() {
        let arguments = SimArguments { seeds: 5, seed: 9, broken: Some("skip-ledger".to_owned()) };
        let command = arguments.command();
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        assert_eq!(words[words.len() - 7..].join(" "), "-- --seeds 5 --seed 9 --break skip-ledger");
    }
}
