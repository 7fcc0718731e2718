//! Whether a value is what its key may be, and how that is said to a person.
//!
//! Values come typed from the file and as text from environment and flags; both end as a TOML value that the
//! sections deserialise without further questions.

use std::net::IpAddr;

use toml::de::DeValue;

use crate::Kind;

/// Bytes of a host's name; the domain name system has no longer ones.
const HOST_BYTES_MAX: usize = 253;
/// Levels of the log, quietest first.
const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

impl Kind {
    /// What would have been accepted, to follow the word `expected`.
    pub fn allowed(&self) -> String {
        match self {
            Kind::Switch => "true or false".to_owned(),
            Kind::Integer { min, max, zero: false } => format!("an integer from {min} to {max}"),
            Kind::Integer { min, max, zero: true } => format!("an integer from {min} to {max}, or 0"),
            Kind::Float { min, max } => format!("a number from {min} to {max}"),
            Kind::Address => "an IP address such as 127.0.0.1 or ::1".to_owned(),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::Optional => "a text".to_owned(),
            Kind::List => "a list of texts".to_owned(),
            Kind::Hosts => "a list of host names without scheme, port or path".to_owned(),
            Kind::Origins => "a list of origins such as https://chat.example.org".to_owned(),
            Kind::Addresses { max } => format!(
                "a list of at most {max} origins such as http://192.168.1.7:9999 or https://pomona.example, without a path and with a name or an IPv4 address"
            ),
            Kind::LogFilter => {
                format!("a level ({}) or directives such as info,pomona_actors=debug", LEVELS.join(", "))
            }
        }
    }

    /// The value of a file, if it is allowed.
    pub(crate) fn accept_toml(&self, value: &DeValue<'_>) -> Option<toml::Value> {
        match (self, value) {
            (Kind::Switch, DeValue::Boolean(switch)) => Some((*switch).into()),
            (Kind::Integer { .. }, DeValue::Integer(number)) => {
                self.accept_integer(i128::from_str_radix(number.as_str(), number.radix()).ok()?)
            }
            (Kind::Float { .. }, DeValue::Float(number)) => self.accept_float(number.as_str().parse().ok()?),
            (Kind::Float { .. }, DeValue::Integer(number)) => {
                self.accept_float(number.as_str().parse().ok()?)
            }
            (kind, DeValue::Array(items)) if kind.is_list() => self.accept_list(
                items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect::<Option<_>>()?,
            ),
            (Kind::Address | Kind::Choice(_) | Kind::Optional | Kind::LogFilter, DeValue::String(text)) => {
                self.accept_word(text)
            }
            _ => None,
        }
    }

    /// The value of the environment or a flag, if it is allowed. Lists are separated by commas, or written as
    /// in TOML when an item holds a comma.
    pub(crate) fn accept_text(&self, text: &str) -> Option<toml::Value> {
        match self {
            Kind::Switch => text.trim().parse::<bool>().ok().map(toml::Value::from),
            Kind::Integer { .. } => self.accept_integer(text.trim().replace('_', "").parse().ok()?),
            Kind::Float { .. } => self.accept_float(text.trim().parse().ok()?),
            kind if kind.is_list() && text.trim_start().starts_with('[') => {
                self.accept_toml(DeValue::parse(text.trim()).ok()?.get_ref())
            }
            Kind::List | Kind::Hosts | Kind::Origins | Kind::Addresses { .. } => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                self.accept_list(items.map(str::to_owned).collect())
            }
            Kind::Address | Kind::Choice(_) | Kind::Optional | Kind::LogFilter => self.accept_word(text),
        }
    }

    fn is_list(&self) -> bool {
        matches!(self, Kind::List | Kind::Hosts | Kind::Origins | Kind::Addresses { .. })
    }

    fn accept_integer(&self, number: i128) -> Option<toml::Value> {
        let Kind::Integer { min, max, zero } = *self else { return None };
        let allowed = (i128::from(min)..=i128::from(max)).contains(&number) || (zero && number == 0);
        allowed.then_some(number).and_then(|number| i64::try_from(number).ok()).map(toml::Value::from)
    }

    fn accept_float(&self, number: f64) -> Option<toml::Value> {
        let Kind::Float { min, max } = *self else { return None };
        (min..=max).contains(&number).then_some(number.into())
    }

    fn accept_word(&self, word: &str) -> Option<toml::Value> {
        let allowed = match self {
            Kind::Address => word.parse::<IpAddr>().is_ok(),
            Kind::Choice(words) => words.contains(&word),
            Kind::LogFilter => is_log_filter(word),
            _ => true,
        };
        allowed.then(|| word.into())
    }

    fn accept_list(&self, items: Vec<String>) -> Option<toml::Value> {
        let allowed = items.iter().all(|item| match self {
            Kind::Hosts => is_host(item),
            Kind::Origins => is_origin(item),
            Kind::Addresses { max } => items.len() <= *max && is_address(item),
            _ => true,
        });
        allowed.then(|| items.into())
    }
}

