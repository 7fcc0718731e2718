//! Token ids to text, one id at a time, never half a character.
//!
//! A pure state machine per answer: bytes of tokens are joined and leave as text as soon as they are certain.
//! Bytes that can no longer become a character leave as U+FFFD, cut as `String::from_utf8_lossy` cuts them.
//! Special tokens have no text. What of the text may be shown is decided behind it, in [`crate::stop`].

use std::sync::Arc;

use crate::tokenizer::TokenTable;

/// The detokeniser of one answer.
#[derive(Clone, Debug)]
pub struct Detokenizer {
    table: Arc<TokenTable>,
    /// The beginning of a character; at most 3 bytes between calls.
    pending: Vec<u8>,
    strip_first_space: bool,
}

impl Detokenizer {
    /// A detokeniser for an answer that stands alone (the answer of a chat) or that goes on in the text of its
    /// prompt: only the former loses the space before its first word, where the vocabulary writes one.
    pub fn new(table: &Arc<TokenTable>, stands_alone: bool) -> Self {
        let strip_first_space = stands_alone && table.strips_first_space();
        Self { table: Arc::clone(table), pending: Vec::new(), strip_first_space }
    }

    /// Takes the next id and appends the text that is certain now.
    pub fn push(&mut self, id: u32, text: &mut String) {
        if self.table.is_special(id) {
            return;
        }
        let mut bytes = self.table.bytes(id);
        if bytes.is_empty() {
            return;
        }
        if std::mem::take(&mut self.strip_first_space) {
            bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
        }
        self.pending.extend_from_slice(bytes);
        let certain = certain_bytes(&self.pending);
        text.push_str(&String::from_utf8_lossy(&self.pending[..certain]));
        self.pending.drain(..certain);
    }

    /// Ends the answer: what was the beginning of a character becomes U+FFFD.
    pub fn flush(&mut self, text: &mut String) {
        text.push_str(&String::from_utf8_lossy(&self.pending));
        self.pending.clear();
    }
}

/// How many leading bytes cannot change their meaning, whatever follows.
fn certain_bytes(bytes: &[u8]) -> usize {
    let mut start = 0;
    loop {
        match std::str::from_utf8(&bytes[start..]) {
            Ok(_) => return bytes.len(),
            Err(error) => match error.error_len() {
                Some(invalid) => start += error.valid_up_to() + invalid,
                None => return start + error.valid_up_to(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
