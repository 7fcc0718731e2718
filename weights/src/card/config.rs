//! What `config.json` says of a model. Pure. Families that see nest the part of their language model under
//! `text_config`; its keys are looked for there first.

use pomona_protocol::{Modality, ModelCard};
use serde_json::Value;

/// Bytes of one number of KV until the engine says otherwise: the usual backend of macOS keeps halves, that of other
/// systems whole ones.
pub(super) const KV_NUMBER_BYTES: u64 = if cfg!(target_os = "macos") { 2 } else { 4 };
/// Families that make vectors and never answer.
const EMBEDDING_FAMILIES: &[&str] =
    &["bert", "roberta", "xlm-roberta", "distilbert", "mpnet", "nomic_bert", "modernbert", "gte", "new"];

/// The card as far as the configuration knows it.
pub(super) fn read(config: &Value) -> ModelCard {
    let architecture = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let sees = config.get("vision_config").is_some_and(Value::is_object);
    let embeddings = EMBEDDING_FAMILIES.contains(&architecture);
    let context =
        number(config, &["max_position_embeddings", "n_positions", "max_sequence_length", "seq_length"]);
    let dtype = ["dtype", "torch_dtype"].iter().find_map(|key| field(config, key)?.as_str());
    let modalities = if sees { vec![Modality::Text, Modality::Vision] } else { vec![Modality::Text] };
    ModelCard {
        architecture: architecture.chars().take(64).collect(),
        dtype: dtype.map(short_dtype).unwrap_or_default(),
        context_tokens: u32::try_from(context.unwrap_or(0)).unwrap_or(u32::MAX),
        vocabulary: u32::try_from(number(config, &["vocab_size"]).unwrap_or(0)).unwrap_or(u32::MAX),
        kv_bytes_per_token: if embeddings { 0 } else { kv_bytes_per_token(config).unwrap_or(0) },
        quantisation: quantisation(config).unwrap_or_default(),
        modalities,
        embeddings,
        ..ModelCard::default()
    }
}

/// A key of the language model, or of the whole.
fn field<'a>(config: &'a Value, key: &str) -> Option<&'a Value> {
    let nested = config.get("text_config").and_then(|text| text.get(key)).filter(|value| !value.is_null());
    nested.or_else(|| config.get(key).filter(|value| !value.is_null()))
}

/// The first of these keys that is a whole number.
fn number(config: &Value, keys: &[&str]) -> Option<u64> {
    keys.iter().find_map(|key| field(config, key)?.as_u64())
}

fn short_dtype(name: &str) -> String {
    match name.trim_start_matches("torch.") {
        "bfloat16" => "bf16".to_owned(),
        "float16" | "half" => "f16".to_owned(),
        "float32" | "float" => "f32".to_owned(),
        other => other.chars().take(32).collect(),
    }
}

/// Keys and values of all layers. A sliding window makes it less for long texts, which is not counted.
fn kv_bytes_per_token(config: &Value) -> Option<u64> {
    let layers = number(config, &["num_hidden_layers", "n_layer", "n_layers"])?;
    // Latent attention keeps one compressed row for all heads.
    if let Some(rank) = number(config, &["kv_lora_rank"]) {
        let rotary = number(config, &["qk_rope_head_dim"]).unwrap_or(0);
        return layers.checked_mul(rank.checked_add(rotary)?)?.checked_mul(KV_NUMBER_BYTES);
    }
    let heads = number(config, &["num_attention_heads", "n_head", "n_heads"])?;
    let kv_heads = number(config, &["num_key_value_heads"]).unwrap_or(heads);
    let hidden = number(config, &["hidden_size", "n_embd", "d_model"])?;
    let head_dim = number(config, &["head_dim"]).or_else(|| hidden.checked_div(heads))?;
    layers.checked_mul(2 * KV_NUMBER_BYTES)?.checked_mul(kv_heads)?.checked_mul(head_dim)
}

/// Where a configuration says how its weights are packed.
fn packing(config: &Value) -> Option<&Value> {
    ["quantization", "quantization_config"]
        .iter()
        .find_map(|key| config.get(key))
        .filter(|value| value.is_object())
}

/// How weights are packed, in words.
fn quantisation(config: &Value) -> Option<String> {
    let packing = packing(config)?;
    let text = |key: &str| packing.get(key).and_then(Value::as_str);
    let method = text("quant_method").or_else(|| text("mode")).filter(|method| *method != "affine");
    let bits = packing.get("bits").and_then(Value::as_u64);
    let group = packing.get("group_size").and_then(Value::as_u64);
    let words = match (bits, group) {
        (Some(bits), Some(group)) => format!("{bits} bit, groups of {group}"),
        (Some(bits), None) => format!("{bits} bit"),
        _ => String::new(),
    };
    let mut other: Vec<u64> =
        packing.as_object()?.values().filter_map(|layer| layer.get("bits")?.as_u64()).collect();
    other.retain(|other| Some(*other) != bits);
    let mixed = if other.is_empty() { "" } else { "mixed, mostly " };
    match (method, words.is_empty()) {
        (Some(method), true) => Some(method.chars().take(32).collect()),
        (Some(method), false) => {
            Some(format!("{}, {mixed}{words}", method.chars().take(32).collect::<String>()))
        }
        (None, false) => Some(format!("{mixed}{words}")),
        (None, true) => None,
    }
}

/// Bits of one weight of the layer with this tensor, when weights are packed; 0 when they are not.
pub(super) fn bits_of(config: &Value, tensor: &str) -> u64 {
    let Some(packing) = packing(config) else { return 0 };
    let layer = tensor.rsplit_once('.').and_then(|(layer, _)| packing.get(layer)?.get("bits")?.as_u64());
    layer.or_else(|| packing.get("bits")?.as_u64()).unwrap_or(0)
}

/// How many of the experts answer for one token, and how many there are; `None` when the model has none.
pub(super) fn experts(config: &Value) -> Option<(u64, u64)> {
    let all = number(config, &["num_experts", "num_local_experts", "n_routed_experts"])?;
    let used = number(config, &["num_experts_per_tok", "experts_per_token", "num_experts_per_token"])?;
    (all > 0 && used <= all).then_some((used, all))
}
