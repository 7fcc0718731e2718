//! A model folder in the form of Hugging Face, opened and checked: what it is, and its weights by name.
//!
//! The CPU backend loads from it; the node asks it for the model's card before anything is loaded. Everything in
//! the folder is untrusted: numbers are checked before they size anything, and a bad file is a [`LoadError`] that
//! names file, tensor, what was expected and what was found. Tokenizer and chat template are read elsewhere.

pub mod bytes;
mod config;
mod encoder;
mod error;
mod family;
mod generation;
mod gguf;
mod header;
mod inventory;
mod json;
mod part;
mod quantisation;
mod quantised;
mod rotary;
mod source;
mod tensor;
mod vision;
mod weights;

use std::path::{Path, PathBuf};

use pomona_protocol::{ModelCard, ModelId};

use crate::backend::BLOCK_TOKENS;
use source::Source;

pub use config::{
    Activation, DecoderConfig, DenseConfig, ExpertWeighting, ExpertsConfig, FeedForward, LayerConfig,
};
pub use encoder::{EncoderCheckpoint, EncoderConfig};
pub use error::LoadError;
pub use family::Family;
pub use generation::GenerationDefaults;
pub use inventory::{Encoding, Inventory, Norm, Projection, Role, TensorNeed, TensorPlace};
pub use part::{Part, PartScales};
pub use rotary::{RotaryConfig, RotaryScaling};
pub use tensor::{Dtype, RowOrder, Scales, TensorView};
pub use vision::{VisionCheckpoint, VisionConfig};

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
    names: inventory::Names,
    weights: Source,
}

impl Checkpoint {
    /// Opens a folder, or a GGUF file, or a folder with nothing but one such file in it, and checks all of it but the
    /// values of the weights.
    pub fn open(dir: &Path) -> Result<Checkpoint, LoadError> {
        if let Some(file) = crate::gguf::find(dir) {
            let gguf::Opened { config, eos_token_ids, weights } = gguf::open(&file)?;
            let generation = GenerationDefaults::default();
            return Checkpoint::checked(dir, config, eos_token_ids, generation, Source::Gguf(weights));
        }
        let config_json = json::read(&dir.join("config.json"))?;
        let config = DecoderConfig::from_json(&config_json)?;
        let generation_json = json::read_optional(&dir.join("generation_config.json"))?;
        let generation = GenerationDefaults::from_json(generation_json.as_ref())?;
        let eos_token_ids =
            generation::eos_token_ids(&config_json, generation_json.as_ref(), config.vocabulary)?;
        let quantisation = quantisation::Quantisation::from_json(&config_json)?;
        let weights = weights::WeightFiles::open(dir, &quantisation)?;
        Checkpoint::checked(dir, config, eos_token_ids, generation, Source::Folder(weights))
    }

    /// A checkpoint whose weights are all there.
    fn checked(
        dir: &Path,
        config: DecoderConfig,
        eos_token_ids: Vec<u32>,
        generation: GenerationDefaults,
        weights: Source,
    ) -> Result<Checkpoint, LoadError> {
        let names = inventory::Names::pick(&config, |name| weights.has(name));
        for need in Inventory::new(&config, names).needs() {
            part::check(&weights, &need)?;
        }
        Ok(Checkpoint { config, eos_token_ids, generation, folder: dir.to_owned(), names, weights })
    }

    /// The folder it was opened from.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Which tensors the model has, and where they lie.
    pub fn inventory(&self) -> Inventory<'_> {
        Inventory::new(&self.config, self.names)
    }

    /// What a role asks for; none if the model has none.
    pub fn part(&self, role: Role) -> Result<Option<Part<'_>>, LoadError> {
        self.inventory().need(role).map(|need| part::read(&self.weights, &need)).transpose()
    }

    /// A tensor by its name in the files.
    pub fn tensor(&self, name: &str) -> Result<TensorView<'_>, LoadError> {
        self.weights.tensor(name)
    }

    /// Number of weights that the model uses; a head tied to the embedding counts once.
    pub fn parameters(&self) -> u64 {
        self.inventory().needs().map(|need| need.elements()).sum()
    }

    /// Bytes that the weights take in the memory of the CPU backend: vectors are widened to f32, matrices keep their
    /// type and are filled up to whole groups of rows.
    pub fn weight_bytes(&self) -> u64 {
        self.inventory().needs().map(|need| part::memory_bytes(&self.weights, &need)).sum()
    }

    /// Bytes of all that the model needs, as it lies in the files.
    pub fn tensors_bytes(&self) -> u64 {
        self.inventory().needs().map(|need| self.need_bytes(&need)).sum()
    }

    /// Bytes of one need, as it lies in the files.
    pub fn need_bytes(&self, need: &TensorNeed) -> u64 {
        part::file_bytes(&self.weights, need)
    }

    /// The capability card, under the name that clients will use.
    pub fn card(&self, id: ModelId) -> ModelCard {
        let dtype = self.part(Role::Embedding).ok().flatten().map_or(Dtype::F32, |embedding| embedding.dtype);
        ModelCard {
            id,
            architecture: self.config.family.model_type().to_owned(),
            parameters: self.parameters(),
            dtype: dtype.name(),
            context_tokens: self.config.context_tokens as u32,
            vocabulary: self.config.vocabulary as u32,
            weight_bytes: self.weight_bytes(),
            kv_bytes_per_token: crate::cpu::kv_bytes_per_block(&self.config) / BLOCK_TOKENS as u64,
            ..ModelCard::default()
        }
    }
}
