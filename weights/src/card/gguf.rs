//! What a GGUF file says of itself: its metadata say what `config.json` says of other models, under keys that begin with
//! the architecture; the quantisation stands in its name, as everybody writes it, else in a number of the metadata.

use std::path::{Path, PathBuf};

use pomona_protocol::ModelCard;
use serde_json::{Map, Value};

use super::gguf_header::{self, Head};
use super::tensors::Count;
use super::{config, template};

/// Architectures whose name is another in `config.json`.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("qwen3moe", "qwen3_moe"),
    ("qwen2moe", "qwen2_moe"),
    ("gemma3", "gemma3_text"),
    ("gpt-oss", "gpt_oss"),
];
/// Keys of `config.json` and what they are called behind the architecture's name.
const KEYS: &[(&str, &str)] = &[
    ("max_position_embeddings", "context_length"),
    ("num_hidden_layers", "block_count"),
    ("hidden_size", "embedding_length"),
    ("num_attention_heads", "attention.head_count"),
    ("num_key_value_heads", "attention.head_count_kv"),
    ("head_dim", "attention.key_length"),
    ("vocab_size", "vocab_size"),
    ("num_experts", "expert_count"),
    ("num_experts_per_tok", "expert_used_count"),
];
/// Names of the numbers under `general.file_type`.
const FILE_TYPES: &[(u64, &str)] = &[
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (7, "Q8_0"),
    (8, "Q5_0"),
    (9, "Q5_1"),
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (32, "BF16"),
    (38, "MXFP4"),
];

/// Names of quantisations, the longer of two that begin alike first.
const QUANTISATIONS: &[&str] = &[
    "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS", "IQ3_S", "IQ3_M", "IQ4_NL",
    "IQ4_XS", "Q2_K_S", "Q2_K_L", "Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q3_K", "Q4_K_S", "Q4_K_M", "Q4_K_L",
    "Q4_K", "Q4_0", "Q4_1", "Q5_K_S", "Q5_K_M", "Q5_K_L", "Q5_K", "Q5_0", "Q5_1", "Q6_K_L", "Q6_K", "Q8_0",
    "MXFP4", "BF16", "F16", "F32",
];

/// Adds to a card what the files of one model say; what none of them says stays as it is.
pub(super) fn describe(card: &mut ModelCard, files: &[PathBuf]) {
    let heads: Vec<Head> = files.iter().filter_map(|file| gguf_header::read(file)).collect();
    // In a model of several files the first one has the metadata.
    if let Some(head) = heads.iter().find(|head| head.values.contains_key("general.architecture")) {
        let said = as_config(head);
        let found = config::read(&said);
        if card.architecture.is_empty() {
            card.architecture = found.architecture;
            card.context_tokens = found.context_tokens;
            card.vocabulary = found.vocabulary;
            card.kv_bytes_per_token = found.kv_bytes_per_token;
            card.embeddings |= found.embeddings;
        }
        if let Some(text) = head.values.get("tokenizer.chat_template").and_then(Value::as_str) {
            card.tools = template::knows_tools(text);
            card.thinking = template::knows_thinking(text);
        }
        let weights: u64 = heads.iter().fold(0, |sum, head| sum.saturating_add(head.weights));
        let of_experts: u64 = heads.iter().fold(0, |sum, head| sum.saturating_add(head.expert_weights));
        card.parameters = weights;
        card.active_parameters = config::experts(&said)
            .map_or(0, |share| Count { weights, bytes: 0, experts: of_experts }.active(share));
        card.quantisation = file_type(head).unwrap_or_default();
    }
    if let Some(named) = files.iter().find_map(|file| quantisation(file)) {
        card.quantisation = named;
    }
}

/// What `config.json` would say.
fn as_config(head: &Head) -> Value {
    let architecture = head.values.get("general.architecture").and_then(Value::as_str).unwrap_or_default();
    let known = OTHER_NAMES.iter().find(|(from, _)| *from == architecture);
    let mut config = Map::new();
    config.insert("model_type".to_owned(), known.map_or(architecture, |(_, to)| to).into());
    for (to, from) in KEYS {
        let value = match head.values.get(&format!("{architecture}.{from}")) {
            // One number for each layer: the most of any.
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_u64).max().map(Value::from),
            other => other.cloned(),
        };
        if let Some(value) = value {
            config.insert((*to).to_owned(), value);
        }
    }
    // The list of tokens is there in every file, its length as a key is not.
    let tokens = head.values.get("tokenizer.ggml.tokens").filter(|tokens| tokens.is_u64());
    if let Some(tokens) = tokens.filter(|_| !config.contains_key("vocab_size")) {
        config.insert("vocab_size".to_owned(), tokens.clone());
    }
    Value::Object(config)
}

fn file_type(head: &Head) -> Option<String> {
    let number = head.values.get("general.file_type")?.as_u64()?;
    FILE_TYPES.iter().find(|(known, _)| *known == number).map(|(_, name)| (*name).to_owned())
}

/// The quantisation in a file's name.
pub(super) fn quantisation(path: &Path) -> Option<String> {
    let name = path.file_stem()?.to_str()?.to_ascii_uppercase();
    let found = QUANTISATIONS.iter().find(|known| {
        // `F16` is not meant in `BF16`, nor `Q4_K` in `IQ4_K`.
        name.match_indices(**known).any(|(at, _)| {
            let before = name[..at].chars().next_back();
            let after = name[at + known.len()..].chars().next();
            before.is_none_or(|c| !c.is_ascii_alphanumeric())
                && after.is_none_or(|c| !c.is_ascii_alphanumeric())
        })
    })?;
    Some((*found).to_owned())
}
