//! What only shows between keys: each alone is allowed, together they make no sense.

use std::collections::BTreeMap;

use crate::{Config, ConfigError, Source};

/// One rule: the key to blame, its value, what it should have been, and the keys that may have caused it.
struct Rule {
    broken: bool,
    key: &'static str,
    value: String,
    allowed: String,
    other: &'static str,
}

/// The first rule that is broken.
pub(crate) fn check(config: &Config, sources: &BTreeMap<String, Source>) -> Result<(), ConfigError> {
    match rules(config).into_iter().find(|rule| rule.broken) {
        None => Ok(()),
        Some(rule) => {
            let source = sources.get(rule.key).or_else(|| sources.get(rule.other));
            Err(ConfigError::Value {
                key: rule.key.to_owned(),
                value: rule.value,
                allowed: rule.allowed,
                source_of: source.cloned().unwrap_or(Source::Default),
            })
        }
    }
}

fn rules(config: &Config) -> Vec<Rule> {
    let Config { gateway, turn, restart, .. } = config;
    vec![
        at_most(
            gateway.fallback_port_first.into(),
            gateway.fallback_port_last.into(),
            "gateway.fallback_port_first",
            "gateway.fallback_port_last",
        ),
        at_most(turn.backoff_base_ms, turn.backoff_ms_max, "turn.backoff_base_ms", "turn.backoff_ms_max"),
        at_most(restart.base_ms, restart.max_ms, "restart.base_ms", "restart.max_ms"),
        Rule {
            broken: !gateway.bind.to_canonical().is_loopback() && !gateway.insecure,
            key: "gateway.bind",
            value: gateway.bind.to_string(),
            allowed: "a loopback address, or gateway.insecure = true to serve others without TLS".to_owned(),
            other: "gateway.insecure",
        },
    ]
}

fn at_most(low: u64, high: u64, low_key: &'static str, high_key: &'static str) -> Rule {
    Rule {
        broken: low > high,
        key: low_key,
        value: low.to_string(),
        allowed: format!("at most {high_key} = {high}"),
        other: high_key,
    }
}
