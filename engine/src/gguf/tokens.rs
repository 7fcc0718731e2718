//! Tokenizer, chat template and ending tokens out of the metadata.
//!
//! The tokenizer comes as what `tokenizer.json` would say, so that there is one way to build it. Two kinds are known:
//! byte-level BPE with merges (`gpt2`), whose way of splitting text is only named (`splitting.rs`), and SentencePiece
//! with scores (`llama`), whose merges follow from the scores (`pieces.rs`).

use serde_json::{Value as Json, json};

use super::header::wrong_value;
use super::{Array, GgufError, Header, pieces, splitting};

const MODEL: &str = "tokenizer.ggml.model";
const TOKENS: &str = "tokenizer.ggml.tokens";
const KINDS: &str = "tokenizer.ggml.token_type";
const SCORES: &str = "tokenizer.ggml.scores";
const MERGES: &str = "tokenizer.ggml.merges";
const TEMPLATE: &str = "tokenizer.chat_template";
/// Kinds of tokens.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// Control tokens that end an answer, whatever the file names: many files name only one of several.
const STOPS: [&str; 6] =
    ["<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<end_of_turn>", "<|return|>", "<|call|>"];
/// Ends an answer too, but in models that have channels it ends only a part of one.
const END: &str = "<|end|>";
const CHANNEL: &str = "<|channel|>";

/// What `tokenizer.json` would say.
pub fn tokenizer(header: &Header) -> Result<Json, GgufError> {
    let vocabulary = Vocabulary::read(header)?;
    match header.text(MODEL)? {
        Some("gpt2") => byte_level(header, &vocabulary),
        Some("llama") => sentence_pieces(header, &vocabulary),
        found => Err(GgufError::Value {
            key: MODEL.to_owned(),
            found: found.map_or("missing".to_owned(), |found| format!("`{found}`")),
            expected: "gpt2 or llama".to_owned(),
        }),
    }
}

/// The chat template, and the special tokens in the form of `tokenizer_config.json`.
pub fn template(header: &Header) -> Result<(Option<String>, Json), GgufError> {
    let Texts(tokens) = texts(header, TOKENS)?;
    let token = |key: &str| -> Result<Json, GgufError> {
        let id = header.count(&format!("tokenizer.ggml.{key}_token_id"))?;
        Ok(json!(id.and_then(|id| tokens.get(id as usize))))
    };
    let special = json!({
        "bos_token": token("bos")?,
        "eos_token": token("eos")?,
        "unk_token": token("unknown")?,
        "pad_token": token("padding")?,
    });
    Ok((header.text(TEMPLATE)?.map(str::to_owned), special))
}

/// The tokens that end an answer, below the model's vocabulary.
pub fn stop_ids(header: &Header, vocabulary: usize) -> Result<Vec<u32>, GgufError> {
    let mut ids = Vec::new();
    for key in ["eos", "eot", "eom"] {
        let key = format!("tokenizer.ggml.{key}_token_id");
        let Some(id) = header.count(&key)? else { continue };
        if id >= vocabulary as u64 {
            let expected = format!("0 to {}", vocabulary - 1);
            return Err(GgufError::Value { key, found: id.to_string(), expected });
        }
        ids.push(id as u32);
    }
    if let Some(super::Value::Array(Array::Text(tokens))) = header.value(TOKENS) {
        let has_channels = tokens.iter().any(|token| token == CHANNEL);
        let stops = |token: &str| STOPS.contains(&token) || (token == END && !has_channels);
        let named =
            tokens.iter().take(vocabulary).zip(0..).filter(|(token, _)| stops(token)).map(|(_, id)| id);
        ids.extend(named);
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The tokens by id, and their kinds.
struct Vocabulary<'a> {
    tokens: &'a [String],
    kinds: &'a [i64],
}

struct Texts<'a>(&'a [String]);

fn texts<'a>(header: &'a Header, key: &str) -> Result<Texts<'a>, GgufError> {
    match header.value(key) {
        Some(super::Value::Array(Array::Text(texts))) => Ok(Texts(texts)),
        Some(other) => Err(wrong_value(key, other, "a list of texts")),
        None => Ok(Texts(&[])),
    }
}

