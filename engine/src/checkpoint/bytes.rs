//! The parsers of a model folder over bytes in memory. For the fuzzer, which has no folder; [`Checkpoint::open`] reads
//! the same from files.
//!
//! [`Checkpoint::open`]: super::Checkpoint::open

use std::ops::Range;
use std::path::Path;

use super::inventory::Names;
use super::{DecoderConfig, Dtype, EncoderConfig, GenerationDefaults, Inventory, LoadError, TensorNeed};
use super::{generation, gguf, header, json, quantisation};
use crate::gguf::Header;

/// Where a tensor of a `safetensors` file lies.
#[derive(Clone, Debug)]
pub struct Placed {
    /// What it is called.
    pub name: String,
    /// Type of its numbers; `None` when it is one that no model here has.
    pub dtype: Option<Dtype>,
    /// Lengths, outermost first.
    pub shape: Vec<u64>,
    /// Where in the file.
    pub bytes: Range<usize>,
}

/// A `config.json`.
#[derive(Clone, Debug)]
pub enum Config {
    /// Of a model that writes.
    Decoder(Box<DecoderConfig>),
    /// Of a model that only reads.
    Encoder(Box<EncoderConfig>),
}

/// The tensors of a whole `safetensors` file.
pub fn safetensors(file: &[u8]) -> Result<Vec<Placed>, LoadError> {
    let entries = header::read(Path::new("model.safetensors"), file)?;
    let placed = entries.into_iter().map(|(name, entry)| Placed {
        name,
        dtype: entry.dtype,
        shape: entry.shape,
        bytes: entry.start..entry.end,
    });
    Ok(placed.collect())
}

/// A `config.json`, which holds for its own `generation_config.json` as well.
pub fn config(text: &[u8]) -> Result<Config, LoadError> {
    let object = json::parse(Path::new("config.json"), text)?;
    if let Some(encoder) = EncoderConfig::from_json(&object)? {
        return Ok(Config::Encoder(Box::new(encoder)));
    }
    let config = DecoderConfig::from_json(&object)?;
    generation::eos_token_ids(&object, None, config.vocabulary)?;
    GenerationDefaults::from_json(Some(&object))?;
    quantisation::Quantisation::from_json(&object)?;
    Ok(Config::Decoder(Box::new(config)))
}

/// What the header of a GGUF file says of its model.
pub fn gguf_config(header: &Header) -> Result<DecoderConfig, LoadError> {
    gguf::config_of(Path::new("model.gguf"), header)
}

/// The first `limit` tensors that a model with this description has to have.
pub fn needs(config: &DecoderConfig, limit: usize) -> Vec<TensorNeed> {
    let names = Names::pick(config, |_| false);
    Inventory::new(config, names).needs().take(limit).collect()
}
