//! Reading the small JSON files that say what a folder's embeddings are.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::checkpoint::LoadError;

/// Longest such file.
const JSON_BYTES_MAX: u64 = 1024 * 1024;

/// The value in a file; nothing if there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Value>, LoadError> {
    let unreadable = |message: String| LoadError::Unreadable { file: path.to_owned(), message };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let mut text = Vec::new();
    file.take(JSON_BYTES_MAX + 1).read_to_end(&mut text).map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > JSON_BYTES_MAX {
        return Err(unreadable(format!("longer than {JSON_BYTES_MAX} bytes")));
    }
    let value = serde_json::from_slice(&text);
    value.map(Some).map_err(|error| LoadError::Json { file: path.to_owned(), message: error.to_string() })
}

/// A folder within another one, as a file names it.
pub(super) fn inside(folder: &Path, name: &str) -> Result<PathBuf, LoadError> {
    let is_inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if is_inside && !name.is_empty() {
        return Ok(folder.join(name));
    }
    Err(LoadError::OutsideFolder { file: folder.join("modules.json"), found: name.to_owned() })
}
