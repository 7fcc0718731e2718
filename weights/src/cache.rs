//! Hashes that were computed before, one file per model folder beside the models: hashing a large model takes
//! minutes, and its files do not change. An entry counts while path, size and time of last change are the same.
//! A cache that is damaged or unreadable is no cache; it never fails a scan.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::{self, Digest};
use crate::manifest::piece_count;
use crate::scan::{Entry, HashedModel};

/// Counts changes of the format; another number is no cache.
const FORMAT: u32 = 1;

/// What is known of one model folder.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CachedFolder {
    format: u32,
    folder: PathBuf,
    files: BTreeMap<String, CachedFile>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct CachedFile {
    bytes: u64,
    modified_ns: u64,
    /// Piece hashes in hex, one behind the other.
    pieces: String,
    /// SHA-256 over them, in hex: tells a damaged cache.
    digest: String,
}

impl CachedFolder {
    /// Piece hashes of a file that has not changed.
    pub(crate) fn pieces(&self, entry: &Entry) -> Option<Vec<Digest>> {
        let file = self.files.get(&entry.path)?;
        if file.bytes != entry.bytes || file.modified_ns != entry.modified_ns || entry.modified_ns == 0 {
            return None;
        }
        let hex = file.pieces.as_bytes().chunks(digest::DIGEST_BYTES * 2);
        let pieces: Option<Vec<Digest>> =
            hex.map(|text| std::str::from_utf8(text).ok()?.parse().ok()).collect();
        let whole = |pieces: &Vec<Digest>| {
            pieces.len() == piece_count(file.bytes) as usize
                && Digest::of_pieces(pieces).to_string() == file.digest
        };
        pieces.filter(whole)
    }

    /// What is to be remembered of a folder.
    pub(crate) fn new(folder: &Path, entries: &[Entry], hashed: &HashedModel) -> Self {
        let files = entries.iter().zip(&hashed.pieces).map(|(entry, pieces)| {
            let file = CachedFile {
                bytes: entry.bytes,
                modified_ns: entry.modified_ns,
                pieces: pieces.iter().map(Digest::to_string).collect(),
                digest: Digest::of_pieces(pieces).to_string(),
            };
            (entry.path.clone(), file)
        });
        Self { format: FORMAT, folder: folder.to_owned(), files: files.collect() }
    }
}

/// The folder of caches.
#[derive(Clone, Debug)]
pub(crate) struct HashCache {
    folder: PathBuf,
}

impl HashCache {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What is known of `model_folder`; nothing when there is no cache or it is of something else.
    pub(crate) fn load(&self, model_folder: &Path) -> CachedFolder {
        let read = fs::read(self.folder.join(name(model_folder))).ok();
        let cached: Option<CachedFolder> = read.and_then(|bytes| rmp_serde::from_slice(&bytes).ok());
        cached.filter(|cached| cached.format == FORMAT && cached.folder == model_folder).unwrap_or_default()
    }

    /// Remembers; the file appears at once and whole.
    pub(crate) fn store(&self, cached: &CachedFolder) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let encoded = rmp_serde::to_vec_named(cached).map_err(io::Error::other)?;
        let place = self.folder.join(name(&cached.folder));
        let fresh = self.folder.join(format!(".{}-{}", name(&cached.folder), std::process::id()));
        fs::write(&fresh, encoded)?;
        fs::rename(&fresh, place)
    }

    /// Forgets all folders but these.
    pub(crate) fn keep_only(&self, model_folders: &[PathBuf]) {
        let names: BTreeSet<OsString> = model_folders.iter().map(|folder| name(folder).into()).collect();
        let found = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for stale in found.filter(|entry| !names.contains(&entry.file_name())) {
            // What cannot be removed is read by nobody.
            let _ = fs::remove_file(stale.path());
        }
    }
}

fn name(model_folder: &Path) -> String {
    Digest::of(model_folder.as_os_str().as_encoded_bytes()).to_string()
}
