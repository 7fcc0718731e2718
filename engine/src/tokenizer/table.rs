//! What each token id stands for, as bytes.
//!
//! Vocabularies write bytes in one of two ways: ByteLevel maps every byte to a printable character (Radford et
//! al. 2019), SentencePiece writes a space as `▁` and single bytes as `<0xNN>`. Which one it is follows from
//! the decoder that `tokenizer.json` declares.

use std::collections::HashMap;

use serde_json::Value;

/// How a vocabulary writes bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    ByteLevel,
    SentencePiece,
    Plain,
}

/// Bytes and kind of every token, by id.
#[derive(Debug)]
pub struct TokenTable {
    bytes: Vec<u8>,
    /// `ends[id]` is where the bytes of `id` end; they begin where those of `id - 1` end.
    ends: Vec<u32>,
    special: Vec<bool>,
    strips_first_space: bool,
}

impl TokenTable {
    /// Lists the tokens of `tokenizer`, whose file reads as `declared`.
    pub(super) fn build(tokenizer: &tokenizers::Tokenizer, declared: &Value) -> Self {
        let spelling = spelling(declared);
        let added = tokenizer.get_added_tokens_decoder();
        let vocabulary = tokenizer.get_vocab(true);
        let size = vocabulary.values().max().map_or(0, |id| *id as usize + 1);
        let mut by_id: Vec<Option<&str>> = vec![None; size];
        for (token, id) in &vocabulary {
            by_id[*id as usize] = Some(token);
        }
        let characters = byte_level_characters();
        let mut table = Self {
            bytes: Vec::new(),
            ends: Vec::with_capacity(size),
            special: Vec::with_capacity(size),
            strips_first_space: spelling == Spelling::SentencePiece && strips_first_space(declared),
        };
        for (id, token) in by_id.into_iter().enumerate() {
            let is_added = added.get(&(id as u32));
            match (token, is_added) {
                (None, _) => {}
                (Some(_), Some(added)) => table.bytes.extend_from_slice(added.content.as_bytes()),
                (Some(token), None) => append_bytes(spelling, &characters, token, &mut table.bytes),
            }
            table.ends.push(table.bytes.len() as u32);
            table.special.push(is_added.is_some_and(|added| added.special));
        }
        table
    }

    /// The bytes of a token; none for an id that the vocabulary leaves out.
    pub fn bytes(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let Some(end) = self.ends.get(id) else { return &[] };
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.bytes[start as usize..*end as usize]
    }

    /// Whether a token controls the model and is no part of its text.
    pub fn is_special(&self, id: u32) -> bool {
        self.special.get(id as usize).copied().unwrap_or(false)
    }

    /// What a special token is called; nothing for any other.
    pub fn special_name(&self, id: u32) -> Option<&str> {
        if self.is_special(id) { std::str::from_utf8(self.bytes(id)).ok() } else { None }
    }

    /// Whether a text on its own loses the space that its first token begins with.
    pub fn strips_first_space(&self) -> bool {
        self.strips_first_space
    }

    /// One more than the highest id.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no token at all.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

fn append_bytes(spelling: Spelling, characters: &HashMap<char, u8>, token: &str, bytes: &mut Vec<u8>) {
    match spelling {
        Spelling::Plain => bytes.extend_from_slice(token.as_bytes()),
        Spelling::ByteLevel => {
            let start = bytes.len();
            for character in token.chars() {
                let Some(byte) = characters.get(&character) else {
                    bytes.truncate(start);
                    bytes.extend_from_slice(token.as_bytes());
                    return;
                };
                bytes.push(*byte);
            }
        }
        Spelling::SentencePiece => match byte_fallback(token) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(token.replace('▁', " ").as_bytes()),
        },
    }
}

/// The byte of a token like `<0x0A>`.
fn byte_fallback(token: &str) -> Option<u8> {
    let hex = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if hex.len() == 2 { u8::from_str_radix(hex, 16).ok() } else { None }
}

/// The ByteLevel alphabet: printable bytes of Latin-1 stand for themselves, the others follow from U+0100.
fn byte_level_characters() -> HashMap<char, u8> {
    let mut moved = 0x100u32;
    let mut characters = HashMap::with_capacity(256);
    for byte in 0..=255u8 {
        let code = match byte {
            b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => u32::from(byte),
            _ => {
                moved += 1;
                moved - 1
            }
        };
        characters.insert(char::from_u32(code).expect("invariant: codes stay below U+0200"), byte);
    }
    characters
}

/// The steps of the declared decoder, a `Sequence` unfolded.
fn decoder_steps(declared: &Value) -> Vec<&Value> {
    let decoder = &declared["decoder"];
    match decoder["decoders"].as_array() {
        Some(steps) => steps.iter().collect(),
        None => vec![decoder],
    }
}

fn spelling(declared: &Value) -> Spelling {
    let steps = decoder_steps(declared);
    let has = |kind: &str| steps.iter().any(|step| step["type"] == kind);
    let replaces = steps.iter().any(|step| step["pattern"]["String"] == "▁");
    if has("ByteLevel") {
        Spelling::ByteLevel
    } else if has("ByteFallback") || has("Metaspace") || replaces {
        Spelling::SentencePiece
    } else {
        Spelling::Plain
    }
}

fn strips_first_space(declared: &Value) -> bool {
    decoder_steps(declared).iter().any(|step| match step["type"].as_str() {
        Some("Strip") => step["content"] == " " && step["start"].as_u64() > Some(0),
        Some("Metaspace") => step["prepend_scheme"] != "never" && step["add_prefix_space"] != false,
        _ => false,
    })
}
