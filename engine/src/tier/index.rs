//! Which block lies in which file, and which files must go.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::file::{self, Place, Unreadable};
use crate::prefix::PrefixKey;

/// Extension of whole files.
pub(super) const EXTENSION: &str = "safetensors";
/// Age of an unfinished file that nobody can still be writing.
const UNFINISHED_AGE: Duration = Duration::from_secs(3600);

/// The blocks of one model that are on disk, as far as this process knows.
#[derive(Debug, Default)]
pub(super) struct Index {
    places: HashMap<PrefixKey, (PathBuf, Place)>,
    files: HashMap<PathBuf, Vec<PrefixKey>>,
    /// Of all blocks.
    bytes: u64,
}

impl Index {
    /// Reads the headers of all files of a folder. Broken files are removed; returns how many.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, u64)> {
        let mut index = Self::default();
        let mut broken = 0;
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != EXTENSION) {
                continue;
            }
            match file::read_header(&path) {
                Ok(places) => index.add(&path, places),
                Err(Unreadable::Gone) => {}
                Err(Unreadable::Broken) => {
                    fs::remove_file(&path)?;
                    broken += 1;
                }
                Err(Unreadable::Disk(error)) => return Err(error),
            }
        }
        Ok((index, broken))
    }

    /// A file was written.
    pub(super) fn add(&mut self, path: &Path, places: Vec<(PrefixKey, Place)>) {
        self.files.insert(path.to_owned(), places.iter().map(|(key, _)| *key).collect());
        for (key, place) in places {
            self.bytes += place.bytes as u64;
            if let Some((_, other)) = self.places.insert(key, (path.to_owned(), place)) {
                self.bytes -= other.bytes as u64;
            }
        }
    }

    /// A file has gone.
    pub(super) fn remove(&mut self, path: &Path) {
        for key in self.files.remove(path).unwrap_or_default() {
            if self.places.get(&key).is_some_and(|(file, _)| file == path)
                && let Some((_, place)) = self.places.remove(&key)
            {
                self.bytes -= place.bytes as u64;
            }
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn get(&self, key: &PrefixKey) -> Option<(PathBuf, Place)> {
        self.places.get(key).cloned()
    }

    pub(super) fn has(&self, key: &PrefixKey) -> bool {
        self.places.contains_key(key)
    }
}

/// Removes the files of all models that were used longest ago, until no more than `bytes_max` are left; returns them.
/// Several engines share the folder: what one of them removes, the others find gone.
pub(super) fn trim(root: &Path, bytes_max: u64) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    let now = SystemTime::now();
    for folder in fs::read_dir(root)? {
        let folder = folder?.path();
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // One that has just gone takes no room.
            let Ok(metadata) = entry.metadata() else { continue };
            let (path, used) = (entry.path(), metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH));
            let is_whole = path.extension().is_some_and(|extension| extension == EXTENSION);
            if is_whole {
                files.push((used, metadata.len(), path));
            } else if now.duration_since(used).is_ok_and(|age| age > UNFINISHED_AGE) {
                remove(&path)?;
            }
        }
    }
    files.sort();
    let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    let mut removed = Vec::new();
    for (_, length, path) in files {
        if bytes <= bytes_max {
            break;
        }
        remove(&path)?;
        bytes -= length;
        removed.push(path);
    }
    Ok(removed)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
