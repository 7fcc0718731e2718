//! What holds of a model's description, tokenizer and template, wherever they came from. Called by the targets of model
//! files.

use pomona_engine::checkpoint::{DecoderConfig, bytes};
use pomona_engine::template::{ChatTemplate, Conversation};
use pomona_engine::tokenizer::{Tokenizer, TokenizerError};
use pomona_protocol::{AnswerForm, Message, Role, Tool};

use crate::{panics, sentence};

/// Rows of the embedding that every tokenizer is for.
const VOCABULARY: usize = 1 << 16;
const TEXT: &str = "A plum, 2 pears\n\t<s> h\u{e9}llo \u{1f351}\u{200d} \u{2581}ab</s>";
/// Tensors that are looked at; all blocks of one model have the same.
const NEEDS_MAX: usize = 256;
/// Tokens for which frequencies are made.
const TOKENS_MAX: usize = 4096;

/// A description that passed.
///
/// # Panics
/// When something in it holds nothing, or a position turns by no number.
pub fn decoder(config: &DecoderConfig) {
    for need in bytes::needs(config, NEEDS_MAX) {
        assert!(need.elements() > 0, "{need:?} holds nothing");
    }
    assert!(pomona_engine::cpu::kv_bytes_per_block(config) > 0, "a context that takes no memory");
    for layer in &config.layers {
        assert!(layer.rotary < config.rotary.len(), "a layer without positions");
    }
    for rotary in &config.rotary {
        let frequencies = rotary.frequencies(TOKENS_MAX.min(config.context_tokens));
        assert!(frequencies.iter().all(|frequency| frequency.is_finite()), "{rotary:?}: {frequencies:?}");
    }
}

/// A `tokenizer.json`, and a text through it; `about` is what it came from.
///
/// # Panics
/// When a text becomes an id beyond the vocabulary, or an error goes on and on.
pub fn tokenizer(json: &[u8], about: &[u8]) {
    panics::are_fatal_if_not_caught();
    let refused = |error: TokenizerError| sentence(&error, about);
    let Ok(tokenizer) = Tokenizer::from_json(json, VOCABULARY).map_err(refused) else { return };
    for encoded in [tokenizer.encode_text(TEXT), tokenizer.encode_rendered(TEXT)] {
        let Ok(ids) = encoded.map_err(refused) else { continue };
        for id in ids {
            assert!((id as usize) < VOCABULARY, "an id beyond the vocabulary");
            tokenizer.table().bytes(id);
        }
    }
}

/// A chat template, and conversations through it.
///
/// # Panics
/// When an error goes on and on.
pub fn template(source: Option<String>, special_tokens: &serde_json::Value, about: &[u8]) {
    let template = ChatTemplate::from_parts(source, special_tokens);
    let said = [
        (Role::System, "Be brief."),
        (Role::User, "a\nb"),
        (Role::Assistant, "<think>x</think> y"),
        (Role::User, "c"),
    ];
    let messages = said.map(|(role, text)| Message::text(role, text));
    let tool = Tool {
        name: "look_up".to_owned(),
        description: Some("Looks it up.".to_owned()),
        parameters: Some(r#"{"type":"object","properties":{"what":{"type":"string"}}}"#.to_owned()),
        strict: false,
    };
    let form = AnswerForm { tools: vec![tool], thinking: Some(false), ..AnswerForm::default() };
    for form in [None, Some(&form)] {
        let conversation = Conversation { form, asked_ms: 1, ..Conversation::new(&messages) };
        if let Err(cause) = template.render(&conversation) {
            sentence(&cause, about);
        }
    }
}
