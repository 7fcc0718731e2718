//! A walk through bytes that may end anywhere. Used by the header's readers.

use super::GgufError;

/// The bytes of a file, read from the front.
#[derive(Debug)]
pub(super) struct Bytes<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(all: &'a [u8]) -> Bytes<'a> {
        Bytes { all, at: 0 }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Bytes left.
    pub(super) fn left(&self) -> usize {
        self.all.len() - self.at
    }

    /// The next so many bytes.
    pub(super) fn take(&mut self, count: u64, what: &'static str) -> Result<&'a [u8], GgufError> {
        let end = (self.at as u64).saturating_add(count);
        if end > self.all.len() as u64 {
            return Err(GgufError::Truncated { what, length: self.all.len() as u64, end });
        }
        let taken = &self.all[self.at..end as usize];
        self.at = end as usize;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], GgufError> {
        let bytes = self.take(N as u64, what)?;
        Ok(bytes.try_into().expect("invariant: as many were taken"))
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A number that may not be above a limit.
    pub(super) fn count(&mut self, what: &'static str, limit: u64) -> Result<u64, GgufError> {
        let found = self.u64(what)?;
        if found > limit { Err(GgufError::Limit { what, found, limit }) } else { Ok(found) }
    }

    /// A text with its length before it. Bytes that are no UTF-8 are replaced: some vocabularies have such.
    pub(super) fn text(&mut self, what: &'static str, limit: u64) -> Result<String, GgufError> {
        let length = self.count(what, limit)?;
        Ok(String::from_utf8_lossy(self.take(length, what)?).into_owned())
    }
}
