//! The bodies of `/v3` for the OpenAPI description, and, for tests, the schema of every event that is sent.

use std::collections::BTreeMap;

use utoipa::openapi::{RefOr, Schema};

/// What the bodies of requests look like, by the name under which handlers refer to them.
pub(crate) fn bodies() -> BTreeMap<String, RefOr<Schema>> {
    serde_json::from_str(include_str!("schemas.json")).unwrap_or_default()
}

/// Panics unless `event` is as docs/schema/event.v3.json says.
#[cfg(test)]
pub(crate) fn assert_valid_event(event: &serde_json::Value) {
    use std::sync::LazyLock;
    static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        jsonschema::draft202012::new(&tests::schema()).expect("docs/schema/event.v3.json is a schema")
    });
    let faults: Vec<String> = VALIDATOR.iter_errors(event).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{event} is no event: {faults:?}");
}

#[cfg(test)]
mod tests;
