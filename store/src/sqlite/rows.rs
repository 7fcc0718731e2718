//! How a checked group becomes rows, inside the transaction of the writer. Nothing here decides; an error undoes it all.

use pomona_protocol::{SessionId, SessionSummary, TurnId};
use rusqlite::{Connection, OptionalExtension, params};

use super::core::{Core, Log};
use super::group::{Changes, Group};
use crate::audit::ChainEnd;
use crate::backend::{principal_bits, to_signed};
use crate::{AuditEntry, Indexed, StoreError, encoding, search};

/// An id as a key of a table.
pub(super) fn key(session: SessionId) -> [u8; 16] {
    session.0.to_be_bytes()
}

/// The part of a text that is a title; its turn is all zero.
const TITLE_PART: u8 = 2;

/// Writes a group; gives the new end of the audit.
pub(super) fn write(core: &Core, group: Group) -> Result<ChainEnd, StoreError> {
    for (session, changes) in &group.sessions {
        let payloads: Vec<Vec<u8>> = changes
            .events
            .iter()
            .map(|event| encoding::encode_body(&event.body))
            .collect::<Result<_, _>>()?;
        write_session(&core.db, *session, changes, &payloads).map_err(|error| core.fault(&error))?;
    }
    let rest = || {
        for (session, epoch) in &group.deleted {
            delete_session(&core.db, *session, *epoch)?;
        }
        group.audit.iter().try_for_each(|(end, entry)| write_line(&core.db, end, entry))
    };
    rest().map_err(|error| core.fault(&error))?;
    Ok(group.audit_end)
}

fn write_session(
    db: &Connection,
    session: SessionId,
    changes: &Changes,
    payloads: &[Vec<u8>],
) -> Result<(), rusqlite::Error> {
    let id = key(session);
    let mut insert = db.prepare_cached(
        "INSERT INTO events (session, seq, first_seq, at_ms, payload) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (event, payload) in changes.events.iter().zip(payloads) {
        let numbers = (to_signed(event.seq), to_signed(event.first_seq), to_signed(event.at_ms));
        insert.execute(params![id, numbers.0, numbers.1, numbers.2, payload])?;
    }
    if let Some(log) = &changes.log {
        write_log(db, session, log)?;
    }
    if let Some(summary) = &changes.summary {
        write_summary(db, session, summary)?;
    }
    for text in &changes.texts {
        write_turn(db, session, text)?;
    }
    if let Some((seq, state)) = &changes.snapshot {
        db.prepare_cached("REPLACE INTO snapshots (session, seq, state) VALUES (?1, ?2, ?3)")?
            .execute(params![id, to_signed(*seq), state])?;
    }
    Ok(())
}

/// Where a log ends, and whose it is.
pub(super) fn write_log(db: &Connection, session: SessionId, log: &Log) -> Result<(), rusqlite::Error> {
    let sql = "INSERT INTO logs (session, epoch, oldest_seq, head_seq) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (session) DO UPDATE SET epoch = ?2, oldest_seq = ?3, head_seq = ?4";
    let bounds = log.bounds;
    let numbers = (to_signed(log.epoch), to_signed(bounds.oldest_seq), to_signed(bounds.head_seq));
    db.prepare_cached(sql)?.execute(params![key(session), numbers.0, numbers.1, numbers.2])?;
    Ok(())
}

fn write_summary(
    db: &Connection,
    session: SessionId,
    summary: &SessionSummary,
) -> Result<(), rusqlite::Error> {
    let sql = "INSERT INTO sessions
            (id, owner, shared, title, title_folded, model, tags, created_ms, updated_ms, turns, open_turns)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
        ON CONFLICT (id) DO UPDATE SET owner = ?2, shared = ?3, title = ?4, title_folded = ?5, model = ?6,
            tags = ?7, created_ms = ?8, updated_ms = ?9, turns = ?10, open_turns = ?11";
    let json = |error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    db.prepare_cached(sql)?.execute(params![
        key(session),
        principal_bits(summary.owner),
        serde_json::to_string(&summary.shared).map_err(json)?,
        summary.title,
        search::folded(&summary.title),
        summary.model.0,
        serde_json::to_string(&summary.tags).map_err(json)?,
        to_signed(summary.created_ms),
        to_signed(summary.updated_ms),
        summary.turns,
        summary.open_turns,
    ])?;
    write_text(db, session, TurnId(0), TITLE_PART, &summary.title)
}

fn write_turn(db: &Connection, session: SessionId, text: &Indexed) -> Result<(), rusqlite::Error> {
    // The first session that names a turn keeps it.
    db.prepare_cached("INSERT INTO turns (turn, session) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![text.turn.0.to_be_bytes(), key(session)])?;
    write_text(db, session, text.turn, text.part, &text.text)
}

/// The index holds no text of its own and has to be told the old words to forget them.
fn write_text(
    db: &Connection,
    session: SessionId,
    turn: TurnId,
    part: u8,
    text: &str,
) -> Result<(), rusqlite::Error> {
    let (id, turn, words) = (key(session), turn.0.to_be_bytes(), search::indexed(text));
    let old: Option<(i64, String)> = db
        .prepare_cached("SELECT id, words FROM texts WHERE session = ?1 AND turn = ?2 AND part = ?3")?
        .query_row(params![id, turn, part], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let number = match old {
        Some((_, old)) if old == words => return Ok(()),
        Some((number, old)) => {
            db.prepare_cached("INSERT INTO found (found, rowid, words) VALUES ('delete', ?1, ?2)")?
                .execute(params![number, old])?;
            db.prepare_cached("UPDATE texts SET words = ?2 WHERE id = ?1")?
                .execute(params![number, words])?;
            number
        }
        None => {
            db.prepare_cached("INSERT INTO texts (session, turn, part, words) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![id, turn, part, words])?;
            db.last_insert_rowid()
        }
    };
    db.prepare_cached("INSERT INTO found (rowid, words) VALUES (?1, ?2)")?.execute(params![number, words])?;
    Ok(())
}

/// Takes everything of a session away but its id, its epoch, and what the audit says of it.
pub(super) fn delete_session(db: &Connection, session: SessionId, epoch: u64) -> Result<(), rusqlite::Error> {
    let id = key(session);
    db.prepare_cached(
        "INSERT INTO found (found, rowid, words) SELECT 'delete', id, words FROM texts WHERE session = ?1",
    )?
    .execute([id])?;
    for sql in [
        "DELETE FROM texts WHERE session = ?1",
        "DELETE FROM turns WHERE session = ?1",
        "DELETE FROM snapshots WHERE session = ?1",
        "DELETE FROM sessions WHERE id = ?1",
        "DELETE FROM events WHERE session = ?1",
        "DELETE FROM logs WHERE session = ?1",
    ] {
        db.prepare_cached(sql)?.execute([id])?;
    }
    db.prepare_cached("REPLACE INTO gone (session, epoch) VALUES (?1, ?2)")?
        .execute(params![id, to_signed(epoch)])?;
    Ok(())
}

pub(super) fn write_line(db: &Connection, end: &ChainEnd, entry: &AuditEntry) -> Result<(), rusqlite::Error> {
    let sql = "INSERT INTO audit (number, at_ms, principal, action, object, detail, hash)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    db.prepare_cached(sql)?.execute(params![
        to_signed(end.number),
        entry.at_ms.cast_signed(),
        principal_bits(entry.by),
        entry.action,
        entry.object,
        entry.detail,
        end.hash,
    ])?;
    Ok(())
}
