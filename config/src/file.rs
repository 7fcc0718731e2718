//! The configuration file: TOML, each value with the line it stands on.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::check::shown;
use crate::error::ConfigError;
use crate::load::Setting;
use crate::nearest::nearest;
use crate::source::Source;
use crate::{KEYS, Key, keys};

/// Bytes of a configuration file: every key with a page of comment fits hundreds of times.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Every key that `path` sets, checked.
pub(crate) fn read(path: &Path) -> Result<Vec<Setting>, ConfigError> {
    let unreadable = |cause| ConfigError::Unreadable { path: path.to_owned(), cause };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        let cause =
            std::io::Error::other(format!("{bytes} bytes are more than the {FILE_BYTES_MAX} allowed"));
        return Err(unreadable(cause));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    parse(&text, path)
}

/// Every key that `text` sets, checked; `path` is for errors.
pub(crate) fn parse(text: &str, path: &Path) -> Result<Vec<Setting>, ConfigError> {
    let at = |offset: usize| Source::File { path: path.to_owned(), line: line_of(text, offset) };
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        message: shown(error.message()),
        source_of: at(error.span().map_or(0, |span| span.start)),
    })?;
    let mut settings = Vec::new();
    for (section, body) in table.get_ref() {
        let known = keys::sections().into_iter().find(|known| known == section.get_ref());
        let (Some(known), DeValue::Table(body)) = (known, body.get_ref()) else {
            return Err(unknown_section(section.get_ref(), known, at(section.span().start)));
        };
        read_section(text, known, body, &at, &mut settings)?;
    }
    Ok(settings)
}

fn read_section(
    text: &str,
    section: &'static str,
    body: &DeTable<'_>,
    at: &impl Fn(usize) -> Source,
    settings: &mut Vec<Setting>,
) -> Result<(), ConfigError> {
    for (name, value) in body {
        let source = at(name.span().start);
        let Some(key) = keys::find(section, name.get_ref()) else {
            let names = KEYS.iter().filter(|key| key.section == section).map(|key| key.name);
            return Err(ConfigError::UnknownKey {
                key: shown(&format!("{section}.{}", name.get_ref())),
                suggestion: nearest(name.get_ref(), names).map(|name| format!("{section}.{name}")),
                source_of: source,
            });
        };
        settings.push(accept(text, key, value, source)?);
    }
    Ok(())
}

fn accept(
    text: &str,
    key: &'static Key,
    value: &Spanned<DeValue<'_>>,
    source: Source,
) -> Result<Setting, ConfigError> {
    match key.kind.accept_toml(value.get_ref()) {
        Some(value) => Ok(Setting { key, value, source }),
        None => Err(ConfigError::Value {
            key: key.path(),
            value: shown(text.get(value.span()).unwrap_or_default()),
            allowed: key.kind.allowed(),
            source_of: source,
        }),
    }
}

/// A key outside of any section, or a section that nobody knows.
fn unknown_section(name: &str, known: Option<&'static str>, source_of: Source) -> ConfigError {
    match known {
        Some(section) => ConfigError::Value {
            key: section.to_owned(),
            value: "…".to_owned(),
            allowed: format!("a section, written [{section}]"),
            source_of,
        },
        None => ConfigError::UnknownKey {
            key: shown(name),
            suggestion: nearest(name, keys::sections().into_iter()).map(str::to_owned),
            source_of,
        },
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}
