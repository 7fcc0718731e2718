//! The private folder for sockets of engine processes. Made by `up` once it holds the data lock.
//!
//! Paths of Unix sockets are limited to about 100 bytes, so it cannot lie wherever the data lies.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use crate::exit::Exit;
use crate::paths::Paths;

/// Bytes of the folder's path: macOS allows 103 for a socket, and names of sockets take up to 35 with the slash.
const PATH_BYTES_MAX: usize = 68;

/// A folder of mode 0700 that belongs to this user and is removed with everything in it at the end.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder, and empties it when a killed process left something. The caller holds the data lock,
    /// so nobody else uses it.
    pub(crate) fn make(paths: &Paths) -> anyhow::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        Self::make_first(&candidates(paths, runtime, &std::env::temp_dir()))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn make_first(candidates: &[PathBuf]) -> anyhow::Result<Self> {
        let mut reasons = Vec::new();
        for path in candidates {
            match make_private(path) {
                Ok(()) => return Ok(Self { path: path.clone() }),
                Err(error) => reasons.push(format!("{error:#}")),
            }
        }
        Err(Exit::Unavailable.because(anyhow!("no folder for sockets can be made: {}", reasons.join("; "))))
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::debug!(%error, "the run folder could not be removed");
        }
    }
}

/// Below the home, in the runtime folder, in the temporary folder: the first that works. The last one cannot be
/// blocked by what another user made.
fn candidates(paths: &Paths, runtime: Option<PathBuf>, temporary: &Path) -> Vec<PathBuf> {
    let name = format!("pomona-{:08x}", short_hash(&paths.data_dir));
    let user = rustix::process::geteuid().as_raw();
    let mut found: Vec<PathBuf> = paths.home.iter().map(|home| home.join("run")).collect();
    found.extend(
        runtime.filter(|folder| folder.is_absolute() && folder.is_dir()).map(|folder| folder.join(&name)),
    );
    found.push(temporary.join(format!("{name}-{user}")));
    found.push(PathBuf::from(format!("/tmp/{name}-{user}")));
    found.push(PathBuf::from(format!("/tmp/{name}-{user}-{}", std::process::id())));
    found
}

/// Tells data folders apart (FNV-1a, folded); two of one user that collide share nothing but a name, and the
/// check below finds that.
fn short_hash(path: &Path) -> u32 {
    let bytes = path.as_os_str().as_encoded_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)) as u32
}

fn make_private(path: &Path) -> anyhow::Result<()> {
    let bytes = path.as_os_str().len();
    if bytes > PATH_BYTES_MAX {
        return Err(anyhow!("{} has {bytes} bytes and may have {PATH_BYTES_MAX}", path.display()));
    }
    let what = || format!("cannot use {}", path.display());
    let recursive = path.ends_with("run");
    match fs::DirBuilder::new().mode(0o700).recursive(recursive).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(error).with_context(what);
        }
        _ => {}
    }
    let metadata = fs::symlink_metadata(path).with_context(what)?;
    let is_private = metadata.is_dir()
        && metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.mode() & 0o077 == 0;
    if !is_private {
        return Err(anyhow!("{} is not a folder of this user with mode 0700", path.display()));
    }
    for entry in fs::read_dir(path).with_context(what)? {
        let entry = entry.with_context(what)?;
        if entry.file_type().with_context(what)?.is_dir() {
            fs::remove_dir_all(entry.path()).with_context(what)?;
        } else {
            fs::remove_file(entry.path()).with_context(what)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_folder_is_private_empty_and_gone_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(path.join("stale.sock"), "").unwrap();
        let made = RunFolder::make_first(std::slice::from_ref(&path)).unwrap();
        assert_eq!(fs::read_dir(made.path()).unwrap().count(), 0);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        drop(made);
        assert!(!path.exists());
    }

    #[test]
    fn what_others_could_enter_or_a_link_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let (open, link, good) =
            (folder.path().join("open"), folder.path().join("link"), folder.path().join("good"));
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("/", &link).unwrap();
        let made = RunFolder::make_first(&[open.clone(), link.clone(), good.clone()]).unwrap();
        assert_eq!(made.path(), good);
        let error = RunFolder::make_first(&[open, link]).unwrap_err().to_string();
        assert!(error.contains("0700"), "{error}");
    }

    #[test]
    fn a_long_home_gets_a_short_folder_elsewhere() {
        let long = PathBuf::from(format!("/{}", "x".repeat(200)));
        let paths = Paths::discover(Some(&long)).unwrap();
        let temporary = tempfile::tempdir().unwrap();
        let made = RunFolder::make_first(&candidates(&paths, None, temporary.path())).unwrap();
        assert!(made.path().as_os_str().len() <= PATH_BYTES_MAX);
        assert!(made.path().starts_with(temporary.path()) || made.path().starts_with("/tmp"));
    }

    #[test]
    fn the_runtime_folder_is_taken_before_the_temporary_one() {
        let runtime = tempfile::tempdir().unwrap();
        let mut paths = Paths::discover(Some(Path::new("/x"))).unwrap();
        paths.home = None;
        let found = candidates(&paths, Some(runtime.path().to_owned()), Path::new("/t"));
        assert!(found[0].starts_with(runtime.path()) && found[1].starts_with("/t"), "{found:?}");
    }
}
