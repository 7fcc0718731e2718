//! Which model KV belongs to: a hash of everything that it was computed with.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use crate::prefix::PrefixKey;

/// Bytes read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Nothing when `is_stopping` was set meanwhile. Hashes configuration and weights of a model folder, `format` and the version of this engine. Reads every byte: two
/// models that differ in one row of one matrix have different KV.
pub(super) fn fingerprint(
    model_dir: &Path,
    format: &str,
    is_stopping: &AtomicBool,
) -> io::Result<Option<PrefixKey>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(model_dir)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_weights = matches!(extension, Some("safetensors" | "gguf"));
        if is_weights || path.file_name().is_some_and(|name| name == "config.json") {
            files.push(path);
        }
    }
    files.sort();
    let mut hash = Sha256::new();
    say(&mut hash, format.as_bytes());
    say(&mut hash, env!("CARGO_PKG_VERSION").as_bytes());
    let mut chunk = vec![0; CHUNK_BYTES];
    for path in files {
        say(&mut hash, path.file_name().map(|name| name.as_encoded_bytes()).unwrap_or_default());
        let mut file = File::open(&path)?;
        hash.update(file.metadata()?.len().to_le_bytes());
        loop {
            if is_stopping.load(Ordering::Acquire) {
                return Ok(None);
            }
            match file.read(&mut chunk)? {
                0 => break,
                read => hash.update(&chunk[..read]),
            }
        }
    }
    Ok(Some(PrefixKey(hash.finalize().into())))
}

/// With its length, so that no two lists of parts read the same.
fn say(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_le_bytes());
    hash.update(part);
}