/// A level, or `target=level` pairs and levels with commas between. A bare word that is no level is refused:
/// it would otherwise be taken for a target at the loudest level.
fn is_log_filter(text: &str) -> bool {
    text.split(',').all(|directive| {
        let (target, level) = match directive.trim().split_once('=') {
            Some((target, level)) => (Some(target), level),
            None => (None, directive.trim()),
        };
        let target_is_path = target.is_none_or(|target| {
            !target.is_empty() && target.chars().all(|c| c.is_ascii_alphanumeric() || "_:-".contains(c))
        });
        target_is_path && LEVELS.contains(&level)
    })
}

fn is_host(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    text.parse::<IpAddr>().is_ok() || (!text.is_empty() && text.chars().all(plain))
}

fn is_origin(text: &str) -> bool {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    authority.is_some_and(|authority| {
        !authority.is_empty() && !authority.contains(|c: char| c.is_whitespace() || "/?#@*".contains(c))
    })
}

/// An origin that stands in a page's policy as it is: with nothing that would mean something else there.
fn is_address(text: &str) -> bool {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    authority.is_some_and(|authority| {
        let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
        let is_digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let is_port = is_digits && port.parse::<u16>().is_ok_and(|number| number > 0);
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        host.len() <= HOST_BYTES_MAX && host.split('.').all(is_label) && is_port
    })
}

/// A value as an error shows it: on one line, 80 characters at most.
pub(crate) fn shown(text: &str) -> String {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    if text.chars().count() <= 80 { line.collect() } else { line.take(79).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_no_log_filter() {
        for (text, expected) in [
            ("info", true),
            ("info,pomona_actors=debug", true),
            ("warn, pomona_gateway::api=trace", true),
            ("inof", false),
            ("", false),
            ("info,", false),
            ("=debug", false),
        ] {
            assert_eq!(is_log_filter(text), expected, "{text}");
        }
    }

    #[test]
    fn an_origin_is_scheme_and_host_and_nothing_behind() {
        for (text, expected) in [
            ("https://chat.example.org", true),
            ("http://localhost:5173", true),
            ("https://chat.example.org/", false),
            ("chat.example.org", false),
            ("*", false),
            ("https://*", false),
        ] {
            assert_eq!(is_origin(text), expected, "{text}");
        }
    }

    #[test]
    fn an_address_can_stand_in_a_policy_and_nothing_else_can() {
        for (text, expected) in [
            ("http://192.168.1.7:9999", true),
            ("https://pomona.example", true),
            ("http://mini", true),
            ("https://pomona.example/", false),
            ("https://pomona.example:0", false),
            ("https://pomona.example:65536", false),
            ("https://pomona.example:+80", false),
            ("https://a;script-src", false),
            ("https://a,b", false),
            ("https://'self'", false),
            ("https://*.example", false),
            ("https://a..b", false),
            ("https://me@pomona.example", false),
            ("http://[fd00::1]:9999", false),
            ("pomona.example", false),
            ("https://", false),
        ] {
            assert_eq!(is_address(text), expected, "{text}");
        }
        let kind = Kind::Addresses { max: 2 };
        assert!(kind.accept_text("http://a, https://b").is_some());
        assert!(kind.accept_text("http://a, https://b, http://c").is_none());
    }

    #[test]
    fn a_list_with_brackets_may_hold_commas_in_its_items() {
        let list = |text: &str| Kind::List.accept_text(text).map(|value| value.to_string());
        assert_eq!(list("a, b"), Some(r#"["a", "b"]"#.to_owned()));
        assert_eq!(list(r#"["a,b", "c"]"#), Some(r#"["a,b", "c"]"#.to_owned()));
        assert_eq!(list(""), Some("[]".to_owned()));
        assert_eq!(list(r#"["a"#), None);
    }

    #[test]
    fn a_long_value_is_shown_shortened_and_on_one_line() {
        assert_eq!(shown("a\nb"), "a b");
        assert_eq!(shown(&"x".repeat(200)).chars().count(), 80);
    }
}
