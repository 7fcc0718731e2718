//! How many weights a safetensors file holds, from its header alone. Packed weights are counted as what they stand
//! for: eight of 4 bits in one number of 32. Bad headers count nothing; the loader is the one who refuses them.

use std::fs::File;
use std::io::Read;
use std::iter::Sum;
use std::path::Path;

use serde_json::Value;

/// Bytes of a header; the format's own limit.
const HEADER_BYTES_MAX: u64 = 100_000_000;
/// Bits of a number that weights are packed in.
const WORD_BITS: u64 = 32;
/// Parts of a name that make a tensor one of the experts'.
const EXPERTS: &[&str] = &[".experts.", ".switch_mlp."];
/// Last parts of the names of what belongs to packed weights and is no weight itself.
const PACKING: &[&str] =
    &["scales", "biases", "qzeros", "g_idx", "weight_scale", "weight_scale_inv", "input_scale"];

/// Weights and their bytes in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) weights: u64,
    pub(super) bytes: u64,
    /// Those of `weights` that belong to experts.
    pub(super) experts: u64,
}

impl Count {
    /// Weights that one token goes through, when `used` of `all` experts answer for it.
    pub(super) fn active(self, (used, all): (u64, u64)) -> u64 {
        let shared = self.weights - self.experts;
        let answering = u128::from(self.experts) * u128::from(used) / u128::from(all.max(1));
        shared.saturating_add(u64::try_from(answering).unwrap_or(u64::MAX))
    }
}

impl Sum for Count {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            weights: sum.weights.saturating_add(one.weights),
            bytes: sum.bytes.saturating_add(one.bytes),
            experts: sum.experts.saturating_add(one.experts),
        })
    }
}

/// Counts a file. `bits` says how many bits a packed weight of a tensor has, 0 when none is packed.
pub(super) fn count(path: &Path, bits: &dyn Fn(&str) -> u64) -> Option<Count> {
    let header = header(path)?;
    let tensors = header.as_object()?.iter().filter(|(name, _)| *name != "__metadata__");
    Some(tensors.filter_map(|(name, tensor)| count_tensor(name, tensor, bits)).sum())
}

fn header(path: &Path) -> Option<Value> {
    let mut file = File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    let rest = file.metadata().ok()?.len().saturating_sub(8);
    if length > HEADER_BYTES_MAX.min(rest) {
        return None;
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).ok()?;
    serde_json::from_slice(&header).ok()
}

fn count_tensor(name: &str, tensor: &Value, bits: &dyn Fn(&str) -> u64) -> Option<Count> {
    let dtype = tensor.get("dtype")?.as_str()?;
    let shape = tensor.get("shape")?.as_array()?;
    let elements = shape.iter().try_fold(1u64, |product, side| product.checked_mul(side.as_u64()?))?;
    let offsets = tensor.get("data_offsets")?.as_array()?;
    let bytes = offsets.get(1)?.as_u64()?.checked_sub(offsets.first()?.as_u64()?)?;
    let last = name.rsplit('.').next().unwrap_or(name);
    let bits = bits(name);
    let is_packing = PACKING.contains(&last) && (bits > 0 || last != "biases");
    let weights = match dtype {
        _ if is_packing || last.ends_with("_scales") => 0,
        "U32" | "I32" if bits > 0 => (u128::from(elements) * u128::from(WORD_BITS) / u128::from(bits)) as u64,
        // Two of 4 bits in a byte.
        "U8" if last.ends_with("_blocks") => elements.saturating_mul(2),
        "F64" | "F32" | "F16" | "BF16" => elements,
        other if other.starts_with("F8") => elements,
        _ => 0,
    };
    let experts = if EXPERTS.iter().any(|part| name.contains(part)) { weights } else { 0 };
    Some(Count { weights, bytes, experts })
}
