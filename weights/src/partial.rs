//! An unfinished model on this disk, and how it becomes a finished one. Blocking; `fetch` calls it on threads for
//! blocking work.
//!
//! `<models>/.partial/<digest>/` holds `lock`, `manifest`, `hashes-<file>`, `journal` and `files/`. All of it may be
//! cut off at any byte: what is read back is proven by its hash, and `files/` moves to its place in one rename.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use pomona_protocol::{BlobManifest, ModelId};
use serde::{Deserialize, Serialize};

use crate::digest::{self, Digest};
use crate::hub::PullRecord;
use crate::journal::Journal;
use crate::manifest::{Layout, Piece, manifest_digest};

/// Folder of unfinished models, inside the models folder; hidden, so that it is no model.
const PARTIAL: &str = ".partial";
/// Says what a fetched folder is; hidden, so that it is not given on.
const LABEL: &str = ".pomona.json";
/// Model folders that a scan looks at, and unfinished ones that a sweep looks at.
pub(crate) const MODELS_MAX: usize = 1024;

/// What a fetched folder is called, whatever its folder is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Label {
    pub(crate) model: ModelId,
    pub(crate) digest: String,
    /// Bytes of its files: tells a folder that lost some.
    pub(crate) bytes: u64,
    /// Where it was pulled from, when it did not come from another member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pull: Option<PullRecord>,
}

impl Label {
    /// Of a folder; `None` when it was not fetched.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(LABEL)).ok()?).ok()
    }
}

/// Why a piece did not get on the disk, or a model not in its place.
pub(crate) type PartialError = (PathBuf, io::Error);

/// An unfinished model that nobody else works on.
#[derive(Debug)]
pub(crate) struct Partial {
    root: PathBuf,
    digest: Digest,
    /// Held for as long as this lives.
    _lock: File,
    journal: Mutex<Option<Journal>>,
}

impl Partial {
    /// Opens or makes the folder; `None` when somebody else works on it.
    pub(crate) fn open(models: &Path, digest: Digest) -> Result<Option<Self>, PartialError> {
        let root = models.join(PARTIAL).join(digest.to_string());
        fs::create_dir_all(root.join("files")).map_err(at(&root))?;
        let path = root.join("lock");
        let lock = match OpenOptions::new().write(true).create(true).truncate(false).open(&path) {
            Ok(lock) => lock,
            // Whoever had it has just finished and removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err((path, error)),
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err((path, error)),
        }
        // Whoever had it before may have moved it to its place and removed the rest between our two steps.
        let is_ours = fs::metadata(&path).and_then(|found| Ok(found.ino() == lock.metadata()?.ino()));
        Ok(is_ours.unwrap_or(false).then_some(Self { root, digest, _lock: lock, journal: Mutex::new(None) }))
    }

    /// The manifest, when it was kept and is the right one.
    pub(crate) fn manifest(&self) -> Option<BlobManifest> {
        let read = fs::read(self.root.join("manifest")).ok()?;
        let manifest: BlobManifest = rmp_serde::from_slice(&read).ok()?;
        (manifest_digest(&manifest) == self.digest).then_some(manifest)
    }

    pub(crate) fn keep_manifest(&self, manifest: &BlobManifest) -> Result<(), PartialError> {
        let path = self.root.join("manifest");
        let encoded = rmp_serde::to_vec_named(manifest).map_err(io::Error::other).map_err(at(&path))?;
        fs::write(&path, encoded).map_err(at(&path))
    }

    /// Piece hashes of a file, when they were kept and are those of `wanted`.
    pub(crate) fn hashes(&self, file: usize, wanted: Digest) -> Option<Vec<Digest>> {
        let hashes = digest::from_bytes(&fs::read(self.hashes_path(file)).ok()?);
        (Digest::of_pieces(&hashes) == wanted).then_some(hashes)
    }

    pub(crate) fn keep_hashes(&self, file: usize, hashes: &[Digest]) -> Result<(), PartialError> {
        let path = self.hashes_path(file);
        fs::write(&path, digest::to_bytes(hashes)).map_err(at(&path))
    }

    fn hashes_path(&self, file: usize) -> PathBuf {
        self.root.join(format!("hashes-{file}"))
    }

    /// Makes all files at their sizes, without their bytes, and tells which pieces the journal knows. The manifest
    /// was checked.
    pub(crate) fn prepare(
        &self,
        manifest: &BlobManifest,
        layout: &Layout,
    ) -> Result<BTreeSet<u32>, PartialError> {
        let mut seen = BTreeSet::new();
        for listed in &manifest.files {
            let path = self.file_path(&listed.path);
            let parent = path.parent().unwrap_or(&self.root);
            fs::create_dir_all(parent).map_err(at(parent))?;
            let file = open_file(&path)?;
            let metadata = file.metadata().map_err(at(&path))?;
            if !metadata.is_file() || !seen.insert((metadata.dev(), metadata.ino())) {
                return Err((
                    path,
                    io::Error::other("two names of the model are one file on this file system"),
                ));
            }
            if metadata.len() != listed.bytes {
                file.set_len(listed.bytes).map_err(at(&path))?;
                file.sync_all().map_err(at(&path))?;
            }
        }
        let path = self.root.join("journal");
        let (journal, known) = Journal::open(&path, layout.pieces()).map_err(at(&path))?;
        *self.lock_journal() = Some(journal);
        Ok(known)
    }

