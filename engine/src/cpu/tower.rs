//! The eyes of Gemma 3 on the CPU: a SigLIP tower over the patches of a picture, pooled and projected to the width of
//! the decoder.
//!
//! Source: the SigLIP paper (Zhai et al., 2023) for the tower and the Gemma 3 report (2025) for the projector.

use crate::backend::BackendError;
use crate::checkpoint::{Dtype, LoadError, TensorView, VisionCheckpoint, VisionConfig};
use crate::cpu::kernels::{InstructionSet, Kernels};
use crate::cpu::matrix::{Matrix, Rows, padded, widened};
use crate::cpu::memory::Arena;
use crate::cpu::pool::Pool;
use crate::cpu::reading::{LayerNorm, Reading, each_row};
use crate::vision::{Picture, Tower, VisionShape};

/// Loaded eyes.
#[derive(Debug)]
pub struct CpuTower {
    config: VisionConfig,
    patches: Matrix,
    /// One row per patch.
    positions: Vec<f32>,
    layers: Vec<Layer>,
    last_norm: LayerNorm,
    /// One added, as the model means it.
    projector_norm: Vec<f32>,
    projector: Matrix,
    kernels: Kernels,
    pool: Pool,
}

#[derive(Debug)]
struct Layer {
    attention_norm: LayerNorm,
    query_key_value: Matrix,
    attention_output: Matrix,
    feed_forward_norm: LayerNorm,
    up: Matrix,
    down: Matrix,
}

/// Buffers of one picture.
struct Space {
    reading: Reading,
    stream: Vec<f32>,
    normed: Vec<f32>,
    wide: Vec<f32>,
    attended: Vec<f32>,
}

