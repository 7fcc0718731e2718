//! Attention of one sequence over its line.

use std::ops::Range;

use mlx_rs::Array;
use mlx_rs::error::Exception;
use mlx_rs::fast::{ScaledDotProductAttentionMask, scaled_dot_product_attention};
use mlx_rs::ops::indexing::TryIndexOp;
use mlx_rs::ops::{broadcast_to, concatenate, matmul, select, softmax_axis};

use crate::masks::{MaskKind, Masks};
use crate::rows;

/// How a layer attends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attention<'a> {
    /// Positions that a row sees, itself included; none means all.
    pub(crate) window: Option<usize>,
    /// Factor of the scores.
    pub(crate) scale: f32,
    /// Scores are bent to stay within this.
    pub(crate) cap: Option<f32>,
    /// Scores without values, one for each head.
    pub(crate) sinks: Option<&'a Array>,
}

impl Attention<'_> {
    /// Attends from `queries` of `[1, heads, rows, width]`, whose positions `masks` knows. `read` gives keys and values
    /// of positions.
    pub(crate) fn of(
        &self,
        queries: &Array,
        masks: &Masks,
        read: impl FnOnce(Range<usize>) -> Result<[Array; 2], Exception>,
    ) -> Result<Array, Exception> {
        let [keys, values] = read(masks.seen(self.window))?;
        let (scale, sinks) = (self.scale, self.sinks);
        if self.cap.is_some() {
            return self.capped(queries, &keys, &values, masks.mask(self.window));
        }
        match masks.kind(self.window) {
            MaskKind::None => scaled_dot_product_attention(queries, keys, values, scale, None, sinks),
            MaskKind::Causal => {
                let mask = Some(ScaledDotProductAttentionMask::Causal);
                scaled_dot_product_attention(queries, keys, values, scale, mask, sinks)
            }
            MaskKind::Array(mask) => scaled_dot_product_attention(queries, keys, values, scale, &mask, sinks),
        }
    }

    /// The same step by step, because the library's has no cap.
    fn capped(
        &self,
        queries: &Array,
        keys: &Array,
        values: &Array,
        mask: Option<Array>,
    ) -> Result<Array, Exception> {
        let (heads, kv_heads) = (queries.dim(1), keys.dim(1));
        let (rows, width) = (queries.dim(2), queries.dim(3));
        let number = |number: f32| Array::from_f32(number).as_dtype(queries.dtype());
        // The heads that share keys lie below each other, so that their rows are those of one product.
        let grouped =
            queries.multiply(number(self.scale)?)?.reshape(&[kv_heads, heads / kv_heads, rows, width])?;
        let keys = keys.transpose_axes(&[1, 0, 3, 2])?;
        let mut scores = matmul(&grouped, &keys)?;
        if let Some(cap) = self.cap {
            scores = rows::capped(&scores, cap)?;
        }
        if let Some(mask) = mask {
            scores = select(&mask, &scores, number(f32::NEG_INFINITY)?)?;
        }
        let shares = match self.sinks {
            None => softmax_axis(&scores, -1, true)?,
            Some(sinks) => with_sinks(&scores, sinks)?,
        };
        let values = values.transpose_axes(&[1, 0, 2, 3])?;
        matmul(&shares, &values)?.reshape(&[1, heads, rows, width])
    }
}

/// The softmax of scores `[kv heads, group, rows, seen]` among which the sinks are.
fn with_sinks(scores: &Array, sinks: &Array) -> Result<Array, Exception> {
    let (kv_heads, group, rows, seen) = (scores.dim(0), scores.dim(1), scores.dim(2), scores.dim(3));
    let sinks = sinks.reshape(&[kv_heads, group, 1, 1])?;
    let sinks = broadcast_to(&sinks, &[kv_heads, group, rows, 1])?;
    let all = concatenate(&[scores, &sinks], -1)?;
    softmax_axis(&all, -1, true)?.try_index((.., .., .., ..seen))
}
