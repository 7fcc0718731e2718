//! The chain of the audit: each line's hash covers the line and the hash before it. Pure; both backends write and check
//! with it.
//!
//! hash = SHA-256(hash before ‖ number ‖ time ‖ principal ‖ length and bytes of action, object and detail), numbers as 8
//! bytes big endian; the hash before line 1 is all zero. Changing, removing or inserting a line breaks every later hash;
//! cutting off the end shows only to who noted the last hash elsewhere.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::{AuditEntry, AuditVerdict};

/// A link of the chain.
pub(crate) type Hash = [u8; 32];

/// The hash before the first line.
pub(crate) const GENESIS: Hash = [0; 32];

/// Where the chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChainEnd {
    /// Number of the last line; 0 when there is none.
    pub(crate) number: u64,
    /// Its hash.
    pub(crate) hash: Hash,
}

impl Default for ChainEnd {
    fn default() -> Self {
        Self { number: 0, hash: GENESIS }
    }
}

impl ChainEnd {
    /// The end once `entry` is added.
    pub(crate) fn with(self, entry: &AuditEntry) -> Self {
        let number = self.number + 1;
        Self { number, hash: link(&self.hash, number, entry) }
    }
}

/// Hash of a line.
pub(crate) fn link(before: &Hash, number: u64, entry: &AuditEntry) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(before);
    for value in [number, entry.at_ms, entry.by.0] {
        hasher.update(value.to_be_bytes());
    }
    for text in [&entry.action, &entry.object, &entry.detail] {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().into()
}

/// A hash as people read it.
pub(crate) fn hex(hash: &[u8]) -> String {
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing into a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Takes every line in order and says whether the chain holds.
#[derive(Debug, Default)]
pub(crate) struct Verifier {
    end: ChainEnd,
    broken: Option<(u64, String)>,
}

impl Verifier {
    /// Looks at the next line; `false` once the chain is broken, and more need not be read.
    pub(crate) fn line(&mut self, number: u64, entry: &AuditEntry, hash: &[u8]) -> bool {
        if self.broken.is_some() {
            return false;
        }
        let end = self.end.with(entry);
        if number != end.number {
            self.broken = Some((end.number, format!("line {} follows line {}", number, self.end.number)));
        } else if end.hash[..] != *hash {
            let message = format!("its hash is {}, and {} was written", hex(&end.hash), hex(hash));
            self.broken = Some((number, message));
        } else {
            self.end = end;
        }
        self.broken.is_none()
    }

    /// What came out.
    pub(crate) fn verdict(self) -> AuditVerdict {
        AuditVerdict { lines: self.end.number, last_hash: hex(&self.end.hash), broken: self.broken }
    }
}

#[cfg(test)]
mod tests {
    use pomona_protocol::Principal;

    use super::*;

    fn entry(detail: &str) -> AuditEntry {
        AuditEntry {
            at_ms: 5,
            by: Principal(7),
            action: "turn.asked".into(),
            object: "ses_1".into(),
            detail: detail.into(),
        }
    }

    fn verify(lines: &[(u64, AuditEntry, Hash)]) -> AuditVerdict {
        let mut verifier = Verifier::default();
        for (number, entry, hash) in lines {
            verifier.line(*number, entry, hash);
        }
        verifier.verdict()
    }

    fn chain(details: &[&str]) -> Vec<(u64, AuditEntry, Hash)> {
        let mut end = ChainEnd::default();
        let add = |detail: &&str| {
            end = end.with(&entry(detail));
            (end.number, entry(detail), end.hash)
        };
        details.iter().map(add).collect()
    }

    #[test]
    fn an_untouched_chain_holds() {
        let lines = chain(&["a", "b", "c"]);
        let verdict = verify(&lines);
        assert_eq!((verdict.lines, verdict.broken), (3, None));
        assert_eq!(verdict.last_hash, hex(&lines[2].2));
        assert_eq!(verify(&[]).last_hash, hex(&GENESIS));
    }

    #[test]
    fn a_changed_a_missing_and_a_swapped_line_are_named() {
        let mut changed = chain(&["a", "b", "c"]);
        changed[1].1.detail = "x".into();
        let mut missing = chain(&["a", "b", "c"]);
        missing.remove(1);
        let mut moved = chain(&["a", "b", "c"]);
        // The same bytes, cut elsewhere, are another line.
        moved[1].1.action = "turn.askedses_1".into();
        moved[1].1.object = String::new();
        for lines in [changed, missing, moved] {
            let verdict = verify(&lines);
            assert_eq!(verdict.broken.map(|(number, _)| number), Some(2));
            assert_eq!(verdict.lines, 1);
        }
    }
}
