//! Matrices of weights and what is done with them: products and rows.
//!
//! Made by `weights.rs`. A matrix may be made of several below each other, where not all are written alike: some
//! folders give more bits to the values than to queries and keys.

use mlx_rs::Array;
use mlx_rs::error::Exception;
use mlx_rs::ops::{addmm, concatenate, gather_mm, matmul};

use crate::quantised::Quantised;

/// The numbers of a matrix, a row for each output; or of a matrix for each expert, with one more dimension in front.
#[derive(Debug)]
pub(crate) enum Numbers {
    /// `[rows, columns]`.
    Plain(Array),
    /// The same in fewer bits.
    Quantised(Quantised),
}

impl Numbers {
    /// Those of one kind below each other, neighbours of the same kind in one.
    pub(crate) fn joined(all: Vec<Numbers>) -> Result<Vec<Numbers>, Exception> {
        let mut runs: Vec<Vec<Numbers>> = Vec::new();
        for numbers in all {
            match runs.last_mut() {
                Some(run) if run[0].is_like(&numbers) => run.push(numbers),
                _ => runs.push(vec![numbers]),
            }
        }
        runs.into_iter().map(Numbers::joined_run).collect()
    }

    fn is_like(&self, other: &Numbers) -> bool {
        match (self, other) {
            (Numbers::Plain(_), Numbers::Plain(_)) => true,
            (Numbers::Quantised(one), Numbers::Quantised(other)) => one.format == other.format,
            _ => false,
        }
    }

    fn joined_run(mut run: Vec<Numbers>) -> Result<Numbers, Exception> {
        if run.len() == 1 {
            return Ok(run.remove(0));
        }
        let (mut plain, mut quantised) = (Vec::new(), Vec::new());
        for numbers in run {
            match numbers {
                Numbers::Plain(weight) => plain.push(weight),
                Numbers::Quantised(weight) => quantised.push(weight),
            }
        }
        match quantised.is_empty() {
            true => evaluated(concatenate(&plain, 0)?).map(Numbers::Plain),
            false => Quantised::joined(&quantised).map(Numbers::Quantised),
        }
    }

    /// The same with every array changed.
    pub(crate) fn map(
        self,
        change: impl Fn(&Array) -> Result<Array, Exception>,
    ) -> Result<Numbers, Exception> {
        match self {
            Numbers::Plain(weight) => change(&weight).map(Numbers::Plain),
            Numbers::Quantised(weight) => weight.map(change).map(Numbers::Quantised),
        }
    }

    /// Rows by their numbers, which the caller has checked: MLX would read past the end.
    pub(crate) fn rows(&self, ids: &Array) -> Result<Array, Exception> {
        match self {
            Numbers::Plain(weight) => weight.take_axis(ids, 0),
            Numbers::Quantised(weight) => weight.rows(ids),
        }
    }

    /// `x` times the transposed matrix: `[n, columns]` to `[n, rows]`.
    pub(crate) fn multiply(&self, x: &Array) -> Result<Array, Exception> {
        match self {
            Numbers::Plain(weight) => matmul(x, weight.transpose()?),
            Numbers::Quantised(weight) => weight.multiply(x),
        }
    }

    fn multiply_by_expert(&self, x: &Array, experts: &Array, are_sorted: bool) -> Result<Array, Exception> {
        match self {
            Numbers::Plain(weight) => {
                gather_mm(x, weight.transpose_axes(&[0, 2, 1])?, None, experts, are_sorted)
            }
            Numbers::Quantised(weight) => weight.multiply_by_expert(x, experts, are_sorted),
        }
    }
}

/// A matrix, or one for each expert, perhaps with something to add to its outputs.
#[derive(Debug)]
pub(crate) struct Matrix {
    /// Below each other, at least one; of experts exactly one.
    pub(crate) parts: Vec<Numbers>,
    pub(crate) bias: Option<Array>,
}

impl Matrix {
    /// `x` times the transposed matrix, plus the bias: `[n, columns]` to `[n, rows]`.
    pub(crate) fn multiply(&self, x: &Array) -> Result<Array, Exception> {
        match (self.parts.as_slice(), &self.bias) {
            ([Numbers::Plain(weight)], Some(bias)) => addmm(bias, x, weight.transpose()?, None, None),
            (parts, Some(bias)) => product(parts, x)?.add(bias),
            (parts, None) => product(parts, x),
        }
    }

    /// Each row times the matrix of its own expert: `[n, 1, columns]` and `[n]` to `[n, 1, rows]`.
    pub(crate) fn multiply_by_expert(
        &self,
        x: &Array,
        experts: &Array,
        are_sorted: bool,
    ) -> Result<Array, Exception> {
        let [numbers] = self.parts.as_slice() else {
            return Err(Exception::custom("experts that are not written alike"));
        };
        let y = numbers.multiply_by_expert(x, experts, are_sorted)?;
        match &self.bias {
            Some(bias) => y.add(bias.take_axis(experts, 0)?.expand_dims(1)?),
            None => Ok(y),
        }
    }
}

fn product(parts: &[Numbers], x: &Array) -> Result<Array, Exception> {
    match parts {
        [one] => one.multiply(x),
        parts => {
            let products = parts.iter().map(|part| part.multiply(x)).collect::<Result<Vec<_>, _>>()?;
            concatenate(&products, -1)
        }
    }
}

/// An array that was computed, so that it holds nothing else alive.
pub(crate) fn evaluated(array: Array) -> Result<Array, Exception> {
    array.eval()?;
    Ok(array)
}
