//! The registry's file: read whole, written whole. [`super::Registry`] calls it; what the values mean is no concern
//! of this module.
//!
//! A write goes to a draft beside the file, is forced to the disk and takes the file's place, so that a crash leaves
//! the old state or the new one. A file that does not read is an error and stays as it is: an emptied registry would
//! let removed machines back in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::IdentityError;
use crate::files;

/// The file's name.
pub(super) const REGISTRY_FILE: &str = "registry.json";
/// Largest file that is read, in bytes: 10 000 members and 10 000 removed ones take about 8 MB.
pub const REGISTRY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why the registry's file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what was written.
    #[error(
        "`{path}` is damaged ({message}); put a backup in its place, or move it away to begin without members"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// It cannot be written.
    #[error("cannot write `{path}`: {source}; what it held before is kept")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What the file holds, or `None` when there is no file.
pub(super) fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StoreError> {
    let read_error = |source| StoreError::Read { path: path.to_owned(), source };
    let damaged = |message| StoreError::Damaged { path: path.to_owned(), message };
    let bytes = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read_error(error)),
        Ok(metadata) => metadata.len(),
    };
    if bytes > REGISTRY_BYTES_MAX {
        return Err(damaged(format!("{bytes} bytes, limit {REGISTRY_BYTES_MAX}")));
    }
    let text = fs::read(path).map_err(read_error)?;
    serde_json::from_slice(&text).map(Some).map_err(|error| damaged(error.to_string()))
}

/// Puts `value` in the place of what the file held; readable by its owner alone.
pub(super) fn save<T: Serialize>(folder: &Path, value: &T) -> Result<(), StoreError> {
    let write_error = |source| StoreError::Write { path: folder.join(REGISTRY_FILE), source };
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| write_error(error.into()))?;
    text.push(b'\n');
    files::write(folder, REGISTRY_FILE, &text).map_err(|error| match error {
        IdentityError::Io { path, source, .. } => StoreError::Write { path, source },
        other => write_error(io::Error::other(other)),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_reads_back_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(REGISTRY_FILE);
        save(folder.path(), &vec![1, 2]).unwrap();
        save(folder.path(), &vec![1, 2, 3]).unwrap();
        assert_eq!(load::<Vec<u32>>(&path).unwrap(), Some(vec![1, 2, 3]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn no_file_is_no_error_and_a_damaged_one_is_named_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(REGISTRY_FILE);
        assert_eq!(load::<Vec<u32>>(&path).unwrap(), None);
        for damage in ["", "[1,2", "{}", "\0\0\0"] {
            fs::write(&path, damage).unwrap();
            let error = load::<Vec<u32>>(&path).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
            assert!(error.to_string().contains(REGISTRY_FILE), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), damage);
        }
    }

    #[test]
    fn a_failed_write_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(REGISTRY_FILE)).unwrap();
        let error = save(folder.path(), &2).unwrap_err();
        assert!(matches!(error, StoreError::Write { .. }), "{error}");
        assert!(error.to_string().contains(REGISTRY_FILE), "{error}");
    }
}
