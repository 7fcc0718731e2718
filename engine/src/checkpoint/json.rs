//! Reading the small JSON files of a model folder, with errors that name file, key and range.
//!
//! Used by the parts of [`Checkpoint::open`](super::Checkpoint::open).

use std::fmt::Display;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::RangeInclusive;
use std::path::Path;

use serde_json::{Map, Value};

use super::LoadError;

/// Longest JSON file that is read. Real indexes of sharded models stay below 1 MiB; more is no such file.
const JSON_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A parsed file: an object, and the name for messages.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    file: &'static str,
    pub(super) map: Map<String, Value>,
}

/// Reads a file that must be there.
pub(super) fn read(path: &Path) -> Result<Object, LoadError> {
    read_optional(path)?
        .ok_or_else(|| LoadError::Unreadable { file: path.to_owned(), message: "no such file".to_owned() })
}

/// Reads a file that may be missing.
pub(super) fn read_optional(path: &Path) -> Result<Option<Object>, LoadError> {
    let unreadable = |message: String| LoadError::Unreadable { file: path.to_owned(), message };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let mut text = Vec::new();
    file.take(JSON_BYTES_MAX + 1).read_to_end(&mut text).map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > JSON_BYTES_MAX {
        return Err(unreadable(format!("longer than {JSON_BYTES_MAX} bytes")));
    }
    parse(path, &text).map(Some)
}

/// Parses what a file holds.
pub(super) fn parse(path: &Path, text: &[u8]) -> Result<Object, LoadError> {
    match serde_json::from_slice(text) {
        Ok(Value::Object(map)) => Ok(Object { file: file_label(path), map }),
        Ok(_) => Err(LoadError::Json { file: path.to_owned(), message: "expected an object".to_owned() }),
        Err(error) => Err(LoadError::Json { file: path.to_owned(), message: error.to_string() }),
    }
}

fn file_label(path: &Path) -> &'static str {
    match path.file_name().and_then(|name| name.to_str()) {
        Some("generation_config.json") => "generation_config.json",
        Some("model.safetensors.index.json") => "model.safetensors.index.json",
        _ => "config.json",
    }
}

impl Object {
    /// What another file says, in the keys of `config.json`.
    pub(super) fn of_metadata(map: Map<String, Value>) -> Object {
        Object { file: "metadata, as config.json has it", map }
    }

    /// A `config.json` that is no file.
    #[cfg(test)]
    pub(super) fn of_config(value: Value) -> Object {
        let Value::Object(map) = value else { panic!("an object") };
        Object { file: "config.json", map }
    }

    /// The object under a key; none if the key is missing or null.
    pub(super) fn object(&self, key: &str) -> Result<Option<Object>, LoadError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Object { file: self.file, map: map.clone() })),
            Some(other) => Err(self.bad(key, other, "an object")),
        }
    }

    /// The value of a key; none if the key is missing or null.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// A whole number within the range.
    pub(super) fn count(&self, key: &str, range: RangeInclusive<usize>) -> Result<Option<usize>, LoadError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
        match number.filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.bad(key, value, format!("{} to {}", range.start(), range.end()))),
        }
    }

    /// A number within the range.
    pub(super) fn number(&self, key: &str, range: RangeInclusive<f64>) -> Result<Option<f64>, LoadError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        match value.as_f64().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.bad(key, value, format!("{:e} to {:e}", range.start(), range.end()))),
        }
    }

    /// A list of so many numbers, each within the range.
    pub(super) fn numbers(
        &self,
        key: &str,
        count: usize,
        range: RangeInclusive<f64>,
    ) -> Result<Option<Vec<f64>>, LoadError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let number = |value: &Value| value.as_f64().filter(|number| range.contains(number));
        let numbers = value.as_array().filter(|values| values.len() == count);
        let numbers = numbers.and_then(|values| values.iter().map(number).collect::<Option<Vec<_>>>());
        let expected = || format!("a list of {count} numbers from {:e} to {:e}", range.start(), range.end());
        numbers.map(Some).ok_or_else(|| self.bad(key, value, expected()))
    }

    /// The same, with values for keys that are missing or null.
    pub(super) fn with_defaults<const N: usize>(&self, defaults: [(&str, Value); N]) -> Object {
        let mut map = self.map.clone();
        for (key, value) in defaults {
            if self.value(key).is_none() {
                map.insert(key.to_owned(), value);
            }
        }
        Object { file: self.file, map }
    }

    /// The same with another value for a key.
    pub(super) fn with(&self, key: &str, value: Value) -> Object {
        let mut changed = self.clone();
        changed.map.insert(key.to_owned(), value);
        changed
    }

    /// The same without a key.
    pub(super) fn without(&self, key: &str) -> Object {
        let mut changed = self.clone();
        changed.map.remove(key);
        changed
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, LoadError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| self.bad(key, value, "true or false"))
    }

    /// A string.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, LoadError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.bad(key, value, "a string"))
    }

    /// The error for a key that must be there.
    pub(super) fn missing(&self, key: &str) -> LoadError {
        LoadError::Value {
            file: self.file,
            key: key.to_owned(),
            found: "missing".to_owned(),
            expected: "a value".to_owned(),
        }
    }

    /// The error for a value that is not what it should be.
    pub(super) fn bad(&self, key: &str, found: impl Display, expected: impl Display) -> LoadError {
        LoadError::Value {
            file: self.file,
            key: key.to_owned(),
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }
}
