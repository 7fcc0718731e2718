//! GGUF files: one file with everything that a model is.
//!
//! [`Header`] reads what a file says of itself, from bytes that nobody vouches for; [`tokenizer`] and [`template`]
//! make of it what the folders of Hugging Face have as files of their own. Weights and configuration are read by
//! [`Checkpoint`](crate::checkpoint::Checkpoint). The format: `docs/gguf.md` of the project `ggml`, versions 2 and 3.

mod bytes;
mod header;
mod pieces;
mod splitting;
mod tokens;
mod value;

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

pub use header::{Header, TensorEntry};
pub use tokens::{stop_ids, template, tokenizer};
pub use value::{Array, Value};

/// Why a file is no GGUF file that can be used.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum GgufError {
    /// It does not begin as such files do.
    #[error("begins with {found:02x?}, expected `GGUF`")]
    Magic {
        /// The first bytes.
        found: Vec<u8>,
    },
    /// A version that is not known, or the byte order of another machine.
    #[error("version {found}, expected 2 or 3")]
    Version {
        /// What the file says.
        found: u32,
    },
    /// It ends in the middle of something.
    #[error("ends at byte {length} within {what}, which goes to byte {end}")]
    Truncated {
        /// What is cut.
        what: &'static str,
        /// Bytes of the file.
        length: u64,
        /// Where it would end.
        end: u64,
    },
    /// There is more of something than any model has.
    #[error("{what}: {found}, expected at most {limit}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How much.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A value is not what it should be.
    #[error("{key} is {found}, expected {expected}")]
    Value {
        /// Key of the metadata, or what else it is.
        key: String,
        /// What the file says.
        found: String,
        /// What is allowed.
        expected: String,
    },
    /// A tensor lies where it cannot.
    #[error("tensor `{tensor}`: {found}, expected {expected}")]
    Tensor {
        /// Its name.
        tensor: String,
        /// What the file says.
        found: String,
        /// What is allowed.
        expected: String,
    },
}

/// The one GGUF file that a path means: the file itself, or the only one in a folder that has no `config.json`.
pub fn find(path: &Path) -> Option<PathBuf> {
    let is_gguf =
        |path: &Path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
    if path.is_file() {
        return is_gguf(path).then(|| path.to_owned());
    }
    if path.join("config.json").exists() {
        return None;
    }
    let entries = std::fs::read_dir(path).ok()?;
    let mut files =
        entries.flatten().map(|entry| entry.path()).filter(|path| is_gguf(path) && path.is_file());
    let file = files.next()?;
    files.next().is_none().then_some(file)
}

/// Reads the header of a file.
pub fn read_header(path: &Path) -> Result<Header, String> {
    let map = map(path).map_err(|error| error.to_string())?;
    Header::read(&map).map_err(|error| error.to_string())
}

/// Maps a file.
#[expect(unsafe_code, reason = "mapping a file is unsafe because another process could change it")]
pub(crate) fn map(path: &Path) -> std::io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the mapping is private and read only. Like every program that maps model files we rely on nobody
    // changing a file while it is loaded; what is kept is copied, so that this time is short.
    unsafe { Mmap::map(&file) }
}