impl<'a> Vocabulary<'a> {
    fn read(header: &'a Header) -> Result<Vocabulary<'a>, GgufError> {
        let Texts(tokens) = texts(header, TOKENS)?;
        if tokens.is_empty() {
            return Err(GgufError::Value {
                key: TOKENS.to_owned(),
                found: "missing or empty".to_owned(),
                expected: "a list of texts".to_owned(),
            });
        }
        let kinds: &[i64] = match header.value(KINDS) {
            None => &[],
            Some(super::Value::Array(Array::Whole(kinds))) if kinds.len() == tokens.len() => kinds,
            Some(other) => {
                return Err(wrong_value(KINDS, other, &format!("a list of {} numbers", tokens.len())));
            }
        };
        Ok(Vocabulary { tokens, kinds })
    }

    fn kind(&self, id: usize) -> i64 {
        self.kinds.get(id).copied().unwrap_or(1)
    }

    /// The ids by token.
    fn ids(&self) -> Json {
        self.tokens.iter().zip(0u32..).map(|(token, id)| (token.clone(), json!(id))).collect()
    }

    /// Tokens that are found in a text before anything else.
    fn added(&self) -> Json {
        let added = self.tokens.iter().enumerate().filter_map(|(id, token)| {
            let kind = self.kind(id);
            let is_special = matches!(kind, CONTROL | UNKNOWN);
            (is_special || kind == USER_DEFINED).then(|| {
                json!({
                    "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": is_special,
                })
            })
        });
        added.collect()
    }

    /// What is put before a text that is no conversation.
    fn start(&self, header: &Header, default: bool) -> Result<Option<Json>, GgufError> {
        if !header.flag("tokenizer.ggml.add_bos_token")?.unwrap_or(default) {
            return Ok(None);
        }
        let Some(id) = header.count("tokenizer.ggml.bos_token_id")? else { return Ok(None) };
        let Some(token) = self.tokens.get(id as usize) else { return Ok(None) };
        let (first, text) = (
            json!({"SpecialToken": {"id": token, "type_id": 0}}),
            |id: &str, kind: u8| json!({"Sequence": {"id": id, "type_id": kind}}),
        );
        let mut special = serde_json::Map::new();
        special.insert(token.clone(), json!({"id": token, "ids": [id], "tokens": [token]}));
        Ok(Some(json!({
            "type": "TemplateProcessing",
            "single": [first, text("A", 0)],
            "pair": [first, text("A", 0), text("B", 1)],
            "special_tokens": special,
        })))
    }
}

fn byte_level(header: &Header, vocabulary: &Vocabulary<'_>) -> Result<Json, GgufError> {
    let Texts(merges) = texts(header, MERGES)?;
    let rule = splitting::find(header)?;
    let bytes =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": vocabulary.added(),
        "normalizer": if rule.is_composed { json!({"type": "NFC"}) } else { Json::Null },
        "pre_tokenizer": rule.json(),
        "post_processor": vocabulary.start(header, rule.starts_with_bos)?.unwrap_or_else(|| bytes.clone()),
        "decoder": bytes,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": rule.ignores_merges, "vocab": vocabulary.ids(), "merges": merges,
        },
    }))
}

fn sentence_pieces(header: &Header, vocabulary: &Vocabulary<'_>) -> Result<Json, GgufError> {
    let count = vocabulary.tokens.len();
    let scores = match header.value(SCORES) {
        Some(super::Value::Array(Array::Float(scores))) if scores.len() == count => scores.as_slice(),
        Some(other) => return Err(wrong_value(SCORES, other, &format!("a list of {count} numbers"))),
        None => {
            return Err(GgufError::Value {
                key: SCORES.to_owned(),
                found: "missing".to_owned(),
                expected: format!("a list of {count} numbers"),
            });
        }
    };
    let has_prefix = header.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    let mut before = vec![json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})];
    let mut after = vec![
        json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if has_prefix {
        before.insert(0, json!({"type": "Prepend", "prepend": "▁"}));
        after.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    let unknown = header.count("tokenizer.ggml.unknown_token_id")?.unwrap_or(0);
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": vocabulary.added(),
        "normalizer": {"type": "Sequence", "normalizers": before},
        "pre_tokenizer": null,
        "post_processor": vocabulary.start(header, true)?,
        "decoder": {"type": "Sequence", "decoders": after},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": vocabulary.tokens.get(unknown as usize),
            "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": true,
            "byte_fallback": true, "ignore_merges": false, "vocab": vocabulary.ids(),
            "merges": pieces::merges(vocabulary.tokens, scores),
        },
    }))
}
