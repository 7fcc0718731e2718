//! `cargo xtask mlx-linux`: builds and tests the MLX backend on Linux's CPU, or runs another cargo command with it.
//!
//! The parts that it needs are set up once, inside `target` (`mlx_linux/parts.rs`). Why this works and what it does
//! not show is told in `docs/adr/0015-mlx-on-linux.md`.

mod parts;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::workspace;
pub(crate) use parts::{Ready, ready};

/// The package that is meant when the arguments name none.
const PACKAGE: &str = "pomona-mlx";

/// A cargo command that is to see the MLX backend.
#[derive(Args)]
pub(crate) struct MlxLinuxArguments {
    /// A cargo command and its arguments, such as `clippy` or `build --package pomona-node`; without one, the tests.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    cargo: Vec<String>,
}

/// Sets the parts up and runs cargo with them; `true` when it succeeded.
pub(crate) fn run(arguments: &MlxLinuxArguments) -> Result<bool> {
    let root = workspace::root();
    let mut loudly = |what: &str, command: &mut Command| -> Result<()> {
        println!("mlx-linux: {what}");
        let name = command.get_program().to_string_lossy().into_owned();
        let status = command.status().with_context(|| format!("{name} cannot be started"))?;
        if status.success() { Ok(()) } else { bail!("{name} ended with {status}") }
    };
    let config = match ready(&root, &mut loudly)? {
        Ready::At(config) => config,
        Ready::Missing(what) => bail!("MLX cannot be built here: {what}"),
    };
    let words: Vec<&str> = match arguments.cargo.as_slice() {
        [] => vec!["test"],
        given => given.iter().map(String::as_str).collect(),
    };
    let status = cargo(&config, &words).current_dir(root).status().context("cargo cannot be started")?;
    Ok(status.success())
}

/// A cargo command that sees the parts.
pub(crate) fn cargo(config: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(with_parts(config, words));
    // Sums in one order, whatever the machine has.
    command.env("OPENBLAS_NUM_THREADS", std::env::var("OPENBLAS_NUM_THREADS").unwrap_or_else(|_| "1".into()));
    command
}

/// The words with what they need right behind the first: some commands take it nowhere else.
fn with_parts(config: &Path, words: &[&str]) -> Vec<String> {
    let (first, rest) = words.split_first().map_or(("test", words), |(first, rest)| (*first, rest));
    let before_dashes = rest.split(|word| *word == "--").next().unwrap_or_default();
    let names_package = before_dashes.iter().any(|word| {
        matches!(*word, "-p" | "--package" | "--workspace")
            || word.starts_with("-p")
            || word.starts_with("--package=")
    });
    let mut all = vec![first.to_owned(), "--config".to_owned(), config.display().to_string()];
    if !names_package {
        all.extend(["--package".to_owned(), PACKAGE.to_owned()]);
    }
    all.extend(["--features".to_owned(), "mlx".to_owned()]);
    all.extend(rest.iter().map(|word| (*word).to_owned()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(given: &[&str]) -> String {
        with_parts(Path::new("c.toml"), given).join(" ")
    }

    #[test]
    fn the_backend_is_meant_unless_a_package_is_named() {
        assert_eq!(words(&["test"]), "test --config c.toml --package pomona-mlx --features mlx");
        assert_eq!(
            words(&["build", "-p", "pomona-node"]),
            "build --config c.toml --features mlx -p pomona-node"
        );
        assert_eq!(
            words(&["test", "--", "-p"]),
            "test --config c.toml --package pomona-mlx --features mlx -- -p"
        );
    }
}
