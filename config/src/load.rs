//! From file, environment and flags to one checked [`Config`], with the place where each key was set.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::check::shown;
use crate::error::ConfigError;
use crate::nearest::nearest;
use crate::source::Source;
use crate::{Config, KEYS, Key, conflict, environment, file, keys};

/// A key that a flag sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The flag, for errors: `--set` or `--port` for instance.
    pub flag: &'static str,
    /// Section and key with a dot between.
    pub key: String,
    /// As it was written.
    pub value: String,
}

/// A checked configuration and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What holds.
    pub config: Config,
    /// Where each key that is not at its default was set, by its path.
    pub sources: BTreeMap<String, Source>,
}

/// One key, set and checked on its own.
pub(crate) struct Setting {
    pub(crate) key: &'static Key,
    pub(crate) value: toml::Value,
    pub(crate) source: Source,
}

/// Reads and checks everything; the first thing that is wrong is the error. A `file` that is given must exist.
pub fn load(
    file: Option<PathBuf>,
    environment: impl Iterator<Item = (String, String)>,
    overrides: &[Override],
) -> Result<Loaded, ConfigError> {
    let mut settings = match file {
        Some(path) => file::read(&path)?,
        None => Vec::new(),
    };
    settings.extend(environment::read(environment)?);
    for given in overrides {
        settings.push(accept_override(given)?);
    }
    assemble(settings)
}

fn accept_override(given: &Override) -> Result<Setting, ConfigError> {
    let source = Source::Flag { flag: given.flag };
    let found = given.key.split_once('.').and_then(|(section, name)| keys::find(section, name));
    let Some(key) = found else {
        let paths: Vec<String> = KEYS.iter().map(Key::path).collect();
        let suggestion = nearest(&given.key, paths.iter().map(String::as_str)).map(str::to_owned);
        return Err(ConfigError::UnknownKey { key: shown(&given.key), suggestion, source_of: source });
    };
    match key.kind.accept_text(&given.value) {
        Some(value) => Ok(Setting { key, value, source }),
        None => Err(ConfigError::Value {
            key: key.path(),
            value: shown(&given.value),
            allowed: key.kind.allowed(),
            source_of: source,
        }),
    }
}

/// Lays the settings over each other, later ones on top, and checks what only shows between keys.
pub(crate) fn assemble(settings: Vec<Setting>) -> Result<Loaded, ConfigError> {
    let mut table = toml::Table::new();
    let mut sources = BTreeMap::new();
    for Setting { key, value, source } in settings {
        let section = table.entry(key.section).or_insert_with(|| toml::Table::new().into());
        let section = section.as_table_mut().expect("invariant: sections are inserted as tables");
        let unset = key.kind == crate::Kind::Optional && value.as_str() == Some("");
        if unset {
            section.remove(key.name);
        } else {
            section.insert(key.name.to_owned(), value);
        }
        sources.insert(key.path(), source);
    }
    let config = Config::deserialize(table).map_err(|error| ConfigError::Syntax {
        message: shown(error.message()),
        source_of: Source::Default,
    })?;
    conflict::check(&config, &sources)?;
    drop_defaults(&config, &mut sources);
    Ok(Loaded { config, sources })
}

/// A key that was set to its default is at its default.
fn drop_defaults(config: &Config, sources: &mut BTreeMap<String, Source>) {
    let (Ok(actual), Ok(default)) = (toml::Table::try_from(config), toml::Table::try_from(Config::default()))
    else {
        return;
    };
    let value = |table: &toml::Table, key: &Key| {
        table.get(key.section).and_then(|section| section.get(key.name)).cloned()
    };
    for key in KEYS {
        if value(&actual, key) == value(&default, key) {
            sources.remove(&key.path());
        }
    }
}
