//! Why a model was not fetched. All of them leave what was proven on the disk; the next try goes on from there.

use std::io;
use std::path::PathBuf;

use pomona_protocol::ModelId;

use crate::digest::DigestError;
use crate::manifest::ManifestError;
use crate::partial::{PartialError, bytes_free};
use crate::path::PathProblem;

/// Why a model was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The digest that was asked for is none.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The model's name makes no folder.
    #[error("model `{model}` makes no folder name: {problem}")]
    Name {
        /// The model.
        model: ModelId,
        /// Why.
        problem: PathProblem,
    },
    /// Both folders that it could have hold something else.
    #[error("model `{model}` has no place: {} holds something else; move it away", folder.display())]
    Occupied {
        /// The model.
        model: ModelId,
        /// The last one tried.
        folder: PathBuf,
    },
    /// Another fetch of the same model runs on this machine.
    #[error("model `{model}` is already being fetched on this machine")]
    InProgress {
        /// The model.
        model: ModelId,
    },
    /// The right manifest names what may not be made.
    #[error("the manifest of model `{model}` is refused: {error}")]
    Manifest {
        /// The model.
        model: ModelId,
        /// Why.
        error: ManifestError,
    },
    /// Not enough room to begin.
    #[error(
        "model `{model}` needs {bytes_needed} more bytes in {} and {bytes_free} are free; make room and fetch again",
        folder.display()
    )]
    NoSpace {
        /// The model.
        model: ModelId,
        /// Where it would lie.
        folder: PathBuf,
        /// Bytes that are not on the disk yet, and the reserve.
        bytes_needed: u64,
        /// Bytes that may be written.
        bytes_free: u64,
    },
    /// The disk filled up on the way.
    #[error(
        "the disk is full at {} ({bytes_free} bytes free); make room and fetch again, what is there is kept",
        path.display()
    )]
    DiskFull {
        /// What was being written.
        path: PathBuf,
        /// Bytes that may be written.
        bytes_free: u64,
    },
    /// The disk said no.
    #[error("{}: {error}", path.display())]
    Disk {
        /// What was being read or written.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Every source was given up.
    #[error("no source is left for {what} of model `{model}`: {reasons}; fetch again when one is back")]
    NoSource {
        /// The model.
        model: ModelId,
        /// What was missing.
        what: &'static str,
        /// Why each source was given up.
        reasons: String,
    },
}

impl From<PartialError> for FetchError {
    fn from((path, error): PartialError) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                let bytes_free = path.parent().and_then(|folder| bytes_free(folder).ok()).unwrap_or(0);
                Self::DiskFull { path, bytes_free }
            }
            _ => Self::Disk { path, error },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_says_so_and_that_nothing_is_lost() {
        let error = io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
        let error = FetchError::from((std::env::temp_dir().join("x"), error));
        assert!(matches!(error, FetchError::DiskFull { bytes_free: 1.., .. }), "{error}");
        assert!(error.to_string().contains("is kept"));
    }
}
