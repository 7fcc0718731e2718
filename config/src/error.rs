//! Why a configuration was refused. Each error prints as one line that names key, value, allowed range and place.

use std::path::PathBuf;

use crate::Source;

/// Why there is no configuration. `node` prints it and ends with exit code 78.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{message} ({source_of})")]
    Syntax {
        /// What the parser said, on one line.
        message: String,
        /// Where.
        source_of: Source,
    },
    /// Nothing is called like this.
    #[error("unknown key {key}{} ({source_of})", did_you_mean(suggestion.as_deref()))]
    UnknownKey {
        /// As it was written.
        key: String,
        /// The known key nearest to it, if one is near.
        suggestion: Option<String>,
        /// Where.
        source_of: Source,
    },
    /// A value has the wrong type or lies outside its range.
    #[error("{key} = {value}: expected {allowed} ({source_of})")]
    Value {
        /// Section and key.
        key: String,
        /// As it was written, shortened.
        value: String,
        /// What would have been accepted.
        allowed: String,
        /// Where.
        source_of: Source,
    },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    match suggestion {
        Some(known) => format!(", did you mean {known}?"),
        None => "; `pomona config show` lists all".to_owned(),
    }
}
