//! A model folder to everything that serving needs, on the CPU backend.
//!
//! Memory is counted before weights are read: what does not fit is refused with the numbers.

use std::path::Path;

use pomona_config::EngineConfig;
use pomona_protocol::{ModelCard, ModelId};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::EngineError;
use crate::backend::Backend;
use crate::checkpoint::{Checkpoint, GenerationDefaults, LoadError};
use crate::cpu::{CpuBackend, CpuOptions, budget, kv_bytes_per_block};
use crate::template::ChatTemplate;
use crate::tokenizer::{Tokenizer, TokenizerError};

/// KV bytes when the configuration leaves it to us: this share of the memory, and no more than this. An eighth
/// leaves room for weights of half the memory and for whatever else the machine is there for.
const KV_MEMORY_SHARE: u64 = 8;
const KV_BYTES_MAX: u64 = 4 << 30;

/// A loaded model.
pub struct Loaded {
    /// Weights and KV.
    pub backend: Box<dyn Backend>,
    /// Text to ids.
    pub tokenizer: Tokenizer,
    /// Conversations to text.
    pub template: ChatTemplate,
    /// What others may know of it.
    pub card: ModelCard,
    /// Ids that end an answer.
    pub eos_token_ids: Vec<u32>,
    /// Sampling where a request says nothing.
    pub defaults: GenerationDefaults,
}

/// Loads a Hugging Face folder; `progress` hears of bytes done and bytes in all.
pub(super) fn load_folder(
    model_dir: &Path,
    model_id: ModelId,
    engine: &EngineConfig,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Loaded, EngineError> {
    let checkpoint = Checkpoint::open(model_dir)?;
    let tokenizer = Tokenizer::open(model_dir, checkpoint.config.vocabulary)?;
    let memory_bytes = memory_bytes()?;
    let kv_blocks = kv_blocks(engine.kv_bytes, kv_bytes_per_block(&checkpoint.config), memory_bytes)?;
    budget(&checkpoint, kv_blocks, memory_bytes)?;
    let threads = engine.threads as usize;
    let options = CpuOptions { threads, kv_blocks, progress: Some(progress), ..CpuOptions::default() };
    let backend = CpuBackend::load(&checkpoint, options)?;
    Ok(Loaded {
        backend: Box::new(backend),
        tokenizer,
        template: ChatTemplate::open(model_dir),
        card: checkpoint.card(model_id),
        eos_token_ids: checkpoint.eos_token_ids.clone(),
        defaults: checkpoint.generation.clone(),
    })
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
