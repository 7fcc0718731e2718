//! The head of a GGUF file (versions 2 and 3, `docs/gguf.md` of the project `ggml`), as far as a card needs it: numbers and
//! texts, how long its lists are, and how many weights its tensors hold. Weights are not read. A file that is cut or lies
//! gives nothing; the loader is the one who refuses it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde_json::Value;

/// Entries of the metadata, and tensors. The largest models have some thousands.
const ENTRIES_MAX: u64 = 65_536;
/// Bytes of a key or of a tensor's name.
const NAME_BYTES_MAX: u64 = 1024;
/// Bytes of a text that is kept, a chat template for instance; longer ones are skipped.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;
/// Items of a list; vocabularies have some hundred thousands.
const ITEMS_MAX: u64 = 16 * 1024 * 1024;
/// Items of a list that is kept; of a longer one only the length is.
const KEPT_ITEMS_MAX: u64 = 1024;
/// Sides of a tensor.
const SIDES_MAX: u32 = 8;
/// What the names of experts' tensors have in them.
const EXPERTS: &str = "_exps";

/// What a file says of itself.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Head {
    /// Numbers, texts and short lists of numbers by key; of any other list its length, as a number.
    pub(super) values: BTreeMap<String, Value>,
    /// Weights of all tensors, and of those the experts'.
    pub(super) weights: u64,
    pub(super) expert_weights: u64,
}

/// Reads the head of a file; `None` when it is none that can be read.
pub(super) fn read(path: &Path) -> Option<Head> {
    let file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut reader = Reader { from: BufReader::new(file), left: length };
    if reader.array::<4>()? != *b"GGUF" || !(2..=3).contains(&reader.u32()?) {
        return None;
    }
    let (tensors, entries) = (reader.u64()?, reader.u64()?);
    if tensors > ENTRIES_MAX || entries > ENTRIES_MAX {
        return None;
    }
    let mut head = Head::default();
    for _ in 0..entries {
        let key = reader.name()?;
        let kind = reader.u32()?;
        if let Some(value) = reader.value(kind)? {
            head.values.insert(key, value);
        }
    }
    for _ in 0..tensors {
        let name = reader.name()?;
        let sides = reader.u32()?;
        if sides > SIDES_MAX {
            return None;
        }
        let weights = (0..sides).try_fold(1u64, |product, _| product.checked_mul(reader.u64()?))?;
        // Its type and its place.
        reader.skip(4 + 8)?;
        head.weights = head.weights.checked_add(weights)?;
        if name.contains(EXPERTS) {
            head.expert_weights += weights;
        }
    }
    Some(head)
}

/// Reads on, never behind the end of the file.
struct Reader {
    from: BufReader<File>,
    left: u64,
}

impl Reader {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.left = self.left.checked_sub(N as u64)?;
        self.from.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn skip(&mut self, bytes: u64) -> Option<()> {
        self.left = self.left.checked_sub(bytes)?;
        self.from.seek_relative(i64::try_from(bytes).ok()?).ok()
    }

    fn name(&mut self) -> Option<String> {
        let length = self.u64()?;
        if length > NAME_BYTES_MAX {
            return None;
        }
        self.text(length)
    }

    fn text(&mut self, length: u64) -> Option<String> {
        self.left = self.left.checked_sub(length)?;
        let mut bytes = Vec::new();
        let read = self.from.by_ref().take(length).read_to_end(&mut bytes).ok()?;
        (read as u64 == length).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A value of this type: `None` when the file is bad, `Some(None)` for one that is not kept.
    fn value(&mut self, kind: u32) -> Option<Option<Value>> {
        Some(match kind {
            8 => {
                let length = self.u64()?;
                if length > TEXT_BYTES_MAX {
                    self.skip(length)?;
                    None
                } else {
                    Some(self.text(length)?.into())
                }
            }
            9 => Some(self.list()?),
            _ => self.number(kind)?,
        })
    }

    /// A number or a boolean; those that JSON cannot hold are not kept.
    fn number(&mut self, kind: u32) -> Option<Option<Value>> {
        Some(Some(match kind {
            0 => u8::from_le_bytes(self.array()?).into(),
            1 => i8::from_le_bytes(self.array()?).into(),
            2 => u16::from_le_bytes(self.array()?).into(),
            3 => i16::from_le_bytes(self.array()?).into(),
            4 => self.u32()?.into(),
            5 => i32::from_le_bytes(self.array()?).into(),
            6 => f32::from_le_bytes(self.array()?).into(),
            7 => (self.array::<1>()? != [0]).into(),
            10 => self.u64()?.into(),
            11 => i64::from_le_bytes(self.array()?).into(),
            12 => f64::from_le_bytes(self.array()?).into(),
            _ => return None,
        }))
    }

    fn list(&mut self) -> Option<Value> {
        let kind = self.u32()?;
        let items = self.u64()?;
        if items > ITEMS_MAX {
            return None;
        }
        if kind == 8 {
            for _ in 0..items {
                let length = self.u64()?;
                self.skip(length)?;
            }
            return Some(items.into());
        }
        let bytes = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            10..=12 => 8,
            _ => return None,
        };
        if items > KEPT_ITEMS_MAX {
            self.skip(items * bytes)?;
            return Some(items.into());
        }
        let numbers: Option<Vec<Option<Value>>> = (0..items).map(|_| self.number(kind)).collect();
        Some(numbers?.into_iter().flatten().collect())
    }
}
