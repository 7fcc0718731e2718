//! Weights in few bits, as MLX packs them, and what is done with them.
//!
//! Most are affine: groups of numbers along a row share a scale and an offset. Those of the MX format have floats of
//! four bits and a power of two for each 32; the library that we use offers no call for them, so they go below it.
#![expect(unsafe_code, reason = "calls what the safe library leaves out")]

use mlx_rs::error::Exception;
use mlx_rs::ops::{concatenate, dequantize, gather_qmm, quantized_matmul};
use mlx_rs::{Array, Dtype, Stream};
use mlx_sys::{mlx_array, mlx_optional_dtype, mlx_optional_int};

use crate::matrix::evaluated;

/// How numbers are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Whole numbers of so many bits, with scale and offset for each group of columns.
    Affine { bits: i32, group: i32 },
    /// Floats of four bits, with an exponent for each 32 columns.
    Mxfp4,
}

/// A packed matrix, or one for each expert.
#[derive(Debug)]
pub(crate) struct Quantised {
    pub(crate) format: Format,
    /// `[rows, columns * bits / 32]`, words of 32 bits.
    pub(crate) packed: Array,
    /// `[rows, columns / group]`.
    pub(crate) scales: Array,
    /// As many; none where the format has none.
    pub(crate) offsets: Option<Array>,
    /// What products are computed in.
    pub(crate) dtype: Dtype,
}

impl Quantised {
    /// Several of one format below each other.
    pub(crate) fn joined(all: &[Quantised]) -> Result<Quantised, Exception> {
        let join = |arrays: Vec<&Array>| evaluated(concatenate(&arrays, 0)?);
        let offsets: Vec<_> = all.iter().filter_map(|one| one.offsets.as_ref()).collect();
        Ok(Quantised {
            format: all[0].format,
            packed: join(all.iter().map(|one| &one.packed).collect())?,
            scales: join(all.iter().map(|one| &one.scales).collect())?,
            offsets: if offsets.is_empty() { None } else { Some(join(offsets)?) },
            dtype: all[0].dtype,
        })
    }

    /// The same with every array changed.
    pub(crate) fn map(
        self,
        change: impl Fn(&Array) -> Result<Array, Exception>,
    ) -> Result<Quantised, Exception> {
        Ok(Quantised {
            packed: change(&self.packed)?,
            scales: change(&self.scales)?,
            offsets: self.offsets.as_ref().map(&change).transpose()?,
            ..self
        })
    }

    /// Rows by their numbers, which were checked.
    pub(crate) fn rows(&self, ids: &Array) -> Result<Array, Exception> {
        let (packed, scales) = (self.packed.take_axis(ids, 0)?, self.scales.take_axis(ids, 0)?);
        match (self.format, &self.offsets) {
            (Format::Affine { bits, group }, Some(offsets)) => {
                dequantize(packed, scales, &offsets.take_axis(ids, 0)?, group, bits)
            }
            _ => dequantize_mxfp4(&packed, &scales)?.as_dtype(self.dtype),
        }
    }

    /// `x` times the transposed matrix.
    pub(crate) fn multiply(&self, x: &Array) -> Result<Array, Exception> {
        match (self.format, &self.offsets) {
            (Format::Affine { bits, group }, Some(offsets)) => {
                quantized_matmul(x, &self.packed, &self.scales, offsets, true, group, bits)
            }
            _ => multiply_mxfp4(x, &self.packed, &self.scales),
        }
    }

    /// Each row times the transposed matrix of its own expert.
    pub(crate) fn multiply_by_expert(
        &self,
        x: &Array,
        experts: &Array,
        are_sorted: bool,
    ) -> Result<Array, Exception> {
        let (packed, scales) = (&self.packed, &self.scales);
        match (self.format, &self.offsets) {
            (Format::Affine { bits, group }, Some(offsets)) => {
                gather_qmm(x, packed, scales, offsets, None, experts, true, group, bits, are_sorted)
            }
            _ => multiply_mxfp4_by_expert(x, packed, scales, experts, are_sorted),
        }
    }
}

const GROUP: mlx_optional_int = mlx_optional_int { value: 32, has_value: true };
const BITS: mlx_optional_int = mlx_optional_int { value: 4, has_value: true };
const MODE: &std::ffi::CStr = c"mxfp4";

/// Runs a call that fills an array, and tells whether it did. The safe library has set the handler that keeps errors
/// from ending the process; it does so with its first call, and loading has made many.
fn called(call: impl FnOnce(*mut mlx_array) -> i32) -> Result<Array, Exception> {
    // SAFETY: an empty handle, which the call fills and the array owns and frees.
    let mut result = unsafe { mlx_sys::mlx_array_new() };
    let status = call(&mut result);
    // SAFETY: as above; an array that was not filled is freed like any other.
    let array = unsafe { Array::from_ptr(result) };
    match status {
        0 => Ok(array),
        _ => Err(Exception::custom("an operation on numbers of the MX format failed")),
    }
}

/// The handle that stands for no array.
fn none() -> mlx_array {
    // SAFETY: makes a handle without an array, which needs no freeing.
    unsafe { mlx_sys::mlx_array_new() }
}

fn multiply_mxfp4(x: &Array, packed: &Array, scales: &Array) -> Result<Array, Exception> {
    let stream = Stream::thread_local_or_default();
    let [x, packed, scales] = [x, packed, scales].map(Array::as_ptr);
    // SAFETY: all handles live until the call returns.
    called(|result| unsafe {
        mlx_sys::mlx_quantized_matmul(
            result,
            x,
            packed,
            scales,
            none(),
            true,
            GROUP,
            BITS,
            MODE.as_ptr(),
            stream.as_ptr(),
        )
    })
}

fn multiply_mxfp4_by_expert(
    x: &Array,
    packed: &Array,
    scales: &Array,
    experts: &Array,
    are_sorted: bool,
) -> Result<Array, Exception> {
    let stream = Stream::thread_local_or_default();
    let [x, packed, scales, experts] = [x, packed, scales, experts].map(Array::as_ptr);
    // SAFETY: all handles live until the call returns.
    called(|result| unsafe {
        mlx_sys::mlx_gather_qmm(
            result,
            x,
            packed,
            scales,
            none(),
            none(),
            experts,
            true,
            GROUP,
            BITS,
            MODE.as_ptr(),
            are_sorted,
            stream.as_ptr(),
        )
    })
}

fn dequantize_mxfp4(packed: &Array, scales: &Array) -> Result<Array, Exception> {
    let stream = Stream::thread_local_or_default();
    let [packed, scales] = [packed, scales].map(Array::as_ptr);
    let dtype = mlx_optional_dtype { value: mlx_sys::mlx_dtype__MLX_BFLOAT16, has_value: true };
    // SAFETY: all handles live until the call returns.
    called(|result| unsafe {
        mlx_sys::mlx_dequantize(
            result,
            packed,
            scales,
            none(),
            GROUP,
            BITS,
            MODE.as_ptr(),
            none(),
            dtype,
            stream.as_ptr(),
        )
    })
}
