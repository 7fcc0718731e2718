//! A model's capability card, read off its folder without loading it: the catalog makes one of each model, so that
//! `ls` and `show` say what lies on a disk. What cannot be read is left unknown; a folder that cannot be described
//! may still be served, and what the engine says after loading stands above all of this.

mod config;
mod gguf;
mod gguf_header;
mod template;
mod tensors;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use pomona_protocol::blob::BLOB_FILES_MAX;
use pomona_protocol::{Modality, ModelCard, ModelId};
use serde_json::Value;

use self::tensors::Count;

/// Bytes of one small file that is read whole; tokenizer configurations with many tokens have some MiB.
const JSON_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// What marks a folder that makes vectors of texts.
const EMBEDDING_FILES: &[&str] = &["modules.json", "1_Pooling/config.json", "sentence_bert_config.json"];

/// Describes a folder; `None` when nothing in it says what it is. Blocking: reads small files and headers.
pub fn describe(model: &ModelId, folder: &Path) -> Option<ModelCard> {
    let config = read_json(&folder.join("config.json"));
    let ggufs = weight_files(folder, "gguf");
    let mut card = match &config {
        Some(config) => config::read(config),
        None if ggufs.is_empty() => return None,
        None => ModelCard { modalities: vec![Modality::Text], ..ModelCard::default() },
    };
    card.id = model.clone();
    if ggufs.is_empty() {
        let safetensors = weight_files(folder, "safetensors");
        let bits = |name: &str| config.as_ref().map_or(0, |config| config::bits_of(config, name));
        let count = safetensors.iter().filter_map(|file| tensors::count(file, &bits)).sum::<Count>();
        card.parameters = count.weights;
        card.weight_bytes = count.bytes;
        card.active_parameters =
            config.as_ref().and_then(config::experts).map_or(0, |share| count.active(share));
    } else {
        card.weight_bytes =
            ggufs.iter().filter_map(|file| fs::metadata(file).ok()).map(|file| file.len()).sum();
        gguf::describe(&mut card, &ggufs);
    }
    if let Some(template) = template::find(folder) {
        card.tools = template::knows_tools(&template);
        card.thinking = template::knows_thinking(&template);
    }
    card.embeddings |= EMBEDDING_FILES.iter().any(|name| folder.join(name).is_file());
    Some(card)
}

/// Whether a folder has a model as GGUF.
pub(crate) fn has_gguf(folder: &Path) -> bool {
    !weight_files(folder, "gguf").is_empty()
}

/// Files of the folder itself with this ending, by name.
fn weight_files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let found =
        fs::read_dir(folder).into_iter().flatten().flatten().take(BLOB_FILES_MAX).map(|entry| entry.path());
    let has_ending =
        |path: &PathBuf| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending));
    let mut files: Vec<PathBuf> = found.filter(has_ending).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// A small file as JSON; `None` when it is not there, too large, or none.
fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&read_small(path)?).ok()
}

fn read_small(path: &Path) -> Option<Vec<u8>> {
    let file =
        File::open(path).ok().filter(|file| file.metadata().is_ok_and(|m| m.len() <= JSON_BYTES_MAX))?;
    let mut bytes = Vec::new();
    file.take(JSON_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
#[path = "card/card_tests.rs"]
mod tests;
