//! The list of a model's files: what makes it acceptable, what names it, and how it falls into pieces.
//!
//! Asked by the giver before it offers a folder and by the taker before it makes the first file.

use std::collections::BTreeMap;

use pomona_protocol::BlobManifest;
use pomona_protocol::blob::{BLOB_FILES_MAX, BLOB_MODEL_BYTES_MAX, PIECE_BYTES};

use crate::digest::Digest;
use crate::path::{PathProblem, check_path};

/// Begins the encoding that a manifest's digest is over, so that it is the hash of nothing else.
const ENCODING: &[u8] = b"pomona-manifest-1\n";

/// Why a manifest is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// No file.
    #[error("the manifest names no file")]
    Empty,
    /// Too many files.
    #[error("the manifest names {files} files, at most {BLOB_FILES_MAX}")]
    TooManyFiles {
        /// How many.
        files: usize,
    },
    /// Too many bytes.
    #[error("the files have more than {BLOB_MODEL_BYTES_MAX} bytes")]
    TooLarge,
    /// A path that leaves the folder, or that some file system takes for something else.
    #[error("path {path:?}: {problem}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        problem: PathProblem,
    },
    /// Not in order of bytes.
    #[error("path {path:?} is not in order")]
    Unsorted {
        /// The path.
        path: String,
    },
    /// Two paths that some file system takes for one, or a file that would have to be a folder.
    #[error("paths {path:?} and {other:?} cannot both exist")]
    Clash {
        /// One.
        path: String,
        /// The other.
        other: String,
    },
    /// A file's digest is no digest, or an empty file has one of something.
    #[error("path {path:?} has digest {digest:?}: expected 64 lower-case hex digits that fit its size")]
    Digest {
        /// The file.
        path: String,
        /// What stands there.
        digest: String,
    },
}

/// Takes a manifest whose files may be made below a folder.
pub fn check_manifest(manifest: &BlobManifest) -> Result<(), ManifestError> {
    if manifest.files.is_empty() {
        return Err(ManifestError::Empty);
    }
    if manifest.files.len() > BLOB_FILES_MAX {
        return Err(ManifestError::TooManyFiles { files: manifest.files.len() });
    }
    let mut total = 0u64;
    let mut last = None;
    for file in &manifest.files {
        let path = || file.path.chars().take(200).collect::<String>();
        check_path(&file.path).map_err(|problem| ManifestError::Path { path: path(), problem })?;
        if last.is_some_and(|last: &str| last >= file.path.as_str()) {
            return Err(ManifestError::Unsorted { path: path() });
        }
        last = Some(&file.path);
        let digest = file.digest.parse::<Digest>().ok();
        let fits = digest.is_some_and(|digest| file.bytes > 0 || digest == Digest::of_pieces(&[]));
        if !fits {
            let digest = file.digest.chars().take(80).collect();
            return Err(ManifestError::Digest { path: path(), digest });
        }
        total = total.saturating_add(file.bytes);
        if total > BLOB_MODEL_BYTES_MAX {
            return Err(ManifestError::TooLarge);
        }
    }
    check_clashes(manifest)
}

