//! What the detokeniser shows and when, by case and against the `tokenizers` library.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::tokenizer::{Tokenizer, TokenizerError};

const VOCABULARY: usize = 300;

fn special(id: u32, content: &str) -> Value {
    json!({ "id": id, "content": content, "special": true, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false })
}

/// Llama's way: `▁` for spaces, `<0xNN>` for bytes; 256 and 257 are special.
fn sentence_piece() -> Value {
    let mut vocabulary: Map<String, Value> =
        (0..256u32).map(|byte| (format!("<0x{byte:02X}>"), json!(byte))).collect();
    for (id, token) in ["▁", "▁Hello", "▁world", "ä", "▁€", "!", "a▁b"].into_iter().enumerate() {
        vocabulary.insert(token.to_owned(), json!(258 + id));
    }
    json!({
        "version": "1.0",
        "added_tokens": [special(256, "<s>"), special(257, "</s>")],
        "decoder": { "type": "Sequence", "decoders": [
            { "type": "Replace", "pattern": { "String": "▁" }, "content": " " },
            { "type": "ByteFallback" },
            { "type": "Fuse" },
            { "type": "Strip", "content": " ", "start": 1, "stop": 0 },
        ] },
        "model": { "type": "BPE", "vocab": vocabulary, "merges": [], "byte_fallback": true },
    })
}

/// Two of GPT-2's spellings: `Ġ` is a space and `Ã` the byte 0xC3.
fn byte_level() -> Value {
    let tokens = ["a", "Ġb", "Ã", "¤", "â", "Ĥ", "¬", "ð", "Ł", "ĺ", "Ģ", "Ċ", "Ã¤Ã"];
    let vocabulary: Map<String, Value> =
        tokens.into_iter().enumerate().map(|(id, token)| (token.to_owned(), json!(id))).collect();
    json!({
        "version": "1.0",
        "added_tokens": [special(13, "<end>"), { "id": 14, "content": "\n\n", "special": false,
            "single_word": false, "lstrip": false, "rstrip": false, "normalized": false }],
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": { "type": "BPE", "vocab": vocabulary, "merges": [] },
    })
}

fn tokenizer(declared: &Value) -> Tokenizer {
    Tokenizer::from_json(&serde_json::to_vec(declared).unwrap(), VOCABULARY).unwrap()
}

/// Pushes ids one by one; returns the pieces, the flushed rest last.
fn pieces(declared: &Value, stands_alone: bool, ids: &[u32]) -> Vec<String> {
    let mut detokenizer = Detokenizer::new(tokenizer(declared).table(), stands_alone);
    let mut pieces: Vec<String> = ids
        .iter()
        .map(|id| {
            let mut piece = String::new();
            detokenizer.push(*id, &mut piece);
            piece
        })
        .collect();
    let mut rest = String::new();
    detokenizer.flush(&mut rest);
    pieces.push(rest);
    pieces
}

#[test]
fn half_a_character_is_held_back_until_it_is_whole() {
    assert_eq!(pieces(&byte_level(), true, &[0, 2, 3, 1]), ["a", "", "ä", " b", ""]);
    assert_eq!(pieces(&byte_level(), true, &[4, 5, 6]), ["", "", "€", ""]);
    assert_eq!(pieces(&sentence_piece(), true, &[0xf0, 0x9f, 0x98, 0x80]), ["", "", "", "😀", ""]);
}

#[test]
fn bytes_that_cannot_become_a_character_are_replaced_when_that_is_certain() {
    assert_eq!(pieces(&byte_level(), true, &[2, 0]), ["", "\u{fffd}a", ""]);
    assert_eq!(pieces(&byte_level(), true, &[3]), ["\u{fffd}", ""]);
    assert_eq!(pieces(&byte_level(), true, &[12, 3]), ["ä", "ä", ""]);
    assert_eq!(pieces(&byte_level(), true, &[4, 5]), ["", "", "\u{fffd}"]);
}

#[test]
fn special_tokens_have_no_text_and_break_no_character() {
    assert_eq!(pieces(&byte_level(), true, &[2, 13, 3, 14]), ["", "", "ä", "\n\n", ""]);
    assert_eq!(pieces(&sentence_piece(), true, &[256, 259, 260]), ["", "Hello", " world", ""]);
}

#[test]
fn only_a_text_on_its_own_loses_its_first_space() {
    assert_eq!(pieces(&sentence_piece(), true, &[259, 259]), ["Hello", " Hello", ""]);
    assert_eq!(pieces(&sentence_piece(), false, &[259, 259]), [" Hello", " Hello", ""]);
    assert_eq!(pieces(&sentence_piece(), true, &[258, 259]), ["", " Hello", ""]);
    assert_eq!(pieces(&byte_level(), true, &[1]), [" b", ""]);
}

#[test]
fn an_id_without_a_token_has_no_text() {
    assert_eq!(pieces(&byte_level(), true, &[0, 299, 0]), ["a", "", "a", ""]);
}

#[test]
fn a_tokenizer_of_another_model_is_refused_with_both_numbers() {
    let json = serde_json::to_vec(&byte_level()).unwrap();
    assert!(Tokenizer::from_json(&json, 15).is_ok());
    let error = Tokenizer::from_json(&json, 14).map(drop).unwrap_err();
    assert!(matches!(error, TokenizerError::Vocabulary { id: 14, vocabulary: 14, .. }), "{error}");
}

proptest! {
    #[test]
    fn the_text_is_what_the_tokenizers_library_decodes(
        ids in prop::collection::vec(prop_oneof![256u32..265, 0xc0u32..0xf5, 0x80u32..0xc0, 32u32..127], 0..24),
        is_byte_level in any::<bool>(),
    ) {
        let declared = if is_byte_level { byte_level() } else { sentence_piece() };
        let ids: Vec<u32> = ids.into_iter().map(|id| if is_byte_level { id % 15 } else { id }).collect();
        let json = serde_json::to_vec(&declared).unwrap();
        let decoded = tokenizers::Tokenizer::from_bytes(&json).unwrap().decode(&ids, true).unwrap();
        // The library replaces each byte of a run in which any byte is wrong, so only that it replaces is compared.
        let ours = pieces(&declared, true, &ids).concat();
        if decoded.contains(char::REPLACEMENT_CHARACTER) {
            prop_assert!(ours.contains(char::REPLACEMENT_CHARACTER));
        } else {
            prop_assert_eq!(ours, decoded);
        }
    }
}
