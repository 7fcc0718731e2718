//! How a hub says what a file is: SHA-256 for large files, which git keeps outside of itself, and for small ones
//! the name that git gives a blob: SHA-1 over `blob`, a space, the length in decimal, a zero byte, and the content.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

const SHA1_BYTES: usize = 20;
const SHA256_PREFIX: &str = "sha256:";
const GIT_PREFIX: &str = "git-sha1:";

/// The hash of a whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FileHash {
    /// Of the content.
    Sha256(Digest),
    /// Of the content as a git blob.
    GitSha1([u8; SHA1_BYTES]),
}

impl FileHash {
    /// From the hex digits of a list.
    pub(super) fn git(hex: &str) -> Option<Self> {
        if hex.len() != 2 * SHA1_BYTES || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let mut bytes = [0; SHA1_BYTES];
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
        }
        Some(Self::GitSha1(bytes))
    }

    /// Names a file of these bytes among all hashes of either kind; an empty file has one name.
    pub(super) fn identity(self, bytes: u64) -> Digest {
        match self {
            _ if bytes == 0 => Digest::of_pieces(&[]),
            Self::Sha256(digest) => digest,
            Self::GitSha1(_) => Digest::of(self.to_string().as_bytes()),
        }
    }
}

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => write!(f, "{SHA256_PREFIX}{digest}"),
            Self::GitSha1(bytes) => {
                f.write_str(GIT_PREFIX)?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl FromStr for FileHash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sha256 = text.strip_prefix(SHA256_PREFIX).and_then(|hex| hex.parse().ok()).map(Self::Sha256);
        let git = || text.strip_prefix(GIT_PREFIX).and_then(Self::git);
        sha256
            .or_else(git)
            .ok_or_else(|| format!("`{}` is no hash", text.chars().take(100).collect::<String>()))
    }
}

impl TryFrom<String> for FileHash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<FileHash> for String {
    fn from(hash: FileHash) -> String {
        hash.to_string()
    }
}

/// Hashes a file the way that its list did.
pub(super) enum Hasher {
    Sha256(Sha256),
    GitSha1(Sha1),
}

impl Hasher {
    /// For a file of `bytes` that is to have a hash like this one.
    pub(super) fn like(hash: FileHash, bytes: u64) -> Self {
        match hash {
            FileHash::Sha256(_) => Self::Sha256(Sha256::new()),
            FileHash::GitSha1(_) => {
                let mut sha1 = Sha1::new();
                sha1.update(format!("blob {bytes}\0").as_bytes());
                Self::GitSha1(sha1)
            }
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::GitSha1(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn finish(self) -> FileHash {
        match self {
            Self::Sha256(hasher) => FileHash::Sha256(Digest(hasher.finalize().into())),
            Self::GitSha1(hasher) => FileHash::GitSha1(hasher.finalize().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(like: FileHash, content: &[u8]) -> FileHash {
        let mut hasher = Hasher::like(like, content.len() as u64);
        hasher.update(content);
        hasher.finish()
    }

    #[test]
    fn a_blob_has_the_name_that_git_gives_it() {
        // `printf 'hello\n' | git hash-object --stdin`, and the empty blob.
        let hello = FileHash::git("ce013625030ba8dba906f756967f9e9ca394464a").unwrap();
        assert_eq!(hash(hello, b"hello\n"), hello);
        let empty = FileHash::git("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391").unwrap();
        assert_eq!(hash(empty, b""), empty);
    }

    #[test]
    fn a_hash_reads_back_as_it_was_shown() {
        for hash in [FileHash::Sha256(Digest::of(b"x")), FileHash::GitSha1([7; SHA1_BYTES])] {
            assert_eq!(hash.to_string().parse(), Ok(hash));
        }
        for bad in ["", "sha256:", "git-sha1:00", "md5:00", "git-sha1:é"] {
            assert!(bad.parse::<FileHash>().is_err(), "{bad}");
        }
    }
}
