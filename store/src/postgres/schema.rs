//! The tables at a server, and how older ones become newer. They mean what those of SQLite's `schema.rs` mean.
//!
//! Several gateways may start at once: an advisory lock lets one of them migrate while the others wait. Text of people
//! goes through [`text`], since PostgreSQL cannot hold every text.

use std::borrow::Cow;

use super::connect::Connection;
use super::failure::Failure;
use crate::StoreError;

/// One step per version: number `n` makes version `n` from the one before. Steps that were released never change.
const MIGRATIONS: &[&str] = &[
    // What differs from SQLite: the words of a long text lie in several rows, `chunk` 0 and on, since a tsvector is
    // small; readers and tags are arrays; `audit_end` is the one row that all gateways lock to lengthen the chain.
    // `logs` has room in its pages, so that a commit rewrites rows in place. The row of a deleted session stays there,
    // `gone`: whoever would make it again waits for the same lock.
    "CREATE TABLE logs (
        session bytea NOT NULL PRIMARY KEY,
        epoch bigint NOT NULL,
        oldest_seq bigint NOT NULL,
        head_seq bigint NOT NULL,
        gone boolean NOT NULL DEFAULT false
    ) WITH (fillfactor = 70);
    CREATE TABLE events (
        session bytea NOT NULL,
        seq bigint NOT NULL,
        first_seq bigint NOT NULL,
        at_ms bigint NOT NULL,
        payload bytea NOT NULL,
        PRIMARY KEY (session, seq)
    );
    CREATE TABLE sessions (
        id bytea NOT NULL PRIMARY KEY,
        owner bigint NOT NULL,
        shared text NOT NULL,
        readers bigint[] NOT NULL,
        title text NOT NULL,
        title_folded text NOT NULL,
        model text NOT NULL,
        tags text[] NOT NULL,
        created_ms bigint NOT NULL,
        updated_ms bigint NOT NULL,
        turns bigint NOT NULL,
        open_turns bigint NOT NULL
    );
    CREATE INDEX sessions_by_time ON sessions (updated_ms DESC, id DESC);
    CREATE INDEX sessions_by_owner ON sessions (owner, updated_ms DESC, id DESC);
    CREATE INDEX sessions_by_reader ON sessions USING gin (readers);
    CREATE INDEX sessions_by_tag ON sessions USING gin (tags);
    CREATE INDEX sessions_open ON sessions (id) WHERE open_turns > 0;
    CREATE TABLE snapshots (
        session bytea NOT NULL PRIMARY KEY,
        seq bigint NOT NULL,
        state bytea NOT NULL
    );
    CREATE TABLE turns (
        turn bytea NOT NULL PRIMARY KEY,
        session bytea NOT NULL
    );
    CREATE INDEX turns_by_session ON turns (session);
    CREATE TABLE texts (
        session bytea NOT NULL,
        turn bytea NOT NULL,
        part smallint NOT NULL,
        chunk integer NOT NULL,
        words text NOT NULL,
        found tsvector NOT NULL GENERATED ALWAYS AS (array_to_tsvector(string_to_array(words, ' '))) STORED,
        PRIMARY KEY (session, turn, part, chunk)
    );
    CREATE INDEX texts_by_word ON texts USING gin (found);
    CREATE TABLE audit (
        number bigint NOT NULL PRIMARY KEY,
        at_ms bigint NOT NULL,
        principal bigint NOT NULL,
        action text NOT NULL,
        object text NOT NULL,
        detail text NOT NULL,
        hash bytea NOT NULL
    );
    CREATE INDEX audit_by_principal ON audit (principal, number);
    CREATE TABLE audit_end (
        one boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
        number bigint NOT NULL,
        hash bytea NOT NULL
    );
    INSERT INTO audit_end (number, hash) VALUES (0, decode(repeat('00', 32), 'hex'))",
    "CREATE TABLE notices (
        id bigint NOT NULL PRIMARY KEY,
        at_ms bigint NOT NULL,
        body text NOT NULL
    );
    CREATE INDEX notices_by_time ON notices (at_ms, id)",
];

/// The newest version that this program knows.
pub(super) const VERSION: u32 = MIGRATIONS.len() as u32;

/// Every table but the version's, for what goes over all of them.
pub(super) const TABLES: &str = "logs, events, sessions, snapshots, turns, texts, audit, audit_end, notices";

