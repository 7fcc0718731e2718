//! The weights of a decoder in memory, built from a checkpoint.
//!
//! Matrices that read the same input are stored below each other and computed as one product: q, k and v, and the
//! two halves of the gated feed-forward part.

use crate::checkpoint::{Checkpoint, LoadError, TensorView};
use crate::cpu::matrix::{Matrix, widened};
use crate::cpu::memory::Arena;

/// All weights.
#[derive(Debug)]
pub(crate) struct Decoder {
    pub(crate) embedding: Matrix,
    pub(crate) layers: Vec<Layer>,
    pub(crate) norm: Vec<f32>,
    /// None if the embedding is the head.
    pub(crate) head: Option<Matrix>,
}

/// One block of the model.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) attention_norm: Vec<f32>,
    pub(crate) query_key_value: Matrix,
    /// Empty if the model has none, or one number per number of a head.
    pub(crate) query_norm: Vec<f32>,
    pub(crate) key_norm: Vec<f32>,
    pub(crate) attention_output: Matrix,
    pub(crate) feed_forward_norm: Vec<f32>,
    pub(crate) gate_up: Matrix,
    pub(crate) down: Matrix,
}

/// Told of bytes done and bytes in all while weights are read.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(u64, u64);

impl Decoder {
    pub(crate) fn load(checkpoint: &Checkpoint, progress: Progress<'_>) -> Result<Decoder, LoadError> {
        let config = &checkpoint.config;
        let total = checkpoint.tensors_bytes();
        let mut reader = Reader { checkpoint, arena: Arena::default(), progress, done: 0, total };
        let embedding = reader.matrix(&["model.embed_tokens"], config.hidden, false)?;
        let layers = (0..config.layers()).map(|layer| reader.layer(layer)).collect::<Result<_, _>>()?;
        let norm = reader.vector("model.norm.weight")?;
        let head = match config.tied_head {
            true => None,
            false => Some(reader.matrix(&["lm_head"], config.hidden, false)?),
        };
        Ok(Decoder { embedding, layers, norm, head })
    }

    /// The matrix that turns the last norm's output into logits.
    pub(crate) fn head(&self) -> &Matrix {
        self.head.as_ref().unwrap_or(&self.embedding)
    }
}

struct Reader<'a, 'p> {
    checkpoint: &'a Checkpoint,
    arena: Arena,
    progress: Progress<'p>,
    done: u64,
    total: u64,
}

impl<'a> Reader<'a, '_> {
    fn layer(&mut self, layer: usize) -> Result<Layer, LoadError> {
        let config = &self.checkpoint.config;
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        let (q, k, v) = (name("self_attn.q_proj"), name("self_attn.k_proj"), name("self_attn.v_proj"));
        let (gate, up) = (name("mlp.gate_proj"), name("mlp.up_proj"));
        let head_norm = |reader: &mut Self, part: &str| match config.query_key_norm {
            true => reader.vector(&name(part)),
            false => Ok(Vec::new()),
        };
        Ok(Layer {
            attention_norm: self.vector(&name("input_layernorm.weight"))?,
            query_key_value: self.matrix(&[&q, &k, &v], config.hidden, config.query_key_value_bias)?,
            query_norm: head_norm(self, "self_attn.q_norm.weight")?,
            key_norm: head_norm(self, "self_attn.k_norm.weight")?,
            attention_output: self.matrix(
                &[&name("self_attn.o_proj")],
                config.query_width(),
                config.attention_output_bias,
            )?,
            feed_forward_norm: self.vector(&name("post_attention_layernorm.weight"))?,
            gate_up: self.matrix(&[&gate, &up], config.hidden, config.feed_forward_bias)?,
            down: self.matrix(&[&name("mlp.down_proj")], config.intermediate, config.feed_forward_bias)?,
        })
    }

    /// Matrices of the same width below each other, with their biases.
    fn matrix(&mut self, names: &[&str], columns: usize, has_bias: bool) -> Result<Matrix, LoadError> {
        let views = names.iter().map(|name| self.view(&format!("{name}.weight")));
        let parts = views.collect::<Result<Vec<_>, _>>()?;
        let mut bias = Vec::new();
        if has_bias {
            for name in names {
                bias.extend(self.vector(&format!("{name}.bias"))?);
            }
        }
        let matrix = Matrix::pack(&mut self.arena, &parts, columns, bias)?;
        self.advance(parts.iter().map(|part| part.bytes.len() as u64).sum());
        Ok(matrix)
    }

    fn vector(&mut self, name: &str) -> Result<Vec<f32>, LoadError> {
        let tensor = self.view(name)?;
        self.advance(tensor.bytes.len() as u64);
        Ok(widened(tensor))
    }

    fn view(&self, name: &str) -> Result<TensorView<'a>, LoadError> {
        self.checkpoint.tensor(name)
    }

    fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        (self.progress)(self.done, self.total);
    }
}
