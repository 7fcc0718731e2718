//! The weights of a decoder as arrays, by what they do, read from a checkpoint.
//!
//! Matrices that read the same input are stored below each other and computed as one product: q, k and v, and the
//! two halves of a gated feed-forward part.

use mlx_rs::{Array, Dtype};
use pomona_engine::checkpoint::{
    Checkpoint, ExpertsConfig, FeedForward, LoadError, Norm, Projection, Role, RotaryConfig,
};

use crate::matrix::{Matrix, Numbers, evaluated};
use crate::weights::{Progress, Reader, refused};

/// All weights.
#[derive(Debug)]
pub(crate) struct Decoder {
    pub(crate) embedding: Numbers,
    pub(crate) layers: Vec<Layer>,
    pub(crate) norm: Option<Array>,
    /// None if the embedding is the head.
    pub(crate) head: Option<Numbers>,
    /// As the configuration numbers them.
    pub(crate) rotary: Vec<Rotary>,
}

/// One block of the model.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) before_attention: Option<Array>,
    pub(crate) query_key_value: Matrix,
    pub(crate) query_norm: Option<Array>,
    pub(crate) key_norm: Option<Array>,
    /// A score for each head that takes part in the softmax and has no value.
    pub(crate) sinks: Option<Array>,
    pub(crate) attention_output: Matrix,
    pub(crate) after_attention: Option<Array>,
    pub(crate) before_feed_forward: Option<Array>,
    pub(crate) feed_forward: FeedForwardWeights,
    pub(crate) after_feed_forward: Option<Array>,
}

/// The feed-forward part of a block.
#[derive(Debug)]
pub(crate) enum FeedForwardWeights {
    Dense { gate_up: Matrix, down: Matrix },
    Experts { config: ExpertsConfig, router: Matrix, gate_up: Matrix, down: Matrix },
}

/// One kind of positions.
#[derive(Debug)]
pub(crate) struct Rotary {
    /// Numbers at the start of a head that are turned.
    pub(crate) width: i32,
    /// Wavelengths by 2 pi, for each pair: what MLX calls frequencies.
    pub(crate) periods: Array,
    /// Multiplies heads before they are turned; none if that changes nothing.
    pub(crate) amplitudes: Option<Array>,
}

impl Decoder {
    pub(crate) fn load(
        checkpoint: &Checkpoint,
        dtype: Dtype,
        progress: Progress<'_>,
    ) -> Result<Decoder, LoadError> {
        let config = &checkpoint.config;
        let mut reader = Reader::new(checkpoint, dtype, progress);
        let embedding = reader.numbers(Role::Embedding)?;
        let embedding = embedding.ok_or_else(|| LoadError::Backend { message: "no embedding".to_owned() })?;
        let layers = (0..config.layers.len())
            .map(|layer| Layer::load(&mut reader, layer, config.layers[layer].feed_forward));
        let layers = layers.collect::<Result<_, _>>()?;
        let norm = reader.norm(Role::FinalNorm)?;
        let head = reader.numbers(Role::Head)?;
        let rotary = config.rotary.iter();
        let rotary = rotary.map(|kind| Rotary::new(kind, config.head_width, config.context_tokens, dtype));
        Ok(Decoder { embedding, layers, norm, head, rotary: rotary.collect::<Result<_, _>>()? })
    }

    /// The matrix that turns the last norm's output into logits.
    pub(crate) fn head(&self) -> &Numbers {
        self.head.as_ref().unwrap_or(&self.embedding)
    }
}

impl Layer {
    fn load(
        reader: &mut Reader<'_, '_>,
        layer: usize,
        feed_forward: FeedForward,
    ) -> Result<Layer, LoadError> {
        use Projection::*;
        let norm = |reader: &mut Reader<'_, '_>, norm| reader.norm(Role::Norm { layer, norm });
        Ok(Layer {
            before_attention: norm(reader, Norm::BeforeAttention)?,
            query_key_value: reader.matrix(layer, &[Query, Key, Value])?,
            query_norm: norm(reader, Norm::Query)?,
            key_norm: norm(reader, Norm::Key)?,
            sinks: reader.vector(Role::Sinks { layer })?,
            attention_output: reader.matrix(layer, &[AttentionOutput])?,
            after_attention: norm(reader, Norm::AfterAttention)?,
            before_feed_forward: norm(reader, Norm::BeforeFeedForward)?,
            feed_forward: match feed_forward {
                FeedForward::Dense(_) => FeedForwardWeights::Dense {
                    gate_up: reader.matrix(layer, &[Gate, Up])?,
                    down: reader.matrix(layer, &[Down])?,
                },
                FeedForward::Experts(config) => FeedForwardWeights::Experts {
                    config,
                    router: reader.matrix(layer, &[Router])?,
                    gate_up: reader.experts(layer, config.experts, |expert| {
                        vec![ExpertGate(expert), ExpertUp(expert)]
                    })?,
                    down: reader.experts(layer, config.experts, |expert| vec![ExpertDown(expert)])?,
                },
            },
            after_feed_forward: norm(reader, Norm::AfterFeedForward)?,
        })
    }
}

impl Rotary {
    fn new(
        config: &RotaryConfig,
        head_width: usize,
        context_tokens: usize,
        dtype: Dtype,
    ) -> Result<Rotary, LoadError> {
        let frequencies = config.frequencies(context_tokens);
        let periods: Vec<f32> = frequencies.iter().map(|frequency| 1.0 / frequency).collect();
        let periods = Array::from_slice(&periods, &[periods.len() as i32]);
        let amplitudes = match config.amplitude {
            1.0 => None,
            amplitude => {
                let of = |number: usize| if number < config.width { amplitude } else { 1.0 };
                let amplitudes: Vec<f32> = (0..head_width).map(of).collect();
                let amplitudes = Array::from_slice(&amplitudes, &[head_width as i32]);
                Some(amplitudes.as_dtype(dtype).and_then(evaluated).map_err(refused)?)
            }
        };
        Ok(Rotary { width: config.width as i32, periods, amplitudes })
    }
}
