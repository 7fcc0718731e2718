//! One forward pass over the rows of some sequences.
//!
//! The rows of all sequences lie below each other: one product per weight for all of them, attention per sequence on
//! its line. Nothing is computed before the backend evaluates the results of the pass, all together.

use std::ops::Range;

use mlx_rs::error::Exception;
use mlx_rs::fast::{rms_norm, rope_dynamic};
use mlx_rs::ops::concatenate;
use mlx_rs::ops::indexing::{TryIndexUpdateOp, UpdateMode};
use mlx_rs::{Array, Dtype};
use pomona_engine::backend::PictureRows;
use pomona_engine::checkpoint::{DecoderConfig, LayerConfig};

use crate::attention::Attention;
use crate::decoder::{Decoder, FeedForwardWeights, Layer, Rotary};
use crate::experts;
use crate::kv::{KvMemory, LineId};
use crate::masks::Masks;
use crate::rows;

/// The rows of one sequence.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// Which rows of the pass.
    pub(crate) rows: Range<usize>,
    /// Position of the first of them.
    pub(crate) position: usize,
    /// Where its keys and values are.
    pub(crate) line: LineId,
    /// Pictures that have places among the rows; all of their places behind the first row are.
    pub(crate) pictures: Vec<PictureRows<'a>>,
}

impl Part<'_> {
    /// Position behind the last row.
    pub(crate) fn end(&self) -> usize {
        self.position + self.rows.len()
    }
}

/// What a pass computes.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    config: &'a DecoderConfig,
    decoder: &'a Decoder,
    parts: &'a [Part<'a>],
    /// The position of each row.
    positions: Array,
    /// For each part.
    masks: Vec<Masks>,
}

impl<'a> Pass<'a> {
    /// Of these parts, whose rows have these positions.
    pub(crate) fn new(
        config: &'a DecoderConfig,
        decoder: &'a Decoder,
        parts: &'a [Part<'a>],
        positions: Array,
    ) -> Pass<'a> {
        let masks = parts.iter().map(|part| {
            let pictures = part.pictures.iter().map(PictureRows::positions).collect();
            Masks::new(part.position..part.end(), pictures)
        });
        Pass { config, decoder, parts, positions, masks: masks.collect() }
    }

    /// The stream behind the last layer, for tokens that were checked to be below the vocabulary's size.
    pub(crate) fn run(&self, tokens: &Array, kv: &mut KvMemory) -> Result<Array, Exception> {
        let mut stream = self.decoder.embedding.rows(tokens)?;
        if self.config.embedding_scale != 1.0 {
            stream = stream.multiply(rows::like(&stream, self.config.embedding_scale)?)?;
        }
        let mut stream = self.with_pictures(stream)?;
        for (number, layer) in self.decoder.layers.iter().enumerate() {
            let x = self.normed(&stream, &layer.before_attention)?;
            let said = self.attention(&x, number, layer, kv)?;
            stream = stream.add(self.normed(&said, &layer.after_attention)?)?;
            let x = self.normed(&stream, &layer.before_feed_forward)?;
            let said = self.feed_forward(&x, &layer.feed_forward)?;
            stream = stream.add(self.normed(&said, &layer.after_feed_forward)?)?;
        }
        Ok(stream)
    }

    /// The stream with pictures where they have their places.
    fn with_pictures(&self, mut stream: Array) -> Result<Array, Exception> {
        let width = self.config.hidden;
        for part in self.parts {
            for picture in &part.pictures {
                let positions = picture.positions();
                let first = positions.start.max(part.position);
                let numbers = &picture.rows[(first - positions.start) * width..];
                let places = (positions.end - first) as i32;
                let numbers = Array::from_slice(numbers, &[places, width as i32]).as_dtype(stream.dtype())?;
                let row = (part.rows.start + first - part.position) as i32;
                let update = stream.try_index_update((row..row + places, ..), numbers, UpdateMode::Replace);
                stream = update.map_err(|error| Exception::custom(error.to_string()))?;
            }
        }
        Ok(stream)
    }

    /// Logits behind some rows of the stream, in f32.
    pub(crate) fn logits(&self, stream: &Array, wanted: &Array) -> Result<Array, Exception> {
        let x = self.normed(&stream.take_axis(wanted, 0)?, &self.decoder.norm)?;
        let logits = self.decoder.head().multiply(&x)?.as_dtype(Dtype::Float32)?;
        match self.config.logit_cap {
            Some(cap) => rows::capped(&logits, cap),
            None => Ok(logits),
        }
    }

    fn attention(
        &self,
        x: &Array,
        number: usize,
        layer: &Layer,
        kv: &mut KvMemory,
    ) -> Result<Array, Exception> {
        let config = self.config;
        let LayerConfig { window, rotary, .. } = config.layers[number];
        let rotary = &self.decoder.rotary[rotary];
        let (query_end, kv_width) = (config.query_width() as i32, config.kv_width() as i32);
        let all =
            layer.query_key_value.multiply(x)?.split_at_indices(&[query_end, query_end + kv_width], -1)?;
        let heads = |index: usize, count: usize| {
            all[index].reshape(&[x.dim(0), count as i32, 1, config.head_width as i32])
        };
        let queries = self.turned(heads(0, config.heads)?, &layer.query_norm, rotary)?;
        let keys = self.turned(heads(1, config.kv_heads)?, &layer.key_norm, rotary)?;
        let values = heads(2, config.kv_heads)?;
        let attention = Attention {
            window,
            scale: config.attention_scale,
            cap: config.attention_cap,
            sinks: layer.sinks.as_ref(),
        };
        let mut results = Vec::with_capacity(self.parts.len());
        for (part, masks) in self.parts.iter().zip(&self.masks) {
            let line = kv.line_mut(part.line);
            let [keys, values] = [&keys, &values].map(|x| rows::by_head(x, &part.rows));
            line.write(number, part.position, &keys?, &values?)?;
            let queries = rows::by_head(&queries, &part.rows)?;
            let result = attention.of(&queries, masks, |seen| line.read(number, seen))?;
            results.push(rows::by_row(&result)?);
        }
        let all = if results.len() == 1 { results.remove(0) } else { concatenate(&results, 0)? };
        layer.attention_output.multiply(&all)
    }

    /// Heads `[rows, heads, 1, width]`, normed if there is a norm, and turned by their positions.
    fn turned(&self, x: Array, norm: &Option<Array>, rotary: &Rotary) -> Result<Array, Exception> {
        let x = self.normed(&x, norm)?;
        let x = match &rotary.amplitudes {
            Some(amplitudes) => x.multiply(amplitudes)?,
            None => x,
        };
        rope_dynamic(&x, rotary.width, false, None, 1.0, &self.positions, &rotary.periods)
    }

    fn feed_forward(&self, x: &Array, weights: &FeedForwardWeights) -> Result<Array, Exception> {
        let activation = self.config.activation;
        match weights {
            FeedForwardWeights::Dense { gate_up, down } => {
                down.multiply(&rows::activated(&gate_up.multiply(x)?, activation)?)
            }
            FeedForwardWeights::Experts { config, router, gate_up, down } => {
                experts::mixture(x, config, router, [gate_up, down], activation)
            }
        }
    }

    /// The RMS norm of each row, where the model has one.
    fn normed(&self, x: &Array, weight: &Option<Array>) -> Result<Array, Exception> {
        match weight {
            Some(weight) => rms_norm(x, Some(weight), self.config.norm_epsilon),
            None => Ok(x.clone()),
        }
    }
}
