//! Gets the gateways of others into `target`, where `cargo clean` takes them along. One that cannot be had is an answer
//! in words, and the others are measured.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::peer::{Peer, Source};
use crate::workspace;

/// The program of a gateway, installed when it is missing.
pub(super) fn install(peer: &Peer) -> Result<PathBuf> {
    let folder = workspace::scratch().join("gateways").join(peer.name);
    match peer.source {
        Source::Debian { packages, program } => debian(&folder, packages, program),
        Source::Python { requirement, program } => python(&folder, requirement, program),
    }
}

/// The version that is installed, for the report.
pub(super) fn version(peer: &Peer) -> String {
    match peer.source {
        Source::Debian { packages, .. } => {
            let folder = workspace::scratch().join("gateways").join(peer.name);
            let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let mut names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
            let name = names.find_map(|name| {
                let rest = name.strip_prefix(packages.first()?)?.strip_prefix('_')?;
                Some(rest.split('_').next()?.replace("%2b", "+"))
            });
            format!("{} of Debian", name.unwrap_or_default())
        }
        Source::Python { requirement, .. } => {
            format!("{} of PyPI", requirement.rsplit('=').next().unwrap_or_default())
        }
    }
}

fn debian(folder: &Path, packages: &[&str], program: &str) -> Result<PathBuf> {
    let program = folder.join(program);
    if program.is_file() {
        return Ok(program);
    }
    std::fs::create_dir_all(folder)?;
    let download =
        || run(Command::new("apt-get").args(["download", "--quiet"]).args(packages).current_dir(folder));
    if let Err(error) = download() {
        // The lists of packages may be missing or old; only an administrator may renew them.
        ensure!(rustix::process::geteuid().is_root(), "{error:#}");
        run(Command::new("apt-get").args(["update", "--quiet"]))?;
        download()?;
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "deb") {
            run(Command::new("dpkg").arg("-x").arg(path).arg(folder))?;
        }
    }
    ensure!(program.is_file(), "{} is not in {}", program.display(), packages.join(", "));
    Ok(program)
}

fn python(folder: &Path, requirement: &str, program: &str) -> Result<PathBuf> {
    // Written last, so that an installation that was cut off is made again.
    let stamp = folder.join("installed");
    let program = folder.join("bin").join(program);
    if std::fs::read_to_string(&stamp).is_ok_and(|text| text == requirement) && program.is_file() {
        return Ok(program);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement];
    run(Command::new(folder.join("bin/python")).args(pip))?;
    ensure!(program.is_file(), "{requirement} brings no {}", program.display());
    std::fs::write(stamp, requirement)?;
    Ok(program)
}

/// Runs a command to its end; its last words are the error.
fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let name = command.get_program().to_string_lossy().into_owned();
    let output = output.with_context(|| format!("{name} cannot be started"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no word");
    ensure!(output.status.success(), "{name} failed: {last}");
    Ok(())
}
