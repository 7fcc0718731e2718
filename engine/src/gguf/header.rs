//! The header of a GGUF file: metadata by key, and which tensor lies where.
//!
//! Nothing is believed: every length is compared with a limit and with the file before it is used.

use std::collections::BTreeMap;

use super::bytes::Bytes;
use super::{Array, GgufError, Value};
use crate::checkpoint::Dtype;

/// More keys than any file has.
const KEYS_MAX: u64 = 1 << 16;
/// More tensors than any model has.
const TENSORS_MAX: u64 = 1 << 17;
/// Longest key, as the format has it.
const KEY_BYTES_MAX: u64 = (1 << 16) - 1;
/// Longest name of a tensor. The format says 64; some files have more.
const NAME_BYTES_MAX: u64 = 256;
/// Most lengths of a tensor, as the format has it.
const DIMENSIONS_MAX: u32 = 4;
/// Where tensors begin if the file says nothing: at multiples of this.
const ALIGNMENT: u64 = 32;
const ALIGNMENT_KEY: &str = "general.alignment";
const ALIGNMENT_MAX: u64 = 1 << 20;

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    metadata: BTreeMap<String, Value>,
    tensors: BTreeMap<String, TensorEntry>,
}

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorEntry {
    /// None if it is a type that cannot be used.
    pub dtype: Option<Dtype>,
    /// The type as the file writes it.
    pub kind: u32,
    /// Lengths, outermost first.
    pub shape: Vec<u64>,
    /// First byte, from the start of the file.
    pub start: usize,
    /// Behind the last byte; the start if the type is not known.
    pub end: usize,
}

impl Header {
    /// Reads the header of a whole file's bytes and checks it against them.
    pub fn read(file: &[u8]) -> Result<Header, GgufError> {
        let mut bytes = Bytes::new(file);
        let magic = bytes.take(4, "the first four bytes")?;
        if magic != b"GGUF" {
            return Err(GgufError::Magic { found: magic.to_vec() });
        }
        let version = bytes.u32("the version")?;
        if !(2..=3).contains(&version) {
            return Err(GgufError::Version { found: version });
        }
        let tensor_count = bytes.count("the number of tensors", TENSORS_MAX)?;
        let key_count = bytes.count("the number of keys", KEYS_MAX)?;
        let mut metadata = BTreeMap::new();
        for _ in 0..key_count {
            let key = bytes.text("the length of a key", KEY_BYTES_MAX)?;
            let value = Value::read(&mut bytes, &key)?;
            metadata.insert(key, value);
        }
        let mut header = Header { metadata, tensors: BTreeMap::new() };
        let alignment = header.alignment()?;
        let mut described = BTreeMap::new();
        for _ in 0..tensor_count {
            let (name, tensor) = read_tensor(&mut bytes)?;
            if described.insert(name.clone(), tensor).is_some() {
                return Err(wrong(&name, "there twice".to_owned(), "once"));
            }
        }
        let data_start = (bytes.position() as u64).next_multiple_of(alignment);
        for (name, (kind, shape, offset)) in described {
            let entry = place(&name, kind, shape, offset, (data_start, alignment, file.len() as u64))?;
            header.tensors.insert(name, entry);
        }
        header.check_overlap()?;
        Ok(header)
    }

    /// A value of the metadata.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// A tensor by its name.
    pub fn tensor(&self, name: &str) -> Option<&TensorEntry> {
        self.tensors.get(name)
    }

    /// All tensors by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorEntry)> {
        self.tensors.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// A text; none if the key is missing.
    pub fn text(&self, key: &str) -> Result<Option<&str>, GgufError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_value(key, other, "a text")),
        }
    }

    /// A whole number that is not negative; none if the key is missing. Some files have one for each block: then it
    /// must be the same for all.
    pub fn count(&self, key: &str) -> Result<Option<u64>, GgufError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let number = match value {
            Value::Array(Array::Whole(values)) => match values.split_first() {
                Some((first, rest)) if rest.iter().all(|number| number == first) => {
                    u64::try_from(*first).ok()
                }
                _ => None,
            },
            value => value.as_u64(),
        };
        number.map(Some).ok_or_else(|| wrong_value(key, value, "a whole number, the same for all blocks"))
    }

    /// A number; none if the key is missing.
    pub fn number(&self, key: &str) -> Result<Option<f64>, GgufError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Float(number)) => Ok(Some(*number)),
            Some(Value::Unsigned(number)) => Ok(Some(*number as f64)),
            Some(other) => Err(wrong_value(key, other, "a number")),
        }
    }

    /// True or false; none if the key is missing.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, GgufError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Flag(flag)) => Ok(Some(*flag)),
            Some(other) => Err(wrong_value(key, other, "true or false")),
        }
    }

    fn alignment(&self) -> Result<u64, GgufError> {
        let alignment = self.count(ALIGNMENT_KEY)?.unwrap_or(ALIGNMENT);
        if alignment.is_power_of_two() && (8..=ALIGNMENT_MAX).contains(&alignment) {
            return Ok(alignment);
        }
        Err(GgufError::Value {
            key: ALIGNMENT_KEY.to_owned(),
            found: alignment.to_string(),
            expected: format!("a power of two from 8 to {ALIGNMENT_MAX}"),
        })
    }

    /// No byte belongs to two tensors.
    fn check_overlap(&self) -> Result<(), GgufError> {
        let mut by_place: Vec<_> = self.tensors.iter().collect();
        by_place.sort_by_key(|(_, entry)| (entry.start, entry.end));
        for pair in by_place.windows(2) {
            let [(_, before), (name, entry)] = pair else { continue };
            if entry.start < before.end {
                let expected = format!("{} or later", before.end);
                return Err(wrong(name, format!("begins at byte {}", entry.start), &expected));
            }
        }
        Ok(())
    }
}

