//! Joining rows, and letting go what is old. Called by operators, and by the gateway from time to time.
//!
//! Everything goes through the writer in small transactions, so that nobody's write waits longer than for a few hundred
//! rows. Free pages go back to the system in small steps as well: there is no `VACUUM`, which would need the file's size
//! again and keep the writer for minutes.

use pomona_protocol::{Principal, SessionEvent, SessionId};
use rusqlite::{Connection, OptionalExtension, params};

use super::core::{Core, Log};
use super::{Sqlite, check, reads, rows};
use crate::backend::{from_signed, push_joined, to_signed};
use crate::{AuditEntry, Bounds, Compacted, Kept, StoreError, encoding};

/// Rows of one transaction.
const STEP_ROWS: u32 = 512;

/// Pages that are given back in one transaction: 4 MiB.
const STEP_PAGES: u32 = 1024;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl Sqlite {
    pub(crate) async fn compact(&self) -> Result<Compacted, StoreError> {
        let writer = self.writer()?;
        let sql =
            "SELECT session FROM logs WHERE session NOT IN (SELECT id FROM sessions WHERE open_turns > 0)";
        let sessions = self.pool.read(|db| ids(db, sql, 0)).await?;
        let before = self.pool.read(size).await?;
        for session in sessions {
            let mut after = Some(0);
            while let Some(from) = after {
                after = writer.run(move |core| join_rows(core, session, from)).await?;
            }
        }
        while writer.run(give_back).await? {}
        let after = self.pool.read(size).await?;
        Ok(Compacted {
            rows_before: before.0,
            rows_after: after.0,
            bytes_before: before.1,
            bytes_after: after.1,
        })
    }

    pub(crate) async fn retain(&self, now_ms: u64) -> Result<Kept, StoreError> {
        let writer = self.writer()?;
        let mut kept = Kept::default();
        if let Some(before) = cutoff(now_ms, self.config.keep_days) {
            let sql = "SELECT id FROM sessions WHERE open_turns = 0 AND updated_ms < ?1";
            for session in self.pool.read(move |db| ids(db, sql, before)).await? {
                let is_deleted = writer.run(move |core| expire(core, session, before, now_ms)).await?;
                kept.sessions_deleted += u64::from(is_deleted);
            }
        }
        if let Some(before) = cutoff(now_ms, self.config.keep_events_days) {
            let sql = "SELECT session FROM snapshots s WHERE EXISTS (SELECT 1 FROM events e
                WHERE e.session = s.session AND e.seq <= s.seq AND e.at_ms < ?1)";
            for session in self.pool.read(move |db| ids(db, sql, before)).await? {
                loop {
                    let deleted = writer.run(move |core| trim(core, session, before)).await?;
                    kept.events_deleted += deleted;
                    if deleted < u64::from(STEP_ROWS) {
                        break;
                    }
                }
            }
        }
        Ok(kept)
    }
}

/// What is older than this goes; `None` when everything is kept.
fn cutoff(now_ms: u64, days: u32) -> Option<i64> {
    (days > 0).then(|| to_signed(now_ms.saturating_sub(u64::from(days) * DAY_MS)))
}

/// Sessions that a statement finds; its parameter, if it has one, is a time.
fn ids(db: &Connection, sql: &str, before: i64) -> Result<Vec<SessionId>, rusqlite::Error> {
    let mut query = db.prepare_cached(sql)?;
    let with = if query.parameter_count() == 0 { Vec::new() } else { vec![before] };
    query.query_map(rusqlite::params_from_iter(with), |row| reads::session_of_key(row, 0))?.collect()
}

/// Rows of events, and bytes.
fn size(db: &Connection) -> Result<(u64, u64), rusqlite::Error> {
    Ok((check::count(db, "SELECT count(*) FROM events")?, check::bytes(db)?))
}

/// Joins some rows of a log; gives the number behind which to go on, or `None` at its end.
fn join_rows(core: &mut Core, session: SessionId, after: u64) -> Result<Option<u64>, StoreError> {
    core.transact(false, |core| {
        let found = reads::events(&core.what, &core.db, session, after, STEP_ROWS)?;
        let is_last = found.len() < STEP_ROWS as usize;
        let mut joined: Vec<(usize, SessionEvent)> = Vec::new();
        for event in found {
            let (mut run, count) = match joined.pop() {
                Some((count, last)) => (vec![last], count),
                None => (Vec::new(), 0),
            };
            push_joined(&mut run, event);
            match (run.len(), run.pop()) {
                (2, Some(last)) => {
                    joined.extend(run.pop().map(|before| (count, before)));
                    joined.push((1, last));
                }
                (_, last) => joined.extend(last.map(|last| (count + 1, last))),
            }
        }
        for (count, event) in &joined {
            if *count > 1 {
                let payload = encoding::encode_body(&event.body)?;
                replace(&core.db, session, event, &payload).map_err(|error| core.fault(&error))?;
            }
        }
        // The last row may take in more.
        let last = joined.last().map(|(_, event)| event.first_seq.saturating_sub(1));
        Ok(last.filter(|_| !is_last))
    })
}

