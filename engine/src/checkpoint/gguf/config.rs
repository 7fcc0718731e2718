//! Metadata to `config.json`: what each architecture's keys are called there.

use serde_json::{Map, Value as Json, json};

use crate::checkpoint::json::Object;
use crate::gguf::{GgufError, Header};

/// The architectures of the format that can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Architecture {
    Llama,
    Qwen2,
    Qwen3,
    Qwen3Moe,
    Gemma2,
    Gemma3,
    Phi3,
    GptOss,
}

/// By the names that files use, with the family's `model_type`.
const ARCHITECTURES: [(&str, Architecture, &str); 8] = [
    ("llama", Architecture::Llama, "llama"),
    ("qwen2", Architecture::Qwen2, "qwen2"),
    ("qwen3", Architecture::Qwen3, "qwen3"),
    ("qwen3moe", Architecture::Qwen3Moe, "qwen3_moe"),
    ("gemma2", Architecture::Gemma2, "gemma2"),
    ("gemma3", Architecture::Gemma3, "gemma3_text"),
    ("phi3", Architecture::Phi3, "phi3"),
    ("gpt-oss", Architecture::GptOss, "gpt_oss"),
];

const ARCHITECTURE_KEY: &str = "general.architecture";
/// Blocks of the models of Gemma 2 (27B) and Gemma 3 (27B) whose scores are scaled by the width per head instead of
/// the head's own; the format has no key for it.
const GEMMA2_LARGE_BLOCKS: u64 = 46;
const GEMMA3_LARGE_BLOCKS: u64 = 62;

impl Architecture {
    /// What the file says that it is.
    pub(super) fn of(header: &Header) -> Result<Architecture, GgufError> {
        let found = header.text(ARCHITECTURE_KEY)?.unwrap_or("missing");
        let known = ARCHITECTURES.iter().find(|(name, ..)| *name == found);
        known.map(|(_, architecture, _)| *architecture).ok_or_else(|| GgufError::Value {
            key: ARCHITECTURE_KEY.to_owned(),
            found: format!("`{found}`"),
            expected: ARCHITECTURES.map(|(name, ..)| name).join(", "),
        })
    }

    /// Its name in files, with which its keys begin.
    pub(super) fn name(self) -> &'static str {
        self.names().0
    }

    fn names(self) -> (&'static str, &'static str) {
        let entry = ARCHITECTURES.iter().find(|(_, architecture, _)| *architecture == self);
        entry.map(|(name, _, model_type)| (*name, *model_type)).expect("invariant: all are in the table")
    }

    /// What `config.json` would say.
    pub(super) fn config(self, header: &Header) -> Result<Object, GgufError> {
        let (prefix, model_type) = self.names();
        let keys = Keys { header, prefix };
        keys.refuse_parts()?;
        let mut map = Map::new();
        map.insert("model_type".to_owned(), json!(model_type));
        for (to, from) in [
            ("hidden_size", "embedding_length"),
            ("num_hidden_layers", "block_count"),
            ("num_attention_heads", "attention.head_count"),
            ("num_key_value_heads", "attention.head_count_kv"),
            ("head_dim", "attention.key_length"),
            ("intermediate_size", "feed_forward_length"),
            ("max_position_embeddings", "context_length"),
        ] {
            keys.count(&mut map, to, from)?;
        }
        keys.number(&mut map, "rms_norm_eps", "attention.layer_norm_rms_epsilon")?;
        keys.number(&mut map, "rope_theta", "rope.freq_base")?;
        let vocabulary = header.tensor("token_embd.weight").map(|entry| entry.shape[0]);
        map.insert("vocab_size".to_owned(), json!(vocabulary));
        let is_tied = header.tensor("output.weight").is_none();
        map.insert("tie_word_embeddings".to_owned(), json!(is_tied));
        keys.scaling(&mut map)?;
        self.own(&keys, &mut map)?;
        Ok(Object::of_metadata(map))
    }

    /// What only some architectures have.
    fn own(self, keys: &Keys<'_>, map: &mut Map<String, Json>) -> Result<(), GgufError> {
        match self {
            Architecture::Llama => keys.refuse_experts(),
            Architecture::Qwen2 | Architecture::Qwen3 => Ok(()),
            Architecture::Qwen3Moe => {
                map.insert("norm_topk_prob".to_owned(), json!(true));
                keys.count(map, "num_experts", "expert_count")?;
                keys.count(map, "num_experts_per_tok", "expert_used_count")?;
                keys.count(map, "moe_intermediate_size", "expert_feed_forward_length")
            }
            Architecture::GptOss => {
                keys.count(map, "num_local_experts", "expert_count")?;
                keys.count(map, "num_experts_per_tok", "expert_used_count")?;
                keys.count(map, "intermediate_size", "expert_feed_forward_length")?;
                keys.count(map, "sliding_window", "attention.sliding_window")
            }
            Architecture::Gemma2 | Architecture::Gemma3 => {
                keys.count(map, "sliding_window", "attention.sliding_window")?;
                keys.number(map, "attn_logit_softcapping", "attn_logit_softcapping")?;
                keys.number(map, "final_logit_softcapping", "final_logit_softcapping")?;
                let large =
                    if self == Architecture::Gemma2 { GEMMA2_LARGE_BLOCKS } else { GEMMA3_LARGE_BLOCKS };
                let number = |key: &str| map.get(key).and_then(Json::as_u64);
                let scalar =
                    match (number("num_hidden_layers"), number("hidden_size"), number("num_attention_heads"))
                    {
                        (Some(blocks), Some(hidden), Some(heads @ 1..)) if blocks == large => {
                            Some(hidden / heads)
                        }
                        _ => number("head_dim"),
                    };
                map.insert("query_pre_attn_scalar".to_owned(), json!(scalar));
                Ok(())
            }
            Architecture::Phi3 => {
                keys.count(map, "sliding_window", "attention.sliding_window")?;
                let width = map.get("head_dim").and_then(Json::as_u64).or_else(|| {
                    let number = |key: &str| map.get(key).and_then(Json::as_u64);
                    number("hidden_size")?.checked_div(number("num_attention_heads")?)
                });
                if let (Some(width @ 1..), Some(turned)) = (width, keys.get("rope.dimension_count")?) {
                    map.insert("partial_rotary_factor".to_owned(), json!(turned as f64 / width as f64));
                }
                Ok(())
            }
        }
    }
}

