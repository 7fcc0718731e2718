//! What the writer's thread owns: the connection that writes, and what it knows without asking.
//!
//! `writer` hands it groups; `group` checks them and `rows` writes them; `maintain` borrows it for a moment.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pomona_protocol::SessionId;
use rusqlite::{Connection, OptionalExtension};

use super::files::{self, Lock};
use super::group::{Group, Outcome, Write};
use super::{fault, rows};
use crate::audit::ChainEnd;
use crate::backend::from_signed;
use crate::figures::Figures;
use crate::{Bounds, StoreError};

/// What is committed is on the disk after this time, also when nothing follows. The promise is 50 ms; the rest is for
/// the sync itself.
const SYNC_AFTER: Duration = Duration::from_millis(45);

/// How long pages of the file stay in memory. A file that only grows would fill the whole cache with what nobody reads
/// again; the system keeps its own copy of what is in use.
const PAGES_KEPT: Duration = Duration::from_secs(60);
/// Logs whose end is remembered; beyond that all are forgotten and asked for again.
const LOGS_KNOWN_MAX: usize = 65_536;

/// The end of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) epoch: u64,
    pub(super) bounds: Bounds,
}

/// The writer's own.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) what: String,
    pub(super) db: Connection,
    wal: File,
    /// Ends of logs as they are in the file. Right, since nobody else writes.
    pub(super) logs: HashMap<SessionId, Log>,
    /// End of the audit as it is in the file.
    pub(super) audit: ChainEnd,
    pub(super) figures: Arc<Figures>,
    is_synchronous_full: bool,
    unsynced_since: Option<Instant>,
    /// Since when pages of the file are kept.
    pages_since: Instant,
    // Nobody else may write before the last commit.
    _lock: Arc<Lock>,
}

impl Core {
    /// Opens the file.
    pub(super) fn open(path: &Path, timeout: Duration, lock: Arc<Lock>) -> Result<Self, StoreError> {
        let what = path.display().to_string();
        let db = files::open_writer(&what, path, timeout)?;
        let fault = |error: rusqlite::Error| fault::store_error(&what, &error);
        let audit = last_line(&db).map_err(fault)?;
        // The first look makes the write-ahead log; it stays the same file for as long as the connection lives.
        let wal = File::options().read(true).write(true).open(files::beside(path, "-wal"));
        let wal = wal.map_err(|error| fault::io_error(&what, &error))?;
        let logs = HashMap::new();
        let figures = Arc::default();
        Ok(Self {
            what,
            db,
            wal,
            logs,
            audit,
            figures,
            is_synchronous_full: false,
            unsynced_since: None,
            pages_since: Instant::now(),
            _lock: lock,
        })
    }

    /// Writes a group as one transaction, and says what became of each; after an error nothing of it is written.
    pub(super) fn commit(&mut self, writes: Vec<Write>) -> Result<Vec<Outcome>, StoreError> {
        let began = Instant::now();
        let is_synced = writes.iter().any(Write::is_synced) || self.is_sync_due();
        let outcomes = self.transact(is_synced, |core| {
            let mut group = Group::new(core.audit);
            let outcomes: Result<Vec<Outcome>, rusqlite::Error> =
                writes.into_iter().map(|write| group.take(core, write)).collect();
            let outcomes = outcomes.map_err(|error| core.fault(&error))?;
            let audit = rows::write(core, group)?;
            Ok((outcomes, audit))
        });
        let (outcomes, audit) = outcomes?;
        self.figures.on_commit(began, is_synced);
        self.audit = audit;
        if self.logs.len() > LOGS_KNOWN_MAX {
            self.logs.clear();
        }
        Ok(outcomes)
    }

    /// Forgets the pages of the file once in a while.
    pub(super) fn forget_pages(&mut self) {
        if self.pages_since.elapsed() >= PAGES_KEPT {
            self.pages_since = Instant::now();
            if let Err(error) = self.execute("PRAGMA shrink_memory") {
                tracing::warn!(%error, "the store keeps its pages in memory");
            }
        }
    }

