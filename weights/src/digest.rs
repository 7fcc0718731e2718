//! SHA-256 as a value, and its text: 64 lower-case hex digits, the only form that is taken.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// Bytes of a digest.
pub(crate) const DIGEST_BYTES: usize = 32;

/// A SHA-256 hash: of a piece, of a file's piece hashes, or of a manifest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; DIGEST_BYTES]);

impl Digest {
    /// Of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Of a file, by the hashes of its pieces.
    pub fn of_pieces(pieces: &[Digest]) -> Self {
        let mut hasher = Sha256::new();
        for piece in pieces {
            hasher.update(piece.0);
        }
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no digest: expected 64 lower-case hex digits")]
pub struct DigestError {
    given: String,
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let error = || DigestError { given: text.chars().take(80).collect() };
        if text.len() != DIGEST_BYTES * 2 {
            return Err(error());
        }
        let mut bytes = [0; DIGEST_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte =
                nibble(pair[0]).zip(nibble(pair[1])).map(|(high, low)| high << 4 | low).ok_or_else(error)?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Hashes that follow each other, as they travel.
pub(crate) fn to_bytes(digests: &[Digest]) -> Vec<u8> {
    digests.iter().flat_map(|digest| digest.0).collect()
}

/// The hashes in `bytes`; what is left over is ignored, so the length has to be checked before.
pub(crate) fn from_bytes(bytes: &[u8]) -> Vec<Digest> {
    bytes.as_chunks::<DIGEST_BYTES>().0.iter().map(|chunk| Digest(*chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_as_it_was_shown() {
        let digest = Digest::of(b"apple");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(from_bytes(&to_bytes(&[digest, digest])), [digest, digest]);
    }

    #[test]
    fn only_lower_case_hex_of_the_right_length_is_a_digest() {
        let good = Digest::of(b"").to_string();
        for bad in ["", "..", &good[1..], &good.to_uppercase(), &good.replace('e', "/"), &"é".repeat(32)] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
