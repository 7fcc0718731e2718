//! What is read: logs, summaries, turns, and lines of the audit.

use pomona_protocol::{ModelId, Principal, SessionEvent, SessionId, SessionSummary, TurnId};
use tokio_postgres::Row;

use super::Postgres;
use super::change::limited;
use super::schema::text_back;
use super::values::{id_bytes, session, turn_bytes};
use crate::audit::hex;
use crate::backend::{from_signed, principal_bits, principal_of, to_signed};
use crate::encoding::decode_event;
use crate::{AuditEntry, AuditRecord, Bounds, StoreError};

const BOUNDS: &str = "SELECT oldest_seq, head_seq FROM logs WHERE session = $1 AND NOT gone";
const EVENTS: &str = "SELECT first_seq, seq, at_ms, payload FROM events
    WHERE session = $1 AND seq > $2 ORDER BY seq LIMIT $3";
const SUMMARY: &str =
    "SELECT id, owner, shared, title, model, tags, created_ms, updated_ms, turns, open_turns, head_seq
    FROM sessions JOIN logs ON session = id WHERE id = $1";
const SESSION_OF: &str = "SELECT session FROM turns WHERE turn = $1";
const UNFINISHED: &str = "SELECT id FROM sessions WHERE open_turns > 0 ORDER BY id";
const LINES: &str = "SELECT number, at_ms, principal, action, object, detail, hash FROM audit
    WHERE number > $1 AND ($2::bigint IS NULL OR principal = $2) ORDER BY number LIMIT $3";

impl Postgres {
    /// See [`crate::Store::read`].
    pub(crate) async fn read(
        &self,
        id: SessionId,
        after: u64,
        rows_max: u32,
    ) -> Result<Vec<SessionEvent>, StoreError> {
        limited!(self, lease, {
            let values = (id_bytes(id), to_signed(after), i64::from(rows_max));
            let rows = lease.query(EVENTS, &[&values.0, &values.1, &values.2]).await?;
            let events = rows.iter().map(|row| event(&self.server.name, id, row, 0));
            Ok(events.collect::<Result<_, _>>()?)
        })
    }

    /// See [`crate::Store::bounds`].
    pub(crate) async fn bounds(&self, id: SessionId) -> Result<Option<Bounds>, StoreError> {
        limited!(self, lease, {
            let row = lease.query_opt(BOUNDS, &[&id_bytes(id)]).await?;
            Ok(row.map(|row| bounds(&row, 0)))
        })
    }

    /// See [`crate::Store::summary`].
    pub(crate) async fn summary(&self, id: SessionId) -> Result<Option<SessionSummary>, StoreError> {
        limited!(self, lease, {
            let row = lease.query_opt(SUMMARY, &[&id_bytes(id)]).await?;
            Ok(row.map(|row| summary(&self.server.name, &row)).transpose()?)
        })
    }

    /// See [`crate::Store::session_of`].
    pub(crate) async fn session_of(&self, turn: TurnId) -> Result<Option<SessionId>, StoreError> {
        limited!(self, lease, {
            let row = lease.query_opt(SESSION_OF, &[&turn_bytes(turn)]).await?;
            Ok(row.map(|row| session(&row, 0)))
        })
    }

    /// See [`crate::Store::unfinished`].
    pub(crate) async fn unfinished(&self) -> Result<Vec<SessionId>, StoreError> {
        limited!(self, lease, {
            let rows = lease.query(UNFINISHED, &[]).await?;
            Ok(rows.iter().map(|row| session(row, 0)).collect())
        })
    }

    /// See [`crate::Store::audit_lines`].
    pub(crate) async fn audit_lines(
        &self,
        after: u64,
        lines_max: u32,
        by: Option<Principal>,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        limited!(self, lease, {
            let values = (to_signed(after), by.map(principal_bits), i64::from(lines_max));
            let rows = lease.query(LINES, &[&values.0, &values.1, &values.2]).await?;
            let record = |row: &Row| {
                let (number, entry) = line(row);
                AuditRecord { number, entry, hash: hex(row.get(6)) }
            };
            Ok(rows.iter().map(record).collect())
        })
    }
}

/// Bounds from two columns.
pub(super) fn bounds(row: &Row, column: usize) -> Bounds {
    Bounds { oldest_seq: from_signed(row.get(column)), head_seq: from_signed(row.get(column + 1)) }
}

/// An event from four columns: first number, last number, time, bytes.
pub(super) fn event(what: &str, id: SessionId, row: &Row, column: usize) -> Result<SessionEvent, StoreError> {
    let number = |offset: usize| from_signed(row.get(column + offset));
    decode_event(what, id, (number(0), number(1), number(2)), row.get(column + 3))
}

/// What lists show of a session, from the columns of [`SUMMARY`].
pub(super) fn summary(what: &str, row: &Row) -> Result<SessionSummary, StoreError> {
    let id = session(row, 0);
    let shared = serde_json::from_str(row.get(2)).map_err(|error| StoreError::Damaged {
        what: what.to_owned(),
        message: format!("readers of {id}: {error}"),
    })?;
    let count = |column: usize| u32::try_from(row.get::<_, i64>(column)).unwrap_or(u32::MAX);
    Ok(SessionSummary {
        id,
        owner: principal_of(row.get(1)),
        shared,
        title: text_back(row.get(3)),
        model: ModelId(text_back(row.get(4))),
        tags: row.get::<_, Vec<String>>(5).into_iter().map(text_back).collect(),
        created_ms: from_signed(row.get(6)),
        updated_ms: from_signed(row.get(7)),
        turns: count(8),
        open_turns: count(9),
        head_seq: from_signed(row.get(10)),
    })
}

/// A line of the audit and its number, from the columns of the table.
pub(super) fn line(row: &Row) -> (u64, AuditEntry) {
    let entry = AuditEntry {
        at_ms: row.get::<_, i64>(1).cast_unsigned(),
        by: principal_of(row.get(2)),
        action: text_back(row.get(3)),
        object: text_back(row.get(4)),
        detail: text_back(row.get(5)),
    };
    (from_signed(row.get(0)), entry)
}
