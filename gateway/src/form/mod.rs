//! What every dialect may ask of an answer: tools, a format, thoughts, and pictures to look at. A dialect reads its own
//! words and calls these checks, so that limits and refusals are the same everywhere; nothing here is sent to a client
//! but refusals. Messages name the field, since some dialects have no place for it.

pub(crate) mod calls;
pub(crate) mod format;
pub(crate) mod picture;
pub(crate) mod thinking;
pub(crate) mod tools;

use serde_json::Value;

use crate::errors::ApiError;

/// Deepest nesting of a schema; people write less than ten, and who reads it does so recursively.
const SCHEMA_DEPTH_MAX: usize = 64;
/// Longest part of a client's word that comes back in a refusal, in characters.
const SHOWN_CHARS_MAX: usize = 40;

/// A client's word, short enough to be shown.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

/// A JSON schema as text: an object, not too deep.
pub(crate) fn schema_text(param: &str, schema: &Value) -> Result<String, ApiError> {
    if !schema.is_object() {
        return Err(ApiError::invalid(param, format!("{param} is no object; a JSON schema is one")));
    }
    if depth_is_over(schema, SCHEMA_DEPTH_MAX) {
        let message = format!("{param} is nested deeper than {SCHEMA_DEPTH_MAX} levels");
        return Err(ApiError::invalid(param, message));
    }
    Ok(schema.to_string())
}

fn depth_is_over(value: &Value, left: usize) -> bool {
    let Some(less) = left.checked_sub(1) else { return true };
    match value {
        Value::Object(fields) => fields.values().any(|value| depth_is_over(value, less)),
        Value::Array(values) => values.iter().any(|value| depth_is_over(value, less)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_an_object_that_is_not_too_deep() {
        let deep = (0..70).fold(json!({}), |inner, _| json!({"items": inner}));
        for (schema, says) in [(json!([]), "no object"), (json!("x"), "no object"), (deep, "64 levels")] {
            assert!(schema_text("p", &schema).unwrap_err().message().contains(says));
        }
        let kept = json!({"z": 1, "a": {"type": "object"}});
        assert_eq!(schema_text("p", &kept).unwrap(), r#"{"z":1,"a":{"type":"object"}}"#);
    }
}