/// Held while the tables change; any number would do, if all gateways use the same.
const LOCK: &str = "SELECT pg_advisory_xact_lock(5779251704)";

/// Draws the number by which gateways tell that they share a store: 60 random bits, never 0.
const MARK: &str = "INSERT INTO schema_version
    SELECT 0, ('x' || substr(md5(gen_random_uuid()::text), 1, 15))::bit(60)::bigint + 1";

/// The number of this store.
pub(super) async fn store_id(connection: &mut Connection) -> Result<u64, Failure> {
    let row = connection.query_opt("SELECT store FROM schema_version", &[]).await?;
    Ok(row.map_or(1, |row| row.get::<_, i64>(0).unsigned_abs()))
}

/// The version at the server; 0 for a new one.
pub(super) async fn version(connection: &mut Connection) -> Result<u32, Failure> {
    let found = "SELECT to_regclass('schema_version') IS NOT NULL";
    let exists: bool = connection.query(found, &[]).await?.first().is_some_and(|row| row.get(0));
    if !exists {
        return Ok(0);
    }
    let row = connection.query_opt("SELECT version FROM schema_version", &[]).await?;
    Ok(row.map(|row| u32::try_from(row.get::<_, i64>(0)).unwrap_or(u32::MAX)).unwrap_or(0))
}

/// The version, refused when this program is too old for it. Writes nothing.
pub(super) async fn check_version(connection: &mut Connection, what: &str) -> Result<u32, Failure> {
    let found = version(connection).await?;
    if found > VERSION {
        return Err(StoreError::TooNew { what: what.to_owned(), found, known: VERSION }.into());
    }
    Ok(found)
}

/// Brings the tables up to date, whole or not at all.
pub(super) async fn migrate(connection: &mut Connection, what: &str) -> Result<(), Failure> {
    if check_version(connection, what).await? == VERSION {
        return Ok(());
    }
    connection.begin("BEGIN").await?;
    connection.batch(LOCK).await?;
    make_schema(connection).await?;
    // Another gateway may have been faster.
    let found = check_version(connection, what).await?;
    apply(connection, found).await?;
    connection.commit().await
}

/// The schema that the search path names first, when it is not there: ours as it comes. The name stands in the
/// administrator's own URL.
async fn make_schema(connection: &mut Connection) -> Result<(), Failure> {
    let wanted =
        "SELECT quote_ident(trim(both ' \"' from split_part(current_setting('search_path'), ',', 1)))
        WHERE current_schema() IS NULL";
    if let Some(row) = connection.query_opt(wanted, &[]).await? {
        connection.batch(&format!("CREATE SCHEMA IF NOT EXISTS {}", row.get::<_, String>(0))).await?;
    }
    Ok(())
}

/// Drops everything and makes the tables of this version, inside a transaction.
pub(super) async fn make_anew(connection: &mut Connection) -> Result<(), Failure> {
    connection.batch(LOCK).await?;
    make_schema(connection).await?;
    connection.batch(&format!("DROP TABLE IF EXISTS {TABLES}, schema_version")).await?;
    apply(connection, 0).await
}

async fn apply(connection: &mut Connection, found: u32) -> Result<(), Failure> {
    if found == 0 {
        connection
            .batch("CREATE TABLE schema_version (version bigint NOT NULL, store bigint NOT NULL)")
            .await?;
        connection.batch(MARK).await?;
    }
    for step in MIGRATIONS.iter().skip(found as usize) {
        connection.batch(step).await?;
    }
    connection.batch(&format!("UPDATE schema_version SET version = {VERSION}")).await
}

/// A text as PostgreSQL can hold it: it knows no character 0. Different texts stay different.
pub(super) fn text(given: &str) -> Cow<'_, str> {
    if given.contains(['\0', '\u{1}']) {
        return Cow::Owned(given.replace('\u{1}', "\u{1}1").replace('\0', "\u{1}0"));
    }
    Cow::Borrowed(given)
}

/// The way back.
pub(super) fn text_back(held: String) -> String {
    if held.contains('\u{1}') {
        return held.replace("\u{1}0", "\0").replace("\u{1}1", "\u{1}");
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back() {
        for given in ["", "plain", "a\0b", "\u{1}0", "\0\u{1}", "\u{1}\u{1}10\0"] {
            let held = text(given).into_owned();
            assert!(!held.contains('\0'));
            assert_eq!(text_back(held), given);
        }
    }
}