/// Case counts nowhere, as on the file systems that ignore it.
fn check_clashes(manifest: &BlobManifest) -> Result<(), ManifestError> {
    let mut files = BTreeMap::new();
    for file in &manifest.files {
        if let Some(other) = files.insert(file.path.to_lowercase(), &file.path) {
            return Err(ManifestError::Clash { path: file.path.clone(), other: other.clone() });
        }
    }
    let mut folders: BTreeMap<String, &str> = BTreeMap::new();
    for file in &manifest.files {
        for (at, _) in file.path.match_indices('/') {
            let folder = &file.path[..at];
            let key = folder.to_lowercase();
            if let Some(other) = files.get(&key) {
                return Err(ManifestError::Clash { path: file.path.clone(), other: (*other).clone() });
            }
            match folders.insert(key, folder) {
                Some(other) if other != folder => {
                    return Err(ManifestError::Clash { path: folder.to_owned(), other: other.to_owned() });
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Names the content of a model. The encoding under the hash is fixed: it does not change when the wire does.
pub fn manifest_digest(manifest: &BlobManifest) -> Digest {
    let mut encoded = ENCODING.to_vec();
    encoded.extend(PIECE_BYTES.to_be_bytes());
    for file in &manifest.files {
        for text in [&file.path, &file.digest] {
            encoded.extend((text.len() as u64).to_be_bytes());
            encoded.extend(text.as_bytes());
        }
        encoded.extend(file.bytes.to_be_bytes());
    }
    Digest::of(&encoded)
}

/// Pieces of a file; none of an empty one.
pub(crate) fn piece_count(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(PIECE_BYTES)).unwrap_or(u32::MAX)
}

/// Where a piece lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Index of its file in the manifest.
    pub(crate) file: usize,
    /// Which of that file's pieces.
    pub(crate) index: usize,
    /// First byte in the file.
    pub(crate) offset: u64,
    /// How many bytes; only the last one of a file is short.
    pub(crate) length: u64,
}

/// Numbers the pieces of all files in one row.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    sizes: Vec<u64>,
    /// Number of each file's first piece, and behind them how many there are.
    firsts: Vec<u32>,
}

impl Layout {
    /// Of a manifest that was checked: its pieces can be counted.
    pub(crate) fn new(manifest: &BlobManifest) -> Self {
        let sizes: Vec<u64> = manifest.files.iter().map(|file| file.bytes).collect();
        let mut firsts = vec![0u32];
        let mut next = 0u32;
        for bytes in &sizes {
            next = next.saturating_add(piece_count(*bytes));
            firsts.push(next);
        }
        Self { sizes, firsts }
    }

    /// How many pieces there are.
    pub(crate) fn pieces(&self) -> u32 {
        self.firsts[self.sizes.len()]
    }

    /// Numbers of a file's pieces.
    pub(crate) fn pieces_of(&self, file: usize) -> std::ops::Range<u32> {
        self.firsts[file]..self.firsts[file + 1]
    }

    /// Where piece `number`, below [`Layout::pieces`], lies.
    pub(crate) fn locate(&self, number: u32) -> Piece {
        let file = self.firsts.partition_point(|first| *first <= number) - 1;
        let index = number - self.firsts[file];
        let offset = u64::from(index) * PIECE_BYTES;
        Piece { file, index: index as usize, offset, length: PIECE_BYTES.min(self.sizes[file] - offset) }
    }
}

#[cfg(test)]
mod tests {
    use pomona_protocol::BlobFile;
    use proptest::prelude::*;

    use super::*;

    fn file(path: &str, bytes: u64) -> BlobFile {
        BlobFile { path: path.to_owned(), bytes, digest: Digest::of_pieces(&[]).to_string() }
    }

    fn check(paths: &[&str]) -> Result<(), ManifestError> {
        check_manifest(&BlobManifest { files: paths.iter().map(|path| file(path, 1)).collect() })
    }

    #[test]
    fn an_ordinary_manifest_passes() {
        assert_eq!(check(&["config.json", "onnx/a", "onnx/b", "tokenizer.json"]), Ok(()));
    }

    #[test]
    fn what_cannot_be_made_below_a_folder_is_refused() {
        assert_eq!(check(&[]), Err(ManifestError::Empty));
        assert!(matches!(check(&["../a"]), Err(ManifestError::Path { problem: PathProblem::Dot, .. })));
        assert!(matches!(check(&["b", "a"]), Err(ManifestError::Unsorted { .. })));
        assert!(matches!(check(&["a", "a"]), Err(ManifestError::Unsorted { .. })));
        for clash in [&["A", "a"][..], &["a", "a/b"], &["A/b", "a/c"], &["A/b", "a"]] {
            assert!(matches!(check(clash), Err(ManifestError::Clash { .. })), "{clash:?}");
        }
        let many = BlobManifest { files: vec![file("a", 0); 1_000_000] };
        assert_eq!(check_manifest(&many), Err(ManifestError::TooManyFiles { files: 1_000_000 }));
        let large = BlobManifest { files: vec![file("a", u64::MAX), file("b", u64::MAX)] };
        assert_eq!(check_manifest(&large), Err(ManifestError::TooLarge));
        let mut foreign = BlobManifest { files: vec![file("a", 0)] };
        foreign.files[0].digest = Digest::of(b"something").to_string();
        assert!(matches!(check_manifest(&foreign), Err(ManifestError::Digest { .. })));
        foreign.files[0].digest = "../..".to_owned();
        assert!(matches!(check_manifest(&foreign), Err(ManifestError::Digest { .. })));
    }

    #[test]
    fn every_field_counts_for_the_digest() {
        let manifest = BlobManifest { files: vec![file("a", 1), file("b", 2)] };
        let digest = manifest_digest(&manifest);
        let changed = |change: fn(&mut BlobFile)| {
            let mut manifest = manifest.clone();
            change(&mut manifest.files[1]);
            manifest_digest(&manifest)
        };
        assert_ne!(digest, changed(|file| file.path = "c".to_owned()));
        assert_ne!(digest, changed(|file| file.bytes = 3));
        assert_ne!(digest, changed(|file| file.digest = Digest::of(b"x").to_string()));
    }

    proptest! {
        #[test]
        fn pieces_cover_every_byte_once(sizes in prop::collection::vec(0..3 * PIECE_BYTES, 1..6)) {
            let files = sizes.iter().map(|bytes| file("a", *bytes)).collect();
            let layout = Layout::new(&BlobManifest { files });
            let mut covered = vec![0; sizes.len()];
            for number in 0..layout.pieces() {
                let piece = layout.locate(number);
                prop_assert_eq!(piece.offset, covered[piece.file]);
                prop_assert!(piece.length > 0 && piece.length <= PIECE_BYTES);
                covered[piece.file] += piece.length;
            }
            prop_assert_eq!(covered, sizes);
        }
    }
}
