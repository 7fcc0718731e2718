//! A kind of backend that lives in a crate of its own and that the node offers to the engine.
//!
//! The engine decides per model whether it serves by it: it asks what stands against it, and falls back to the CPU
//! unless the configuration insists.

use std::fmt::Debug;

use super::Backend;
use crate::checkpoint::{Checkpoint, LoadError};
use crate::vision::Tower;

/// What an accelerator is asked to load.
pub struct AcceleratorLoad<'a> {
    /// The model.
    pub checkpoint: &'a Checkpoint,
    /// KV blocks that there are.
    pub kv_blocks: usize,
    /// Memory that there is, for weights, KV and everything else; what does not fit is refused.
    pub memory_bytes: u64,
    /// What lets it see pictures, for models that do.
    pub eyes: Option<Box<dyn Tower>>,
    /// Told of bytes done and bytes in all while weights are read.
    pub progress: &'a mut dyn FnMut(u64, u64),
}

/// Loads models into backends of one kind.
pub trait Accelerator: Debug + Send + Sync {
    /// What the configuration calls it.
    fn name(&self) -> &'static str;

    /// Why it cannot run a model, for a person; none if it can.
    fn obstacle(&self, checkpoint: &Checkpoint) -> Option<String>;

    /// Bytes that one KV block of a model takes.
    fn kv_bytes_per_block(&self, checkpoint: &Checkpoint) -> u64;

    /// Loads a model, on the thread that the backend never leaves.
    fn load(&self, load: AcceleratorLoad<'_>) -> Result<Box<dyn Backend>, LoadError>;
}
