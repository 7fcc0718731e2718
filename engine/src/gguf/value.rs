//! Values of the metadata. Used by the header's reader.

use super::GgufError;
use super::bytes::Bytes;

/// Longest text: chat templates stay below a hundredth of it.
const TEXT_BYTES_MAX: u64 = 16 << 20;
/// Most entries of a list: ten times the merges of the largest vocabulary.
const ARRAY_LENGTH_MAX: u64 = 1 << 23;

/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any whole number without sign.
    Unsigned(u64),
    /// Any whole number with sign.
    Signed(i64),
    /// Any number.
    Float(f64),
    /// True or false.
    Flag(bool),
    /// Text.
    Text(String),
    /// A list.
    Array(Array),
}

/// A list of values of one type. Whole numbers without sign keep being so.
#[derive(Clone, Debug, PartialEq)]
pub enum Array {
    /// Whole numbers, with sign or without; those from 2^63 on are cut to that.
    Whole(Vec<i64>),
    /// Numbers.
    Float(Vec<f32>),
    /// True or false.
    Flag(Vec<bool>),
    /// Texts.
    Text(Vec<String>),
}

impl Value {
    /// Reads type and value.
    pub(super) fn read(bytes: &mut Bytes<'_>, key: &str) -> Result<Value, GgufError> {
        let kind = bytes.u32("the type of a value")?;
        if kind != ARRAY {
            return Value::of_kind(bytes, kind, key);
        }
        let kind = bytes.u32("the type of a list")?;
        let length = bytes.count("the length of a list", ARRAY_LENGTH_MAX)?;
        // Each entry takes at least a byte, so a length that lies cannot take memory.
        if length > bytes.left() as u64 {
            let end = (bytes.position() as u64).saturating_add(length);
            let length = (bytes.position() + bytes.left()) as u64;
            return Err(GgufError::Truncated { what: "a list", length, end });
        }
        Array::read(bytes, kind, length as usize, key).map(Value::Array)
    }

    fn of_kind(bytes: &mut Bytes<'_>, kind: u32, key: &str) -> Result<Value, GgufError> {
        const WHAT: &str = "a value";
        let mut word = |count: usize| -> Result<u64, GgufError> {
            let mut word = [0; 8];
            word[..count].copy_from_slice(bytes.take(count as u64, WHAT)?);
            Ok(u64::from_le_bytes(word))
        };
        Ok(match kind {
            0 => Value::Unsigned(word(1)?),
            1 => Value::Signed(i64::from(word(1)? as u8 as i8)),
            2 => Value::Unsigned(word(2)?),
            3 => Value::Signed(i64::from(word(2)? as u16 as i16)),
            4 => Value::Unsigned(word(4)?),
            5 => Value::Signed(i64::from(word(4)? as u32 as i32)),
            6 => Value::Float(f64::from(f32::from_bits(word(4)? as u32))),
            7 => Value::Flag(word(1)? != 0),
            8 => Value::Text(bytes.text("a text", TEXT_BYTES_MAX)?),
            10 => Value::Unsigned(word(8)?),
            11 => Value::Signed(word(8)? as i64),
            12 => Value::Float(f64::from_bits(word(8)?)),
            other => return Err(unknown(key, other)),
        })
    }

    /// As a whole number that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Unsigned(number) => Some(*number),
            Value::Signed(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// What kind of value it is, for messages; short ones as they are.
    pub fn describe(&self) -> String {
        match self {
            Value::Unsigned(number) => number.to_string(),
            Value::Signed(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::Text(text) if text.len() <= 64 => format!("`{text}`"),
            Value::Text(text) => format!("a text of {} bytes", text.len()),
            Value::Array(array) => format!("a list of {} values", array.len()),
        }
    }
}

/// The type that has others in it.
const ARRAY: u32 = 9;

fn unknown(key: &str, kind: u32) -> GgufError {
    GgufError::Value {
        key: key.to_owned(),
        found: format!("of type {kind}"),
        expected: "a type from 0 to 12, and no list of lists".to_owned(),
    }
}

impl Array {
    fn read(bytes: &mut Bytes<'_>, kind: u32, length: usize, key: &str) -> Result<Array, GgufError> {
        let mut array = match kind {
            0..=5 | 10 | 11 => Array::Whole(Vec::new()),
            6 | 12 => Array::Float(Vec::new()),
            7 => Array::Flag(Vec::new()),
            8 => Array::Text(Vec::new()),
            other => return Err(unknown(key, other)),
        };
        for _ in 0..length {
            match (&mut array, Value::of_kind(bytes, kind, key)?) {
                (Array::Whole(values), Value::Unsigned(number)) => {
                    values.push(i64::try_from(number).unwrap_or(i64::MAX));
                }
                (Array::Whole(values), Value::Signed(number)) => values.push(number),
                (Array::Float(values), Value::Float(number)) => values.push(number as f32),
                (Array::Flag(values), Value::Flag(flag)) => values.push(flag),
                (Array::Text(values), Value::Text(text)) => values.push(text),
                _ => return Err(unknown(key, kind)),
            }
        }
        Ok(array)
    }

    /// Entries.
    pub fn len(&self) -> usize {
        match self {
            Array::Whole(values) => values.len(),
            Array::Float(values) => values.len(),
            Array::Flag(values) => values.len(),
            Array::Text(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
