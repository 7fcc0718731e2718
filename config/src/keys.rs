//! Every key and what it may be: the one table behind validation, the environment's names, the JSON schema
//! and the test that holds the docs of `sections` to it.

use Kind::*;

/// One key of one section.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    /// `gateway` for instance.
    pub section: &'static str,
    /// `port` for instance.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Yes or no.
    Switch,
    /// A whole number from `min` to `max`; `zero` allows 0 below `min` with a meaning of its own.
    Integer {
        /// Least value.
        min: u64,
        /// Greatest value.
        max: u64,
        /// Whether 0 is allowed besides.
        zero: bool,
    },
    /// A number from `min` to `max`.
    Float {
        /// Least value.
        min: f64,
        /// Greatest value.
        max: f64,
    },
    /// An IP address.
    Address,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A text; empty means unset.
    Optional,
    /// A list of texts.
    List,
    /// A list of host names, without scheme or port.
    Hosts,
    /// A list of web origins: scheme, host and maybe port.
    Origins,
    /// A list of at most `max` origins that a page's policy can name: scheme, a name or IPv4 address, maybe a port.
    Addresses {
        /// How many.
        max: usize,
    },
    /// A level, or directives that give targets their levels.
    LogFilter,
}

impl Key {
    /// Section and name with a dot between: how people and errors call it.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// Its variable of the environment.
    pub fn environment(&self) -> String {
        format!("POMONA_{}_{}", self.section, self.name).to_uppercase()
    }
}

/// The key with this section and name.
pub(crate) fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.section == section && key.name == name)
}

/// The sections, in the order of the table.
pub(crate) fn sections() -> Vec<&'static str> {
    let mut sections: Vec<&str> = KEYS.iter().map(|key| key.section).collect();
    sections.dedup();
    sections
}

const fn key(section: &'static str, name: &'static str, kind: Kind) -> Key {
    Key { section, name, kind }
}

const fn zero_or(min: u64, max: u64) -> Kind {
    Integer { min, max, zero: true }
}

const fn from_to(min: u64, max: u64) -> Kind {
    Integer { min, max, zero: false }
}

