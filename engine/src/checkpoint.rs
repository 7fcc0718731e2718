//! A model folder in the form of Hugging Face, opened and checked: what it is, and its weights by name.
//!
//! The CPU backend loads from it; the node asks it for the model's card before anything is loaded. Everything in
//! the folder is untrusted: numbers are checked before they size anything, and a bad file is a [`LoadError`] that
//! names file, tensor, what was expected and what was found. Tokenizer and chat template are read elsewhere.

mod config;
mod error;
mod family;
mod generation;
mod header;
mod inventory;
mod json;
mod rotary;
mod weights;

use std::path::{Path, PathBuf};

use pomona_protocol::{ModelCard, ModelId};

use crate::backend::BLOCK_TOKENS;

pub use config::DecoderConfig;
pub use error::LoadError;
pub use family::Family;
pub use generation::GenerationDefaults;
pub use header::Dtype;
pub use inventory::{TensorNeed, tensors_needed};
pub use rotary::{RotaryConfig, RotaryScaling};
pub use weights::TensorView;

/// An opened model folder; its weight files stay mapped as long as it lives.
#[derive(Debug)]
pub struct Checkpoint {
    /// What `config.json` says.
    pub config: DecoderConfig,
    /// Tokens that end an answer; may be empty.
    pub eos_token_ids: Vec<u32>,
    /// Sampling settings recommended by the makers of the model.
    pub generation: GenerationDefaults,
    folder: PathBuf,
    weights: weights::WeightFiles,
}

impl Checkpoint {
    /// Opens the folder and checks all of it but the values of the weights.
    pub fn open(dir: &Path) -> Result<Checkpoint, LoadError> {
        let config_json = json::read(&dir.join("config.json"))?;
        let config = DecoderConfig::from_json(&config_json)?;
        let generation_json = json::read_optional(&dir.join("generation_config.json"))?;
        let generation = GenerationDefaults::from_json(generation_json.as_ref())?;
        let eos_token_ids =
            generation::eos_token_ids(&config_json, generation_json.as_ref(), config.vocabulary)?;
        let weights = weights::WeightFiles::open(dir)?;
        for need in tensors_needed(&config) {
            weights.check(&need)?;
        }
        Ok(Checkpoint { config, eos_token_ids, generation, folder: dir.to_owned(), weights })
    }

    /// The folder it was opened from.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A tensor by its name in the files.
    pub fn tensor(&self, name: &str) -> Result<TensorView<'_>, LoadError> {
        self.weights.tensor(name)
    }

    /// Number of weights that the model uses; a head tied to the embedding counts once.
    pub fn parameters(&self) -> u64 {
        tensors_needed(&self.config).map(|need| need.elements()).sum()
    }

    /// Bytes that the weights take in memory: as many as in the files, but half precision is widened to f32.
    pub fn weight_bytes(&self) -> u64 {
        let bytes = |need: TensorNeed| {
            let dtype = self.weights.tensor(&need.name).map_or(Dtype::F32, |tensor| tensor.dtype);
            need.elements() * if need.is_matrix() && dtype == Dtype::Bf16 { 2 } else { 4 }
        };
        tensors_needed(&self.config).map(bytes).sum()
    }

    /// Bytes of all tensors that the model needs, as they lie in the files.
    pub(crate) fn tensors_bytes(&self) -> u64 {
        let bytes =
            |need: TensorNeed| self.weights.tensor(&need.name).map_or(0, |tensor| tensor.bytes.len() as u64);
        tensors_needed(&self.config).map(bytes).sum()
    }

    /// The capability card, under the name that clients will use.
    pub fn card(&self, id: ModelId) -> ModelCard {
        let embedding = self.weights.tensor("model.embed_tokens.weight");
        ModelCard {
            id,
            architecture: self.config.family.model_type().to_owned(),
            parameters: self.parameters(),
            dtype: embedding.map_or(Dtype::F32, |tensor| tensor.dtype).name().to_owned(),
            context_tokens: self.config.context_tokens as u32,
            vocabulary: self.config.vocabulary as u32,
            weight_bytes: self.weight_bytes(),
            kv_bytes_per_token: crate::cpu::kv_bytes_per_block(&self.config) / BLOCK_TOKENS as u64,
        }
    }
}
