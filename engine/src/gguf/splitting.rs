//! How texts are split before byte-level BPE, by the name that a file gives.
//!
//! The rules are those that the makers of the models publish in `tokenizer.json`.

use serde_json::{Value as Json, json};

use super::{GgufError, Header};

const KEY: &str = "tokenizer.ggml.pre";

/// Contractions, words, single digits, punctuation, breaks.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// The same with up to three digits together.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Words split where upper case begins anew, contractions at their end.
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// The same without contractions, single digits.
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// The first of its kind.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// One way to split.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// Names that files use.
    names: &'static [&'static str],
    pattern: &'static str,
    /// Whether each digit is a piece of its own before anything else.
    has_single_digits: bool,
    /// Whether texts are brought to composed form first (NFC).
    pub(super) is_composed: bool,
    /// Whether a piece that is a token is taken whole.
    pub(super) ignores_merges: bool,
    /// Whether texts begin with the first token if the file does not say.
    pub(super) starts_with_bos: bool,
}

const PLAIN: Rule = Rule {
    names: &[],
    pattern: GPT2,
    has_single_digits: false,
    is_composed: false,
    ignores_merges: false,
    starts_with_bos: false,
};

const RULES: [Rule; 6] = [
    Rule {
        names: &["llama-bpe", "llama3", "llama-v3"],
        pattern: LLAMA3,
        ignores_merges: true,
        starts_with_bos: true,
        ..PLAIN
    },
    Rule { names: &["qwen2", "deepseek-r1-qwen"], pattern: QWEN2, is_composed: true, ..PLAIN },
    Rule { names: &["gpt-4o", "llama4"], pattern: GPT4O, ..PLAIN },
    Rule { names: &["tekken"], pattern: TEKKEN, ignores_merges: true, starts_with_bos: true, ..PLAIN },
    Rule { names: &["smollm", "starcoder", "refact"], has_single_digits: true, ..PLAIN },
    Rule { names: &["gpt-2", "phi-2", "olmo", "dbrx"], ..PLAIN },
];

/// The rule that a file names.
pub(super) fn find(header: &Header) -> Result<Rule, GgufError> {
    let found = header.text(KEY)?.unwrap_or("gpt-2");
    RULES.iter().find(|rule| rule.names.contains(&found)).copied().ok_or_else(|| GgufError::Value {
        key: KEY.to_owned(),
        found: format!("`{found}`"),
        expected: RULES.map(|rule| rule.names.join(", ")).join(", "),
    })
}

impl Rule {
    /// As `tokenizer.json` has it.
    pub(super) fn json(&self) -> Json {
        let mut steps = Vec::new();
        if self.has_single_digits {
            steps.push(json!({"type": "Digits", "individual_digits": true}));
        }
        let pattern = json!({"Regex": self.pattern});
        steps.push(json!({"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": false}));
        steps.push(
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}),
        );
        json!({"type": "Sequence", "pretokenizers": steps})
    }
}
