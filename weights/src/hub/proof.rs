//! Whether what lies in the unfinished folder is what the list names: each file by its hash, read back from the
//! disk, and the whole by what a loader would look for first. Called by `pull` when nothing is missing any more.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pomona_protocol::{BlobFile, BlobManifest};
use serde::Deserialize;

use super::download::Job;
use super::error::PullError;
use super::hash::Hasher;
use super::listing::HubFile;
use super::pull::PullEvent;
use super::spans::Spans;
use crate::digest::Digest;
use crate::manifest::manifest_digest;

/// Bytes of an index or a configuration that are looked at; the largest index has some MiB.
const JSON_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What a GGUF file begins with.
const GGUF_MAGIC: &[u8] = b"GGUF";

/// Compares one file with its hash. The outer error is the disk's; the inner one says that it is another file.
pub(super) async fn prove(job: &Arc<Job>, file: usize) -> Result<Result<Vec<Digest>, PullError>, PullError> {
    let HubFile { path, bytes, hash } = job.files[file].clone();
    (job.events)(PullEvent::Proving { path: path.clone(), bytes });
    let (partial, layout, name) = (Arc::clone(&job.partial), job.layout.clone(), path.clone());
    let proven = job.blocking(move || {
        let mut hasher = Hasher::like(hash, bytes);
        let mut pieces = Vec::new();
        for number in layout.pieces_of(file) {
            // A file that is too short has another hash.
            let Some(piece) = partial.read(&name, layout.locate(number))? else { break };
            hasher.update(&piece);
            pieces.push(Digest::of(&piece));
        }
        Ok((hasher.finish(), pieces))
    });
    let (got, pieces) = proven.await?;
    if got == hash {
        return Ok(Ok(pieces));
    }
    Ok(Err(PullError::Hash { path, wanted: hash.to_string(), got: got.to_string() }))
}

/// Forgets all pieces of a file, on the disk as well.
pub(super) async fn forget(job: &Arc<Job>, spans: &mut Spans, file: usize) -> Result<(), PullError> {
    spans.forget(file);
    job.bytes_done.fetch_sub(job.files[file].bytes, Ordering::Relaxed);
    let known: BTreeSet<u32> = (0..job.layout.pieces()).filter(|piece| !spans.is_missing(*piece)).collect();
    let partial = Arc::clone(&job.partial);
    job.blocking(move || partial.rewrite_journal(&known)).await
}

/// The digest that other members know this content by.
pub(super) fn content_digest(files: &[HubFile], pieces: &[Vec<Digest>]) -> Digest {
    let file = |(file, pieces): (&HubFile, &Vec<Digest>)| BlobFile {
        path: file.path.clone(),
        bytes: file.bytes,
        digest: Digest::of_pieces(pieces).to_string(),
    };
    manifest_digest(&BlobManifest { files: files.iter().zip(pieces).map(file).collect() })
}

/// Whether the files are a model as far as can be said without loading it.
pub(super) async fn check_model(job: &Arc<Job>) -> Result<(), PullError> {
    let (root, files) = (job.partial.files(), job.files.clone());
    let checked = tokio::task::spawn_blocking(move || {
        files.iter().try_for_each(|file| check_file(&root, file, &files))
    });
    let checked = checked.await.unwrap_or_else(|error| Err(error.to_string()));
    checked.map_err(|problem| PullError::Broken { problem })
}

#[derive(Deserialize)]
struct Index {
    weight_map: std::collections::BTreeMap<String, String>,
}

fn check_file(root: &Path, file: &HubFile, all: &[HubFile]) -> Result<(), String> {
    let place = root.join(&file.path);
    let name = file.path.as_str();
    let failed = |problem: String| format!("`{name}`: {problem}");
    if name.ends_with(".safetensors.index.json") {
        let index: Index =
            serde_json::from_slice(&read(&place)?).map_err(|error| failed(error.to_string()))?;
        let missing = index.weight_map.values().find(|part| !all.iter().any(|file| file.path == **part));
        return missing.map_or(Ok(()), |part| {
            Err(failed(format!("it names `{part}`, which is not in the repository")))
        });
    }
    if name == "config.json" {
        let config: serde_json::Value =
            serde_json::from_slice(&read(&place)?).map_err(|error| failed(error.to_string()))?;
        return if config.is_object() { Ok(()) } else { Err(failed("it is no JSON object".to_owned())) };
    }
    if name.ends_with(".safetensors") {
        let mut length = [0; 8];
        let read = File::open(&place).and_then(|mut file| file.read_exact(&mut length));
        let header = u64::from_le_bytes(length);
        let fits = read.is_ok() && header.checked_add(8).is_some_and(|end| end <= file.bytes);
        return if fits { Ok(()) } else { Err(failed("it is no safetensors file".to_owned())) };
    }
    if name.ends_with(".gguf") {
        let mut magic = [0; GGUF_MAGIC.len()];
        let read = File::open(&place).and_then(|mut file| file.read_exact(&mut magic));
        let fits = read.is_ok() && magic == GGUF_MAGIC;
        return if fits { Ok(()) } else { Err(failed("it is no GGUF file".to_owned())) };
    }
    Ok(())
}

fn read(place: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", place.display());
    if fs::metadata(place).map_err(failed)?.len() > JSON_BYTES_MAX {
        return Err(format!("{}: it is longer than {JSON_BYTES_MAX} bytes", place.display()));
    }
    fs::read(place).map_err(failed)
}
