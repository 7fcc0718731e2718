//! Tools that are not Rust: a Python environment and Node's packages inside `target`, and Prometheus' checker. What cannot be
//! had on this machine is an answer in words, not an error.

use std::path::{Path, PathBuf};
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

/// A folder in which Node finds these packages, installed when they are missing. They are pinned, as `name@version`.
pub(super) fn node_with(job: &mut Job, packages: &[&str]) -> Result<Tool> {
    let is_there = |tool: &str| succeeds(Command::new(tool).arg("--version"));
    if !is_there("node") || !is_there("npm") {
        return Ok(Err("node and npm are not installed; on Debian: apt-get install nodejs npm".to_owned()));
    }
    let folder = workspace::scratch().join("node");
    std::fs::create_dir_all(&folder)?;
    // npm would otherwise install into the first folder above that has one.
    std::fs::write(folder.join("package.json"), r#"{"private": true}"#)?;
    let mut install = Command::new("npm");
    install.args([
        "install",
        "--no-save",
        "--no-package-lock",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
    ]);
    match job.run_in(&folder, install.args(["--prefer-offline", "--loglevel", "error"]).args(packages)) {
        Ok(()) => Ok(Ok(folder)),
        Err(error) => Ok(Err(format!("{} cannot be installed: {error:#}", packages.join(" and ")))),
    }
}

/// Prometheus' checker: the one of this machine, else unpacked from Debian's package into `target`, so that
/// no service is installed.
pub(super) fn promtool(job: &mut Job) -> Result<Tool> {
    let folder = workspace::scratch().join("promtool");
    let unpacked = folder.join("usr").join("bin").join("promtool");
    let present = || {
        let candidates = [PathBuf::from("promtool"), unpacked.clone()];
        candidates.into_iter().find(|tool| succeeds(Command::new(tool).arg("--version")))
    };
    if present().is_none() && succeeds(Command::new("apt-get").arg("--version")) {
        std::fs::create_dir_all(&folder)?;
        let unpack = "apt-get download --quiet prometheus && dpkg-deb --extract prometheus_*.deb .";
        let mut fetch = |command: &str| job.run_in(&folder, Command::new("sh").args(["-c", command]));
        // The lists of packages may be missing or old; only an administrator may renew them.
        if fetch(unpack).is_err() && rustix::process::geteuid().is_root() {
            let _ = fetch(&format!("apt-get update --quiet && {unpack}"));
        }
    }
    Ok(present().ok_or_else(|| "promtool is not installed".to_owned()))
}

/// A Chromium: the one of this machine, or Debian's, which only an administrator may install.
pub(super) fn chromium(job: &mut Job) -> Result<Option<PathBuf>> {
    let present = || {
        let candidates = ["chromium", "google-chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"];
        let mut known = candidates.iter().map(PathBuf::from);
        known.find(|program| succeeds(Command::new(program).arg("--version")))
    };
    if present().is_none()
        && succeeds(Command::new("apt-get").arg("--version"))
        && rustix::process::geteuid().is_root()
    {
        let install = "apt-get install --quiet --yes --no-install-recommends chromium";
        let fetch = format!("{install} || {{ apt-get update --quiet && {install}; }}");
        let _ = job.run(Command::new("sh").args(["-c", &fetch]).env("DEBIAN_FRONTEND", "noninteractive"));
    }
    // Playwright wants a path and not a name.
    let whole = |program: PathBuf| {
        let found = Command::new("sh").arg("-c").arg("command -v \"$0\"").arg(&program).output().ok();
        let path = found.map(|found| String::from_utf8_lossy(&found.stdout).trim().to_owned());
        path.filter(|path| !path.is_empty()).map_or(program, PathBuf::from)
    };
    Ok(present().map(whole))
}

/// A program that comes with another one.
pub(super) fn beside(tool: &Path, name: &str) -> Option<PathBuf> {
    let candidate = tool.with_file_name(name);
    succeeds(Command::new(&candidate).arg("--version")).then_some(candidate)
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
