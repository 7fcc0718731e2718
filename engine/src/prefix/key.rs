//! The name of a prefix: what the KV of its last block depends on besides the model, in 32 bytes.

use sha2::{Digest, Sha256};

use crate::backend::BLOCK_TOKENS;

/// SHA-256 over the name of the prefix before it and the ids of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrefixKey(pub [u8; 32]);

impl PrefixKey {
    /// The empty prefix.
    pub const EMPTY: PrefixKey = PrefixKey([0; 32]);

    /// The prefix that is one block longer.
    pub fn child(self, block: &[u32]) -> PrefixKey {
        debug_assert_eq!(block.len(), BLOCK_TOKENS, "a key names full blocks");
        let mut hash = Sha256::new_with_prefix(self.0);
        for id in block {
            hash.update(id.to_le_bytes());
        }
        PrefixKey(hash.finalize().into())
    }

    /// The prefixes of `tokens` by blocks, the shortest first. The last token is never covered: it must be computed,
    /// for its logits.
    pub fn chain(tokens: &[u32]) -> Vec<PrefixKey> {
        let blocks = tokens[..tokens.len().saturating_sub(1)].chunks_exact(BLOCK_TOKENS);
        let longer = |key: &mut PrefixKey, block: &[u32]| {
            *key = key.child(block);
            Some(*key)
        };
        blocks.scan(PrefixKey::EMPTY, longer).collect()
    }

    /// As 64 digits.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// From 64 digits.
    pub fn from_hex(text: &str) -> Option<PrefixKey> {
        let mut key = [0; 32];
        if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(PrefixKey(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_all_ids_before_it_and_survives_as_text() {
        let tokens: Vec<u32> = (0..100).collect();
        let chain = PrefixKey::chain(&tokens);
        assert_eq!(chain.len(), 3);
        assert_eq!(PrefixKey::chain(&tokens[..96]).len(), 2, "the last token is computed");
        assert!(PrefixKey::chain(&[]).is_empty());
        let other: Vec<u32> = [&[7], &tokens[1..]].concat();
        assert!(PrefixKey::chain(&other).iter().zip(&chain).all(|(one, two)| one != two));
        assert_eq!(PrefixKey::from_hex(&chain[2].hex()), Some(chain[2]));
        assert_eq!(PrefixKey::from_hex("00"), None);
        assert_eq!(PrefixKey::from_hex(&"+1".repeat(32)), None);
    }
}
