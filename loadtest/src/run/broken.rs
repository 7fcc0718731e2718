//! Why a connection was of no use. The words stand in records and reports.

use std::io;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// No connection was made.
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// It broke while something was said.
    #[error("the connection broke: {0}")]
    Lost(io::Error),
    /// It ended before the answer had.
    #[error("the connection ended before the answer")]
    NoEnd,
    /// What came is not what was asked for.
    #[error("{0} cannot be read")]
    Garbled(&'static str),
    /// An answer that is no success, by the code in its body, else by its status.
    #[error("refused: {0}")]
    Refused(String),
}

impl Broken {
    /// The word for records.
    pub(super) fn code(&self) -> &str {
        match self {
            Broken::Connect(_) => "connect",
            Broken::Lost(_) => "reset",
            Broken::NoEnd => "no_end",
            Broken::Garbled(_) => "garbled",
            Broken::Refused(code) => code,
        }
    }
}
