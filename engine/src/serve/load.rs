//! A model folder to everything that serving needs, on the backend that the configuration and the build allow.
//!
//! Memory is counted before weights are read: what does not fit is refused with the numbers.

use std::path::Path;

use pomona_config::EngineConfig;
use pomona_protocol::{ModelCard, ModelId};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::EngineError;
use super::choice::choose;
use crate::backend::{Accelerator, AcceleratorLoad, Backend};
use crate::checkpoint::{
    Checkpoint, EncoderCheckpoint, GenerationDefaults, LoadError, VisionCheckpoint, VisionConfig,
};
use crate::cpu::{CpuBackend, CpuEncoder, CpuHidden, CpuOptions, CpuTower, budget, kv_bytes_per_block};
use crate::embedding::{Encoder, Pooling};
use crate::template::ChatTemplate;
use crate::tier::TierOptions;
use crate::tokenizer::{Tokenizer, TokenizerError};
use crate::vision::{PictureWords, Tower, VisionShape};

/// KV bytes when the configuration leaves it to us: this share of the memory, and no more than this. An eighth
/// leaves room for weights of half the memory and for whatever else the machine is there for.
const KV_MEMORY_SHARE: u64 = 8;
const KV_BYTES_MAX: u64 = 4 << 30;

/// A loaded model.
pub struct Loaded {
    /// What computes.
    pub model: LoadedModel,
    /// Text to ids.
    pub tokenizer: Tokenizer,
    /// Conversations to text.
    pub template: ChatTemplate,
    /// How it is shown pictures; none if it sees none.
    pub vision: Option<PictureWords>,
    /// What others may know of it.
    pub card: ModelCard,
    /// Ids that end an answer.
    pub eos_token_ids: Vec<u32>,
    /// Sampling where a request says nothing.
    pub defaults: GenerationDefaults,
    /// Where its KV is kept on disk, if it is.
    pub prefix_disk: Option<TierOptions>,
}

/// What a model does.
pub enum LoadedModel {
    /// It generates text.
    Generator(Box<dyn Backend>),
    /// It computes embeddings, pooled like this.
    Encoder(Box<dyn Encoder>, Pooling),
}

impl LoadedModel {
    /// Token ids are below this.
    pub fn vocabulary(&self) -> usize {
        match self {
            LoadedModel::Generator(backend) => backend.shape().vocabulary,
            LoadedModel::Encoder(encoder, _) => encoder.shape().vocabulary,
        }
    }
}

