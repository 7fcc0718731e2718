//! Which replica has seen the beginning of a conversation: rolling hashes over all of it, and a bounded memory
//! of them per replica. Asked by admission for each placement; a wrong answer costs milliseconds, nothing else.
//!
//! The text is hashed as it came, in blocks of [`BLOCK_BYTES`] with a mark for each role, without the chat
//! template: equal conversations have equal hashes, which is all that counts here. Hash `i` covers blocks 0 to
//! `i`, so a replica that knows it knows the whole prefix up to there.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use pomona_protocol::{Part, Role, TurnInput};

/// Bytes of a block; about 64 tokens. Halving it doubles the work per prompt and finds at most 32 tokens more.
pub const BLOCK_BYTES: usize = 256;
/// Blocks of one prompt that are looked at: 1 MiB of text, more than any context holds today.
pub const PROMPT_BLOCKS_MAX: usize = 4096;
/// Blocks remembered per replica: 512 KiB of text, about 131,000 tokens, what a large machine keeps as KV.
pub const REPLICA_BLOCKS_MAX: usize = 2048;
/// Blocks remembered over all replicas of a model; bounds the memory of a gateway with many replicas.
pub const MODEL_BLOCKS_MAX: usize = 1 << 19;
/// Bytes of text per token, for estimates only; English and code have 3.5 to 4.5.
pub const TOKEN_BYTES: u32 = 4;

/// Hashes of a conversation's prefixes, and where its hashing stands so that the answer can extend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    hashes: Vec<u64>,
    state: u64,
    block: Vec<u8>,
    bytes: u64,
    has_roles: bool,
}

impl Default for Prefix {
    fn default() -> Self {
        Self { hashes: Vec::new(), state: SEED, block: Vec::new(), bytes: 0, has_roles: false }
    }
}

/// Any odd constant; this one has no pattern (fraction of the golden ratio).
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// Stands before a message; no UTF-8 text contains it.
const ROLE_MARK: u8 = 0xff;

impl Prefix {
    /// Of a prompt. It reads all of it: the shell makes it once per turn, outside of any lock.
    pub fn of(input: &TurnInput) -> Self {
        let mut prefix = Self::default();
        match input {
            TurnInput::Messages(messages) => {
                prefix.has_roles = true;
                for message in messages {
                    prefix.push_role(message.role);
                    for part in &message.parts {
                        match part {
                            Part::Text(text) | Part::Reasoning(text) => prefix.push(text.as_bytes()),
                            Part::Image(image) => prefix.push(image.base64.as_bytes()),
                            Part::Call(call) => {
                                prefix.push(call.name.as_bytes());
                                prefix.push(call.arguments.as_bytes());
                            }
                            Part::Answers(_) => {}
                        }
                    }
                }
            }
            TurnInput::Text(text) => prefix.push(text.as_bytes()),
            TurnInput::Tokens(ids) => {
                for id in ids {
                    prefix.push(&id.to_le_bytes());
                }
            }
        }
        prefix
    }

    /// Extends it by the answer, the way the next turn of the conversation will bring it.
    pub fn push_answer(&mut self, text: &str) {
        if self.has_roles {
            self.push_role(Role::Assistant);
        }
        self.push(text.as_bytes());
    }

    /// Extends a prompt of token ids by the answer's.
    pub fn push_answer_ids(&mut self, ids: &[u32]) {
        for id in ids {
            self.push(&id.to_le_bytes());
        }
    }

    /// Hash of each whole block together with all before it.
    pub fn hashes(&self) -> &[u64] {
        &self.hashes
    }

    /// Tokens of the whole, estimated.
    pub fn tokens(&self) -> u32 {
        u32::try_from(self.bytes / u64::from(TOKEN_BYTES)).unwrap_or(u32::MAX).max(1)
    }

    fn push_role(&mut self, role: Role) {
        let number = match role {
            Role::System => 0,
            Role::User => 1,
            Role::Assistant => 2,
            Role::Tool => 3,
        };
        self.push(&[ROLE_MARK, number]);
    }

    fn push(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() && self.hashes.len() < PROMPT_BLOCKS_MAX {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == BLOCK_BYTES {
                self.state = hash_block(self.state, &self.block);
                self.hashes.push(self.state);
                self.block.clear();
            }
        }
    }
}

fn hash_block(state: u64, block: &[u8]) -> u64 {
    block.chunks_exact(8).fold(state, |state, word| {
        let word = word.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        let product = u128::from(state ^ word) * u128::from(SEED);
        (product as u64) ^ (product >> 64) as u64 ^ word.rotate_left(17)
    })
}

/// Takes a hash for what it is; hashing it again would gain nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type ByHash<T> = HashMap<u64, T, BuildHasherDefault<Identity>>;

