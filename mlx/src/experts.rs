//! A mixture of experts: which of them each row goes to, and what they say together.

use mlx_rs::error::Exception;
use mlx_rs::ops::indexing::{TryIndexOp, take_along_axis};
use mlx_rs::ops::{argsort_axis, softmax_axis};
use mlx_rs::{Array, Dtype};
use pomona_engine::checkpoint::{Activation, ExpertWeighting, ExpertsConfig};

use crate::matrix::Matrix;
use crate::rows;

/// Pairs of row and expert from which on sorting them by expert pays: each expert's weights are read once then.
const SORTED_PAIRS_MIN: i32 = 64;

/// Says for rows `[n, hidden]` what their experts say: `[n, hidden]`.
pub(crate) fn mixture(
    x: &Array,
    config: &ExpertsConfig,
    router: &Matrix,
    [gate_up, down]: [&Matrix; 2],
    activation: Activation,
) -> Result<Array, Exception> {
    let (rows, chosen) = (x.dim(0), config.chosen as i32);
    let (experts, weights) = choose(&router.multiply(x)?, config)?;
    let pairs = rows * chosen;
    let experts = experts.reshape(&[pairs])?;
    let row_of_pair = mlx_rs::ops::arange::<i32, i32>(0, pairs, 1)?.floor_divide(Array::from_int(chosen))?;
    let order = if pairs >= SORTED_PAIRS_MIN { Some(argsort_axis(&experts, 0)?) } else { None };
    let (experts, row_of_pair) = match &order {
        Some(order) => (experts.take_axis(order, 0)?, row_of_pair.take_axis(order, 0)?),
        None => (experts, row_of_pair),
    };
    let x = x.take_axis(&row_of_pair, 0)?.expand_dims(1)?;
    let inner = rows::activated(&gate_up.multiply_by_expert(&x, &experts, order.is_some())?, activation)?;
    let mut said = down.multiply_by_expert(&inner, &experts, order.is_some())?;
    if let Some(order) = order {
        said = said.take_axis(argsort_axis(&order, 0)?, 0)?;
    }
    let said = said.reshape(&[rows, chosen, -1])?;
    said.multiply(weights.as_dtype(said.dtype())?.expand_dims(2)?)?.sum_axis(1, false)
}

/// The experts of each row, those with the highest logits, and their weights: both `[n, chosen]`.
fn choose(logits: &Array, config: &ExpertsConfig) -> Result<(Array, Array), Exception> {
    let logits = logits.as_dtype(Dtype::Float32)?;
    let chosen = argsort_axis(logits.negative()?, -1)?.try_index((.., ..config.chosen as i32))?;
    let weights = match config.weighting {
        ExpertWeighting::SoftmaxOfAll => take_along_axis(softmax_axis(&logits, -1, true)?, &chosen, -1)?,
        ExpertWeighting::SoftmaxOfChosen => softmax_axis(take_along_axis(&logits, &chosen, -1)?, -1, true)?,
    };
    Ok((chosen, weights))
}
