//! Folders of encoders: BERT and RoBERTa, which read a text whole and give a state behind each token.
//!
//! Opened by [`EncoderCheckpoint::open`], read by the CPU's encoder. They have no KV, no head and no chat.

use std::path::{Path, PathBuf};

use pomona_protocol::{ModelCard, ModelId};

use super::json::{self, Object};
use super::quantisation::Quantisation;
use super::tensor::TensorView;
use super::weights;
use super::{Dtype, LoadError};

/// Names of this kind in `config.json`, and whether positions are counted behind the padding token's id.
const FAMILIES: [(&str, bool); 3] = [("bert", false), ("roberta", true), ("xlm-roberta", true)];
/// What the tensors' names may begin with.
const PREFIXES: [&str; 3] = ["", "bert.", "roberta."];
/// The first tensor of each file.
const FIRST_TENSOR: &str = "embeddings.word_embeddings.weight";

/// What `config.json` says of an encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderConfig {
    /// Its `model_type`.
    pub family: &'static str,
    /// Tokens that there are.
    pub vocabulary: usize,
    /// Longest text, in tokens.
    pub context_tokens: usize,
    /// Row of the position table that belongs to the first token.
    pub first_position: usize,
    /// Rows of the table of token types; the first is used.
    pub token_types: usize,
    /// Width of a state.
    pub hidden: usize,
    /// Width inside the feed-forward part.
    pub intermediate: usize,
    /// Blocks.
    pub layers: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Added to the variance in norms.
    pub norm_epsilon: f32,
}

/// An opened folder; its weight files stay mapped as long as it lives.
#[derive(Debug)]
pub struct EncoderCheckpoint {
    /// What `config.json` says.
    pub config: EncoderConfig,
    prefix: &'static str,
    weights: weights::WeightFiles,
    folder: PathBuf,
}

impl EncoderCheckpoint {
    /// Opens the folder if it holds an encoder, and checks all of it but the values of the weights.
    pub fn open(folder: &Path) -> Result<Option<EncoderCheckpoint>, LoadError> {
        if crate::gguf::find(folder).is_some() {
            return Ok(None);
        }
        let json = json::read(&folder.join("config.json"))?;
        let Some(config) = EncoderConfig::from_json(&json)? else { return Ok(None) };
        let weights = weights::WeightFiles::open(folder, &Quantisation::default())?;
        let has_first = |prefix: &&str| weights.tensor(&format!("{prefix}{FIRST_TENSOR}")).is_ok();
        let prefix = PREFIXES.into_iter().find(has_first).unwrap_or_default();
        let checkpoint = EncoderCheckpoint { config, prefix, weights, folder: folder.to_owned() };
        for (name, shape) in checkpoint.needs() {
            checkpoint.weights.check(&name, &shape)?;
            checkpoint.weights.tensor(&name)?;
        }
        Ok(Some(checkpoint))
    }

