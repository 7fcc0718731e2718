//! What a chat template says of its model. A template that reads `tools` was written for a model that was taught to
//! call them; one that writes or strips the marks of thinking belongs to a model that thinks. So the rule is:
//!
//! - tools: the word `tools` stands in an expression or a statement of the template, between `{{` and `}}` or `{%`
//!   and `%}`. In plain text it says nothing.
//! - thinking: the template has one of the marks below, anywhere.
//!
//! Nothing is rendered for it: a template may do anything that its language allows.

use std::path::Path;

use serde_json::Value;

use super::{read_json, read_small};

/// What only templates of models that think have: their marks, the field that carries thinking back, the switch.
const THINKING: &[&str] = &[
    "<think>",
    "</think>",
    "enable_thinking",
    "reasoning_content",
    "<|channel|>",
    "<|start_thinking|>",
    "[THINK]",
    "<|begin_of_thought|>",
];

/// All templates of a folder in one text; `None` when it has none.
pub(super) fn find(folder: &Path) -> Option<String> {
    let file = read_small(&folder.join("chat_template.jinja"));
    if let Some(text) = file.and_then(|bytes| String::from_utf8(bytes).ok()) {
        return Some(text);
    }
    let own = read_json(&folder.join("chat_template.json"));
    let tokenizer = || read_json(&folder.join("tokenizer_config.json"));
    let value = own.or_else(tokenizer)?.get("chat_template")?.clone();
    match value {
        Value::String(text) => Some(text),
        // Several under names, `default` and `tool_use` for instance.
        Value::Array(named) => {
            let texts: Vec<&str> = named.iter().filter_map(|one| one.get("template")?.as_str()).collect();
            (!texts.is_empty()).then(|| texts.join("\n"))
        }
        _ => None,
    }
}

pub(super) fn knows_tools(template: &str) -> bool {
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        rest = &rest[at + 1..];
        let close = match rest.chars().next() {
            Some('{') => "}}",
            Some('%') => "%}",
            _ => continue,
        };
        let end = rest.find(close).unwrap_or(rest.len());
        if has_word(&rest[..end], "tools") {
            return true;
        }
        rest = &rest[end..];
    }
    false
}

pub(super) fn knows_thinking(template: &str) -> bool {
    let lower = template.to_lowercase();
    THINKING.iter().any(|mark| lower.contains(&mark.to_lowercase()))
}

/// Whether a word stands there and not only as a part of another one.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.split(|c: char| !is_part(c)).any(|found| found == word)
}
