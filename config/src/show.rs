//! What holds, for people (TOML with the place of each changed key behind it) and for programs (JSON).

use serde_json::{Map, Value, json};

use crate::{Config, KEYS, Key, Loaded};

/// The effective configuration as a file that loads to the same; keys that are not at their default name their
/// place in a comment.
pub fn show_toml(loaded: &Loaded) -> String {
    let mut text = String::new();
    let mut section = "";
    for key in KEYS {
        if key.section != section {
            section = key.section;
            let gap = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}[{section}]\n"));
        }
        text.push_str(&format!("{} = {}", key.name, toml_value(&loaded.config, key)));
        if let Some(source) = loaded.sources.get(&key.path()) {
            text.push_str(&format!("  # {source}"));
        }
        text.push('\n');
    }
    text
}

/// The same as one object: `config`, and `sources` by key.
pub fn show_json(loaded: &Loaded) -> Value {
    let sources: Map<String, Value> =
        loaded.sources.iter().map(|(key, source)| (key.clone(), source.to_string().into())).collect();
    json!({ "config": loaded.config, "sources": sources })
}

/// The value of a key; one that is unset shows as the empty text, which means the same.
fn toml_value(config: &Config, key: &Key) -> String {
    let table = toml::Table::try_from(config).unwrap_or_default();
    match table.get(key.section).and_then(|section| section.get(key.name)) {
        Some(value) => value.to_string(),
        None => "\"\"".to_owned(),
    }
}