    /// Writes and syncs a proven piece, then notes it.
    pub(crate) fn write(
        &self,
        path: &str,
        number: u32,
        piece: Piece,
        bytes: &[u8],
    ) -> Result<(), PartialError> {
        let path = self.file_path(path);
        let file = open_file(&path)?;
        file.write_all_at(bytes, piece.offset).map_err(at(&path))?;
        file.sync_data().map_err(at(&path))?;
        let noted = self.lock_journal().as_mut().map_or(Ok(()), |journal| journal.note(number));
        noted.map_err(at(&self.root.join("journal")))
    }

    /// A piece as it lies on the disk; `None` when its file is too short.
    pub(crate) fn read(&self, path: &str, piece: Piece) -> Result<Option<Vec<u8>>, PartialError> {
        let path = self.file_path(path);
        let mut bytes = vec![0; piece.length as usize];
        match open_file(&path)?.read_exact_at(&mut bytes, piece.offset) {
            Ok(()) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err((path, error)),
        }
    }

    /// Where all of it lies.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the journal say this, after some of its pieces turned out to be damaged.
    pub(crate) fn rewrite_journal(&self, pieces: &BTreeSet<u32>) -> Result<(), PartialError> {
        let rewritten = self.lock_journal().as_mut().map_or(Ok(()), |journal| journal.rewrite(pieces));
        rewritten.map_err(at(&self.root.join("journal")))
    }

    /// Where the files lie until they are finished.
    pub(crate) fn files(&self) -> PathBuf {
        self.root.join("files")
    }

    /// Labels the files, syncs all folders and moves them to `target`, which does not exist or is an empty folder;
    /// then forgets the rest.
    pub(crate) fn finish(&self, label: &Label, target: &Path) -> Result<(), PartialError> {
        let files = self.files();
        let path = files.join(LABEL);
        let encoded = serde_json::to_vec(label).map_err(io::Error::other).map_err(at(&path))?;
        fs::write(&path, encoded).map_err(at(&path))?;
        File::open(&path).and_then(|file| file.sync_all()).map_err(at(&path))?;
        sync_folders(&files).map_err(at(&files))?;
        fs::rename(&files, target).map_err(at(target))?;
        let models = target.parent().unwrap_or(target);
        File::open(models).and_then(|folder| folder.sync_all()).map_err(at(models))?;
        // The model is in its place; what is left here is swept later.
        let _ = fs::remove_dir_all(&self.root);
        Ok(())
    }

    fn file_path(&self, path: &str) -> PathBuf {
        self.root.join("files").join(path)
    }

    fn lock_journal(&self) -> MutexGuard<'_, Option<Journal>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens or makes a file, but never through a link.
fn open_file(path: &Path) -> Result<File, PartialError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    options.open(path).map_err(at(path))
}

/// Moves a model's folder out of sight in one step, to where a sweep removes what is left of it.
pub(crate) fn set_aside(folder: &Path) -> Result<PathBuf, PartialError> {
    let models = folder.parent().unwrap_or(folder);
    let hidden = models.join(PARTIAL);
    fs::create_dir_all(&hidden).map_err(at(&hidden))?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let aside = hidden.join(format!("removed-{name}-{}", std::process::id()));
    // What an earlier removal by this process left.
    let _ = fs::remove_dir_all(&aside);
    fs::rename(folder, &aside).map_err(at(folder))?;
    Ok(aside)
}

fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    File::open(folder)?.sync_all()
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> PartialError {
    let path = path.to_owned();
    move |error| (path, error)
}

/// Bytes that a user without special rights may still write where `folder` lies.
pub(crate) fn bytes_free(folder: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Removes unfinished models below `models` that nobody works on and nobody has worked on for `age`; returns how
/// many. Blocking.
pub fn remove_abandoned(models: &Path, age: Duration, now: SystemTime) -> io::Result<usize> {
    let found = match fs::read_dir(models.join(PARTIAL)) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut removed = 0;
    for entry in found.take(MODELS_MAX) {
        let root = entry?.path();
        let touched = ["journal", "lock"].iter().find_map(|name| fs::metadata(root.join(name)).ok());
        let touched = touched.and_then(|metadata| metadata.modified().ok());
        let is_old =
            touched.is_none_or(|touched| now.duration_since(touched).is_ok_and(|since| since >= age));
        let lock = File::open(root.join("lock"));
        let is_free = lock.as_ref().map_or(true, |lock| lock.try_lock().is_ok());
        if is_old && is_free {
            fs::remove_dir_all(&root)?;
            removed += 1;
        }
    }
    Ok(removed)
}
