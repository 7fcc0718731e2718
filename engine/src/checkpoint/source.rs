//! Where the tensors of a checkpoint come from: the files of a folder, or one GGUF file.
//!
//! Used by `part.rs`, which reads both alike.

use std::path::PathBuf;

use super::gguf::GgufWeights;
use super::weights::WeightFiles;
use super::{LoadError, TensorView};

/// The weights of one checkpoint.
#[derive(Debug)]
pub(super) enum Source {
    Folder(WeightFiles),
    Gguf(GgufWeights),
}

impl Source {
    /// Whether there is a tensor of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Source::Folder(files) => files.has(name),
            Source::Gguf(file) => file.has(name),
        }
    }

    /// A tensor of a type that we can use.
    pub(super) fn tensor(&self, name: &str) -> Result<TensorView<'_>, LoadError> {
        match self {
            Source::Folder(files) => files.tensor(name),
            Source::Gguf(file) => file.tensor(name),
        }
    }

    /// Checks that a tensor is there in the shape that is needed.
    pub(super) fn check(&self, name: &str, shape: &[usize]) -> Result<(), LoadError> {
        match self {
            Source::Folder(files) => files.check(name, shape),
            Source::Gguf(file) => file.check(name, shape),
        }
    }

    /// The bytes of a tensor of bytes.
    pub(super) fn raw_bytes(&self, name: &str) -> Result<&[u8], LoadError> {
        match self {
            Source::Folder(files) => files.raw_bytes(name),
            Source::Gguf(file) => {
                let found = file.tensor(name)?.dtype.name();
                Err(self.wrong_type(name, found, "U8"))
            }
        }
    }

    /// The error for a tensor of a type that does not do where it is needed.
    pub(super) fn wrong_type(&self, name: &str, found: String, expected: &'static str) -> LoadError {
        LoadError::TensorType { file: self.file_of(name), tensor: name.to_owned(), found, expected }
    }

    fn file_of(&self, name: &str) -> PathBuf {
        match self {
            Source::Folder(files) => files.file_of(name).to_owned(),
            Source::Gguf(file) => file.path().to_owned(),
        }
    }
}
