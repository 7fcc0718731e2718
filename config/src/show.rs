//! What holds, for people (TOML with the place of each changed key behind it) and for programs (JSON).

use serde_json::{Map, Value, json};

use crate::{Config, KEYS, Key, Loaded};

/// The effective configuration as a file that loads to the same; keys that are not at their default name their
/// place in a comment.
pub fn show_toml(loaded: &Loaded) -> String {
    let config = without_secrets(&loaded.config);
    let mut text = String::new();
    let mut section = "";
    for key in KEYS {
        if key.section != section {
            section = key.section;
            let gap = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}[{section}]\n"));
        }
        text.push_str(&format!("{} = {}", key.name, toml_value(&config, key)));
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
    json!({ "config": without_secrets(&loaded.config), "sources": sources })
}

/// What may be shown to whoever looks over a shoulder: without the passwords in addresses and without secrets.
fn without_secrets(config: &Config) -> Config {
    let mut config = config.clone();
    config.store.url = config.store.url.map(|url| without_password(&url));
    let notifications = &mut config.notifications;
    notifications.webhook_url = notifications.webhook_url.take().map(|url| without_path(&url));
    notifications.webhook_secret = notifications.webhook_secret.take().map(|_| "***".to_owned());
    config
}

/// `scheme://user:password@host` with `***` for the password.
fn without_password(url: &str) -> String {
    let parts = url.split_once("://").and_then(|(scheme, rest)| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (user, host) = rest[..end].rsplit_once('@')?;
        let (name, _) = user.split_once(':')?;
        Some(format!("{scheme}://{name}:***@{host}{}", &rest[end..]))
    });
    parts.unwrap_or_else(|| url.to_owned())
}

/// `scheme://host` with `***` for the rest: the paths of many receivers are their passwords.
fn without_path(url: &str) -> String {
    let shown = without_password(url);
    let begin = shown.find("://").map_or(0, |scheme| scheme + 3);
    match shown[begin..].find(['/', '?', '#']) {
        Some(end) => format!("{}/***", &shown[..begin + end]),
        None => shown,
    }
}

/// The value of a key; one that is unset shows as the empty text, which means the same.
fn toml_value(config: &Config, key: &Key) -> String {
    let table = toml::Table::try_from(config).unwrap_or_default();
    match table.get(key.section).and_then(|section| section.get(key.name)) {
        Some(value) => value.to_string(),
        None => "\"\"".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown_and_everything_else_is() {
        for (given, shown) in [
            ("postgres://me:secret@db/x?a=b:c@d", "postgres://me:***@db/x?a=b:c@d"),
            ("postgres://me:p@ss@db", "postgres://me:***@db"),
            ("postgres://me@db/x", "postgres://me@db/x"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(without_password(given), shown);
        }
    }

    #[test]
    fn a_webhook_shows_its_host_alone() {
        for (given, shown) in [
            ("https://hooks.example/T0/B0/secret", "https://hooks.example/***"),
            ("https://me:secret@hooks.example:8443/x", "https://me:***@hooks.example:8443/***"),
            ("https://hooks.example?token=secret", "https://hooks.example/***"),
            ("https://hooks.example", "https://hooks.example"),
            ("nonsense/secret", "nonsense/***"),
        ] {
            assert_eq!(without_path(given), shown);
        }
    }
}
