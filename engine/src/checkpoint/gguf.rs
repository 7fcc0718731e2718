//! GGUF files as checkpoints: the same configuration, names and tensors as a folder has.
//!
//! Opened by [`Checkpoint::open`](super::Checkpoint::open). `config.rs` turns the metadata into what `config.json`
//! would say, so that the families' files read both; `names.rs` says what tensors are called in folders.

mod config;
mod names;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::LoadError;
use super::config::{DecoderConfig, FeedForward};
use super::rotary::RotaryScaling;
use super::tensor::{RowOrder, TensorView};
use crate::gguf::{self, GgufError, Header, TensorEntry};
use config::Architecture;

/// Lists of divisors of frequencies: for all lengths, and for short and for long contexts.
const FREQUENCIES: &str = "rope_freqs.weight";
const SHORT_FACTORS: &str = "rope_factors_short.weight";
const LONG_FACTORS: &str = "rope_factors_long.weight";

/// One file, mapped, its tensors under the names of folders.
#[derive(Debug)]
pub(super) struct GgufWeights {
    path: PathBuf,
    map: Mmap,
    tensors: BTreeMap<String, (TensorEntry, RowOrder)>,
}

/// What an opened file gives.
pub(super) struct Opened {
    pub(super) config: DecoderConfig,
    pub(super) eos_token_ids: Vec<u32>,
    pub(super) weights: GgufWeights,
}

/// Opens a file and reads everything but the weights.
pub(super) fn open(path: &Path) -> Result<Opened, LoadError> {
    let unreadable =
        |error: std::io::Error| LoadError::Unreadable { file: path.to_owned(), message: error.to_string() };
    let map = gguf::map(path).map_err(unreadable)?;
    let refuse = |error: GgufError| LoadError::Gguf { file: path.to_owned(), error };
    let header = Header::read(&map).map_err(refuse)?;
    let (architecture, mut config) = described(path, &header)?;
    let head_width = config.head_width;
    let renamed = header.tensors().filter_map(|(name, entry)| {
        let (name, order) = names::rename(architecture, name, head_width)?;
        Some((name, (entry.clone(), order)))
    });
    let weights = GgufWeights { path: path.to_owned(), tensors: renamed.collect(), map };
    adjust(&mut config, architecture, &header, &weights)?;
    let eos_token_ids = gguf::stop_ids(&header, config.vocabulary).map_err(refuse)?;
    Ok(Opened { config, eos_token_ids, weights })
}

/// What the metadata say of the model.
pub(super) fn config_of(path: &Path, header: &Header) -> Result<DecoderConfig, LoadError> {
    described(path, header).map(|(_, config)| config)
}

fn described(path: &Path, header: &Header) -> Result<(Architecture, DecoderConfig), LoadError> {
    let refuse = |error: GgufError| LoadError::Gguf { file: path.to_owned(), error };
    let architecture = Architecture::of(header).map_err(refuse)?;
    let json = architecture.config(header).map_err(refuse)?;
    Ok((architecture, DecoderConfig::from_json(&json)?))
}

/// What the file says by the tensors that it has, and not by its metadata.
fn adjust(
    config: &mut DecoderConfig,
    architecture: Architecture,
    header: &Header,
    weights: &GgufWeights,
) -> Result<(), LoadError> {
    let has = |name: &str| header.tensor(name).is_some();
    config.query_key_value_bias = has("blk.0.attn_q.bias") || has("blk.0.attn_qkv.bias");
    config.attention_output_bias = has("blk.0.attn_output.bias");
    for layer in &mut config.layers {
        if let FeedForward::Dense(dense) = &mut layer.feed_forward {
            dense.bias = has("blk.0.ffn_down.bias");
        }
    }
    // The file's norms have the 1 in them.
    config.norm_offset = 0.0;
    let count = config.rotary[0].width / 2;
    // Llama 3 comes with one list of divisors of frequencies, Phi 3 with two.
    let (short, long) = match weights.factors(FREQUENCIES, count)? {
        Some(factors) => (Some(factors.clone()), Some(factors)),
        None => (weights.factors(SHORT_FACTORS, count)?, weights.factors(LONG_FACTORS, count)?),
    };
    if let (Some(short_factors), Some(long_factors)) = (short, long) {
        let refuse = |error: GgufError| LoadError::Gguf { file: weights.path.clone(), error };
        let key = |name: &str| format!("{}.rope.scaling.{name}", architecture.name());
        let original = header.count(&key("original_context_length")).map_err(refuse)?;
        let amplitude = header.number(&key("attn_factor")).map_err(refuse)?;
        let rotary = &mut config.rotary[0];
        rotary.amplitude = amplitude.filter(|factor| (1e-3..=1e3).contains(factor)).unwrap_or(1.0) as f32;
        let original_context_tokens = original.map_or(config.context_tokens, |tokens| tokens as usize);
        rotary.scaling = RotaryScaling::Long { short_factors, long_factors, original_context_tokens };
    }
    Ok(())
}

impl GgufWeights {
    /// Whether there is a tensor of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A tensor of a type that we can use.
    pub(super) fn tensor(&self, name: &str) -> Result<TensorView<'_>, LoadError> {
        let (entry, order) = self.entry(name)?;
        let dtype = entry.dtype.ok_or_else(|| LoadError::TensorType {
            file: self.path.clone(),
            tensor: name.to_owned(),
            found: format!("number {}", entry.kind),
            expected: "F32, F16, BF16, Q4_0, Q5_0, Q8_0, Q4_K, Q5_K, Q6_K or MXFP4",
        })?;
        let bytes = &self.map[entry.start..entry.end];
        Ok(TensorView { order: *order, ..TensorView::new(dtype, &entry.shape, bytes) })
    }

    /// Checks that a tensor is there in the shape that is needed.
    pub(super) fn check(&self, name: &str, shape: &[usize]) -> Result<(), LoadError> {
        let (entry, _) = self.entry(name)?;
        let expected: Vec<u64> = shape.iter().map(|&length| length as u64).collect();
        if entry.shape == expected {
            return Ok(());
        }
        let (file, tensor) = (self.path.clone(), name.to_owned());
        Err(LoadError::TensorShape { file, tensor, found: entry.shape.clone(), expected })
    }

    fn entry(&self, name: &str) -> Result<&(TensorEntry, RowOrder), LoadError> {
        let missing = || LoadError::TensorMissing { file: self.path.clone(), tensor: name.to_owned() };
        self.tensors.get(name).ok_or_else(missing)
    }

    /// A list of divisors of frequencies, if the file has it.
    fn factors(&self, name: &str, count: usize) -> Result<Option<Vec<f32>>, LoadError> {
        if !self.has(name) {
            return Ok(None);
        }
        self.check(name, &[count])?;
        let tensor = self.tensor(name)?;
        let factors = if tensor.dtype.is_plain() { crate::cpu::widened(tensor) } else { Vec::new() };
        let is_sane = factors.iter().all(|factor| (1e-3..=1e6).contains(factor));
        if is_sane && factors.len() == count {
            return Ok(Some(factors));
        }
        let error = GgufError::Tensor {
            tensor: name.to_owned(),
            found: "other numbers".to_owned(),
            expected: "F32 numbers from 0.001 to 1000000".to_owned(),
        };
        Err(LoadError::Gguf { file: self.path.clone(), error })
    }
}
