//! The store as the rest of the program sees it: every call goes to the database that the configuration names.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use pomona_protocol::{
    Principal, SessionEvent, SessionId, SessionPage, SessionQuery, SessionSummary, TurnId,
};

use crate::backend::{Backend, check_shape};
use crate::figures::{Figures, StoreFigures};
use crate::postgres::Postgres;
use crate::sqlite::Sqlite;
use crate::{
    Activation, Append, AppendError, AuditEntry, AuditRecord, AuditVerdict, Bounds, CheckReport, Compacted,
    Kept, StoreError, StoreParts,
};

/// Everything that lasts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    backend: Backend,
}

/// Says the same to whichever database it is.
macro_rules! each {
    ($store:expr, $database:ident => $call:expr) => {
        match &$store.backend {
            Backend::Sqlite($database) => $call,
            Backend::Postgres($database) => $call,
        }
    };
}

impl Store {
    /// Opens the store, brings its schema up to date, and starts its writer.
    pub async fn open(parts: StoreParts) -> Result<Self, StoreError> {
        Ok(Self {
            backend: match parts.config.url {
                None => Backend::Sqlite(Sqlite::open(parts).await?),
                Some(_) => Backend::Postgres(Postgres::open(parts).await?),
            },
        })
    }

    /// Opens it beside a running gateway: nothing is created, migrated or written, and every write is refused.
    pub async fn open_read_only(parts: StoreParts) -> Result<Self, StoreError> {
        Ok(Self {
            backend: match parts.config.url {
                None => Backend::Sqlite(Sqlite::open_read_only(parts).await?),
                Some(_) => Backend::Postgres(Postgres::open_read_only(parts).await?),
            },
        })
    }

    /// Replaces everything by a backup, also where [`Store::open`] says that what is there is damaged or too new.
    /// Nobody may use the store meanwhile.
    pub async fn replace(
        parts: StoreParts,
        from: &Path,
        mut progress: impl FnMut(u64, u64) + Send,
    ) -> Result<(), StoreError> {
        match parts.config.url {
            None => Sqlite::replace(parts, from, &mut progress).await,
            Some(_) => Postgres::replace(parts, from, &mut progress).await,
        }
    }

    /// What it is and where, without secrets: `SQLite at /…/store.db`.
    pub fn describe(&self) -> String {
        each!(self, database => database.describe())
    }

    /// Whether other processes may write it at the same time, so that sessions move between gateways.
    pub fn is_shared(&self) -> bool {
        match &self.backend {
            Backend::Sqlite(_) => false,
            Backend::Postgres(_) => true,
        }
    }

    /// Names a store that is shared, wherever it is opened: two gateways on one database have the same. Never 0.
    pub fn id(&self) -> u64 {
        match &self.backend {
            Backend::Sqlite(_) => 1,
            Backend::Postgres(database) => database.id(),
        }
    }

    /// Hands events to the writer and returns at once; `done` hears on the writer's thread what became of them, and
    /// must not block. Appends of one session are written in the order of these calls. A full queue is
    /// [`StoreError::Unavailable`], said at once. Neighbouring tokens may be joined into one event.
    pub fn append(&self, append: Append, done: impl FnOnce(Result<(), AppendError>) + Send + 'static) {
        if let Err(error) = check_shape(&append) {
            return done(Err(error));
        }
        let (began, store) = (Instant::now(), self.counted());
        let (events, audit) = (append.events.len() as u64, append.audit.len() as u64);
        let done = move |outcome: Result<(), AppendError>| {
            store.on_append(began, events, audit, &outcome);
            done(outcome);
        };
        each!(self, database => database.append(append, Box::new(done)));
    }

    /// What it has done since it was opened.
    pub fn figures(&self) -> StoreFigures {
        self.counted().read()
    }

    fn counted(&self) -> Arc<Figures> {
        each!(self, database => database.figures())
    }

    /// Takes the right to write a log. `None` when there is no such session.
    pub async fn activate(&self, session: SessionId) -> Result<Option<Activation>, StoreError> {
        each!(self, database => database.activate(session).await)
    }

    /// Events behind `after`, in order, at most `rows_max` rows. The first one may begin before `after`.
    pub async fn read(
        &self,
        session: SessionId,
        after: u64,
        rows_max: u32,
    ) -> Result<Vec<SessionEvent>, StoreError> {
        each!(self, database => database.read(session, after, rows_max).await)
    }

