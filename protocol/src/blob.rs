//! How weights travel between members. A stream asks one [`BlobRequest`] and gets one [`BlobAnswer`]; after
//! [`BlobAnswer::Bytes`] the bytes themselves follow, unframed, and the stream ends behind the last one.

use serde::{Deserialize, Serialize};

use crate::{Cause, ModelId};

/// Bytes of one piece: hashed and asked for on its own, so that a transfer can take it from any source.
pub const PIECE_BYTES: u64 = 4 * 1024 * 1024;
/// Files of one model.
pub const BLOB_FILES_MAX: usize = 1024;
/// Bytes of one path in a manifest. With [`BLOB_FILES_MAX`] it bounds the frame of a manifest.
pub const BLOB_PATH_BYTES_MAX: usize = 512;
/// Folders that a path may go down, the file itself counted.
pub const BLOB_PATH_DEPTH_MAX: usize = 16;
/// Bytes of one model: 4 TiB, whose piece hashes are 32 MiB.
pub const BLOB_MODEL_BYTES_MAX: u64 = 1 << 42;
/// Largest frame of a [`BlobAnswer`], in bytes: the longest manifest fits.
pub const BLOB_ANSWER_FRAME_BYTES_MAX: usize = 1024 * 1024;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobRequest {
    /// The list of a model's files.
    Manifest {
        /// Which model.
        model: ModelId,
    },
    /// Hashes of a file's pieces, 32 bytes each, as [`BlobAnswer::Bytes`].
    PieceHashes {
        /// Digest of the model's manifest, in hex.
        digest: String,
        /// Index in the manifest.
        file: u32,
    },
    /// Part of a file.
    Range {
        /// Digest of the model's manifest, in hex.
        digest: String,
        /// Index in the manifest.
        file: u32,
        /// First byte.
        offset: u64,
        /// How many; at most [`PIECE_BYTES`].
        length: u64,
    },
}

/// What is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobAnswer {
    /// The files of a model.
    Manifest(BlobManifest),
    /// This many bytes follow.
    Bytes {
        /// How many.
        length: u64,
    },
    /// Nothing.
    Refused(Cause),
}

/// The files of a model, sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobManifest {
    /// The files.
    pub files: Vec<BlobFile>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobFile {
    /// Path below the model's folder, with `/`; neither absolute nor with `..`.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256 over the hashes of its pieces, in hex: one hash proves the list of pieces, each of them its bytes.
    pub digest: String,
}
