//! Where the repository is, which files belong to it, and which crates.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// Where commands keep what they install and write: inside `target`, so that `cargo clean` takes it along.
pub(crate) fn scratch() -> PathBuf {
    pomona_tests::build::target_dir(&root()).join("xtask")
}

/// Every file that git tracks or would track, relative to the root, in order.
pub(crate) fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root)
        .output()
        .context("git cannot be started")?;
    ensure!(
        listed.status.success(),
        "git ls-files failed: {}",
        String::from_utf8_lossy(&listed.stderr).trim()
    );
    let names = String::from_utf8(listed.stdout).context("a file name is not UTF-8")?;
    let mut files: Vec<PathBuf> =
        names.split_terminator('\0').map(PathBuf::from).filter(|file| root.join(file).is_file()).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// Folders of the workspace's members, as its `Cargo.toml` names them.
pub(crate) fn members(root: &Path) -> Result<Vec<String>> {
    let manifest = manifest(&root.join("Cargo.toml"))?;
    let members = manifest.get("workspace").and_then(|workspace| workspace.get("members"));
    let members = members.and_then(toml::Value::as_array).context("Cargo.toml names no workspace members")?;
    Ok(members.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect())
}

/// A `Cargo.toml` as data.
pub(crate) fn manifest(path: &Path) -> Result<toml::Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} does not parse", path.display()))
}
