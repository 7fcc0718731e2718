//! Tools that are not Rust: a Python environment inside `target`, and Prometheus' checker. What cannot be
//! had on this machine is an answer in words, not an error.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::job::Job;
use crate::workspace;

/// A tool, or why there is none.
pub(super) type Tool = std::result::Result<PathBuf, String>;

/// A Python with this package, installed when it is missing. `requirement` is pinned, so a version that was
/// installed before is found by it.
pub(super) fn python_with(job: &mut Job, requirement: &str) -> Result<Tool> {
    let folder = workspace::scratch().join("venv");
    let python = folder.join("bin").join("python");
    if !succeeds(Command::new(&python).arg("--version")) {
        if !succeeds(Command::new("python3").arg("--version")) {
            return Ok(Err("python3 is not installed".to_owned()));
        }
        if let Err(error) = job.run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder)) {
            return Ok(Err(format!("no virtual environment: {error:#}")));
        }
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement];
    match job.run(Command::new(&python).args(install)) {
        Ok(()) => Ok(Ok(python)),
        Err(error) => Ok(Err(format!("{requirement} cannot be installed: {error:#}"))),
    }
}

/// Prometheus' checker, installed when this user may.
pub(super) fn promtool(job: &mut Job) -> Result<Tool> {
    let present = || succeeds(Command::new("promtool").arg("--version"));
    if !present()
        && rustix::process::geteuid().is_root()
        && succeeds(Command::new("apt-get").arg("--version"))
    {
        // The package lists may be older than the archive; an update that fails leaves them as they are.
        let _ = job.run(Command::new("apt-get").args(["update", "--quiet"]));
        let install = ["install", "--yes", "--quiet", "--no-install-recommends", "prometheus"];
        let _ = job.run(Command::new("apt-get").args(install).env("DEBIAN_FRONTEND", "noninteractive"));
    }
    if present() { Ok(Ok("promtool".into())) } else { Ok(Err("promtool is not installed".to_owned())) }
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
