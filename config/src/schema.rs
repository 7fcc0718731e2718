//! The JSON schema of the file, for editors: types and docs from `sections`, ranges from `keys`.

use serde_json::{Value, json};

use crate::{Config, KEYS, Key, Kind};

/// The schema, with the range of every number.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Config).to_value();
    for key in KEYS {
        let reference = schema["properties"][key.section]["$ref"].as_str().unwrap_or_default().to_owned();
        let pointer = format!("{}/properties/{}", reference.trim_start_matches('#'), key.name);
        if let Some(property) = schema.pointer_mut(&pointer) {
            add_range(property, key);
        }
    }
    schema
}

fn add_range(property: &mut Value, key: &Key) {
    match key.kind {
        Kind::Integer { min, max, zero } => {
            property["minimum"] = if zero { 0 } else { min }.into();
            property["maximum"] = max.into();
        }
        Kind::Float { min, max } => {
            property["minimum"] = min.into();
            property["maximum"] = max.into();
        }
        Kind::Origins => {
            property["items"] = json!({ "type": "string", "pattern": "^https?://[^/?#@*\\s]+$" })
        }
        Kind::Addresses { max } => {
            property["maxItems"] = max.into();
            property["items"] =
                json!({ "type": "string", "pattern": "^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$" });
        }
        Kind::Address => property["anyOf"] = json!([{ "format": "ipv4" }, { "format": "ipv6" }]),
        _ => {}
    }
}
