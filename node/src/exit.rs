//! How the process ends: the exit codes, which error means which, and the one line that says why.

use std::fmt;
use std::process::ExitCode;

use pomona_client::ClientError;
use pomona_config::ConfigError;

use crate::output;

/// The exit codes; the numbers follow BSD's `sysexits` where one fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// Whatever has no number of its own.
    Failed = 1,
    /// `pomona loadtest`: the run says nothing, neither good nor bad.
    Invalid = 2,
    /// `pomona do`: the answer was cut off by its length.
    CutOff = 3,
    /// The command line makes no sense.
    Usage = 64,
    /// No gateway, the port is taken, the data folder is in use, the model cannot be loaded.
    Unavailable = 69,
    /// The configuration makes no sense.
    Configuration = 78,
    /// Ended by Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// An error that ends the process with this code.
    pub(crate) fn because(self, cause: impl Into<anyhow::Error>) -> anyhow::Error {
        Failure { exit: self, cause: cause.into() }.into()
    }

    /// The code that an error asks for, wherever in its chain it says so.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return failure.exit;
        }
        error.chain().find_map(Self::of_cause).unwrap_or(Self::Failed)
    }

    fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Self> {
        if cause.is::<output::Closed>() {
            return Some(Self::Ok);
        }
        if cause.is::<ConfigError>() {
            return Some(Self::Configuration);
        }
        match cause.downcast_ref::<ClientError>() {
            Some(
                ClientError::InvalidUrl { .. }
                | ClientError::InvalidName { .. }
                | ClientError::InvalidAuthority { .. },
            ) => Some(Self::Usage),
            Some(error) if error.is_unavailable() => Some(Self::Unavailable),
            _ => None,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Says why the process ends, on one line of stderr, and gives the code. A reader of stdout that left early
/// (`pomona models ls | head -1`) is no error and not worth a word.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let exit = Exit::of(error);
    if exit != Exit::Ok {
        output::error(&format!("{error:#}"));
    }
    exit.into()
}

/// An error with its exit code.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    cause: anyhow::Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.cause)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn each_error_ends_with_its_code() {
        let refused = ClientError::Refused { url: "x".to_owned() };
        let bad_url = ClientError::InvalidUrl { url: "x".to_owned(), reason: "y".to_owned() };
        let taken = Exit::Unavailable.because(anyhow!("the port is taken"));
        for (error, expected) in [
            (anyhow!("something"), Exit::Failed),
            (refused.into(), Exit::Unavailable),
            (bad_url.into(), Exit::Usage),
            (taken.context("while starting"), Exit::Unavailable),
            (output::Closed.into(), Exit::Ok),
        ] {
            assert_eq!(Exit::of(&error), expected, "{error:#}");
        }
        let unreadable = pomona_config::load(Some("/nowhere".into()), std::iter::empty(), &[]).map(|_| ());
        assert_eq!(Exit::of(&unreadable.context("x").unwrap_err()), Exit::Configuration);
    }

    #[test]
    fn the_reason_is_one_line_with_its_causes() {
        let error = Exit::Unavailable.because(anyhow!("inner").context("outer")).context("outermost");
        assert_eq!(format!("{error:#}"), "outermost: outer: inner");
    }
}
