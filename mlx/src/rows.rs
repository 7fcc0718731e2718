//! Small things that are done with rows: views by head, halves, activations.

use std::f32::consts::FRAC_1_SQRT_2;
use std::f32::consts::FRAC_2_SQRT_PI;
use std::ops::Range;

use mlx_rs::Array;
use mlx_rs::error::Exception;
use mlx_rs::ops::indexing::TryIndexOp;
use mlx_rs::ops::{maximum, minimum, sigmoid, tanh};
use pomona_engine::checkpoint::Activation;

/// Some of the rows `[rows, heads, 1, width]` as attention takes them: `[1, heads, some, width]`.
pub(crate) fn by_head(x: &Array, rows: &Range<usize>) -> Result<Array, Exception> {
    let is_all = rows.len() == x.dim(0) as usize;
    let some = if is_all { x.clone() } else { x.try_index(rows.start as i32..rows.end as i32)? };
    if rows.len() == 1 { Ok(some) } else { some.transpose_axes(&[2, 1, 0, 3]) }
}

/// `[1, heads, rows, width]` as products take it: `[rows, heads * width]`.
pub(crate) fn by_row(x: &Array) -> Result<Array, Exception> {
    let (heads, rows, width) = (x.dim(1), x.dim(2), x.dim(3));
    let x = if rows == 1 { x.clone() } else { x.transpose_axes(&[0, 2, 1, 3])? };
    x.reshape(&[rows, heads * width])
}

/// `cap * tanh(x / cap)`.
pub(crate) fn capped(x: &Array, cap: f32) -> Result<Array, Exception> {
    let cap = like(x, cap)?;
    tanh(x.divide(&cap)?)?.multiply(&cap)
}

/// What the left half of each row (the gate) and the right half become together.
pub(crate) fn activated(x: &Array, activation: Activation) -> Result<Array, Exception> {
    let parts = x.split_equal(2, -1)?;
    let [gate, up] = parts.as_slice() else {
        return Err(Exception::custom("a row did not split into two halves"));
    };
    match activation {
        Activation::Silu => gate.multiply(sigmoid(gate)?)?.multiply(up),
        Activation::GeluTanh => gelu(gate)?.multiply(up),
        Activation::ClampedSwiglu { alpha, limit } => {
            let (limit, least) = (like(x, limit)?, like(x, -limit)?);
            let gate = minimum(gate, &limit)?;
            let up = maximum(minimum(up, &limit)?, least)?;
            let gate = gate.multiply(sigmoid(gate.multiply(like(x, alpha)?)?)?)?;
            gate.multiply(up.add(like(x, 1.0)?)?)
        }
    }
}

/// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`. The library's own returns f32 whatever it gets.
fn gelu(x: &Array) -> Result<Array, Exception> {
    let cubed = x.multiply(x)?.multiply(x)?.multiply(like(x, 0.044715)?)?;
    let inner = x.add(cubed)?.multiply(like(x, FRAC_2_SQRT_PI * FRAC_1_SQRT_2)?)?;
    tanh(inner)?.add(like(x, 1.0)?)?.multiply(x.multiply(like(x, 0.5)?)?)
}

/// A number of the same type as an array: one of another type would widen every result.
pub(crate) fn like(x: &Array, number: f32) -> Result<Array, Exception> {
    Array::from_f32(number).as_dtype(x.dtype())
}
