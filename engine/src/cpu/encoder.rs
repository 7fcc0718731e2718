//! Encoders of texts on the CPU: BERT and its kin, computed with the kernels of the decoders.

use crate::backend::BackendError;
use crate::checkpoint::{EncoderCheckpoint, EncoderConfig, LoadError};
use crate::cpu::kernels::{InstructionSet, Kernels};
use crate::cpu::matrix::{Matrix, Rows, padded, widened};
use crate::cpu::memory::Arena;
use crate::cpu::pool::Pool;
use crate::cpu::reading::{LayerNorm, Reading, each_row};
use crate::embedding::{Encoder, EncoderShape};

/// A loaded encoder.
#[derive(Debug)]
pub struct CpuEncoder {
    config: EncoderConfig,
    words: Matrix,
    /// Position and token type together, one row per position.
    places: Vec<f32>,
    first_norm: LayerNorm,
    layers: Vec<Layer>,
    kernels: Kernels,
    pool: Pool,
}

#[derive(Debug)]
struct Layer {
    query_key_value: Matrix,
    attention_output: Matrix,
    attention_norm: LayerNorm,
    up: Matrix,
    down: Matrix,
    output_norm: LayerNorm,
}

impl CpuEncoder {
    /// Reads the weights into memory and starts the threads; 0 threads means one per core.
    pub fn load(
        checkpoint: &EncoderCheckpoint,
        threads: usize,
        instruction_set: Option<InstructionSet>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<CpuEncoder, LoadError> {
        let config = checkpoint.config.clone();
        let sets = InstructionSet::available();
        let set = instruction_set.or(sets.last().copied()).unwrap_or(InstructionSet::Portable);
        let kernels = Kernels::of(set).ok_or_else(|| LoadError::Option {
            option: "instruction_set",
            found: format!("{set:?}"),
            expected: "one that this machine has".to_owned(),
        })?;
        let mut reader = Reader { checkpoint, arena: Arena::default() };
        let words = reader.matrix(&["embeddings.word_embeddings"], config.hidden, false)?;
        let mut places = reader.vector("embeddings.position_embeddings.weight")?;
        let types = reader.vector("embeddings.token_type_embeddings.weight")?;
        for row in places.chunks_exact_mut(config.hidden) {
            row.iter_mut().zip(&types).for_each(|(place, kind)| *place += kind);
        }
        let first_norm = reader.norm("embeddings.LayerNorm")?;
        let total = checkpoint.tensors_bytes();
        let mut layers = Vec::with_capacity(config.layers);
        for number in 0..config.layers {
            layers.push(reader.layer(number)?);
            progress(total * (number as u64 + 1) / config.layers as u64, total);
        }
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, |threads| threads.get()),
            threads => threads,
        };
        Ok(CpuEncoder { words, places, first_norm, layers, kernels, pool: Pool::new(threads), config })
    }

    /// Tokens and their places, normalised.
    fn embed(&self, texts: &[&[u32]], stream: &mut [f32]) {
        let (width, stride) = (self.config.hidden, padded(self.config.hidden));
        let mut rows = stream.chunks_exact_mut(stride);
        for (position, token) in texts.iter().flat_map(|text| text.iter().enumerate()) {
            let Some(row) = rows.next() else { return };
            self.words.copy_row(*token as usize, &mut row[..width]);
            let place = &self.places[(self.config.first_position + position) * width..][..width];
            row.iter_mut().zip(place).for_each(|(number, place)| *number += place);
            self.first_norm.apply(&mut row[..width]);
        }
    }

    /// `stream = norm(stream + output(attention(stream)))`.
    fn attention(&mut self, number: usize, space: &mut Space) {
        let (config, layer) = (&self.config, &self.layers[number]);
        let (hidden, stride, rows) = (config.hidden, padded(config.hidden), space.reading.rows());
        let x = Rows { numbers: &space.stream, stride, count: rows };
        let wide = &mut space.wide;
        layer.query_key_value.multiply(&mut self.pool, &self.kernels, x, wide, 3 * hidden, false);
        space.reading.attend(&mut self.pool, &self.kernels, wide, &mut space.attended);
        let x = Rows { numbers: &space.attended, stride, count: rows };
        layer.attention_output.multiply(&mut self.pool, &self.kernels, x, &mut space.stream, stride, true);
        let norm = &layer.attention_norm;
        each_row(&mut self.pool, &mut space.stream, stride, rows, |row| norm.apply(&mut row[..hidden]));
    }

    /// `stream = norm(stream + down(gelu(up(stream))))`.
    fn feed_forward(&mut self, number: usize, space: &mut Space) {
        let (config, layer) = (&self.config, &self.layers[number]);
        let (stride, rows) = (padded(config.hidden), space.reading.rows());
        let width = padded(config.intermediate);
        let x = Rows { numbers: &space.stream, stride, count: rows };
        layer.up.multiply(&mut self.pool, &self.kernels, x, &mut space.wide, width, false);
        each_row(&mut self.pool, &mut space.wide, width, rows, |row| {
            row[config.intermediate..].fill(0.0);
            row[..config.intermediate].iter_mut().for_each(|number| *number = gelu(*number));
        });
        let x = Rows { numbers: &space.wide, stride: width, count: rows };
        layer.down.multiply(&mut self.pool, &self.kernels, x, &mut space.stream, stride, true);
        let norm = &layer.output_norm;
        each_row(&mut self.pool, &mut space.stream, stride, rows, |row| {
            norm.apply(&mut row[..config.hidden])
        });
    }

    fn check(&self, texts: &[&[u32]]) -> Result<(), BackendError> {
        let EncoderShape { vocabulary, context_tokens, .. } = self.shape();
        for text in texts {
            let unknown = text.iter().find(|token| **token as usize >= vocabulary);
            if text.is_empty() || text.len() > context_tokens || unknown.is_some() {
                let message = format!(
                    "a text of {} tokens, expected 1 to {context_tokens} below {vocabulary}",
                    text.len()
                );
                return Err(BackendError { message });
            }
        }
        Ok(())
    }
}