impl CpuTower {
    /// Reads the weights into memory and starts the threads; 0 threads means one per core.
    pub fn load(
        checkpoint: &VisionCheckpoint,
        threads: usize,
        instruction_set: Option<InstructionSet>,
    ) -> Result<CpuTower, LoadError> {
        let sets = InstructionSet::available();
        let set = instruction_set.or(sets.last().copied()).unwrap_or(InstructionSet::Portable);
        let kernels = Kernels::of(set).ok_or_else(|| LoadError::Option {
            option: "instruction_set",
            found: format!("{set:?}"),
            expected: "one that this machine has".to_owned(),
        })?;
        let config = checkpoint.config.clone();
        let mut reader = Reader { checkpoint, arena: Arena::default() };
        let patches = reader.patches()?;
        let positions = widened(checkpoint.tower("embeddings.position_embedding.weight")?);
        let layers = (0..config.layers).map(|layer| reader.layer(layer)).collect::<Result<_, _>>()?;
        let last_norm = reader.norm("post_layernorm")?;
        let mut projector_norm = widened(checkpoint.projector("mm_soft_emb_norm.weight")?);
        projector_norm.iter_mut().for_each(|weight| *weight += 1.0);
        let projector = reader.projector()?;
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, |threads| threads.get()),
            threads => threads,
        };
        let pool = Pool::new(threads);
        Ok(CpuTower {
            config,
            patches,
            positions,
            layers,
            last_norm,
            projector_norm,
            projector,
            kernels,
            pool,
        })
    }

    /// Patches and their positions.
    fn embed(&mut self, picture: &Picture, space: &mut Space) {
        let config = &self.config;
        let (across, patch, stride) = (config.side / config.patch, config.patch, padded(config.hidden));
        let pixels_stride = padded(3 * patch * patch);
        let mut pixels = vec![0.0; config.patches() * pixels_stride];
        for row in 0..config.side {
            for column in 0..config.side {
                let number = row / patch * across + column / patch;
                let at = number * pixels_stride + row % patch * patch + column % patch;
                for (channel, value) in picture.pixel(row, column).into_iter().enumerate() {
                    pixels[at + channel * patch * patch] = value;
                }
            }
        }
        let x = Rows { numbers: &pixels, stride: pixels_stride, count: config.patches() };
        self.patches.multiply(&mut self.pool, &self.kernels, x, &mut space.stream, stride, false);
        let rows = space.stream.chunks_exact_mut(stride).zip(self.positions.chunks_exact(config.hidden));
        rows.for_each(|(row, position)| {
            row.iter_mut().zip(position).for_each(|(number, add)| *number += add)
        });
    }

    /// `stream += output(attention(norm(stream)))`, `stream += down(gelu(up(norm(stream))))`.
    fn block(&mut self, number: usize, space: &mut Space) {
        let (config, layer, rows) = (&self.config, &self.layers[number], space.reading.rows());
        let (hidden, stride) = (config.hidden, padded(config.hidden));
        let (pool, kernels) = (&mut self.pool, &self.kernels);
        norm(pool, &layer.attention_norm, space, hidden);
        let x = Rows { numbers: &space.normed, stride, count: rows };
        layer.query_key_value.multiply(pool, kernels, x, &mut space.wide, 3 * hidden, false);
        space.reading.attend(pool, kernels, &mut space.wide, &mut space.attended);
        let x = Rows { numbers: &space.attended, stride, count: rows };
        layer.attention_output.multiply(pool, kernels, x, &mut space.stream, stride, true);
        norm(pool, &layer.feed_forward_norm, space, hidden);
        let width = padded(config.intermediate);
        let x = Rows { numbers: &space.normed, stride, count: rows };
        layer.up.multiply(pool, kernels, x, &mut space.wide, width, false);
        each_row(pool, &mut space.wide, width, rows, |row| {
            row[config.intermediate..].fill(0.0);
            row[..config.intermediate].iter_mut().for_each(|number| *number = gelu(*number));
        });
        let x = Rows { numbers: &space.wide, stride: width, count: rows };
        layer.down.multiply(pool, kernels, x, &mut space.stream, stride, true);
    }

    /// Means of square tiles of patches, normalised and projected.
    fn project(&mut self, space: &Space) -> Vec<f32> {
        let config = &self.config;
        let (hidden, stride) = (config.hidden, padded(config.hidden));
        let (grid, across) = (config.side / config.patch, config.places.isqrt());
        let tile = grid / across;
        let mut means = vec![0.0f32; config.places * stride];
        for patch in 0..config.patches() {
            let place = patch / grid / tile * across + patch % grid / tile;
            let to = means[place * stride..][..hidden].iter_mut();
            to.zip(&space.normed[patch * stride..]).for_each(|(sum, number)| *sum += number);
        }
        for row in means.chunks_exact_mut(stride) {
            row.iter_mut().for_each(|sum| *sum /= (tile * tile) as f32);
            let squares: f64 = row[..hidden].iter().map(|number| f64::from(*number).powi(2)).sum();
            let scale = 1.0 / (squares / hidden as f64 + f64::from(config.norm_epsilon)).sqrt();
            let numbers = row.iter_mut().zip(&self.projector_norm);
            numbers.for_each(|(number, weight)| *number = (f64::from(*number) * scale) as f32 * weight);
        }
        let mut rows = vec![0.0; config.places * config.width];
        let x = Rows { numbers: &means, stride, count: config.places };
        self.projector.multiply(&mut self.pool, &self.kernels, x, &mut rows, config.width, false);
        rows
    }
}

impl Tower for CpuTower {
    fn shape(&self) -> VisionShape {
        let VisionConfig { side, places, width, .. } = self.config;
        VisionShape { side, places, width }
    }

    fn look(&mut self, picture: &Picture) -> Result<Vec<f32>, BackendError> {
        let config = &self.config;
        if picture.side() != config.side {
            let message = format!("a picture of {} pixels a side, expected {}", picture.side(), config.side);
            return Err(BackendError { message });
        }
        let (rows, stride) = (config.patches(), padded(config.hidden));
        let mut space = Space {
            reading: Reading::new(config.heads, config.head_width(), vec![rows]),
            stream: vec![0.0; rows * stride],
            normed: vec![0.0; rows * stride],
            wide: vec![0.0; rows * (3 * config.hidden).max(padded(config.intermediate))],
            attended: vec![0.0; rows * stride],
        };
        let hidden = config.hidden;
        self.embed(picture, &mut space);
        for number in 0..self.layers.len() {
            self.block(number, &mut space);
        }
        norm(&mut self.pool, &self.last_norm, &mut space, hidden);
        Ok(self.project(&space))
    }
}

