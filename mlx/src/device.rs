//! Which device computes, and in which type.

use mlx_rs::{Device, DeviceType, Dtype};
use pomona_engine::checkpoint::{Checkpoint, Encoding, LoadError, Role};

use crate::tensor::{dtype_of, is_known};
use crate::weights::refused;

/// The device that computes: the GPU where there is one.
pub(crate) fn kind() -> Result<DeviceType, LoadError> {
    Device::try_default().and_then(|device| device.get_type()).map_err(refused)
}

/// What a model computes in: the type of its embedding on a GPU; f32 on a CPU, where MLX is slow in any other.
pub(crate) fn compute_dtype(checkpoint: &Checkpoint) -> Result<Dtype, LoadError> {
    match kind()? {
        DeviceType::Cpu => Ok(Dtype::Float32),
        DeviceType::Gpu => {
            let embedding = checkpoint.part(Role::Embedding)?;
            let found = embedding.map(|embedding| match &embedding.scales {
                Some(scales) => scales.dtype,
                None => embedding.dtype,
            });
            Ok(found.and_then(dtype_of).unwrap_or(Dtype::Float32))
        }
    }
}

/// A tensor that is written in a way that MLX cannot compute with, for a person; none if there is no such.
pub(crate) fn unknown_type(checkpoint: &Checkpoint) -> Option<String> {
    checkpoint.inventory().needs().find_map(|need| {
        if matches!(need.place.encoding, Encoding::Mxfp4 { .. }) {
            return None;
        }
        match checkpoint.tensor(&need.place.name) {
            Ok(tensor) if is_known(tensor.dtype, tensor.order) => None,
            Ok(tensor) => Some(format!("tensor `{}` is {}", need.place.name, tensor.dtype.name())),
            Err(error) => Some(error.to_string()),
        }
    })
}