    /// The folder it was opened from.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A tensor by its name without a prefix.
    pub fn tensor(&self, name: &str) -> Result<TensorView<'_>, LoadError> {
        self.weights.tensor(&format!("{}{name}", self.prefix))
    }

    /// Bytes of all tensors as they lie in the files.
    pub fn tensors_bytes(&self) -> u64 {
        let bytes =
            |(name, _): (String, _)| self.weights.tensor(&name).map_or(0, |tensor| tensor.bytes.len() as u64);
        self.needs().into_iter().map(bytes).sum()
    }

    /// The capability card, under the name that clients will use.
    pub fn card(&self, id: ModelId) -> ModelCard {
        let dtype = self.tensor(FIRST_TENSOR).map_or(Dtype::F32, |tensor| tensor.dtype);
        ModelCard {
            id,
            architecture: self.config.family.to_owned(),
            parameters: self
                .needs()
                .iter()
                .map(|(_, shape)| shape.iter().map(|length| *length as u64).product::<u64>())
                .sum(),
            dtype: dtype.name().to_owned(),
            context_tokens: self.config.context_tokens as u32,
            vocabulary: self.config.vocabulary as u32,
            weight_bytes: self.tensors_bytes(),
            kv_bytes_per_token: 0,
            embeddings: true,
            ..ModelCard::default()
        }
    }

    /// All tensors, with their shapes.
    fn needs(&self) -> Vec<(String, Vec<usize>)> {
        let config = &self.config;
        let (hidden, intermediate) = (config.hidden, config.intermediate);
        let positions = config.first_position + config.context_tokens;
        let mut needs = vec![
            (FIRST_TENSOR.to_owned(), vec![config.vocabulary, hidden]),
            ("embeddings.position_embeddings.weight".to_owned(), vec![positions, hidden]),
            ("embeddings.token_type_embeddings.weight".to_owned(), vec![config.token_types, hidden]),
        ];
        let mut norms = vec!["embeddings.LayerNorm".to_owned()];
        for layer in 0..config.layers {
            let matrices = [
                ("attention.self.query", hidden, hidden),
                ("attention.self.key", hidden, hidden),
                ("attention.self.value", hidden, hidden),
                ("attention.output.dense", hidden, hidden),
                ("intermediate.dense", intermediate, hidden),
                ("output.dense", hidden, intermediate),
            ];
            for (name, rows, columns) in matrices {
                needs.push((format!("encoder.layer.{layer}.{name}.weight"), vec![rows, columns]));
                needs.push((format!("encoder.layer.{layer}.{name}.bias"), vec![rows]));
            }
            let names = ["attention.output.LayerNorm", "output.LayerNorm"];
            norms.extend(names.map(|norm| format!("encoder.layer.{layer}.{norm}")));
        }
        for norm in norms {
            needs.push((format!("{norm}.weight"), vec![hidden]));
            needs.push((format!("{norm}.bias"), vec![hidden]));
        }
        needs.into_iter().map(|(name, shape)| (format!("{}{name}", self.prefix), shape)).collect()
    }
}

impl EncoderConfig {
    pub(super) fn from_json(json: &Object) -> Result<Option<EncoderConfig>, LoadError> {
        let found = json.text("model_type")?;
        let Some((family, is_offset)) = FAMILIES.into_iter().find(|(name, _)| Some(*name) == found) else {
            return Ok(None);
        };
        let needed = |key: &str, limit: usize| json.count(key, 1..=limit)?.ok_or_else(|| json.missing(key));
        for (key, expected) in [("hidden_act", "gelu"), ("position_embedding_type", "absolute")] {
            if let Some(other) = json.text(key)?.filter(|found| *found != expected) {
                return Err(json.bad(key, other, expected));
            }
        }
        let (hidden, heads) = (needed("hidden_size", 1 << 16)?, needed("num_attention_heads", 1024)?);
        let head_width = hidden / heads;
        if !hidden.is_multiple_of(heads) || !head_width.is_multiple_of(2) || head_width > 1024 {
            let expected =
                format!("a divisor of hidden_size ({hidden}) that leaves an even width up to 1024");
            return Err(json.bad("num_attention_heads", heads, expected));
        }
        let positions = needed("max_position_embeddings", 1 << 20)?;
        let padding = json.count("pad_token_id", 0..=1 << 20)?.unwrap_or(1);
        let first_position = if is_offset { padding + 1 } else { 0 };
        let Some(context_tokens) = positions.checked_sub(first_position).filter(|tokens| *tokens > 0) else {
            return Err(json.bad(
                "max_position_embeddings",
                positions,
                format!("more than {first_position}"),
            ));
        };
        Ok(Some(EncoderConfig {
            family,
            vocabulary: needed("vocab_size", 1 << 24)?,
            context_tokens,
            first_position,
            token_types: needed("type_vocab_size", 1024)?,
            hidden,
            intermediate: needed("intermediate_size", 1 << 20)?,
            layers: needed("num_hidden_layers", 1024)?,
            heads,
            norm_epsilon: json.number("layer_norm_eps", 1e-20..=1.0)?.unwrap_or(1e-12) as f32,
        }))
    }

    /// Width of a head.
    pub fn head_width(&self) -> usize {
        self.hidden / self.heads
    }
}
