//! A look at everything in a file: pages, indexes, every log, the audit. Used by `check`, and before a backup is restored.
//!
//! It reads at one moment, beside the writer, and says what is wrong instead of stopping at it.

use pomona_protocol::SessionId;
use rusqlite::Connection;

use super::{Sqlite, core, fault, reads, schema};
use crate::backend::from_signed;
use crate::{Bounds, CheckReport, StoreError};

/// Problems that a report holds; one damaged page may be the cause of thousands.
const PROBLEMS_MAX: usize = 100;

impl Sqlite {
    pub(crate) async fn check(&self) -> Result<CheckReport, StoreError> {
        self.pool.run(look).await
    }
}

/// The report. Damage is a problem in it; only an error of the system is an error.
pub(super) fn look(what: &str, db: &Connection) -> Result<CheckReport, StoreError> {
    let fault = |error: rusqlite::Error| fault::store_error(what, &error);
    let moment = db.unchecked_transaction().map_err(fault)?;
    let mut report = CheckReport::default();
    match look_at_all(what, &moment, &mut report) {
        Ok(()) => {}
        Err(StoreError::Damaged { message, .. }) => report.problems.push(message),
        Err(error) => return Err(error),
    }
    report.problems.truncate(PROBLEMS_MAX);
    Ok(report)
}

fn look_at_all(what: &str, db: &Connection, report: &mut CheckReport) -> Result<(), StoreError> {
    let fault = |error: rusqlite::Error| fault::store_error(what, &error);
    report.schema = schema::version(db).map_err(fault)?;
    report.bytes = bytes(db).map_err(fault)?;
    look_at_pages(db, report).map_err(fault)?;
    report.sessions = count(db, "SELECT count(*) FROM logs").map_err(fault)?;
    look_at_tables(db, report).map_err(fault)?;
    look_at_logs(what, db, report)?;
    let verdict = reads::audit_verify(db).map_err(fault)?;
    if let Some((number, message)) = verdict.broken {
        report.problems.push(format!("line {number} of the audit: {message}"));
    }
    Ok(())
}

/// Bytes of the file without its write-ahead log.
pub(super) fn bytes(db: &Connection) -> Result<u64, rusqlite::Error> {
    Ok(count(db, "PRAGMA page_count")? * count(db, "PRAGMA page_size")?)
}

/// A number that a statement gives.
pub(super) fn count(db: &Connection, sql: &str) -> Result<u64, rusqlite::Error> {
    db.query_row(sql, [], |row| row.get(0).map(from_signed))
}

fn look_at_pages(db: &Connection, report: &mut CheckReport) -> Result<(), rusqlite::Error> {
    let mut query = db.prepare(&format!("PRAGMA integrity_check({PROBLEMS_MAX})"))?;
    let mut lines = query.query([])?;
    while let Some(row) = lines.next()? {
        let line: String = row.get(0)?;
        if line != "ok" {
            report.problems.push(line);
        }
    }
    Ok(())
}

/// Rows of one table that need a row of another.
fn look_at_tables(db: &Connection, report: &mut CheckReport) -> Result<(), rusqlite::Error> {
    let rules = [
        ("has a summary and no log", "SELECT id FROM sessions WHERE id NOT IN (SELECT session FROM logs)"),
        ("was deleted and has a log", "SELECT session FROM gone WHERE session IN (SELECT session FROM logs)"),
        (
            "has a snapshot of what is not in its log",
            "SELECT s.session FROM snapshots s LEFT JOIN logs l ON l.session = s.session
             WHERE l.head_seq IS NULL OR s.seq > l.head_seq",
        ),
        (
            "should have events and has none",
            "SELECT session FROM logs l WHERE oldest_seq <= head_seq
             AND NOT EXISTS (SELECT 1 FROM events e WHERE e.session = l.session)",
        ),
    ];
    for (problem, sql) in rules {
        let mut query = db.prepare(sql)?;
        let found = query.query_map([], |row| reads::session_of_key(row, 0))?;
        for session in found.take(PROBLEMS_MAX) {
            report.problems.push(format!("{} {problem}", session?));
        }
    }
    Ok(())
}

/// Every event can be read, and the numbers of each log are dense from its oldest to its head.
fn look_at_logs(what: &str, db: &Connection, report: &mut CheckReport) -> Result<(), StoreError> {
    let fault = |error: rusqlite::Error| fault::store_error(what, &error);
    let sql = "SELECT first_seq, seq, at_ms, payload, session FROM events ORDER BY session, seq";
    let mut query = db.prepare(sql).map_err(fault)?;
    let mut found = query.query([]).map_err(fault)?;
    let mut current: Option<Walk> = None;
    while let Some(row) = found.next().map_err(fault)? {
        report.events += 1;
        let session = reads::session_of_key(row, 4).map_err(fault)?;
        if current.as_ref().is_none_or(|walk| walk.session != session) {
            let log = core::read_log(db, session).map_err(fault)?;
            let before = current.replace(Walk::new(session, log.map(|log| log.bounds)));
            report.problems.extend(before.and_then(Walk::end));
        }
        if report.problems.len() >= PROBLEMS_MAX {
            continue;
        }
        if let Err(StoreError::Damaged { message, .. }) = reads::event_of(what, session, row) {
            report.problems.push(message);
        }
        let numbers = (row.get(0).map_err(fault)?, row.get(1).map_err(fault)?);
        let walk = current.as_mut();
        let problem = walk.and_then(|walk| walk.step(from_signed(numbers.0), from_signed(numbers.1)));
        report.problems.extend(problem);
    }
    report.problems.extend(current.and_then(Walk::end));
    Ok(())
}

/// A walk along one log.
#[derive(Debug)]
struct Walk {
    session: SessionId,
    bounds: Option<Bounds>,
    next_seq: u64,
}

impl Walk {
    fn new(session: SessionId, bounds: Option<Bounds>) -> Self {
        Self { session, bounds, next_seq: bounds.map_or(1, |bounds| bounds.oldest_seq) }
    }

    /// What is wrong with a row that covers these numbers.
    fn step(&mut self, first_seq: u64, seq: u64) -> Option<String> {
        let expected = std::mem::replace(&mut self.next_seq, seq.saturating_add(1));
        let (session, what) = (self.session, if first_seq > expected { "a gap" } else { "an overlap" });
        (first_seq != expected)
            .then(|| format!("{session} has {what}: an event begins at {first_seq}, not at {expected}"))
    }

    /// What is wrong with its end.
    fn end(self) -> Option<String> {
        let (session, last) = (self.session, self.next_seq.saturating_sub(1));
        match self.bounds {
            None => Some(format!("{session} has events and no log")),
            Some(bounds) if bounds.head_seq != last => {
                Some(format!("{session} ends at {last}, and its head is {}", bounds.head_seq))
            }
            Some(_) => None,
        }
    }
}