/// `normed = norm(stream)`.
fn norm(pool: &mut Pool, norm: &LayerNorm, space: &mut Space, hidden: usize) {
    space.normed.copy_from_slice(&space.stream);
    each_row(pool, &mut space.normed, padded(hidden), space.reading.rows(), |row| {
        norm.apply(&mut row[..hidden])
    });
}

/// `x * Φ(x)` by its approximation with a hyperbolic tangent, from a library of our own choice so that all machines
/// have the same bits.
fn gelu(x: f32) -> f32 {
    const ROOT: f32 = 0.797_884_6;
    0.5 * x * (1.0 + libm::tanhf(ROOT * (x + 0.044_715 * x * x * x)))
}

struct Reader<'a> {
    checkpoint: &'a VisionCheckpoint,
    arena: Arena,
}

impl Reader<'_> {
    fn layer(&mut self, number: usize) -> Result<Layer, LoadError> {
        let (hidden, intermediate) = (self.checkpoint.config.hidden, self.checkpoint.config.intermediate);
        let name = |part: &str| format!("encoder.layers.{number}.{part}");
        let (q, k, v) = (name("self_attn.q_proj"), name("self_attn.k_proj"), name("self_attn.v_proj"));
        Ok(Layer {
            attention_norm: self.norm(&name("layer_norm1"))?,
            query_key_value: self.matrix(&[&q, &k, &v], hidden)?,
            attention_output: self.matrix(&[&name("self_attn.out_proj")], hidden)?,
            feed_forward_norm: self.norm(&name("layer_norm2"))?,
            up: self.matrix(&[&name("mlp.fc1")], hidden)?,
            down: self.matrix(&[&name("mlp.fc2")], intermediate)?,
        })
    }

    fn matrix(&mut self, names: &[&str], columns: usize) -> Result<Matrix, LoadError> {
        let mut bias = Vec::new();
        let mut parts = Vec::new();
        for name in names {
            parts.push(self.checkpoint.tower(&format!("{name}.weight"))?);
            bias.extend(widened(self.checkpoint.tower(&format!("{name}.bias"))?));
        }
        Matrix::pack(&mut self.arena, &parts, columns, bias)
    }

    /// The convolution over patches that do not overlap is a product with each patch's pixels, channel by channel.
    fn patches(&mut self) -> Result<Matrix, LoadError> {
        let config = &self.checkpoint.config;
        let columns = 3 * config.patch * config.patch;
        let shape = [config.hidden as u64, columns as u64];
        let tensor = self.checkpoint.tower("embeddings.patch_embedding.weight")?;
        let bias = widened(self.checkpoint.tower("embeddings.patch_embedding.bias")?);
        Matrix::pack(&mut self.arena, &[TensorView { shape: &shape, ..tensor }], columns, bias)
    }

    /// Stored with a row for each input; a matrix has a row for each output.
    fn projector(&mut self) -> Result<Matrix, LoadError> {
        let VisionConfig { hidden, width, .. } = self.checkpoint.config;
        let numbers = widened(self.checkpoint.projector("mm_input_projection_weight")?);
        let turned = (0..width).flat_map(|output| (0..hidden).map(move |input| input * width + output));
        let bytes: Vec<u8> = turned.flat_map(|at| numbers[at].to_le_bytes()).collect();
        let shape = [width as u64, hidden as u64];
        let view = TensorView::new(Dtype::F32, &shape, &bytes);
        Matrix::pack(&mut self.arena, &[view], hidden, Vec::new())
    }

    fn norm(&self, name: &str) -> Result<LayerNorm, LoadError> {
        let tensor = |part: &str| self.checkpoint.tower(&format!("{name}.{part}")).map(widened);
        let epsilon = self.checkpoint.config.norm_epsilon;
        Ok(LayerNorm { weight: tensor("weight")?, bias: tensor("bias")?, epsilon })
    }
}
