//! Why a model could not be loaded.
//!
//! Raised by everything between the folder and a ready backend; shown to the person who named the folder.

use std::path::PathBuf;

/// A model could not be loaded. Messages name the file, what was expected and what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file is missing or cannot be read.
    #[error("{}: {message}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        message: String,
    },
    /// A JSON file is no JSON, or not of the expected form.
    #[error("{}: not the expected JSON: {message}", file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// A family of models that is not known here.
    #[error("config.json: model_type `{found}` is not supported; supported: {}", known.join(", "))]
    UnknownFamily {
        /// What the file says.
        found: String,
        /// What could be served.
        known: Vec<&'static str>,
    },
    /// A key of a JSON file has a value that makes no sense or is not supported.
    #[error("{file}: {key} is {found}, expected {expected}")]
    Value {
        /// `config.json` or `generation_config.json`.
        file: &'static str,
        /// The key.
        key: String,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// The header of a weight file is longer than the file, or than any sane header.
    #[error("{}: header of {found} bytes, expected at most {limit}", file.display())]
    HeaderLength {
        /// The file.
        file: PathBuf,
        /// The length that the file names.
        found: u64,
        /// The longest that could be.
        limit: u64,
    },
    /// A weight file holds more or less data than its header describes.
    #[error("{}: {found} bytes, expected {expected} by its header", file.display())]
    FileLength {
        /// The file.
        file: PathBuf,
        /// Its size.
        found: u64,
        /// Size that the header implies.
        expected: u64,
    },
    /// The data of a tensor overlaps another's, leaves a hole, or does not fit its shape.
    #[error("{}: tensor `{tensor}` lies at bytes {}..{} of the data, expected {expected}", file.display(), found.0, found.1)]
    TensorPlace {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Start and end that the header names.
        found: (u64, u64),
        /// Where it should be, or how large.
        expected: String,
    },
    /// A tensor that the model needs is in no file.
    #[error("{}: tensor `{tensor}` is missing", file.display())]
    TensorMissing {
        /// Where it was looked for.
        file: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A tensor has another shape than `config.json` implies.
    #[error("{}: tensor `{tensor}` has shape {found:?}, expected {expected:?}", file.display())]
    TensorShape {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<u64>,
        /// The shape that fits `config.json`.
        expected: Vec<u64>,
    },
    /// A tensor has a type that is not supported.
    #[error("{}: tensor `{tensor}` has type {found}, expected {expected}", file.display())]
    TensorType {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its type, as the file writes it.
        found: String,
        /// What could be used.
        expected: &'static str,
    },
    /// A GGUF file is none, or says what makes no sense or is not supported.
    #[error("{}: {error}", file.display())]
    Gguf {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        error: crate::gguf::GgufError,
    },
    /// The index names a file that is not beside it.
    #[error("{}: weight file `{found}` is no plain name of a file in the same folder", file.display())]
    OutsideFolder {
        /// The index.
        file: PathBuf,
        /// The name it gives.
        found: String,
    },
    /// Weights and KV do not fit the memory.
    #[error(
        "weights of {weight_bytes} bytes, KV of {kv_bytes} and working space of {workspace_bytes} \
         do not fit into {memory_bytes} bytes of memory"
    )]
    Memory {
        /// Bytes of the weights.
        weight_bytes: u64,
        /// Bytes of all KV blocks.
        kv_bytes: u64,
        /// Bytes of what a step needs besides.
        workspace_bytes: u64,
        /// Bytes that there are.
        memory_bytes: u64,
    },
    /// The library that computes refused something.
    #[error("{message}")]
    Backend {
        /// What was tried, and what it said.
        message: String,
    },
    /// An option of the backend makes no sense.
    #[error("{option} is {found}, expected {expected}")]
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: String,
    },
}
