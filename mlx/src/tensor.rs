//! One tensor of a file as arrays: the only place where bytes become numbers of MLX.
#![expect(unsafe_code, reason = "makes arrays out of bytes whose length was checked")]

use mlx_rs::{Array, Dtype};
use pomona_engine::checkpoint::{self, LoadError, Part, PartScales, Role, RowOrder};

use crate::matrix::{Numbers, evaluated};
use crate::quantised::{Format, Quantised};
use crate::weights::refused;

/// Numbers of four bits in a word of the MX format.
const MXFP4_IN_WORD: u64 = 8;
/// Columns that share an exponent there.
const MXFP4_GROUP: u64 = 32;

/// The type of MLX for a plain type of a file.
pub(crate) fn dtype_of(dtype: checkpoint::Dtype) -> Option<Dtype> {
    match dtype {
        checkpoint::Dtype::F32 => Some(Dtype::Float32),
        checkpoint::Dtype::F16 => Some(Dtype::Float16),
        checkpoint::Dtype::Bf16 => Some(Dtype::Bfloat16),
        _ => None,
    }
}

/// Whether matrices can be read that are written like this.
pub(crate) fn is_known(dtype: checkpoint::Dtype, order: RowOrder) -> bool {
    let packed = matches!(dtype, checkpoint::Dtype::Affine { .. } | checkpoint::Dtype::Mxfp4);
    order == RowOrder::Plain && (packed || dtype.is_plain())
}

/// A matrix, in the type that the model computes in if it is not packed.
pub(crate) fn matrix(role: Role, part: &Part<'_>, dtype: Dtype) -> Result<Numbers, LoadError> {
    let (rows, columns) = match part.shape.as_slice() {
        &[rows, columns] => (rows, columns),
        shape => return Err(refuse(role, format!("has shape {shape:?} and should be a matrix"))),
    };
    let (format, words) = match part.dtype {
        checkpoint::Dtype::Affine { bits, group } => {
            let (bits, group) = (i32::from(bits), i32::from(group));
            (Format::Affine { bits, group }, columns / 32 * bits as u64)
        }
        checkpoint::Dtype::Mxfp4 => (Format::Mxfp4, columns / MXFP4_IN_WORD),
        _ => return plain(role, part, dtype).map(Numbers::Plain),
    };
    let scales = part.scales.as_ref().ok_or_else(|| refuse(role, "has no scales".to_owned()))?;
    let packed = array(role, &part.bytes, &[rows, words], Dtype::Uint32)?;
    let (scales, offsets) = match format {
        Format::Affine { group, .. } => {
            let shape = [rows, columns / group as u64];
            let [scales, offsets] = affine(role, scales, &shape, dtype)?;
            (scales, Some(offsets))
        }
        Format::Mxfp4 => {
            let shape = [rows, columns / MXFP4_GROUP];
            (array(role, &scales.scales, &shape, Dtype::Uint8)?, None)
        }
    };
    Ok(Numbers::Quantised(Quantised { format, packed, scales, offsets, dtype }))
}

fn affine(role: Role, scales: &PartScales<'_>, shape: &[u64], dtype: Dtype) -> Result<[Array; 2], LoadError> {
    let Some(found) = dtype_of(scales.dtype) else {
        return Err(refuse(role, format!("has scales of type {}", scales.dtype.name())));
    };
    let read = |bytes: &[u8]| -> Result<Array, LoadError> {
        let array = array(role, bytes, shape, found)?;
        array.as_dtype(dtype).and_then(evaluated).map_err(refused)
    };
    Ok([read(&scales.scales)?, read(&scales.biases)?])
}

/// Numbers that each stand for themselves.
pub(crate) fn plain(role: Role, part: &Part<'_>, dtype: Dtype) -> Result<Array, LoadError> {
    let Some(found) = dtype_of(part.dtype) else {
        return Err(refuse(role, format!("has type {}, which MLX cannot compute with", part.dtype.name())));
    };
    let array = array(role, &part.bytes, &part.shape, found)?;
    array.as_dtype(dtype).and_then(evaluated).map_err(refused)
}

/// An array of so many numbers as the shape says, copied out of bytes.
fn array(role: Role, bytes: &[u8], shape: &[u64], dtype: Dtype) -> Result<Array, LoadError> {
    let lengths = shape.iter().map(|&length| i32::try_from(length)).collect::<Result<Vec<_>, _>>();
    let lengths =
        lengths.map_err(|_| refuse(role, format!("has shape {shape:?}, more than MLX can count")))?;
    let number_bytes = match dtype {
        Dtype::Float32 | Dtype::Uint32 => 4,
        Dtype::Float16 | Dtype::Bfloat16 => 2,
        Dtype::Uint8 => 1,
        _ => return Err(refuse(role, format!("has type {dtype:?}"))),
    };
    let elements = shape.iter().try_fold(1u64, |product, &length| product.checked_mul(length));
    if elements.and_then(|count| count.checked_mul(number_bytes)) != Some(bytes.len() as u64) {
        return Err(refuse(role, format!("has {} bytes for shape {shape:?} of {dtype:?}", bytes.len())));
    }
    let aligned = aligned(bytes, number_bytes as usize);
    let start = aligned.as_ref().map_or(bytes.as_ptr(), |words| words.as_ptr().cast());
    // SAFETY: `start` is aligned for the type and has as many bytes as shape and type say; they are copied here.
    Ok(unsafe { Array::from_raw_data(start.cast(), &lengths, dtype) })
}

fn refuse(role: Role, message: String) -> LoadError {
    LoadError::Backend { message: format!("the tensor for {role:?} {message}") }
}

/// A copy that is aligned, if the bytes are not: files promise nothing.
fn aligned(bytes: &[u8], alignment: usize) -> Option<Vec<u64>> {
    if bytes.as_ptr().addr().is_multiple_of(alignment) {
        return None;
    }
    let word = |chunk: &[u8]| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_ne_bytes(word)
    };
    Some(bytes.chunks(8).map(word).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_at_an_odd_place_are_read_as_well() {
        for start in 0..8 {
            let mut moved = vec![0; start];
            moved.extend_from_slice(&2.5f32.to_le_bytes());
            let array = array(Role::FinalNorm, &moved[start..], &[1], Dtype::Float32).unwrap();
            assert_eq!(array.as_slice::<f32>(), [2.5]);
        }
    }

    #[test]
    fn bytes_that_do_not_fit_the_shape_are_refused() {
        let error = array(Role::FinalNorm, &[0; 6], &[2], Dtype::Float32).unwrap_err();
        assert!(error.to_string().contains("6 bytes for shape [2]"), "{error}");
        assert!(array(Role::FinalNorm, &[], &[1 << 40, 0], Dtype::Float32).is_err());
    }
}
