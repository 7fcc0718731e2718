//! What only shows between keys: each alone is allowed, together they make no sense.

use std::collections::BTreeMap;

use crate::TlsMode;
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
    let Config { gateway, tls, turn, restart, link, fleet, .. } = config;
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
            broken: !gateway.bind.to_canonical().is_loopback()
                && !gateway.insecure
                && tls.mode == TlsMode::Off,
            key: "gateway.bind",
            value: gateway.bind.to_string(),
            allowed: "a loopback address, or gateway.insecure = true to serve others with tls.mode = off"
                .to_owned(),
            other: "tls.mode",
        },
        at_most(link.redial_base_ms, link.redial_ms_max, "link.redial_base_ms", "link.redial_ms_max"),
        at_most_half(link.lan_keep_alive_ms, link.lan_idle_ms, "link.lan_keep_alive_ms", "link.lan_idle_ms"),
        at_most_half(link.wan_keep_alive_ms, link.wan_idle_ms, "link.wan_keep_alive_ms", "link.wan_idle_ms"),
        at_most_half(fleet.beat_ms, fleet.lan_suspect_ms, "fleet.beat_ms", "fleet.lan_suspect_ms"),
        Rule {
            broken: fleet.replicas.iter().any(|text| !is_wish(text)),
            key: "fleet.replicas",
            value: fleet.replicas.join(", "),
            allowed: "entries such as qwen3-8b=2".to_owned(),
            other: "fleet.replicas",
        },
        Rule {
            broken: fleet.idle_unload_of.iter().any(|text| !is_idle_time(text)),
            key: "fleet.idle_unload_of",
            value: fleet.idle_unload_of.join(", "),
            allowed: "entries such as qwen3-8b=600000, of at least 1000 milliseconds, or 0 to keep it"
                .to_owned(),
            other: "fleet.idle_unload_of",
        },
    ]
}

/// Whether a text is `model=count`.
fn is_wish(text: &str) -> bool {
    let parts = text.rsplit_once('=');
    parts.is_some_and(|(model, count)| !model.trim().is_empty() && count.trim().parse::<u32>().is_ok())
}

/// Whether a text is `model=milliseconds`.
fn is_idle_time(text: &str) -> bool {
    let parts = text.rsplit_once('=').filter(|(model, _)| !model.trim().is_empty());
    let idle_ms = parts.and_then(|(_, idle_ms)| idle_ms.trim().parse::<u64>().ok());
    idle_ms.is_some_and(|idle_ms| idle_ms == 0 || idle_ms >= 1_000)
}

/// One missed beat or packet must not be taken for an end.
fn at_most_half(low: u64, high: u64, low_key: &'static str, high_key: &'static str) -> Rule {
    Rule {
        broken: low > high / 2,
        key: low_key,
        value: low.to_string(),
        allowed: format!("at most half of {high_key} = {high}"),
        other: high_key,
    }
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
