//! What went wrong at the server, and whether asking again helps.

use std::error::Error;

use tokio_postgres::error::SqlState;

use super::connect::{Connection, Server};
use crate::StoreError;

/// Why a statement did not succeed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// What the rest of the program hears.
    pub(super) error: StoreError,
    /// What to do about it.
    pub(super) kind: Kind,
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The connection is gone, or the server shuts down: connect again.
    Lost,
    /// Another transaction was in the way: the same again.
    Again,
    /// There is no room, or too little of something else.
    Full,
    /// The statement itself, or what was given to it.
    Statement,
}

impl Failure {
    /// What a driver's error means. Values that were given to a statement are not repeated.
    pub(super) fn of(server: &Server, error: tokio_postgres::Error) -> Self {
        let what = server.name.clone();
        let Some(said) = error.as_db_error() else {
            let message = chain(&error);
            return Self { error: StoreError::Unavailable { what, message }, kind: Kind::Lost };
        };
        let kind = kind(said.code());
        let message = said.message().to_owned();
        let error = match kind {
            Kind::Full => StoreError::Full { what, message },
            _ => StoreError::Unavailable { what, message },
        };
        Self { error, kind }
    }

    /// Something that passes on its own, on a connection that is well.
    pub(super) fn again(connection: &Connection, message: &str) -> Self {
        let error =
            StoreError::Unavailable { what: connection.name().to_owned(), message: message.to_owned() };
        Self { error, kind: Kind::Again }
    }

    /// A connection that ended without a word of the server's.
    pub(super) fn lost(server: &Server, message: &str) -> Self {
        let error = StoreError::Unavailable { what: server.name.clone(), message: message.to_owned() };
        Self { error, kind: Kind::Lost }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, kind: Kind::Statement }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

fn kind(code: &SqlState) -> Kind {
    let code = code.code();
    match code {
        // Too many connections: that passes.
        "53300" => Kind::Lost,
        "40001" | "40P01" => Kind::Again,
        // Shut down by an administrator, by a crash, or still starting.
        "57P01" | "57P02" | "57P03" | "57P05" => Kind::Lost,
        // A standby has taken over: the next connection finds the one that writes.
        "25006" => Kind::Lost,
        _ if code.starts_with("53") => Kind::Full,
        _ if code.starts_with("08") => Kind::Lost,
        _ => Kind::Statement,
    }
}

/// An error with what caused it.
pub(super) fn chain(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_crowd_and_a_shutdown() {
        let kind_of = |code: &str| kind(&SqlState::from_code(code));
        assert_eq!(kind_of("53100"), Kind::Full);
        assert_eq!(kind_of("53300"), Kind::Lost);
        assert_eq!(kind_of("57P01"), Kind::Lost);
        assert_eq!(kind_of("40P01"), Kind::Again);
        assert_eq!(kind_of("23505"), Kind::Statement);
    }
}
