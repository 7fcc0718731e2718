//! Why a model was not pulled. Whatever was proven stays on the disk; the next pull goes on from there.

use std::io;
use std::path::PathBuf;

use super::select::SelectError;
use crate::manifest::ManifestError;
use crate::partial::{PartialError, bytes_free};
use crate::path::PathProblem;

/// Why a model was not pulled. No variant holds a token or a signed address.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// Connections cannot be made at all.
    #[error("no connection can be made: {message}")]
    Client {
        /// What the library said.
        message: String,
    },
    /// The hub does not give it to us.
    #[error("the hub does not give {what} (HTTP {status}{said}); {remedy}")]
    Denied {
        /// What was asked for.
        what: String,
        /// Its answer.
        status: u16,
        /// Its own words, or nothing.
        said: String,
        /// What may help.
        remedy: &'static str,
    },
    /// The hub answered what is no answer.
    #[error("the hub answered HTTP {status} for {what}{said}")]
    Status {
        /// What was asked for.
        what: String,
        /// Its answer.
        status: u16,
        /// Its own words, or nothing.
        said: String,
    },
    /// The list of files is none.
    #[error("the list of `{repo}` cannot be used: {problem}")]
    Listing {
        /// The repository.
        repo: String,
        /// Why.
        problem: String,
    },
    /// The list names what must not be made.
    #[error("the list names the path {path:?}, which is refused: {problem}")]
    Path {
        /// The path.
        path: String,
        /// Why.
        problem: PathProblem,
    },
    /// Nothing of it can be served, or it is not clear what is wanted.
    #[error("`{repo}`: {error}")]
    Select {
        /// The repository.
        repo: String,
        /// Why.
        error: SelectError,
    },
    /// What was selected makes no model folder.
    #[error("the files of `{repo}` are refused: {error}")]
    Manifest {
        /// The repository.
        repo: String,
        /// Why.
        error: ManifestError,
    },
    /// The hub sent us where we do not go.
    #[error("the hub sent us to {to}, which is refused: {problem}")]
    Redirect {
        /// Scheme and host, without what follows.
        to: String,
        /// Why.
        problem: String,
    },
    /// More or fewer bytes than the list told.
    #[error("`{path}` has {listed} bytes by the list and {offered} by its download; one of them lies")]
    Size {
        /// The file.
        path: String,
        /// What the list told.
        listed: u64,
        /// What came or was announced.
        offered: String,
    },
    /// Not the bytes that the list told.
    #[error("`{path}` is not what the list names: expected {wanted}, got {got}")]
    Hash {
        /// The file.
        path: String,
        /// By the list.
        wanted: String,
        /// Of what came.
        got: String,
    },
    /// Tried often enough.
    #[error(
        "`{what}` was given up after {failures} failures in a row, the last one: {message}; pull again, what is there is kept"
    )]
    GaveUp {
        /// The file, or the list.
        what: String,
        /// How often.
        failures: u32,
        /// The last one.
        message: String,
    },
    /// Not enough room to begin.
    #[error("{bytes_needed} more bytes are needed in {} and {bytes_free} are free; make room and pull again", folder.display())]
    NoSpace {
        /// Where.
        folder: PathBuf,
        /// Bytes that are not on the disk yet, and the reserve.
        bytes_needed: u64,
        /// Bytes that may be written.
        bytes_free: u64,
    },
    /// The disk filled up on the way.
    #[error("the disk is full at {}: {bytes_missing} bytes are missing and {bytes_free} are free; make room and pull again, what is there is kept", path.display())]
    DiskFull {
        /// What was being written.
        path: PathBuf,
        /// Bytes that are not on the disk yet.
        bytes_missing: u64,
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
    /// Somebody else pulls the same.
    #[error("the same files are being pulled on this machine already")]
    InProgress,
    /// The folder is something else.
    #[error("{} holds something else; name the model with --as, or move the folder away", folder.display())]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// The model's name makes no folder.
    #[error("`{name}` makes no folder name: {problem}")]
    Name {
        /// The name.
        name: String,
        /// Why.
        problem: PathProblem,
    },
    /// All bytes are those of the list, and they are no model.
    #[error("what was pulled is no whole model: {problem}")]
    Broken {
        /// Why.
        problem: String,
    },
}

impl PullError {
    /// From an error of the disk, with `bytes_missing` of the model not on it yet.
    pub(super) fn disk((path, error): PartialError, bytes_missing: u64) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                let bytes_free = path.parent().and_then(|folder| bytes_free(folder).ok()).unwrap_or(0);
                Self::DiskFull { path, bytes_missing, bytes_free }
            }
            _ => Self::Disk { path, error },
        }
    }
}
