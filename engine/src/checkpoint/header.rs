//! The header of a `safetensors` file: which tensor lies where, checked against the file.
//!
//! Used by `weights.rs`. The format: eight bytes of header length, a JSON header, then the data of all tensors
//! without hole or overlap. Nothing is believed: every length is compared with the file before it is used.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::LoadError;
use super::tensor::Dtype;

/// Longest header that is read, the same limit as the reference implementation has.
const HEADER_BYTES_MAX: u64 = 100_000_000;
/// Bytes of the header's length at the start of the file.
const LENGTH_BYTES: usize = 8;
/// More dimensions than any weight has.
const DIMENSIONS_MAX: usize = 8;

/// One tensor of a file. The type is none when it is one that we cannot use.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) dtype: Option<Dtype>,
    pub(super) dtype_name: String,
    pub(super) shape: Vec<u64>,
    /// Bytes from the start of the file.
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Deserialize)]
struct RawEntry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// Reads the header of a whole file's bytes.
pub(super) fn read(file: &Path, bytes: &[u8]) -> Result<BTreeMap<String, Entry>, LoadError> {
    let file_bytes = bytes.len() as u64;
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        let expected = LENGTH_BYTES as u64;
        return Err(LoadError::FileLength { file: file.to_owned(), found: file_bytes, expected });
    };
    let length = u64::from_le_bytes(*length);
    let limit = (rest.len() as u64).min(HEADER_BYTES_MAX);
    if length > limit {
        return Err(LoadError::HeaderLength { file: file.to_owned(), found: length, limit });
    }
    let (header, data) = rest.split_at(length as usize);
    let raw = parse(file, header)?;
    let data_start = LENGTH_BYTES + header.len();
    check_places(file, &raw, data_start as u64, data.len() as u64)?;
    Ok(raw.into_iter().map(|(name, raw)| (name, entry(raw, data_start))).collect())
}

fn entry(raw: RawEntry, data_start: usize) -> Entry {
    let (dtype, _) = bytes_per_number(&raw.dtype);
    // Both offsets are at most the length of the data here, so they fit.
    let start = data_start + raw.data_offsets.0 as usize;
    let end = data_start + raw.data_offsets.1 as usize;
    Entry { dtype, dtype_name: raw.dtype, shape: raw.shape, start, end }
}

/// The type if we can use it, and the bytes of one number if we know the type at all.
fn bytes_per_number(name: &str) -> (Option<Dtype>, Option<u64>) {
    match name {
        "F32" => (Some(Dtype::F32), Some(4)),
        "F16" => (Some(Dtype::F16), Some(2)),
        "BF16" => (Some(Dtype::Bf16), Some(2)),
        "F64" | "I64" | "U64" | "C64" => (None, Some(8)),
        "I32" | "U32" => (None, Some(4)),
        "I16" | "U16" => (None, Some(2)),
        "BOOL" | "I8" | "U8" | "F8_E4M3" | "F8_E5M2" => (None, Some(1)),
        _ => (None, None),
    }
}

fn parse(file: &Path, header: &[u8]) -> Result<BTreeMap<String, RawEntry>, LoadError> {
    let bad = |message: String| LoadError::Json { file: file.to_owned(), message };
    let mut values: BTreeMap<String, Value> =
        serde_json::from_slice(header).map_err(|error| bad(format!("header: {error}")))?;
    values.remove("__metadata__");
    let mut entries = BTreeMap::new();
    for (name, value) in values {
        let raw: RawEntry =
            serde_json::from_value(value).map_err(|error| bad(format!("tensor `{name}`: {error}")))?;
        if raw.shape.len() > DIMENSIONS_MAX {
            let found = raw.shape.len();
            return Err(bad(format!(
                "tensor `{name}` has {found} dimensions, expected at most {DIMENSIONS_MAX}"
            )));
        }
        entries.insert(name, raw);
    }
    Ok(entries)
}

/// Each tensor begins where the one before ends, is as large as its shape says, and the last ends with the file.
fn check_places(
    file: &Path,
    entries: &BTreeMap<String, RawEntry>,
    data_start: u64,
    data_bytes: u64,
) -> Result<(), LoadError> {
    let mut by_place: Vec<_> = entries.iter().collect();
    by_place.sort_by_key(|(_, raw)| raw.data_offsets);
    let mut next = 0;
    for (name, raw) in by_place {
        let (start, end) = raw.data_offsets;
        let misplaced = |expected: String| LoadError::TensorPlace {
            file: file.to_owned(),
            tensor: name.clone(),
            found: (start, end),
            expected,
        };
        if start != next || end < start {
            return Err(misplaced(format!("a start at {next}")));
        }
        if let Some(bytes) = bytes_per_number(&raw.dtype).1 {
            let size = raw.shape.iter().try_fold(bytes, |product, &length| product.checked_mul(length));
            if size != Some(end - start) {
                let size = size.map_or("more than 2^64".to_owned(), |size| size.to_string());
                return Err(misplaced(format!("{size} bytes for shape {:?} of {}", raw.shape, raw.dtype)));
            }
        }
        next = end;
    }
    if next != data_bytes {
        return Err(LoadError::FileLength {
            file: file.to_owned(),
            found: data_start.saturating_add(data_bytes),
            expected: data_start.saturating_add(next),
        });
    }
    Ok(())
}
