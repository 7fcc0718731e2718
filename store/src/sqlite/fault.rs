//! What the database library says, in the words of the store.

use std::io;

use rusqlite::{ErrorCode, ffi};

use crate::StoreError;

/// The store's word for an error of the library. `what` names the file.
pub(crate) fn store_error(what: &str, error: &rusqlite::Error) -> StoreError {
    let (what, message) = (what.to_owned(), error.to_string());
    let Some(code) = error.sqlite_error() else {
        // A value of another type than the schema says: somebody else wrote into the file.
        return StoreError::Damaged { what, message };
    };
    match code.code {
        ErrorCode::DiskFull => StoreError::Full { what, message },
        // A write that finds no room is `DiskFull`; only the file of shared memory has a code of its own.
        _ if code.extended_code == ffi::SQLITE_IOERR_SHMSIZE => StoreError::Full { what, message },
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Damaged { what, message },
        _ => StoreError::Unavailable { what, message },
    }
}

/// The store's word for an error of the system.
pub(crate) fn io_error(what: &str, error: &io::Error) -> StoreError {
    let (what, message) = (what.to_owned(), error.to_string());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { what, message },
        _ => StoreError::Unavailable { what, message },
    }
}
