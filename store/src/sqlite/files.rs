//! The files of the store and how connections to them are set up. Called by everything that opens one.
//!
//! `store.db` and its `-wal` and `-shm`; `store.lock`, held by whoever writes. Never open `store.db` by other means than
//! a connection while one is open: on Unix, closing any handle of a file drops the locks that the process has on it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{fault, schema};
use crate::StoreError;

/// Pages of the write-ahead log from which on a commit moves them into the file: 32 MiB. More makes the first opening
/// after a crash slower; fewer makes more commits wait for two more syncs, and writes the ends of busy logs more often.
const CHECKPOINT_PAGES: u32 = 8192;

/// Bytes that an empty write-ahead log keeps on the disk for the next writes.
const WAL_BYTES_KEPT: u64 = 64 << 20;

/// Prepared statements that a connection keeps; more than there are in this crate.
const STATEMENTS_CACHED: usize = 64;

/// The name of a file next to `store.db`: its own with something behind.
pub(super) fn beside(db: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(db);
    name.push(suffix);
    name.into()
}

/// The right to write, held until it is dropped. The system drops it when the process ends, however that ends.
#[derive(Debug)]
pub(crate) struct Lock {
    // Held for its lock alone.
    _file: File,
}

impl Lock {
    /// Takes the right, or says that another process has it.
    pub(super) fn take(data_dir: &Path) -> Result<Self, StoreError> {
        let path = data_dir.join("store.lock");
        let what = path.display().to_string();
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let file = private(&mut options).open(&path).map_err(|error| fault::io_error(&what, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Unavailable {
                what,
                message: "another process writes this store; stop it first, or use a command that only reads"
                    .into(),
            }),
            Err(TryLockError::Error(error)) => Err(fault::io_error(&what, &error)),
        }
    }
}

/// Only the user may read what is created.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Makes an empty file that only the user may read; fails when there is one.
pub(super) fn create_private(path: &Path) -> std::io::Result<()> {
    private(OpenOptions::new().write(true).create_new(true)).open(path).map(drop)
}

/// Takes a file's rights from everybody else.
pub(super) fn make_private(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    #[cfg(not(unix))]
    fs::metadata(path)?;
    Ok(())
}

/// Makes a folder's list of names outlive a power cut.
pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    fs::metadata(folder)?;
    Ok(())
}

/// The connection that writes: makes the file when there is none, and brings it up to date.
pub(super) fn open_writer(what: &str, path: &Path, timeout: Duration) -> Result<Connection, StoreError> {
    let fault = |error: rusqlite::Error| fault::store_error(what, &error);
    match create_private(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            make_private(path).map_err(|error| fault::io_error(what, &error))?;
        }
        Err(error) => return Err(fault::io_error(what, &error)),
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(fault)?;
    // Asked before anything is set: a newer file stays as it is.
    schema::check_version(what, &db)?;
    tune_writer(&db, timeout).map_err(fault)?;
    schema::migrate(what, &mut db)?;
    Ok(db)
}

/// - `auto_vacuum` only counts in a new file: free pages go back to the system in small steps, without a `VACUUM` that
///   would keep the writer for minutes.
/// - `fullfsync`: on a Mac a plain `fsync` leaves data in the drive's cache. Other systems ignore both.
/// - `secure_delete`: what was deleted is overwritten, and so stands in no backup either.
/// - `foreign_keys` are off: the writer alone keeps the tables together, and checks would cost every append.
/// - `synchronous` is set per commit by the writer.
fn tune_writer(db: &Connection, timeout: Duration) -> Result<(), rusqlite::Error> {
    db.busy_timeout(timeout)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    db.execute_batch(&format!(
        "PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         PRAGMA fullfsync = 1;
         PRAGMA checkpoint_fullfsync = 1;
         PRAGMA synchronous = NORMAL;
         PRAGMA secure_delete = ON;
         PRAGMA foreign_keys = OFF;
         PRAGMA trusted_schema = OFF;
         PRAGMA cache_size = -16384;
         PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
         PRAGMA journal_size_limit = {WAL_BYTES_KEPT};"
    ))
}

/// A connection that cannot write; the file must be there.
pub(super) fn open_reader(path: &Path, timeout: Duration) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(timeout)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    db.execute_batch("PRAGMA query_only = 1; PRAGMA trusted_schema = OFF;")?;
    Ok(db)
}