impl Encoder for CpuEncoder {
    fn shape(&self) -> EncoderShape {
        let EncoderConfig { vocabulary, context_tokens, hidden, .. } = self.config;
        EncoderShape { vocabulary, context_tokens, width: hidden }
    }

    fn encode(&mut self, texts: &[&[u32]], hidden: &mut Vec<f32>) -> Result<(), BackendError> {
        hidden.clear();
        self.check(texts)?;
        let mut space = Space::new(&self.config, texts);
        self.embed(texts, &mut space.stream);
        for number in 0..self.layers.len() {
            self.attention(number, &mut space);
            self.feed_forward(number, &mut space);
        }
        let width = self.config.hidden;
        let rows = space.stream.chunks_exact(padded(width)).take(space.reading.rows());
        rows.for_each(|row| hidden.extend_from_slice(&row[..width]));
        Ok(())
    }
}

/// Buffers of one call.
struct Space {
    reading: Reading,
    stream: Vec<f32>,
    wide: Vec<f32>,
    attended: Vec<f32>,
}

impl Space {
    fn new(config: &EncoderConfig, texts: &[&[u32]]) -> Space {
        let lengths = texts.iter().map(|text| text.len()).collect();
        let reading = Reading::new(config.heads, config.head_width(), lengths);
        let (rows, stride) = (reading.rows(), padded(config.hidden));
        Space {
            stream: vec![0.0; rows * stride],
            wide: vec![0.0; rows * (3 * config.hidden).max(padded(config.intermediate))],
            attended: vec![0.0; rows * stride],
            reading,
        }
    }
}

/// `x * Φ(x)`, with the error function of a library of our own choice, so that all machines have the same bits.
fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2))
}

struct Reader<'a> {
    checkpoint: &'a EncoderCheckpoint,
    arena: Arena,
}

impl Reader<'_> {
    fn layer(&mut self, number: usize) -> Result<Layer, LoadError> {
        let (hidden, intermediate) = (self.checkpoint.config.hidden, self.checkpoint.config.intermediate);
        let name = |part: &str| format!("encoder.layer.{number}.{part}");
        let (q, k, v) =
            (name("attention.self.query"), name("attention.self.key"), name("attention.self.value"));
        Ok(Layer {
            query_key_value: self.matrix(&[&q, &k, &v], hidden, true)?,
            attention_output: self.matrix(&[&name("attention.output.dense")], hidden, true)?,
            attention_norm: self.norm(&name("attention.output.LayerNorm"))?,
            up: self.matrix(&[&name("intermediate.dense")], hidden, true)?,
            down: self.matrix(&[&name("output.dense")], intermediate, true)?,
            output_norm: self.norm(&name("output.LayerNorm"))?,
        })
    }

    fn matrix(&mut self, names: &[&str], columns: usize, has_bias: bool) -> Result<Matrix, LoadError> {
        let mut bias = Vec::new();
        let mut parts = Vec::new();
        for name in names {
            parts.push(self.checkpoint.tensor(&format!("{name}.weight"))?);
            if has_bias {
                bias.extend(self.vector(&format!("{name}.bias"))?);
            }
        }
        Matrix::pack(&mut self.arena, &parts, columns, bias)
    }

    fn norm(&self, name: &str) -> Result<LayerNorm, LoadError> {
        let (weight, bias) = (self.vector(&format!("{name}.weight"))?, self.vector(&format!("{name}.bias"))?);
        Ok(LayerNorm { weight, bias, epsilon: self.checkpoint.config.norm_epsilon })
    }

    fn vector(&self, name: &str) -> Result<Vec<f32>, LoadError> {
        Ok(widened(self.checkpoint.tensor(name)?))
    }
}
