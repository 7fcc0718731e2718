//! A folder on this disk as a manifest: walks it, hashes its files. Blocking; called by the catalog on threads for
//! blocking work, with what the cache still knows.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;

use pomona_protocol::blob::{BLOB_FILES_MAX, BLOB_MODEL_BYTES_MAX, BLOB_PATH_DEPTH_MAX, PIECE_BYTES};
use pomona_protocol::{BlobFile, BlobManifest};

use crate::cache::CachedFolder;
use crate::digest::Digest;
use crate::manifest::{ManifestError, check_manifest, manifest_digest};
use crate::path::{PathProblem, check_path};

/// Names that are looked at in one model's folder, hidden ones counted: a walk ends.
const ENTRIES_MAX: usize = 16 * BLOB_FILES_MAX;

/// Why a folder is no model to give away.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The disk said no.
    #[error("{}: {error}", path.display())]
    Disk {
        /// What was being read.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The files make no manifest.
    #[error("{}: {error}", folder.display())]
    Manifest {
        /// The folder.
        folder: PathBuf,
        /// Why.
        error: ManifestError,
    },
    /// Too much to look at.
    #[error("{}: more than {ENTRIES_MAX} names in it", folder.display())]
    TooManyNames {
        /// The folder.
        folder: PathBuf,
    },
    /// A link that would give away a file outside of the folder, or a whole folder.
    #[error("{}: it is a link that leaves the model's folder; copy the file in", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// A file was written to while it was read.
    #[error("{}: it changed while it was hashed; scan again when it is whole", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Nobody waits for the hashes any more.
    #[error("hashing was cancelled")]
    Cancelled,
}

/// How far hashing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashProgress {
    /// Bytes of the model that are hashed, cached ones counted.
    pub bytes_done: u64,
    /// Bytes of the model.
    pub bytes_total: u64,
}

/// A folder whose files are hashed.
#[derive(Clone, Debug)]
pub struct HashedModel {
    /// Its files.
    pub manifest: BlobManifest,
    /// Names the content.
    pub digest: Digest,
    /// Hashes of the pieces of each file.
    pub(crate) pieces: Vec<Vec<Digest>>,
    /// Where each file lies, links inside the folder resolved.
    pub(crate) places: Vec<PathBuf>,
}

/// One file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Below the folder, with `/`.
    pub(crate) path: String,
    /// Where it lies.
    pub(crate) place: PathBuf,
    pub(crate) bytes: u64,
    /// Nanoseconds since 1970 of its last change.
    pub(crate) modified_ns: u64,
}

/// Lists and hashes a folder without a cache. Blocking, for as long as reading all of it takes.
pub fn hash_folder(folder: &Path, progress: &dyn Fn(HashProgress)) -> Result<HashedModel, ScanError> {
    let entries = list(folder)?;
    hash(folder, &entries, &CachedFolder::default(), &AtomicBool::new(false), progress)
}

