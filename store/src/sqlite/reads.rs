//! What is read of logs, turns and the audit. Called by `Sqlite` on connections of the pool.

use pomona_protocol::{ModelId, Principal, SessionEvent, SessionId, SessionSummary, TurnId};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::core::read_log;
use super::{fault, rows};
use crate::audit::{Verifier, hex};
use crate::backend::{from_signed, principal_bits, principal_of, to_signed};
use crate::{AuditEntry, AuditRecord, AuditVerdict, Bounds, StoreError, encoding};

/// Columns of a summary, as [`summary_of`] reads them; `s` is `sessions`, `l` is `logs`.
pub(super) const SUMMARY: &str =
    "s.id, s.owner, s.shared, s.title, s.model, s.tags, s.created_ms, s.updated_ms,
    s.turns, s.open_turns, l.head_seq";

/// Events behind `after`.
pub(super) fn events(
    what: &str,
    db: &Connection,
    session: SessionId,
    after: u64,
    rows_max: u32,
) -> Result<Vec<SessionEvent>, StoreError> {
    let sql = "SELECT first_seq, seq, at_ms, payload FROM events
        WHERE session = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    let fault = |error: rusqlite::Error| fault::store_error(what, &error);
    let mut query = db.prepare_cached(sql).map_err(fault)?;
    let mut found = query.query(params![rows::key(session), to_signed(after), rows_max]).map_err(fault)?;
    let mut events = Vec::new();
    while let Some(row) = found.next().map_err(fault)? {
        events.push(event_of(what, session, row)?);
    }
    Ok(events)
}

/// The event of a row that has its numbers, its time and its payload.
pub(super) fn event_of(what: &str, session: SessionId, row: &Row<'_>) -> Result<SessionEvent, StoreError> {
    let fault = |error: rusqlite::Error| fault::store_error(what, &error);
    let number = |column| row.get(column).map(from_signed).map_err(fault);
    let payload = row.get_ref(3).map_err(fault)?.as_blob();
    let payload = payload.map_err(|error| fault(error.into()))?;
    encoding::decode_event(what, session, (number(0)?, number(1)?, number(2)?), payload)
}

/// What there is to read.
pub(super) fn bounds(db: &Connection, session: SessionId) -> Result<Option<Bounds>, rusqlite::Error> {
    Ok(read_log(db, session)?.map(|log| log.bounds))
}

/// The last snapshot and its number.
pub(super) fn snapshot(
    db: &Connection,
    session: SessionId,
) -> Result<Option<(u64, Vec<u8>)>, rusqlite::Error> {
    db.prepare_cached("SELECT seq, state FROM snapshots WHERE session = ?1")?
        .query_row([rows::key(session)], |row| Ok((from_signed(row.get(0)?), row.get(1)?)))
        .optional()
}

/// One session of the lists.
pub(super) fn summary(
    db: &Connection,
    session: SessionId,
) -> Result<Option<SessionSummary>, rusqlite::Error> {
    let sql = format!("SELECT {SUMMARY} FROM sessions s JOIN logs l ON l.session = s.id WHERE s.id = ?1");
    db.prepare_cached(&sql)?.query_row([rows::key(session)], summary_of).optional()
}

/// The summary of a row with the columns [`SUMMARY`].
pub(super) fn summary_of(row: &Row<'_>) -> Result<SessionSummary, rusqlite::Error> {
    let number = |column| row.get(column).map(from_signed);
    Ok(SessionSummary {
        id: session_of_key(row, 0)?,
        owner: principal_of(row.get(1)?),
        shared: from_json(row, 2)?,
        title: row.get(3)?,
        model: ModelId(row.get(4)?),
        tags: from_json(row, 5)?,
        created_ms: number(6)?,
        updated_ms: number(7)?,
        turns: row.get(8)?,
        open_turns: row.get(9)?,
        head_seq: number(10)?,
    })
}

fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T, rusqlite::Error> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

/// The session of a column with ids.
pub(super) fn session_of_key(row: &Row<'_>, column: usize) -> Result<SessionId, rusqlite::Error> {
    row.get(column).map(|bytes| SessionId(u128::from_be_bytes(bytes)))
}

/// The session of a turn.
pub(super) fn session_of(db: &Connection, turn: TurnId) -> Result<Option<SessionId>, rusqlite::Error> {
    db.prepare_cached("SELECT session FROM turns WHERE turn = ?1")?
        .query_row([turn.0.to_be_bytes()], |row| session_of_key(row, 0))
        .optional()
}

/// Sessions with open turns, in the order of their ids.
pub(super) fn unfinished(db: &Connection) -> Result<Vec<SessionId>, rusqlite::Error> {
    db.prepare_cached("SELECT id FROM sessions WHERE open_turns > 0 ORDER BY id")?
        .query_map([], |row| session_of_key(row, 0))?
        .collect()
}

/// Lines of the audit.
pub(super) fn audit_lines(
    db: &Connection,
    after: u64,
    lines_max: u32,
    by: Option<Principal>,
) -> Result<Vec<AuditRecord>, rusqlite::Error> {
    let sql = "SELECT number, at_ms, principal, action, object, detail, hash FROM audit
        WHERE number > ?1 AND (?2 IS NULL OR principal = ?2) ORDER BY number LIMIT ?3";
    db.prepare_cached(sql)?
        .query_map(params![to_signed(after), by.map(principal_bits), lines_max], |row| {
            let (number, entry, hash) = line_of(row)?;
            Ok(AuditRecord { number, entry, hash: hex(&hash) })
        })?
        .collect()
}

/// Computes the whole chain again.
pub(super) fn audit_verify(db: &Connection) -> Result<AuditVerdict, rusqlite::Error> {
    let sql = "SELECT number, at_ms, principal, action, object, detail, hash FROM audit ORDER BY number";
    let mut query = db.prepare_cached(sql)?;
    let mut lines = query.query([])?;
    let mut verifier = Verifier::default();
    while let Some(row) = lines.next()? {
        let (number, entry, hash) = line_of(row)?;
        if !verifier.line(number, &entry, &hash) {
            break;
        }
    }
    Ok(verifier.verdict())
}

fn line_of(row: &Row<'_>) -> Result<(u64, AuditEntry, Vec<u8>), rusqlite::Error> {
    let entry = AuditEntry {
        // The bits as they were hashed.
        at_ms: row.get::<_, i64>(1)?.cast_unsigned(),
        by: principal_of(row.get(2)?),
        action: row.get(3)?,
        object: row.get(4)?,
        detail: row.get(5)?,
    };
    Ok((from_signed(row.get(0)?), entry, row.get(6)?))
}
