//! Values of flags that are more than a word or a number: spans of time, addresses, tags.

use std::time::Duration;

use pomona_protocol::LogLevel;

/// Longest life of a token, 30 days: what a gateway accepts.
const TTL_MAX: Duration = Duration::from_secs(30 * 86_400);

/// A span from one second to 30 days: `90s`, `15m`, `2h`, `7d`.
pub(super) fn parse_ttl(text: &str) -> Result<Duration, String> {
    let expected = "expected a number with s, m, h or d, from 1s to 30d; 15m for instance";
    let unit_s = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => return Err(expected.to_owned()),
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(expected.to_owned());
    }
    let span = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_s));
    let span = span.map(Duration::from_secs).filter(|span| !span.is_zero() && *span <= TTL_MAX);
    span.ok_or_else(|| expected.to_owned())
}

/// A level of the log.
pub(super) fn parse_level(text: &str) -> Result<LogLevel, String> {
    LogLevel::parse(text).ok_or_else(|| "expected error, warn, info, debug or trace".to_owned())
}

/// `host:port`; an IPv6 address stands in brackets.
pub(super) fn parse_address(text: &str) -> Result<String, String> {
    let expected = || "expected HOST:PORT, 192.168.1.5:9999 or [fd00::1]:9999 for instance".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        }
    };
    let has_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    if is_host && has_port { Ok(text.to_owned()) } else { Err(expected()) }
}

/// A name for a machine: 1 to 63 characters that a shell and a table can show.
pub(super) fn parse_name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let length = text.chars().count();
    if (1..=63).contains(&length) && text.chars().all(is_plain) && !matches!(text, "." | "..") {
        return Ok(text.to_owned());
    }
    Err("expected 1 to 63 letters, digits, `-`, `_` or `.`; mac-mini for instance".to_owned())
}

/// A tag to be added (`+name`, `true`) or taken away (`-name`, `false`).
pub(super) fn parse_tag_change(text: &str) -> Result<(bool, String), String> {
    let change = match text.split_at_checked(1) {
        Some(("+", name)) => Some((true, name)),
        Some(("-", name)) => Some((false, name)),
        _ => None,
    };
    match change.filter(|(_, name)| !name.is_empty() && !name.starts_with(['+', '-'])) {
        Some((adds, name)) => Ok((adds, name.to_owned())),
        None if text.starts_with("--") => {
            Err("expected +name or -name; options stand before the tags".to_owned())
        }
        None => Err("expected +name to add a tag or -name to take one away".to_owned()),
    }
}