/// Every key, in the order of [`crate::Config`].
pub const KEYS: &[Key] = &[
    key("gateway", "bind", Address),
    key("gateway", "port", Integer { min: 1, max: 65_535, zero: true }),
    key("gateway", "fallback_port_first", from_to(0, 65_535)),
    key("gateway", "fallback_port_last", from_to(0, 65_535)),
    key("gateway", "insecure", Switch),
    key("gateway", "allowed_hosts", Hosts),
    key("gateway", "allowed_origins", Origins),
    key("gateway", "addresses", Addresses { max: 8 }),
    key("tls", "mode", Choice(&["auto", "off", "authority", "files", "acme"])),
    key("tls", "certificate", Optional),
    key("tls", "key", Optional),
    key("tls", "names", Hosts),
    key("tls", "acme_directory", Optional),
    key("tls", "acme_contact", Optional),
    key("tls", "acme_root", Optional),
    key("tls", "http3", Switch),
    key("api", "choices_max", from_to(1, 128)),
    key("api", "messages_max", from_to(1, 100_000)),
    key("api", "sse_keep_alive_s", from_to(1, 60)),
    key("api", "websocket_turns_max", from_to(1, 1024)),
    key("api", "websocket_sessions_max", from_to(1, 4096)),
    key("api", "websocket_ping_s", from_to(1, 300)),
    key("limits", "connections_max", from_to(1, 1_000_000)),
    key("limits", "body_bytes_max", from_to(1024, 16_777_216)),
    key("limits", "header_bytes_max", from_to(8192, 1_048_576)),
    key("limits", "header_read_ms", from_to(100, 600_000)),
    key("limits", "body_read_ms", from_to(100, 600_000)),
    key("limits", "stall_ms", from_to(100, 3_600_000)),
    key("limits", "requests_max", from_to(1, 1_000_000)),
    key("routing", "replica_turns_max", from_to(1, 65_536)),
    key("routing", "queue_max", from_to(0, 100_000)),
    key("routing", "queue_ms_max", from_to(1, 3_600_000)),
    key("turn", "attempts_max", from_to(1, 100)),
    key("turn", "total_ms_max", from_to(1000, 86_400_000)),
    key("turn", "backoff_base_ms", from_to(0, 60_000)),
    key("turn", "backoff_ms_max", from_to(0, 60_000)),
    key("turn", "buffer_events", from_to(1, 4096)),
    key("model", "path", Optional),
    key("model", "name", Optional),
    key("model", "step_timeout_ms", from_to(100, 600_000)),
    key("model", "step_timeout_per_prefill_token_ms", from_to(0, 1000)),
    key("model", "load_timeout_ms", from_to(1000, 86_400_000)),
    key("engine", "isolation", Choice(&["process", "thread"])),
    key("engine", "backend", Choice(&["auto", "mlx", "cpu"])),
    key("engine", "command", List),
    key("engine", "threads", from_to(0, 1024)),
    key("engine", "kv_bytes", from_to(0, 1 << 50)),
    key("engine", "running_max", from_to(1, 4096)),
    key("engine", "waiting_max", from_to(0, 100_000)),
    key("engine", "step_prefill_tokens_max", from_to(16, 65_536)),
    key("engine", "speculation", Choice(&["prompt-lookup", "off"])),
    key("engine", "prefix_disk_bytes", from_to(0, 1 << 50)),
    key("engine", "prefix_disk_folder", Optional),
    key("cluster", "name", Optional),
    key("cluster", "node_name", Optional),
    key("cluster", "hosts", Switch),
    key("cluster", "bind", Address),
    key("cluster", "port", Integer { min: 1, max: 65_535, zero: true }),
    key("cluster", "wan_addresses", List),
    key("cluster", "mdns", Switch),
    key("cluster", "certificate_hours", from_to(24, 720)),
    key("cluster", "members_max", from_to(1, 10_000)),
    key("link", "lan_keep_alive_ms", from_to(50, 60_000)),
    key("link", "lan_idle_ms", from_to(500, 600_000)),
    key("link", "wan_keep_alive_ms", from_to(50, 60_000)),
    key("link", "wan_idle_ms", from_to(500, 600_000)),
    key("link", "wan_congestion", Choice(&["cubic", "bbr"])),
    key("link", "wan_head_start_ms", from_to(0, 10_000)),
    key("link", "redial_base_ms", from_to(10, 60_000)),
    key("link", "redial_ms_max", from_to(10, 600_000)),
    key("link", "greeting_ms", from_to(100, 60_000)),
    key("link", "streams_max", from_to(16, 65_536)),
    key("link", "segmentation_offload", Switch),
    key("fleet", "beat_ms", from_to(50, 500)),
    key("fleet", "lan_suspect_ms", from_to(100, 60_000)),
    key("fleet", "wan_suspect_ms", from_to(100, 60_000)),
    key("fleet", "orphan_grace_ms", from_to(0, 3_600_000)),
    key("fleet", "held_bytes_max", from_to(4096, 1 << 30)),
    key("fleet", "replicas", List),
    key("fleet", "load_on_demand", Switch),
    key("fleet", "pinned", List),
    key("fleet", "idle_unload_ms", zero_or(1_000, 31_536_000_000)),
    key("fleet", "idle_unload_of", List),
    key("fleet", "memory_bytes", from_to(0, 1 << 50)),
    key("weights", "busy_bytes_per_s_max", from_to(65_536, 1 << 40)),
    key("weights", "idle_bytes_per_s_max", from_to(0, 1 << 40)),
    key("weights", "sources_max", from_to(1, 64)),
    key("weights", "transfers_max", from_to(1, 256)),
    key("store", "url", Optional),
    key("store", "commit_ms", from_to(0, 50)),
    key("store", "queue_max", from_to(64, 1_048_576)),
    key("store", "timeout_ms", from_to(100, 600_000)),
    key("store", "keep_days", from_to(0, 36_500)),
    key("store", "keep_events_days", from_to(0, 36_500)),
    key("session", "queue_max", from_to(0, 10_000)),
    key("session", "turns_max", from_to(1, 1_000_000)),
    key("session", "clients_max", from_to(1, 100_000)),
    key("session", "client_buffer_events", from_to(16, 1_048_576)),
    key("session", "resident_max", from_to(1, 10_000_000)),
    key("session", "idle_ms", from_to(0, 86_400_000)),
    key("session", "coalesce_ms", from_to(0, 1000)),
    key("notifications", "webhook_url", Optional),
    key("notifications", "webhook_secret", Optional),
    key("notifications", "webhook_private", Switch),
    key("notifications", "repeat_ms", from_to(0, 86_400_000)),
    key("notifications", "disk_bytes_min", zero_or(1_048_576, 1 << 50)),
    key("notifications", "store_slow_ms", zero_or(10, 600_000)),
    key("notifications", "kept_max", from_to(16, 10_000)),
    key("restart", "enabled", Switch),
    key("restart", "max_attempts", from_to(0, 1000)),
    key("restart", "base_ms", from_to(0, 60_000)),
    key("restart", "multiplier", Float { min: 1.0, max: 10.0 }),
    key("restart", "max_ms", from_to(0, 3_600_000)),
    key("restart", "window_ms", from_to(1000, 86_400_000)),
    key("shutdown", "grace_ms", from_to(0, 3_600_000)),
    key("log", "level", LogFilter),
    key("log", "file", Switch),
    key("log", "keep_days", from_to(1, 3650)),
    key("log", "file_bytes_max", from_to(65_536, 1 << 40)),
    key("log", "ring_bytes_max", from_to(65_536, 1 << 30)),
    key("telemetry", "vllm_names", Switch),
    key("telemetry", "otlp_endpoint", Optional),
    key("telemetry", "sample_ratio", Float { min: 0.0, max: 1.0 }),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    /// Property name and description of every key, as the docs of `sections` have them.
    fn documented() -> Vec<(String, String, String)> {
        let schema = schema();
        let mut found = Vec::new();
        for (section, body) in schema["properties"].as_object().unwrap() {
            let name = body["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
            for (key, property) in schema["$defs"][name]["properties"].as_object().unwrap() {
                let text = property["description"].as_str().unwrap_or_default();
                found.push((section.clone(), key.clone(), text.to_owned()));
            }
        }
        found
    }

    /// The `A to B` of a doc, where B may be a power as in `2^40`.
    fn range_in(text: &str) -> Option<(u64, u64)> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let number = |word: &str| {
            let word = word.trim_end_matches([';', '.', ',']);
            match word.split_once('^') {
                Some((base, power)) => Some(base.parse::<u64>().ok()?.pow(power.parse().ok()?)),
                None => word.parse().ok(),
            }
        };
        words.windows(3).find_map(|three| match three {
            [low, "to", high] => Some((number(low)?, number(high)?)),
            _ => None,
        })
    }

    #[test]
    fn the_table_names_every_key_and_no_other() {
        let mut documented: Vec<String> =
            documented().into_iter().map(|(section, key, _)| format!("{section}.{key}")).collect();
        let mut table: Vec<String> = KEYS.iter().map(Key::path).collect();
        documented.sort();
        table.sort();
        assert_eq!(table, documented);
    }

    #[test]
    fn the_docs_state_the_range_that_is_enforced() {
        for (section, name, text) in documented() {
            let key = find(&section, &name).unwrap();
            let enforced = match key.kind {
                Integer { min, max, .. } => Some((min, max)),
                Float { min, max } => Some((min as u64, max as u64)),
                _ => None,
            };
            // The two ends of a port range are described by what they do; their type is their range.
            if !name.starts_with("fallback_port") {
                assert_eq!(range_in(&text), enforced, "{section}.{name}: {text}");
            }
            assert!(!text.is_empty(), "{section}.{name} has no doc");
        }
    }

    #[test]
    fn a_zero_with_a_meaning_of_its_own_is_documented() {
        for (section, name, text) in documented() {
            if let Integer { zero: true, .. } = find(&section, &name).unwrap().kind {
                assert!(text.contains("; 0 "), "{section}.{name}: {text}");
            }
        }
    }
}
