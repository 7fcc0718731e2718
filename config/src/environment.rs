//! The environment: `POMONA_<SECTION>_<KEY>`.
//!
//! `POMONA_HOME`, `POMONA_KEY` and `POMONA_URL` belong to the terminal commands. Names of no known section are
//! left alone, unless they are a typing error away from one: other programs (an orchestrator that announces a
//! service called `pomona`, for instance) may use the prefix.

use crate::check::shown;
use crate::error::ConfigError;
use crate::load::Setting;
use crate::nearest::nearest;
use crate::source::Source;
use crate::{KEYS, keys};

const PREFIX: &str = "POMONA_";

/// Every key that the environment sets, checked, in the order of the names.
pub(crate) fn read(variables: impl Iterator<Item = (String, String)>) -> Result<Vec<Setting>, ConfigError> {
    let mut ours: Vec<(String, String)> = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    ours.sort();
    let mut settings = Vec::new();
    for (name, text) in ours {
        settings.extend(read_one(name, &text)?);
    }
    Ok(settings)
}

fn read_one(name: String, text: &str) -> Result<Option<Setting>, ConfigError> {
    let Some(key) = KEYS.iter().find(|key| key.environment() == name) else {
        return match suggest(&name) {
            Verdict::Foreign => Ok(None),
            Verdict::Ours(suggestion) => Err(ConfigError::UnknownKey {
                key: name.clone(),
                suggestion,
                source_of: Source::Environment { name },
            }),
        };
    };
    let source = Source::Environment { name };
    match key.kind.accept_text(text) {
        Some(value) => Ok(Some(Setting { key, value, source })),
        None => Err(ConfigError::Value {
            key: key.path(),
            value: shown(text),
            allowed: key.kind.allowed(),
            source_of: source,
        }),
    }
}

/// What a name that is no key may be.
enum Verdict {
    Foreign,
    Ours(Option<String>),
}

fn suggest(name: &str) -> Verdict {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase();
    let Some((section, _)) = rest.split_once('_') else { return Verdict::Foreign };
    let known = keys::sections().contains(&section);
    let names: Vec<String> = KEYS.iter().map(crate::Key::environment).collect();
    let suggestion = nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
    let section_is_near = nearest(section, keys::sections().into_iter()).is_some();
    if known || (section_is_near && suggestion.is_some()) {
        Verdict::Ours(suggestion)
    } else {
        Verdict::Foreign
    }
}