const NONE: u32 = u32::MAX;

/// The blocks that one replica has seen, least recently used first out. A block is always used after the
/// longer prefixes that contain it, so what goes first is the end of a conversation, and a known prefix has no
/// holes.
#[derive(Clone, Debug)]
struct Memory {
    by_hash: ByHash<u32>,
    entries: Vec<Entry>,
    newest: u32,
    oldest: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    newer: u32,
    older: u32,
}

impl Default for Memory {
    fn default() -> Self {
        Self { by_hash: ByHash::default(), entries: Vec::new(), newest: NONE, oldest: NONE }
    }
}

impl Memory {
    /// Returns whether the block is new here.
    fn touch(&mut self, hash: u64) -> bool {
        if let Some(at) = self.by_hash.get(&hash).copied() {
            self.unlink(at);
            self.link(at);
            return false;
        }
        let at = self.entries.len() as u32;
        self.entries.push(Entry { hash, newer: NONE, older: NONE });
        self.by_hash.insert(hash, at);
        self.link(at);
        true
    }

    fn forget_oldest(&mut self) -> Option<u64> {
        let at = self.oldest;
        let hash = self.entries.get(at as usize)?.hash;
        self.unlink(at);
        self.by_hash.remove(&hash);
        self.entries.swap_remove(at as usize);
        if let Some(moved) = self.entries.get(at as usize).copied() {
            self.by_hash.insert(moved.hash, at);
            self.join(moved.newer, at);
            self.join(at, moved.older);
        }
        Some(hash)
    }

    fn unlink(&mut self, at: u32) {
        let Entry { newer, older, .. } = self.entries[at as usize];
        self.join(newer, older);
    }

    fn link(&mut self, at: u32) {
        let second = self.newest;
        self.join(NONE, at);
        self.join(at, second);
    }

    /// Makes `older` the next after `newer`; `NONE` stands for either end.
    fn join(&mut self, newer: u32, older: u32) {
        match self.entries.get_mut(newer as usize) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
        match self.entries.get_mut(older as usize) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
    }
}

/// What all replicas of one model have seen, by the number under which admission knows them.
#[derive(Clone, Debug, Default)]
pub struct Affinity {
    memories: BTreeMap<u32, Memory>,
    holders: ByHash<Vec<u32>>,
}

impl Affinity {
    /// Notes that `replica` has, or will soon have, this prefix.
    pub fn learn(&mut self, replica: u32, prefix: &Prefix) {
        let known = self.memories.len() + usize::from(!self.memories.contains_key(&replica));
        let blocks_max = (MODEL_BLOCKS_MAX / known).clamp(1, REPLICA_BLOCKS_MAX);
        let memory = self.memories.entry(replica).or_default();
        for hash in prefix.hashes.iter().take(blocks_max).rev() {
            if memory.touch(*hash) {
                let holders = self.holders.entry(*hash).or_default();
                if let Err(at) = holders.binary_search(&replica) {
                    holders.insert(at, replica);
                }
            }
        }
        while memory.entries.len() > blocks_max {
            let Some(hash) = memory.forget_oldest() else { break };
            remove_holder(&mut self.holders, hash, replica);
        }
    }

    /// Forgets a replica; its number may be used again.
    pub fn forget(&mut self, replica: u32) {
        for entry in self.memories.remove(&replica).unwrap_or_default().entries {
            remove_holder(&mut self.holders, entry.hash, replica);
        }
    }

    /// Writes for each replica how many tokens of this prompt it has, into a slice indexed by replica; the rest
    /// becomes 0.
    pub fn cached_tokens(&self, prefix: &Prefix, tokens: &mut [u32]) {
        tokens.fill(0);
        let known: Vec<_> = prefix.hashes.iter().map_while(|hash| self.holders.get(hash)).collect();
        let mut found = 0;
        for (depth, holders) in known.iter().enumerate().rev() {
            // Who has a longer prefix has this one too, so a set of the same size is the same set.
            if holders.len() == found {
                continue;
            }
            let cached = (depth as u32 + 1) * (BLOCK_BYTES as u32 / TOKEN_BYTES);
            for replica in holders.iter() {
                if let Some(tokens) = tokens.get_mut(*replica as usize).filter(|tokens| **tokens == 0) {
                    *tokens = cached;
                }
            }
            found = holders.len();
        }
    }
}

fn remove_holder(holders: &mut ByHash<Vec<u32>>, hash: u64, replica: u32) {
    let Some(list) = holders.get_mut(&hash) else { return };
    if let Ok(at) = list.binary_search(&replica) {
        list.remove(at);
    }
    if list.is_empty() {
        holders.remove(&hash);
    }
}

#[cfg(test)]
#[path = "affinity_tests.rs"]
mod tests;
