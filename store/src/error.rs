//! Why the store did not do something.

use pomona_protocol::Cause;

/// Why the store could not be opened, read or maintained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no room.
    #[error(
        "{what}: no room is left ({message}); make room, then go on: nothing that was acknowledged is lost"
    )]
    Full {
        /// The file or the server.
        what: String,
        /// What it said.
        message: String,
    },
    /// A later version of the program wrote it.
    #[error(
        "{what} has schema version {found}, and this program knows up to {known}; use the newer program, or restore a backup"
    )]
    TooNew {
        /// The file or the server.
        what: String,
        /// Its version.
        found: u32,
        /// The newest one that is known here.
        known: u32,
    },
    /// What is there is damaged.
    #[error(
        "{what} is damaged: {message}; `pomona store check` says where, `pomona store restore` brings a backup back"
    )]
    Damaged {
        /// The file or the server.
        what: String,
        /// What was seen.
        message: String,
    },
    /// It cannot be reached, or took too long.
    #[error("{what}: {message}")]
    Unavailable {
        /// The file or the server, without secrets.
        what: String,
        /// What was seen.
        message: String,
    },
    /// A value that it was given is wrong.
    #[error("{what}: {message}")]
    Invalid {
        /// Which one.
        what: String,
        /// What is wrong with it, and what is expected.
        message: String,
    },
}

/// Why events were not written. None of them was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The log does not end where the writer thinks.
    #[error("the log ends at {head}")]
    Conflict {
        /// Where it ends.
        head: u64,
    },
    /// A newer activation of the session writes now.
    #[error("epoch {epoch} writes now")]
    Fenced {
        /// The newer one.
        epoch: u64,
    },
    /// There is no such session (any more).
    #[error("there is no such session")]
    Gone,
    /// The store failed; the same write may succeed later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<StoreError> for Cause {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::Full { .. } => Cause::StoreFull { message },
            StoreError::Invalid { what, message } => Cause::InvalidRequest { parameter: what, message },
            _ => Cause::StoreFailed { message },
        }
    }
}