/// Files of a folder, sorted by path; hidden ones are skipped.
pub(crate) fn list(folder: &Path) -> Result<Vec<Entry>, ScanError> {
    let root = folder.canonicalize().map_err(|error| disk(folder, error))?;
    let mut entries = Vec::new();
    let mut seen = 0;
    let mut waiting = vec![(root.clone(), String::new())];
    while let Some((place, prefix)) = waiting.pop() {
        for found in fs::read_dir(&place).map_err(|error| disk(&place, error))? {
            let found = found.map_err(|error| disk(&place, error))?;
            seen += 1;
            if seen > ENTRIES_MAX {
                return Err(ScanError::TooManyNames { folder: folder.to_owned() });
            }
            let name = found.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let refuse = |path: String, problem| ScanError::Manifest {
                folder: folder.to_owned(),
                error: ManifestError::Path { path, problem },
            };
            let Some(name) = name.to_str() else {
                return Err(refuse(name.to_string_lossy().into_owned(), PathProblem::Encoding));
            };
            let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
            check_path(&path).map_err(|problem| refuse(path.clone(), problem))?;
            let kind = found.file_type().map_err(|error| disk(&found.path(), error))?;
            if kind.is_dir() && path.split('/').count() < BLOB_PATH_DEPTH_MAX {
                waiting.push((found.path(), path));
            } else {
                entries.extend(entry(&root, found.path(), path)?);
            }
            if entries.len() > BLOB_FILES_MAX {
                let error = ManifestError::TooManyFiles { files: entries.len() };
                return Err(ScanError::Manifest { folder: folder.to_owned(), error });
            }
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    check_size(folder, &entries)?;
    Ok(entries)
}

/// Bytes of the files in a folder.
pub(crate) fn bytes(folder: &Path) -> Result<u64, ScanError> {
    Ok(list(folder)?.iter().map(|entry| entry.bytes).sum())
}

fn check_size(folder: &Path, entries: &[Entry]) -> Result<(), ScanError> {
    let refuse = |error| Err(ScanError::Manifest { folder: folder.to_owned(), error });
    let total = entries.iter().fold(0u64, |total, entry| total.saturating_add(entry.bytes));
    match entries {
        [] => refuse(ManifestError::Empty),
        _ if total > BLOB_MODEL_BYTES_MAX => refuse(ManifestError::TooLarge),
        _ => Ok(()),
    }
}

/// A regular file, or a link to one inside of `root`; pipes and sockets are nothing.
fn entry(root: &Path, found: PathBuf, path: String) -> Result<Option<Entry>, ScanError> {
    let place = found.canonicalize().map_err(|error| disk(&found, error))?;
    let metadata = fs::metadata(&place).map_err(|error| disk(&place, error))?;
    if !place.starts_with(root) || metadata.is_dir() {
        return Err(ScanError::Link { path: found });
    }
    let modified_ns = modified_ns(&metadata);
    Ok(metadata.is_file().then_some(Entry { path, place, bytes: metadata.len(), modified_ns }))
}

fn modified_ns(metadata: &fs::Metadata) -> u64 {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    modified.map_or(0, |age| u64::try_from(age.as_nanos()).unwrap_or(0))
}

/// Hashes what `cached` does not know. Stops between two pieces when `cancelled` is set.
pub(crate) fn hash(
    folder: &Path,
    entries: &[Entry],
    cached: &CachedFolder,
    cancelled: &AtomicBool,
    progress: &dyn Fn(HashProgress),
) -> Result<HashedModel, ScanError> {
    let mut done = HashProgress { bytes_done: 0, bytes_total: entries.iter().map(|entry| entry.bytes).sum() };
    let mut pieces = Vec::with_capacity(entries.len());
    for entry in entries {
        if let Some(known) = cached.pieces(entry) {
            done.bytes_done += entry.bytes;
            pieces.push(known);
            continue;
        }
        let hashed = hash_file(entry, cancelled, &mut |bytes| {
            done.bytes_done += bytes;
            progress(done);
        })?;
        pieces.push(hashed);
    }
    let files = entries.iter().zip(&pieces).map(|(entry, pieces)| BlobFile {
        path: entry.path.clone(),
        bytes: entry.bytes,
        digest: Digest::of_pieces(pieces).to_string(),
    });
    let manifest = BlobManifest { files: files.collect() };
    check_manifest(&manifest).map_err(|error| ScanError::Manifest { folder: folder.to_owned(), error })?;
    let digest = manifest_digest(&manifest);
    let places = entries.iter().map(|entry| entry.place.clone()).collect();
    Ok(HashedModel { manifest, digest, pieces, places })
}

fn hash_file(
    entry: &Entry,
    cancelled: &AtomicBool,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<Vec<Digest>, ScanError> {
    let mut file = File::open(&entry.place).map_err(|error| disk(&entry.place, error))?;
    let mut buffer = Vec::new();
    let mut pieces = Vec::new();
    let mut bytes = 0;
    loop {
        if cancelled.load(Ordering::Relaxed) {
            return Err(ScanError::Cancelled);
        }
        buffer.clear();
        (&mut file).take(PIECE_BYTES).read_to_end(&mut buffer).map_err(|error| disk(&entry.place, error))?;
        if buffer.is_empty() {
            break;
        }
        bytes += buffer.len() as u64;
        pieces.push(Digest::of(&buffer));
        on_bytes(buffer.len() as u64);
        if bytes > entry.bytes {
            break;
        }
    }
    let metadata = file.metadata().map_err(|error| disk(&entry.place, error))?;
    if bytes != entry.bytes || metadata.len() != bytes || modified_ns(&metadata) != entry.modified_ns {
        return Err(ScanError::Changed { path: entry.place.clone() });
    }
    Ok(pieces)
}

fn disk(path: &Path, error: io::Error) -> ScanError {
    ScanError::Disk { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        folder
    }

    fn paths(folder: &Path) -> Vec<String> {
        list(folder).unwrap().into_iter().map(|entry| entry.path).collect()
    }

    #[test]
    fn files_are_sorted_and_hidden_ones_skipped() {
        let folder = folder(&["b", "a/z", "a.json", ".git/config", "a/.hidden"]);
        assert_eq!(paths(folder.path()), ["a.json", "a/z", "b"]);
    }

    #[test]
    fn the_same_files_have_the_same_digest_wherever_they_lie() {
        let digest = |files: &[&str]| hash_folder(folder(files).path(), &|_| {}).unwrap().digest;
        assert_eq!(digest(&["a", "b/c"]), digest(&["b/c", "a", ".x"]));
        assert_ne!(digest(&["a", "b"]), digest(&["a", "c"]));
    }

    #[test]
    fn a_link_is_followed_inside_the_folder_alone() {
        let inside = folder(&["a"]);
        symlink("a", inside.path().join("b")).unwrap();
        assert_eq!(paths(inside.path()), ["a", "b"]);
        symlink("/etc/hostname", inside.path().join("c")).unwrap();
        assert!(matches!(list(inside.path()), Err(ScanError::Link { .. })));
        let looping = folder(&["a"]);
        symlink(".", looping.path().join("again")).unwrap();
        assert!(matches!(list(looping.path()), Err(ScanError::Link { .. })));
    }

    #[test]
    fn too_many_files_are_refused_before_they_are_hashed() {
        let many = tempfile::tempdir().unwrap();
        for number in 0..=BLOB_FILES_MAX {
            fs::write(many.path().join(number.to_string()), "").unwrap();
        }
        let error = list(many.path()).unwrap_err();
        assert!(
            matches!(error, ScanError::Manifest { error: ManifestError::TooManyFiles { .. }, .. }),
            "{error}"
        );
        assert!(matches!(
            list(folder(&[".x"]).path()),
            Err(ScanError::Manifest { error: ManifestError::Empty, .. })
        ));
    }

    #[test]
    fn hashing_stops_when_nobody_waits() {
        let folder = folder(&["a"]);
        let entries = list(folder.path()).unwrap();
        let cancelled = AtomicBool::new(true);
        let outcome = hash(folder.path(), &entries, &CachedFolder::default(), &cancelled, &|_| {});
        assert!(matches!(outcome, Err(ScanError::Cancelled)));
    }
}
