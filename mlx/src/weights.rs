//! The tensors of a checkpoint by what they are for, read one after the other on the thread that will use them.
//!
//! Numbers are converted to the type that the model computes in; packed ones stay packed. All are evaluated at once
//! and copied out of the mapped files, so that those are not needed afterwards.

use mlx_rs::error::Exception;
use mlx_rs::ops::concatenate;
use mlx_rs::{Array, Dtype};
use pomona_engine::checkpoint::{Checkpoint, LoadError, Part, Projection, Role};

use crate::matrix::{Matrix, Numbers, evaluated};
use crate::tensor;

/// Told of bytes done and bytes in all while weights are read.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Reads the tensors of one checkpoint.
pub(crate) struct Reader<'a, 'p> {
    checkpoint: &'a Checkpoint,
    /// What the model computes in.
    dtype: Dtype,
    progress: Progress<'p>,
    done: u64,
    total: u64,
}

impl<'a, 'p> Reader<'a, 'p> {
    pub(crate) fn new(checkpoint: &'a Checkpoint, dtype: Dtype, progress: Progress<'p>) -> Self {
        Reader { checkpoint, dtype, progress, done: 0, total: checkpoint.tensors_bytes() }
    }

    /// Matrices of a block below each other, with their biases.
    pub(crate) fn matrix(&mut self, layer: usize, projections: &[Projection]) -> Result<Matrix, LoadError> {
        let (mut parts, mut biases) = (Vec::new(), Vec::new());
        for &projection in projections {
            parts.extend(self.numbers(Role::Weight { layer, projection })?);
            biases.extend(self.vector(Role::Bias { layer, projection })?);
        }
        let parts = Numbers::joined(parts).map_err(refused)?;
        let bias = match biases.is_empty() {
            true => None,
            false => Some(concatenate(&biases, 0).and_then(evaluated).map_err(refused)?),
        };
        Ok(Matrix { parts, bias })
    }

    /// As many matrices as there are experts, of equal shape, each made of one or two projections of its expert.
    pub(crate) fn experts(
        &mut self,
        layer: usize,
        count: usize,
        projections: impl Fn(usize) -> Vec<Projection>,
    ) -> Result<Matrix, LoadError> {
        let all: Vec<Projection> = (0..count).flat_map(projections).collect();
        let Matrix { parts, bias } = self.matrix(layer, &all)?;
        let split = |array: &Array| {
            let shape = [&[count as i32, array.dim(0) / count as i32], &array.shape()[1..]].concat();
            array.reshape(&shape).and_then(evaluated)
        };
        if parts.len() != 1 {
            let message = format!("the experts of layer {layer} are not all written alike");
            return Err(LoadError::Backend { message });
        }
        let parts = parts.into_iter().map(|numbers| numbers.map(split)).collect::<Result<_, _>>();
        let bias = bias.map(|bias| split(&bias)).transpose();
        Ok(Matrix { parts: parts.map_err(refused)?, bias: bias.map_err(refused)? })
    }

    /// The matrix for a role, if the model has it.
    pub(crate) fn numbers(&mut self, role: Role) -> Result<Option<Numbers>, LoadError> {
        self.part(role)?.map(|part| tensor::matrix(role, &part, self.dtype)).transpose()
    }

    /// A vector, if the model has it.
    pub(crate) fn vector(&mut self, role: Role) -> Result<Option<Array>, LoadError> {
        self.part(role)?.map(|part| tensor::plain(role, &part, self.dtype)).transpose()
    }

    /// The weight of a norm, if the model has it, with the model's offset added.
    pub(crate) fn norm(&mut self, role: Role) -> Result<Option<Array>, LoadError> {
        let offset = Array::from_f32(self.checkpoint.config.norm_offset);
        let Some(part) = self.part(role)? else { return Ok(None) };
        let weight = tensor::plain(role, &part, Dtype::Float32)?;
        let weight = weight.add(offset).and_then(|weight| weight.as_dtype(self.dtype));
        weight.and_then(evaluated).map_err(refused).map(Some)
    }

    fn part(&mut self, role: Role) -> Result<Option<Part<'a>>, LoadError> {
        let Some(need) = self.checkpoint.inventory().need(role) else { return Ok(None) };
        let part = self.checkpoint.part(role)?;
        self.done += self.checkpoint.need_bytes(&need);
        (self.progress)(self.done, self.total);
        Ok(part)
    }
}

/// What MLX said while a model was loaded.
pub(crate) fn refused(error: Exception) -> LoadError {
    LoadError::Backend { message: format!("mlx: {}", error.what()) }
}