/// Puts one row in the place of those that it holds.
fn replace(
    db: &Connection,
    session: SessionId,
    event: &SessionEvent,
    payload: &[u8],
) -> Result<(), rusqlite::Error> {
    let (id, first, last) = (rows::key(session), to_signed(event.first_seq), to_signed(event.seq));
    db.prepare_cached("DELETE FROM events WHERE session = ?1 AND seq BETWEEN ?2 AND ?3")?
        .execute(params![id, first, last])?;
    db.prepare_cached(
        "INSERT INTO events (session, seq, first_seq, at_ms, payload) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![id, last, first, to_signed(event.at_ms), payload])?;
    Ok(())
}

/// Gives some free pages back; `false` when there are none left.
fn give_back(core: &mut Core) -> Result<bool, StoreError> {
    let step = |core: &Core| -> Result<bool, rusqlite::Error> {
        let free = check::count(&core.db, "PRAGMA freelist_count")?;
        if free > 0 {
            let mut vacuum = core.db.prepare(&format!("PRAGMA incremental_vacuum({STEP_PAGES})"))?;
            let mut pages = vacuum.query([])?;
            while pages.next()?.is_some() {}
        }
        let left = check::count(&core.db, "PRAGMA freelist_count")?;
        if left == 0 {
            // The file shrinks when its log is moved into it; waiting for readers would keep the writer.
            core.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        }
        // A file that an older program made may not be able to.
        Ok(left > 0 && left < free)
    };
    step(core).map_err(|error| core.fault(&error))
}

/// Deletes a session, unless somebody used it meanwhile.
fn expire(core: &mut Core, session: SessionId, before: i64, now_ms: u64) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM sessions WHERE id = ?1 AND open_turns = 0 AND updated_ms < ?2";
    let entry = AuditEntry {
        at_ms: now_ms,
        // Nobody's key: the configuration asked for it.
        by: Principal(0),
        action: "session.expired".into(),
        object: session.to_string(),
        detail: String::new(),
    };
    let audit = core.audit.with(&entry);
    let is_deleted = core.transact(false, |core| {
        let delete = |core: &mut Core| {
            let is_old = core.db.prepare_cached(sql)?.exists(params![rows::key(session), before])?;
            let Some(log) = core.log(session)?.filter(|_| is_old) else { return Ok(false) };
            rows::delete_session(&core.db, session, log.epoch)?;
            rows::write_line(&core.db, &audit, &entry)?;
            Ok(true)
        };
        delete(core).map_err(|error| core.fault(&error))
    })?;
    if is_deleted {
        core.audit = audit;
        core.logs.remove(&session);
    }
    Ok(is_deleted)
}

/// Deletes some old rows from the start of a log, up to its snapshot; gives how many.
fn trim(core: &mut Core, session: SessionId, before: i64) -> Result<u64, StoreError> {
    let trimmed = core.transact(false, |core| {
        let trim = |core: &mut Core| {
            let Some(log) = core.log(session)? else { return Ok((0, None)) };
            let deleted = delete_start(&core.db, session, before)?;
            let first = "SELECT first_seq FROM events WHERE session = ?1 ORDER BY seq LIMIT 1";
            let first = core.db.prepare_cached(first)?.query_row([rows::key(session)], |row| row.get(0));
            let oldest_seq = first.optional()?.map_or(log.bounds.head_seq + 1, from_signed);
            let log = Log { bounds: Bounds { oldest_seq, ..log.bounds }, ..log };
            rows::write_log(&core.db, session, &log)?;
            Ok((deleted, Some(log)))
        };
        trim(core).map_err(|error| core.fault(&error))
    })?;
    let (deleted, log) = trimmed;
    core.logs.extend(log.map(|log| (session, log)));
    Ok(deleted)
}

/// Rows go from the start on, up to the first one that is young or not in the snapshot: what stays has no gap.
fn delete_start(db: &Connection, session: SessionId, before: i64) -> Result<u64, rusqlite::Error> {
    let sql = "DELETE FROM events WHERE session = ?1
        AND NOT EXISTS (SELECT 1 FROM sessions WHERE id = ?1 AND open_turns > 0)
        AND seq IN (
            SELECT seq FROM events WHERE session = ?1 AND seq < coalesce(
                (SELECT min(seq) FROM events WHERE session = ?1 AND (at_ms >= ?2 OR seq >
                    coalesce((SELECT seq FROM snapshots WHERE session = ?1), 0))),
                9223372036854775807)
            ORDER BY seq LIMIT ?3)";
    let deleted = db.prepare_cached(sql)?.execute(params![rows::key(session), before, STEP_ROWS])?;
    Ok(deleted as u64)
}