    /// Runs something in one transaction. `synchronous = NORMAL` leaves a commit with the system, where it survives the
    /// end of this process; `FULL` syncs the whole write-ahead log, and with it every commit before.
    pub(super) fn transact<T>(
        &mut self,
        is_synced: bool,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // Left open only by a panic.
        self.undo();
        let result = self.try_transact(is_synced, work);
        if result.is_err() {
            self.undo();
            // It may know of what was not written.
            self.logs.clear();
        }
        result
    }

    /// Rolls an open transaction back, if the library has not done so by itself, and forgets what it knew.
    fn undo(&mut self) {
        if !self.db.is_autocommit() {
            self.logs.clear();
            if let Err(error) = self.db.execute_batch("ROLLBACK") {
                tracing::warn!(%error, "the store could not roll back");
            }
        }
    }

    fn try_transact<T>(
        &mut self,
        is_synced: bool,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.is_synchronous_full != is_synced {
            let level = if is_synced { "FULL" } else { "NORMAL" };
            self.execute(&format!("PRAGMA synchronous = {level}"))?;
            self.is_synchronous_full = is_synced;
        }
        self.execute("BEGIN IMMEDIATE")?;
        let before = self.db.total_changes();
        let value = work(self)?;
        let is_changed = self.db.total_changes() != before;
        self.execute("COMMIT")?;
        if !is_synced {
            if is_changed {
                self.unsynced_since.get_or_insert_with(Instant::now);
            }
        } else if is_changed {
            self.unsynced_since = None;
        } else {
            // A commit without changes syncs nothing, and what came before is to be on the disk.
            self.sync()?;
        }
        Ok(value)
    }

    fn execute(&self, sql: &str) -> Result<(), StoreError> {
        self.db.execute_batch(sql).map_err(|error| self.fault(&error))
    }

    /// The store's word for an error of the library.
    pub(super) fn fault(&self, error: &rusqlite::Error) -> StoreError {
        fault::store_error(&self.what, error)
    }

    /// When unsynced commits have to be synced; `None` when there are none.
    pub(super) fn sync_due(&self) -> Option<Instant> {
        self.unsynced_since.map(|since| since + SYNC_AFTER)
    }

    fn is_sync_due(&self) -> bool {
        self.sync_due().is_some_and(|due| due <= Instant::now())
    }

    /// Syncs what was committed, if anything was. Needs no room on the disk.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        if self.unsynced_since.is_some() {
            let began = Instant::now();
            self.wal.sync_all().map_err(|error| fault::io_error(&self.what, &error))?;
            self.figures.syncs.note(began.elapsed());
            self.unsynced_since = None;
        }
        Ok(())
    }

    /// Puts the next sync off after a failed one, so that a broken disk is not asked without a pause.
    pub(super) fn put_sync_off(&mut self) {
        self.unsynced_since = Some(Instant::now());
    }

    /// The end of a log, from memory or from the file.
    pub(super) fn log(&mut self, session: SessionId) -> Result<Option<Log>, rusqlite::Error> {
        if let Some(log) = self.logs.get(&session) {
            return Ok(Some(*log));
        }
        let found = read_log(&self.db, session)?;
        if let Some(log) = found {
            self.logs.insert(session, log);
        }
        Ok(found)
    }

    /// Whether a session was deleted.
    pub(super) fn is_gone(&self, session: SessionId) -> Result<bool, rusqlite::Error> {
        self.db.prepare_cached("SELECT 1 FROM gone WHERE session = ?1")?.exists([rows::key(session)])
    }
}

/// The end of a log as the file has it.
pub(super) fn read_log(db: &Connection, session: SessionId) -> Result<Option<Log>, rusqlite::Error> {
    db.prepare_cached("SELECT epoch, oldest_seq, head_seq FROM logs WHERE session = ?1")?
        .query_row([rows::key(session)], |row| {
            let number = |column| row.get(column).map(from_signed);
            let bounds = Bounds { oldest_seq: number(1)?, head_seq: number(2)? };
            Ok(Log { epoch: number(0)?, bounds })
        })
        .optional()
}

fn last_line(db: &Connection) -> Result<ChainEnd, rusqlite::Error> {
    let line = db.query_row("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1", [], |row| {
        Ok(ChainEnd { number: from_signed(row.get(0)?), hash: row.get(1)? })
    });
    Ok(line.optional()?.unwrap_or_default())
}
