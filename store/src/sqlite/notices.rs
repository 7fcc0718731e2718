//! Notices in a file: written by the writer's thread between two commits, read from the pool.

use rusqlite::{Connection, params};

use super::Sqlite;
use super::core::Core;
use crate::StoreError;
use crate::backend::to_signed;

const PUT: &str = "INSERT INTO notices (id, at_ms, body) VALUES (?1, ?2, ?3)
    ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms, body = excluded.body";
const TRIM: &str = "DELETE FROM notices WHERE id NOT IN
    (SELECT id FROM notices ORDER BY at_ms DESC, id DESC LIMIT ?1)";
const NEWEST: &str = "SELECT body FROM notices ORDER BY at_ms DESC, id DESC LIMIT ?1";

impl Sqlite {
    /// See [`crate::Store::put_notice`].
    pub(crate) async fn put_notice(
        &self,
        id: u64,
        at_ms: u64,
        body: String,
        kept_max: u32,
    ) -> Result<(), StoreError> {
        self.writer()?.run(move |core| put(core, id, at_ms, &body, kept_max)).await
    }

    /// See [`crate::Store::notices`].
    pub(crate) async fn notices(&self, max: u32) -> Result<Vec<String>, StoreError> {
        self.pool.read(move |db| newest(db, max)).await
    }
}

fn put(core: &mut Core, id: u64, at_ms: u64, body: &str, kept_max: u32) -> Result<(), StoreError> {
    core.transact(true, |core| {
        let put = core
            .db
            .prepare_cached(PUT)
            .and_then(|mut put| put.execute(params![id.cast_signed(), to_signed(at_ms), body]));
        let trimmed =
            put.and_then(|_| core.db.prepare_cached(TRIM).and_then(|mut trim| trim.execute([kept_max])));
        trimmed.map(drop).map_err(|error| core.fault(&error))
    })
}

fn newest(db: &Connection, max: u32) -> Result<Vec<String>, rusqlite::Error> {
    db.prepare_cached(NEWEST)?.query_map([max], |row| row.get(0))?.collect()
}
