//! What the node hands to the engine: MLX as a kind of backend.

use mlx_rs::DeviceType;
use pomona_engine::backend::{Accelerator, AcceleratorLoad, Backend};
use pomona_engine::checkpoint::{Checkpoint, LoadError};

use crate::backend::{MlxBackend, MlxOptions};
use crate::{budget, device, machine, selftest};

/// MLX on the default device of this machine.
#[derive(Debug)]
pub(crate) struct Mlx;

impl Accelerator for Mlx {
    fn name(&self) -> &'static str {
        "mlx"
    }

    fn obstacle(&self, checkpoint: &Checkpoint) -> Option<String> {
        let device = match device::kind() {
            Ok(device) => device,
            Err(error) => return Some(error.to_string()),
        };
        if let Some(obstacle) = device::unknown_type(checkpoint) {
            return Some(obstacle);
        }
        match device {
            // It is the yardstick itself.
            DeviceType::Cpu => None,
            DeviceType::Gpu => {
                selftest::check(&mlx_rs::Stream::default()).err().map(|fault| fault.to_string())
            }
        }
    }

    fn kv_bytes_per_block(&self, checkpoint: &Checkpoint) -> u64 {
        budget::kv_bytes_per_block(checkpoint)
    }

    fn load(&self, load: AcceleratorLoad<'_>) -> Result<Box<dyn Backend>, LoadError> {
        let AcceleratorLoad { checkpoint, kv_blocks, memory_bytes, eyes, progress } = load;
        let memory_bytes = machine::usable_bytes().map_or(memory_bytes, |bytes| bytes.min(memory_bytes));
        let budget = budget::budget(checkpoint, kv_blocks, memory_bytes)?;
        machine::limit(budget.total_bytes(), memory_bytes)?;
        let backend = MlxBackend::load(checkpoint, MlxOptions { kv_blocks, progress })?;
        Ok(Box::new(match eyes {
            Some(eyes) => backend.with_eyes(eyes),
            None => backend,
        }))
    }
}
