//! Quantised weights of a folder in MLX's form: which tensors belong together, and the shape that they stand for.
//!
//! `X.weight` holds words of packed numbers, `X.scales` and `X.biases` a number for each group of columns. The three
//! become one tensor under the name `X.weight`. Used by `weights.rs`.

use std::collections::BTreeMap;

use super::LoadError;
use super::quantisation::Quantisation;
use super::tensor::{Dtype, Scales, TensorView};
use super::weights::{WeightFiles, wrong_type};

/// Bits of a word.
const WORD_BITS: u64 = 32;

/// A quantised tensor: the parts it consists of, by name.
#[derive(Debug)]
pub(super) struct Quantised {
    dtype: Dtype,
    /// Of the numbers that it stands for.
    shape: Vec<u64>,
    words: String,
    scales: String,
    /// None for mxfp4.
    biases: Option<String>,
    scales_dtype: Dtype,
}

/// All quantised tensors, by the names that the model asks for.
pub(super) fn find(
    files: &WeightFiles,
    quantisation: &Quantisation,
) -> Result<BTreeMap<String, Quantised>, LoadError> {
    let mut found = BTreeMap::new();
    for module in files.names().filter_map(|name| name.strip_suffix(".scales")) {
        let words = format!("{module}.weight");
        let is_packed = files.entry(&words).is_ok_and(|(_, entry)| entry.dtype_name == "U32");
        if let (true, Some(dtype)) = (is_packed, quantisation.of(module)) {
            found.insert(words, Quantised::open(files, dtype, module)?);
        }
    }
    Ok(found)
}

impl Quantised {
    fn open(files: &WeightFiles, dtype: Dtype, module: &str) -> Result<Quantised, LoadError> {
        let (bits, group) = match dtype {
            Dtype::Affine { bits, group } => (u64::from(bits), u64::from(group)),
            _ => (4, 32),
        };
        let [words, scales] = ["weight", "scales"].map(|part| format!("{module}.{part}"));
        let biases = (dtype != Dtype::Mxfp4).then(|| format!("{module}.biases"));
        let (file, entry) = files.entry(&words)?;
        let wrong_shape = |expected: Vec<u64>| LoadError::TensorShape {
            file: file.path.clone(),
            tensor: words.clone(),
            found: entry.shape.clone(),
            expected,
        };
        let [outer @ .., words_in_row] = entry.shape.as_slice() else { return Err(wrong_shape(vec![1, 1])) };
        let columns = words_in_row.saturating_mul(WORD_BITS) / bits;
        if columns == 0 || columns % group != 0 {
            let columns = columns.next_multiple_of(group).max(group);
            return Err(wrong_shape([outer, &[columns * bits / WORD_BITS]].concat()));
        }
        let groups = [outer, &[columns / group]].concat();
        let scales_dtype = check_scales(files, &scales, &groups, dtype == Dtype::Mxfp4)?;
        if let Some(biases) = &biases
            && check_scales(files, biases, &groups, false)? != scales_dtype
        {
            let (file, entry) = files.entry(biases)?;
            return Err(wrong_type(file, biases, entry, "the type of its scales"));
        }
        let shape = [outer, &[columns]].concat();
        Ok(Quantised { dtype, shape, words, scales, biases, scales_dtype })
    }

    /// The shape of the numbers that it stands for.
    pub(super) fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// The tensor, out of the files it lies in.
    pub(super) fn view<'a>(&'a self, files: &'a WeightFiles) -> Result<TensorView<'a>, LoadError> {
        let bytes = |name: &str| files.entry(name).map(|(file, entry)| &file.map[entry.start..entry.end]);
        let biases = match &self.biases {
            Some(biases) => bytes(biases)?,
            None => &[],
        };
        let scales = Scales { dtype: self.scales_dtype, scales: bytes(&self.scales)?, biases };
        let words = bytes(&self.words)?;
        Ok(TensorView { scales: Some(scales), ..TensorView::new(self.dtype, &self.shape, words) })
    }
}

/// Checks shape and type of scales or biases, and gives the type.
fn check_scales(files: &WeightFiles, name: &str, shape: &[u64], is_bytes: bool) -> Result<Dtype, LoadError> {
    let (file, entry) = files.entry(name)?;
    if entry.shape != shape {
        let (file, tensor) = (file.path.clone(), name.to_owned());
        return Err(LoadError::TensorShape {
            file,
            tensor,
            found: entry.shape.clone(),
            expected: shape.to_vec(),
        });
    }
    match (is_bytes, entry.dtype) {
        (true, _) if entry.dtype_name == "U8" => Ok(Dtype::F32),
        (false, Some(dtype)) => Ok(dtype),
        (true, _) => Err(wrong_type(file, name, entry, "U8")),
        (false, None) => Err(wrong_type(file, name, entry, "F32, F16 or BF16")),
    }
}
