//! What a folder was pulled from, kept in its label, and whether its files are still that. `verify` is what
//! `pomona models verify` runs; it asks no hub.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use pomona_protocol::blob::PIECE_BYTES;
use serde::{Deserialize, Serialize};

use super::hash::{FileHash, Hasher};
use crate::partial::Label;
use crate::path::check_path;
use crate::scan::{self, HashProgress};

/// Where a model came from, and what it has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRecord {
    /// The hub.
    pub hub: String,
    /// The repository.
    pub repo: String,
    /// Branch, tag or commit that was asked for.
    pub revision: String,
    /// The commit that it was at.
    pub commit: String,
    /// Its files, in order of their paths.
    pub files: Vec<RecordedFile>,
}

/// One file, as the hub's list named it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedFile {
    /// Below the folder, with `/`.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its content.
    pub hash: FileHash,
}

/// What was compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Files that were compared.
    pub files: usize,
    /// Bytes that were read.
    pub bytes: u64,
    /// What differs.
    pub problems: Vec<VerifyProblem>,
}

/// A file that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyProblem {
    /// It is gone, or cannot be read.
    #[error("`{path}` cannot be read: {message}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        message: String,
    },
    /// It has another size.
    #[error("`{path}` has {bytes} bytes, expected {wanted}")]
    Size {
        /// The file.
        path: String,
        /// Its size.
        bytes: u64,
        /// What it was.
        wanted: u64,
    },
    /// It has other bytes.
    #[error("`{path}` is damaged: expected {wanted}, got {got}")]
    Hash {
        /// The file.
        path: String,
        /// What it was.
        wanted: String,
        /// What it is.
        got: String,
    },
    /// A model of another member: which of its files differs is not known.
    #[error("the folder is damaged: expected content {wanted}, got {got}")]
    Content {
        /// What it was.
        wanted: String,
        /// What it is.
        got: String,
    },
}

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Nobody noted what it has to be.
    #[error("{} was neither pulled nor taken from another machine; there is nothing to compare it with", folder.display())]
    NoRecord {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder cannot be read as a model.
    #[error(transparent)]
    Scan(#[from] scan::ScanError),
}

/// What a folder was pulled from; `None` when it was not.
pub fn record_of(folder: &Path) -> Option<PullRecord> {
    Label::read(folder)?.pull
}

/// Compares a folder's files with what they were when they came. Blocking, for as long as reading all of it takes.
pub fn verify(folder: &Path, progress: &dyn Fn(HashProgress)) -> Result<Verified, VerifyError> {
    let label = Label::read(folder).ok_or_else(|| VerifyError::NoRecord { folder: folder.to_owned() })?;
    let Some(record) = label.pull else {
        let hashed = scan::hash_folder(folder, progress)?;
        let got = hashed.digest.to_string();
        let problem = (got != label.digest).then_some(VerifyProblem::Content { wanted: label.digest, got });
        let files = hashed.manifest.files.len();
        return Ok(Verified { files, bytes: label.bytes, problems: problem.into_iter().collect() });
    };
    let mut done =
        HashProgress { bytes_done: 0, bytes_total: record.files.iter().map(|file| file.bytes).sum() };
    let mut problems = Vec::new();
    for file in &record.files {
        let compared = compare(folder, file, &mut |bytes| {
            done.bytes_done += bytes;
            progress(done);
        });
        problems.extend(compared.err());
    }
    Ok(Verified { files: record.files.len(), bytes: done.bytes_done, problems })
}

fn compare(folder: &Path, file: &RecordedFile, on_bytes: &mut dyn FnMut(u64)) -> Result<(), VerifyProblem> {
    let path = file.path.clone();
    let unreadable =
        |error: io::Error| VerifyProblem::Unreadable { path: path.clone(), message: error.to_string() };
    // The label lies on a disk that others may have written to.
    check_path(&file.path).map_err(|problem| unreadable(io::Error::other(problem)))?;
    let mut open = File::open(folder.join(&file.path)).map_err(unreadable)?;
    let bytes = open.metadata().map_err(unreadable)?.len();
    if bytes != file.bytes {
        return Err(VerifyProblem::Size { path: path.clone(), bytes, wanted: file.bytes });
    }
    let mut hasher = Hasher::like(file.hash, file.bytes);
    let mut buffer = vec![0; PIECE_BYTES.min(bytes.max(1)) as usize];
    loop {
        let read = open.read(&mut buffer).map_err(unreadable)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        on_bytes(read as u64);
    }
    let got = hasher.finish();
    if got == file.hash {
        return Ok(());
    }
    Err(VerifyProblem::Hash { path, wanted: file.hash.to_string(), got: got.to_string() })
}
