//! The tables of a store file, and how an older file becomes a newer one.
//!
//! The version stands in `user_version`. Migrations are applied in one transaction, so that a file is of one version or
//! another and never between. A backup, also one of PostgreSQL, is a file of this schema.

use rusqlite::{Connection, TransactionBehavior};

use super::fault;
use crate::StoreError;

/// One step per version: number `n` makes version `n` from the one before. Steps that were released never change.
const MIGRATIONS: &[&str] = &[
    // Ids are 16 bytes, big endian; principals keep their 64 bits as a signed number; times are Unix milliseconds.
    //
    // `logs` is apart from `sessions` since every commit writes it: its rows are small. `title_folded` is the title in
    // lower case. `tags` is a JSON array, `shared` a JSON object from principal (decimal) to permission. A title is in
    // `texts` as part 2 of the turn of sixteen zero bytes; `words` are what is searched in. `gone` holds the ids of
    // deleted sessions with their last epoch, so that none comes back to life. `audit.principal` is who did it; its
    // time keeps its 64 bits, since it is hashed.
    "CREATE TABLE logs (
        session BLOB NOT NULL PRIMARY KEY,
        epoch INTEGER NOT NULL,
        oldest_seq INTEGER NOT NULL,
        head_seq INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE events (
        session BLOB NOT NULL,
        seq INTEGER NOT NULL,
        first_seq INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        payload BLOB NOT NULL,
        PRIMARY KEY (session, seq)
    ) WITHOUT ROWID;
    CREATE TABLE sessions (
        id BLOB NOT NULL PRIMARY KEY,
        owner INTEGER NOT NULL,
        shared TEXT NOT NULL,
        title TEXT NOT NULL,
        title_folded TEXT NOT NULL,
        model TEXT NOT NULL,
        tags TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        updated_ms INTEGER NOT NULL,
        turns INTEGER NOT NULL,
        open_turns INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX sessions_by_time ON sessions (updated_ms DESC, id DESC);
    CREATE INDEX sessions_by_owner ON sessions (owner, updated_ms DESC, id DESC);
    CREATE INDEX sessions_open ON sessions (id) WHERE open_turns > 0;
    CREATE TABLE snapshots (
        session BLOB NOT NULL PRIMARY KEY,
        seq INTEGER NOT NULL,
        state BLOB NOT NULL
    );
    CREATE TABLE turns (
        turn BLOB NOT NULL PRIMARY KEY,
        session BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX turns_by_session ON turns (session);
    CREATE TABLE texts (
        id INTEGER PRIMARY KEY,
        session BLOB NOT NULL,
        turn BLOB NOT NULL,
        part INTEGER NOT NULL,
        words TEXT NOT NULL,
        UNIQUE (session, turn, part)
    );
    CREATE VIRTUAL TABLE found USING fts5(
        words, content = 'texts', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 0'
    );
    CREATE TABLE gone (
        session BLOB NOT NULL PRIMARY KEY,
        epoch INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE audit (
        number INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        principal INTEGER NOT NULL,
        action TEXT NOT NULL,
        object TEXT NOT NULL,
        detail TEXT NOT NULL,
        hash BLOB NOT NULL
    );",
    // Notices for admins; `body` is JSON, which holds all that is shown. Ids keep their 64 bits.
    "CREATE TABLE notices (
        id INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        body TEXT NOT NULL
    );
    CREATE INDEX notices_by_time ON notices (at_ms, id);",
];

/// The newest version that this program knows.
pub(crate) const VERSION: u32 = MIGRATIONS.len() as u32;

/// The version of a file; 0 for a new one.
pub(crate) fn version(db: &Connection) -> Result<u32, rusqlite::Error> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// The version of a file, refused when this program is too old for it. Writes nothing.
pub(crate) fn check_version(what: &str, db: &Connection) -> Result<u32, StoreError> {
    let found = version(db).map_err(|error| fault::store_error(what, &error))?;
    if found > VERSION {
        return Err(StoreError::TooNew { what: what.into(), found, known: VERSION });
    }
    Ok(found)
}

/// Brings a file up to date, whole or not at all.
pub(crate) fn migrate(what: &str, db: &mut Connection) -> Result<(), StoreError> {
    let found = check_version(what, db)?;
    if found == VERSION {
        return Ok(());
    }
    apply(db, found).map_err(|error| fault::store_error(what, &error))
}

fn apply(db: &mut Connection, found: u32) -> Result<(), rusqlite::Error> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in MIGRATIONS.iter().skip(found as usize) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}