/// The metadata of one architecture, whose keys begin with its name.
struct Keys<'a> {
    header: &'a Header,
    prefix: &'static str,
}

impl Keys<'_> {
    fn get(&self, from: &str) -> Result<Option<u64>, GgufError> {
        self.header.count(&format!("{}.{from}", self.prefix))
    }

    fn count(&self, map: &mut Map<String, Json>, to: &str, from: &str) -> Result<(), GgufError> {
        if let Some(count) = self.get(from)? {
            map.insert(to.to_owned(), json!(count));
        }
        Ok(())
    }

    fn number(&self, map: &mut Map<String, Json>, to: &str, from: &str) -> Result<(), GgufError> {
        if let Some(number) = self.header.number(&format!("{}.{from}", self.prefix))? {
            map.insert(to.to_owned(), json!(number));
        }
        Ok(())
    }

    /// How positions are stretched; lists of factors are tensors, and are read with these.
    fn scaling(&self, map: &mut Map<String, Json>) -> Result<(), GgufError> {
        let key = format!("{}.rope.scaling.type", self.prefix);
        let kind = match self.header.text(&key)? {
            None | Some("none" | "longrope") => return Ok(()),
            Some(kind @ ("linear" | "yarn")) => kind,
            Some(other) => {
                return Err(GgufError::Value {
                    key,
                    found: format!("`{other}`"),
                    expected: "none, linear, yarn or longrope".to_owned(),
                });
            }
        };
        let mut scaling = Map::new();
        scaling.insert("rope_type".to_owned(), json!(kind));
        self.number(&mut scaling, "factor", "rope.scaling.factor")?;
        self.count(&mut scaling, "original_max_position_embeddings", "rope.scaling.original_context_length")?;
        if self.prefix == "gpt-oss" {
            scaling.insert("truncate".to_owned(), json!(false));
        }
        map.insert("rope_scaling".to_owned(), Json::Object(scaling));
        Ok(())
    }

    /// A model in several files, of which this is one.
    fn refuse_parts(&self) -> Result<(), GgufError> {
        const KEY: &str = "split.count";
        match self.header.count(KEY)? {
            None | Some(0 | 1) => Ok(()),
            Some(count) => Err(GgufError::Value {
                key: KEY.to_owned(),
                found: count.to_string(),
                expected: "1: merge the files of the model into one".to_owned(),
            }),
        }
    }

    /// Experts where the architecture has none that we know.
    fn refuse_experts(&self) -> Result<(), GgufError> {
        match self.get("expert_count")? {
            None | Some(0) => Ok(()),
            Some(count) => Err(GgufError::Value {
                key: format!("{}.expert_count", self.prefix),
                found: count.to_string(),
                expected: "0 in this architecture".to_owned(),
            }),
        }
    }
}