/// The error for a value of the metadata.
pub(super) fn wrong_value(key: &str, found: &Value, expected: &str) -> GgufError {
    GgufError::Value { key: key.to_owned(), found: found.describe(), expected: expected.to_owned() }
}

fn wrong(tensor: &str, found: String, expected: &str) -> GgufError {
    GgufError::Tensor { tensor: tensor.to_owned(), found, expected: expected.to_owned() }
}

/// Name, and type, shape and offset in the data.
type Described = (u32, Vec<u64>, u64);

fn read_tensor(bytes: &mut Bytes<'_>) -> Result<(String, Described), GgufError> {
    let name = bytes.text("the length of a tensor's name", NAME_BYTES_MAX)?;
    let dimensions = bytes.u32("the number of a tensor's lengths")?;
    if dimensions == 0 || dimensions > DIMENSIONS_MAX {
        return Err(wrong(&name, format!("{dimensions} lengths"), "1 to 4"));
    }
    let mut shape = Vec::with_capacity(dimensions as usize);
    for _ in 0..dimensions {
        shape.push(bytes.u64("a tensor's length")?);
    }
    // The file has the innermost length first.
    shape.reverse();
    let kind = bytes.u32("a tensor's type")?;
    let offset = bytes.u64("a tensor's place")?;
    Ok((name, (kind, shape, offset)))
}

/// The type for a number of the format; none if it cannot be used.
fn dtype(kind: u32) -> Option<Dtype> {
    Some(match kind {
        0 => Dtype::F32,
        1 => Dtype::F16,
        2 => Dtype::Q4_0,
        6 => Dtype::Q5_0,
        8 => Dtype::Q8_0,
        12 => Dtype::Q4K,
        13 => Dtype::Q5K,
        14 => Dtype::Q6K,
        30 => Dtype::Bf16,
        39 => Dtype::Mxfp4Blocks,
        _ => return None,
    })
}

/// Checks where a tensor lies. `data`: where the data begins, its alignment, and the length of the file.
fn place(
    name: &str,
    kind: u32,
    shape: Vec<u64>,
    offset: u64,
    (data_start, alignment, length): (u64, u64, u64),
) -> Result<TensorEntry, GgufError> {
    if !offset.is_multiple_of(alignment) {
        return Err(wrong(
            name,
            format!("begins at byte {offset} of the data"),
            &format!("a multiple of {alignment}"),
        ));
    }
    if shape.contains(&0) {
        return Err(wrong(name, format!("shape {shape:?}"), "no length of 0"));
    }
    let dtype = dtype(kind);
    let size = match dtype {
        None => Some(0),
        Some(dtype) => bytes_of(dtype, &shape),
    };
    let size = size.ok_or_else(|| {
        let columns = dtype.map_or(1, |dtype| dtype.block().0);
        wrong(
            name,
            format!("shape {shape:?}"),
            &format!("rows of a multiple of {columns} and less than 2^63 bytes"),
        )
    })?;
    let start = data_start.checked_add(offset).filter(|&start| start <= length);
    let end = start.and_then(|start| start.checked_add(size)).filter(|&end| end <= length);
    let (Some(start), Some(end)) = (start, end) else {
        let found = format!("{size} bytes from byte {offset} of the data");
        return Err(wrong(name, found, &format!("an end within the {length} bytes of the file")));
    };
    Ok(TensorEntry { dtype, kind, shape, start: start as usize, end: end as usize })
}

fn bytes_of(dtype: Dtype, shape: &[u64]) -> Option<u64> {
    let (&columns, outer) = shape.split_last()?;
    let row = dtype.row_bytes(usize::try_from(columns).ok()?)? as u64;
    let size = outer.iter().try_fold(row, |size, &length| size.checked_mul(length))?;
    (size <= i64::MAX as u64).then_some(size)
}

#[cfg(test)]
mod tests;
