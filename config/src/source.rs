//! Where a value came from. Errors and `pomona config show` name it, so that nobody has to search.

use std::fmt;
use std::path::PathBuf;

/// The place at which a key was set; later ones win over earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Set nowhere.
    Default,
    /// A line of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
    },
    /// A variable of the environment.
    Environment {
        /// Its full name, `POMONA_GATEWAY_PORT` for instance.
        name: String,
    },
    /// A flag of the command line.
    Flag {
        /// As it was written, `--port` for instance.
        flag: &'static str,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File { path, line } => write!(f, "{}:{line}", path.display()),
            Source::Environment { name } => write!(f, "environment {name}"),
            Source::Flag { flag } => write!(f, "flag {flag}"),
        }
    }
}
