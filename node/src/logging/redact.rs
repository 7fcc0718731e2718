//! The last line of defence: what looks like a key, a token or a password is masked in every line before it is kept or
//! written, whoever logged it. Those who log are not to rely on it; prompts look like anything and are never logged.

use std::borrow::Cow;

/// What stands in the place of a secret.
const MASK: &str = "***";
/// Beginnings of our own secrets, and how much must follow for them to be one.
const PREFIXES: &[(&str, usize)] = &[("pom_", 16), ("pom1-", 16), ("sk-", 20), ("hf_", 20)];
/// Words after which a secret stands.
const SCHEMES: &[&str] = &["Bearer ", "bearer ", "Basic ", "basic "];
/// Fields that hold secrets, in any case.
const FIELDS: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "webhook_secret",
    "authorization",
    "x-api-key",
    "api_key",
    "apikey",
    "cookie",
    "prompt",
    "answer",
    "token",
];

/// The line without secrets; most lines are as they were.
pub(super) fn redact(line: &str) -> Cow<'_, str> {
    let mut line = Cow::Borrowed(line);
    for (prefix, length) in PREFIXES {
        line = masked(line, prefix, *length);
    }
    for scheme in SCHEMES {
        line = masked(line, scheme, 1);
    }
    fields(passwords(line))
}

/// Masks what follows a prefix, where enough does.
fn masked<'a>(line: Cow<'a, str>, prefix: &str, length: usize) -> Cow<'a, str> {
    if !line.contains(prefix) {
        return line;
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line.as_ref();
    while let Some(at) = rest.find(prefix) {
        let (before, secret) = rest.split_at(at + prefix.len());
        let end = secret.find(|c: char| !is_of_secret(c)).unwrap_or(secret.len());
        out.push_str(before);
        out.push_str(if end >= length { MASK } else { &secret[..end] });
        rest = &secret[end..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn is_of_secret(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_+/=.~".contains(c)
}

/// Masks `user:password@` in addresses. A password may hold what should have been escaped in it, so it ends at the last
/// `@` of the word.
fn passwords(line: Cow<'_, str>) -> Cow<'_, str> {
    if !line.contains("://") {
        return line;
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line.as_ref();
    while let Some(at) = rest.find("://") {
        let (before, address) = rest.split_at(at + 3);
        out.push_str(before);
        let ends_word = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ',');
        let word = &address[..address.find(ends_word).unwrap_or(address.len())];
        let authority = &word[..word.find(['/', '?', '#']).unwrap_or(word.len())];
        let user = authority.split_once('@').and_then(|(user, _)| Some(user.split_once(':')?.0));
        let told = match user.zip(word.rsplit_once('@')) {
            Some((user, (secret, _))) => {
                out.extend([user, ":", MASK]);
                secret.len()
            }
            None => {
                out.push_str(authority);
                authority.len()
            }
        };
        rest = &address[told..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Masks the values of fields that hold secrets: `"name":"value"` in JSON, `name="value"` and `name=value` in text.
fn fields(line: Cow<'_, str>) -> Cow<'_, str> {
    let lower = line.to_ascii_lowercase();
    let mut cuts: Vec<(usize, usize)> = Vec::new();
    for name in FIELDS {
        let mut from = 0;
        while let Some(at) = lower[from..].find(name).map(|at| at + from) {
            from = at + name.len();
            let is_whole = at == 0
                || !lower.as_bytes()[at - 1].is_ascii_alphanumeric() && lower.as_bytes()[at - 1] != b'_';
            if let Some(value) = value_behind(&line, from).filter(|_| is_whole) {
                cuts.push(value);
            }
        }
    }
    if cuts.is_empty() {
        return line;
    }
    cuts.sort_unstable();
    let mut out = String::with_capacity(line.len());
    let mut from = 0;
    for (start, end) in cuts {
        if start >= from {
            out.push_str(&line[from..start]);
            out.push_str(MASK);
            from = end;
        }
    }
    out.push_str(&line[from..]);
    Cow::Owned(out)
}

/// Where the value of a field is whose name ends at `at`.
fn value_behind(line: &str, at: usize) -> Option<(usize, usize)> {
    let rest = line.get(at..)?;
    let (skip, is_quoted) = [("\":\"", true), ("\": \"", true), ("=\"", true), ("=", false)]
        .into_iter()
        .find(|(mark, _)| rest.starts_with(mark))
        .map(|(mark, is_quoted)| (mark.len(), is_quoted))?;
    let start = at + skip;
    let value = line.get(start..)?;
    let length =
        if is_quoted { quoted_length(value) } else { value.find([' ', ',', '}']).unwrap_or(value.len()) };
    (length > 0).then_some((start, start + length))
}

/// Bytes up to the quote that ends a text.
fn quoted_length(value: &str) -> usize {
    let mut is_escaped = false;
    let end = value.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.unwrap_or(value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let key = format!("pom_{}", "aB3-_".repeat(9));
        let token = format!("pom1-{}", "Zz9".repeat(20));
        for (line, expected) in [
            (format!("key {key} seen"), "key pom_*** seen"),
            (format!("{key},{key}"), "pom_***,pom_***"),
            (format!(r#"{{"message":"join with {token}"}}"#), r#"{"message":"join with pom1-***"}"#),
            ("Authorization: Bearer abc.def-123".to_owned(), "Authorization: Bearer ***"),
            ("postgres://me:p@ss/word@db:1/x y".to_owned(), "postgres://me:***@db:1/x y"),
            ("postgres://me:pass@db:1/x y".to_owned(), "postgres://me:***@db:1/x y"),
            ("see http://host/path and https://a:b@c".to_owned(), "see http://host/path and https://a:***@c"),
            (r#"{"password":"a\"b","tokens":7}"#.to_owned(), r#"{"password":"***","tokens":7}"#),
            (r#"{"fields":{"Secret": "x"}}"#.to_owned(), r#"{"fields":{"Secret": "***"}}"#),
            (r#"login password=hunter2 ok"#.to_owned(), "login password=*** ok"),
            (r#"api_key="a b" prompt="tell me""#.to_owned(), r#"api_key="***" prompt="***""#),
        ] {
            assert_eq!(redact(&line), expected);
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for line in [
            r#"{"timestamp":"2026-01-31T00:00:00.000001Z","level":"INFO","fields":{"message":"a link ended","tokens":17}}"#,
            "pom_test is short",
            "tokens=17 prompt_tokens=4",
            "a password was wrong",
            "model=sk-1",
            "ä://ö",
        ] {
            assert_eq!(redact(line), line);
        }
    }
}
