//! `cargo xtask fuzz`: every target of `fuzz/` for a bounded time, and a table of what each did.
//!
//! The targets are built by `cargo-fuzz`, installed into `target` when it is missing, with the project's own stable
//! compiler: coverage of the code is measured by stable flags of it. The address sanitizer, which is not, is left out; the
//! parsers have no unsafe code of ours, and sums that do not fit and broken assertions are found without it.

mod seen;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::workspace;
use seen::Seen;

/// The version of the tool, pinned, so that a run means the same tomorrow.
const CARGO_FUZZ: &str = "0.13.2";
/// Longest time for one input, in seconds, and most memory, in MiB: what takes more is a finding.
const INPUT_SECONDS: u32 = 20;
const MEMORY_MIB: u32 = 2048;
/// Longest input that is made up, in bytes.
const INPUT_BYTES_MAX: u32 = 64 * 1024;

/// Which targets, and for how long.
#[derive(Args)]
pub(crate) struct FuzzArguments {
    /// Seconds for each target.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Runs only these targets.
    #[arg(long = "target", value_name = "NAME", num_args = 1..)]
    targets: Vec<String>,
    /// Names the targets.
    #[arg(long)]
    list: bool,
}

/// Runs the targets; `true` when nothing was found.
pub(crate) fn run(arguments: &FuzzArguments) -> Result<bool> {
    let root = workspace::root();
    let known = targets(&root.join("fuzz"))?;
    if arguments.list {
        known.iter().for_each(|name| println!("{name}"));
        return Ok(true);
    }
    let chosen = choose(&known, &arguments.targets)?;
    let tool = tool(&root)?;
    let mut seeds = cargo(&root);
    seeds.args(["run", "--quiet", "--manifest-path", "fuzz/Cargo.toml", "--package", "pomona-fuzz-seeds"]);
    done(seeds.arg("--target-dir").arg(workspace::scratch().join("fuzz")), "the seeds")?;
    let mut seen = Vec::new();
    for name in chosen {
        eprintln!("{name}: {} s", arguments.seconds);
        seen.push(fuzz(&root, &tool, name, arguments.seconds)?);
    }
    print!("{}", seen::table(&seen));
    for seen in &seen {
        for file in &seen.found {
            println!(
                "{} broke on fuzz/artifacts/{}/{file}; its log is {}",
                seen.target,
                seen.target,
                log(&seen.target).display()
            );
        }
    }
    Ok(seen.iter().all(Seen::is_clean))
}

/// The targets that `fuzz/Cargo.toml` names, in order.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let manifest = workspace::manifest(&folder.join("Cargo.toml"))?;
    let targets =
        manifest.get("bin").and_then(toml::Value::as_array).context("fuzz/Cargo.toml names no targets")?;
    let name = |target: &toml::Value| target.get("name").and_then(toml::Value::as_str).map(str::to_owned);
    Ok(targets.iter().filter_map(name).collect())
}

fn choose<'a>(known: &'a [String], asked: &[String]) -> Result<Vec<&'a str>> {
    for name in asked {
        ensure!(known.contains(name), "no target `{name}`; there are: {}", known.join(", "));
    }
    Ok(known.iter().filter(|name| asked.is_empty() || asked.contains(name)).map(String::as_str).collect())
}

/// `cargo-fuzz`, installed into `target` when it is not there.
fn tool(root: &Path) -> Result<PathBuf> {
    let folder = workspace::scratch().join("cargo-fuzz");
    let tool = folder.join("bin").join("cargo-fuzz");
    let said = Command::new(&tool).args(["fuzz", "--version"]).output();
    if said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).trim().ends_with(CARGO_FUZZ)) {
        return Ok(tool);
    }
    let mut install = cargo(root);
    install.args(["install", "--quiet", "--locked", "--force", "cargo-fuzz", "--version", CARGO_FUZZ]);
    done(install.arg("--root").arg(folder), "the installation of cargo-fuzz")?;
    Ok(tool)
}

/// Builds one target and runs it.
fn fuzz(root: &Path, tool: &Path, target: &str, seconds: u32) -> Result<Seen> {
    let artifacts = root.join("fuzz").join("artifacts").join(target);
    fs::create_dir_all(&artifacts)?;
    fs::create_dir_all(workspace::scratch().join("fuzz"))?;
    let before = names(&artifacts)?;
    let log = log(target);
    let out = fs::File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
    let mut command = Command::new(tool);
    command
        .args(["fuzz", "run", "--sanitizer", "none", "--target-dir"])
        .arg(workspace::scratch().join("fuzz"));
    command.args([target, "--"]).arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-timeout={INPUT_SECONDS}")).arg(format!("-rss_limit_mb={MEMORY_MIB}"));
    command.arg(format!("-max_len={INPUT_BYTES_MAX}")).arg("-print_final_stats=1");
    let status = command
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .status()
        .context("cargo-fuzz cannot be started")?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    ensure!(text.contains("INFO: Seed:"), "{target} did not start: see {}", log.display());
    let found = names(&artifacts)?.into_iter().filter(|name| !before.contains(name)).collect();
    Ok(Seen::read(target, &text, found, status.success()))
}

/// Where what the target says is kept.
fn log(target: &str) -> PathBuf {
    workspace::scratch().join("fuzz").join(format!("{target}.log"))
}

/// The files of a folder, in order.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    let mut names: Vec<_> =
        entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

fn done(command: &mut Command, what: &str) -> Result<()> {
    let status = command.status().context("cargo cannot be started")?;
    ensure!(status.success(), "{what} failed with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_names_the_targets_and_a_wrong_one_is_refused() {
        let known = targets(&workspace::root().join("fuzz")).unwrap();
        assert!(known.iter().any(|name| name == "safetensors"), "{known:?}");
        assert_eq!(choose(&known, &[]).unwrap().len(), known.len());
        assert_eq!(choose(&known, &["config".to_owned()]).unwrap(), ["config"]);
        let error = choose(&known, &["swim".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("no target `swim`; there are: open_frame"), "{error}");
    }
}
