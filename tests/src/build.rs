//! Where the binaries are that the tests run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

/// Set by `xtask`, which has built the binary; without it the tests build it themselves.
pub const POMONA_BIN: &str = "POMONA_TEST_BIN";

/// The root of the repository.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// The folder that cargo builds into.
pub fn target_dir(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}

/// The `pomona` binary, built once per process when nobody has named one.
pub fn pomona() -> Result<PathBuf> {
    static BUILT: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| find_or_build().map_err(|error| format!("{error:#}")));
    built.clone().map_err(anyhow::Error::msg)
}

fn find_or_build() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(POMONA_BIN) {
        let named = PathBuf::from(named);
        ensure!(named.is_file(), "{POMONA_BIN} names {}, which is no file", named.display());
        return Ok(named);
    }
    let root = root();
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--package", "pomona-node"])
        .current_dir(&root)
        .status()
        .context("cargo cannot be started")?;
    ensure!(status.success(), "cargo build --package pomona-node failed");
    Ok(target_dir(&root).join("debug").join("pomona"))
}