    /// What there is to read; `None` when there is no such session.
    pub async fn bounds(&self, session: SessionId) -> Result<Option<Bounds>, StoreError> {
        each!(self, database => database.bounds(session).await)
    }

    /// One session of the lists.
    pub async fn summary(&self, session: SessionId) -> Result<Option<SessionSummary>, StoreError> {
        each!(self, database => database.summary(session).await)
    }

    /// A page of sessions.
    pub async fn list(&self, query: SessionQuery) -> Result<SessionPage, StoreError> {
        each!(self, database => database.list(query).await)
    }

    /// The session of a turn.
    pub async fn session_of(&self, turn: TurnId) -> Result<Option<SessionId>, StoreError> {
        each!(self, database => database.session_of(turn).await)
    }

    /// Sessions with turns that wait or run.
    pub async fn unfinished(&self) -> Result<Vec<SessionId>, StoreError> {
        each!(self, database => database.unfinished().await)
    }

    /// Deletes a session with its log and texts, when `epoch` is the writer's; the audit keeps its lines.
    pub async fn delete(&self, session: SessionId, epoch: u64, audit: AuditEntry) -> Result<(), AppendError> {
        let deleted = each!(self, database => database.delete(session, epoch, audit).await);
        deleted.inspect(|()| self.counted().on_audit())
    }

    /// Writes a line of the audit, synced.
    pub async fn audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        let written = each!(self, database => database.audit(entry).await);
        written.inspect(|()| self.counted().on_audit())
    }

    /// Lines of the audit behind number `after`, at most `lines_max`; of one principal or of all.
    pub async fn audit_lines(
        &self,
        after: u64,
        lines_max: u32,
        by: Option<Principal>,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        each!(self, database => database.audit_lines(after, lines_max, by).await)
    }

    /// Writes a notice in the place of an older state of it, and lets go all but the newest `kept_max`. `body` is its
    /// JSON.
    pub async fn put_notice(
        &self,
        id: u64,
        at_ms: u64,
        body: String,
        kept_max: u32,
    ) -> Result<(), StoreError> {
        each!(self, database => database.put_notice(id, at_ms, body, kept_max).await)
    }

    /// Bodies of the newest notices, the newest first.
    pub async fn notices(&self, max: u32) -> Result<Vec<String>, StoreError> {
        each!(self, database => database.notices(max).await)
    }

    /// Computes every hash of the audit again.
    pub async fn audit_verify(&self) -> Result<AuditVerdict, StoreError> {
        each!(self, database => database.audit_verify().await)
    }

    /// Looks at everything.
    pub async fn check(&self) -> Result<CheckReport, StoreError> {
        each!(self, database => database.check().await)
    }

    /// Writes a copy of everything, as it is at one moment, into a new SQLite file; the store goes on meanwhile.
    /// `progress` hears rows or pages done and in all.
    pub async fn backup(
        &self,
        to: &Path,
        mut progress: impl FnMut(u64, u64) + Send,
    ) -> Result<(), StoreError> {
        each!(self, database => database.backup(to, &mut progress).await)
    }

    /// Replaces everything by a backup. Nobody else may use the store meanwhile. It is closed afterwards: open it
    /// anew.
    pub async fn restore(
        &self,
        from: &Path,
        mut progress: impl FnMut(u64, u64) + Send,
    ) -> Result<(), StoreError> {
        each!(self, database => database.restore(from, &mut progress).await)
    }

    /// Joins rows of ended turns and gives free space back.
    pub async fn compact(&self) -> Result<Compacted, StoreError> {
        each!(self, database => database.compact().await)
    }

    /// Lets go what is older than the configuration keeps, as of `now_ms`. Sessions with open turns stay.
    pub async fn retain(&self, now_ms: u64) -> Result<Kept, StoreError> {
        each!(self, database => database.retain(now_ms).await)
    }

    /// The database, for tests of one of them.
    #[cfg(test)]
    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Writes what waits, syncs it, and ends the writer. Later appends are refused.
    pub async fn close(&self) -> Result<(), StoreError> {
        each!(self, database => database.close().await)
    }
}