/// Loads a Hugging Face folder; `progress` hears of bytes done and bytes in all.
pub(super) fn load_folder(
    model_dir: &Path,
    model_id: ModelId,
    engine: &EngineConfig,
    accelerator: Option<&dyn Accelerator>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Loaded, EngineError> {
    if let Some(checkpoint) = EncoderCheckpoint::open(model_dir)? {
        return load_encoder(&checkpoint, model_id, engine, progress);
    }
    let checkpoint = Checkpoint::open(model_dir)?;
    let pooling = Pooling::of(model_dir)?;
    let tokenizer = Tokenizer::open(model_dir, checkpoint.config.vocabulary)?;
    let memory_bytes = memory_bytes()?;
    let eyes = VisionCheckpoint::open(model_dir, &checkpoint.config)?;
    // Embeddings are the CPU's: they take no KV and little time.
    let accelerator = match pooling {
        Some(_) => None,
        None => choose(engine.backend, accelerator, &checkpoint)?,
    };
    let model = match (accelerator, pooling) {
        (Some(accelerator), _) => {
            let block_bytes = accelerator.kv_bytes_per_block(&checkpoint);
            let kv_blocks = kv_blocks(engine.kv_bytes, block_bytes, memory_bytes)?;
            let tower =
                eyes.as_ref().map(|eyes| CpuTower::load(eyes, engine.threads as usize, None)).transpose()?;
            let eyes = tower.map(|tower| Box::new(tower) as Box<dyn Tower>);
            let load = AcceleratorLoad { checkpoint: &checkpoint, kv_blocks, memory_bytes, eyes, progress };
            LoadedModel::Generator(accelerator.load(load)?)
        }
        (None, pooling) => load_on_cpu(&checkpoint, engine, pooling, eyes.as_ref(), memory_bytes, progress)?,
    };
    let prefix_disk = match &model {
        LoadedModel::Generator(backend) => tier_options(engine, model_dir, backend.as_ref()),
        LoadedModel::Encoder(..) => None,
    };
    let vision = eyes.as_ref().and_then(|eyes| {
        let VisionConfig { side, places, width, begin_id, place_id, end_id, .. } = eyes.config;
        PictureWords::new(&tokenizer, VisionShape { side, places, width }, [begin_id, place_id, end_id])
    });
    Ok(Loaded {
        prefix_disk,
        model,
        tokenizer,
        template: ChatTemplate::open(model_dir),
        vision,
        card: checkpoint.card(model_id),
        eos_token_ids: checkpoint.eos_token_ids.clone(),
        defaults: checkpoint.generation.clone(),
    })
}

fn load_encoder(
    checkpoint: &EncoderCheckpoint,
    model_id: ModelId,
    engine: &EngineConfig,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Loaded, EngineError> {
    let folder = checkpoint.folder();
    let tokenizer = Tokenizer::open(folder, checkpoint.config.vocabulary)?;
    let pooling = Pooling::of(folder)?.unwrap_or(Pooling::USUAL);
    // Narrow weights are widened at worst; what a step needs is small beside them.
    let (weight_bytes, memory_bytes) = (2 * checkpoint.tensors_bytes(), memory_bytes()?);
    if weight_bytes > memory_bytes {
        let (kv_bytes, workspace_bytes) = (0, 0);
        return Err(LoadError::Memory { weight_bytes, kv_bytes, workspace_bytes, memory_bytes }.into());
    }
    let encoder = CpuEncoder::load(checkpoint, engine.threads as usize, None, progress)?;
    Ok(Loaded {
        prefix_disk: None,
        model: LoadedModel::Encoder(Box::new(encoder), pooling),
        tokenizer,
        template: ChatTemplate::open(folder),
        vision: None,
        card: checkpoint.card(model_id),
        eos_token_ids: Vec::new(),
        defaults: GenerationDefaults::default(),
    })
}

fn load_on_cpu(
    checkpoint: &Checkpoint,
    engine: &EngineConfig,
    pooling: Option<Pooling>,
    eyes: Option<&VisionCheckpoint>,
    memory_bytes: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<LoadedModel, EngineError> {
    let mut kv_blocks = kv_blocks(engine.kv_bytes, kv_bytes_per_block(&checkpoint.config), memory_bytes)?;
    if let Some(pooling) = &pooling {
        kv_blocks = kv_blocks.min(CpuHidden::kv_blocks(checkpoint, pooling.tokens_max));
    }
    budget(checkpoint, kv_blocks, memory_bytes)?;
    let threads = engine.threads as usize;
    let options = CpuOptions { threads, kv_blocks, progress: Some(progress), ..CpuOptions::default() };
    Ok(match pooling {
        Some(pooling) => LoadedModel::Encoder(Box::new(CpuHidden::load(checkpoint, options)?), pooling),
        None => {
            let backend = CpuBackend::load(checkpoint, options)?;
            LoadedModel::Generator(Box::new(match eyes {
                Some(eyes) => backend.with_eyes(CpuTower::load(eyes, threads, None)?),
                None => backend,
            }))
        }
    })
}

/// Nothing when it was not asked for or the backend's blocks cannot leave it.
fn tier_options(engine: &EngineConfig, model_dir: &Path, backend: &dyn Backend) -> Option<TierOptions> {
    let bytes_max = Some(engine.prefix_disk_bytes).filter(|bytes| *bytes > 0)?;
    let Some(folder) = &engine.prefix_disk_folder else {
        tracing::warn!(
            "engine.prefix_disk_bytes is set without engine.prefix_disk_folder; nothing is kept on disk"
        );
        return None;
    };
    let Some(format) = backend.block_format() else {
        tracing::warn!("this backend cannot keep its KV on disk; engine.prefix_disk_bytes is of no use");
        return None;
    };
    Some(TierOptions { root: folder.into(), bytes_max, model_dir: model_dir.to_owned(), format })
}

fn kv_blocks(kv_bytes: u64, block_bytes: u64, memory_bytes: u64) -> Result<usize, EngineError> {
    let kv_bytes = match kv_bytes {
        0 => (memory_bytes / KV_MEMORY_SHARE).min(KV_BYTES_MAX),
        chosen => chosen,
    };
    match kv_bytes / block_bytes {
        0 => Err(EngineError::Load {
            message: format!(
                "engine.kv_bytes is {kv_bytes} and one KV block of this model takes {block_bytes} bytes"
            ),
        }),
        blocks => Ok(usize::try_from(blocks).unwrap_or(usize::MAX).min(u32::MAX as usize)),
    }
}

/// Memory of this machine, or what this process may use of it.
fn memory_bytes() -> Result<u64, EngineError> {
    let ram = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(ram).map_err(|error| EngineError::Load {
        message: format!("this machine does not tell its memory: {error}"),
    })?;
    let allowed = system.cgroup_limits().map(|limits| limits.total_memory).filter(|bytes| *bytes > 0);
    Ok(system.total_memory().min(allowed.unwrap_or(u64::MAX)))
}

impl From<LoadError> for EngineError {
    fn from(error: LoadError) -> Self {
        EngineError::Load { message: error.to_string() }
    }
}

impl From<TokenizerError> for EngineError {
    fn from(error: TokenizerError) -> Self {
        EngineError::Load { message: error.to_string() }
    }
}
