//! The store as a SQLite file: the default, for one gateway.
//!
//! `writer` is the one thread that writes, `pool` the connections that read. `core`, `group` and `rows` are a commit from
//! outside in; `reads` and `list` are questions; `maintain`, `check` and `backup` are what operators do.

mod backup;
mod check;
mod core;
pub(crate) mod fault;
mod files;
mod group;
mod list;
mod maintain;
mod notices;
mod pool;
mod reads;
mod rows;
pub(crate) mod schema;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pomona_config::StoreConfig;
use pomona_protocol::{
    Principal, SessionEvent, SessionId, SessionPage, SessionQuery, SessionSummary, TurnId,
};
use tokio::sync::oneshot;

use self::core::{Core, Log};
use self::files::Lock;
use self::group::Write;
use self::pool::Pool;
use self::writer::{Reply, Writer};
use crate::backend::Done;
use crate::figures::Figures;
use crate::{
    Activation, Append, AppendError, AuditEntry, AuditRecord, AuditVerdict, Bounds, StoreError, StoreParts,
};

/// A store file, opened.
#[derive(Debug)]
pub(crate) struct Sqlite {
    what: String,
    path: PathBuf,
    config: StoreConfig,
    pool: Pool,
    /// `None` when it was opened to be read.
    writer: Option<Arc<Writer>>,
    lock: Mutex<Option<Arc<Lock>>>,
    figures: Arc<Figures>,
}

impl Sqlite {
    /// Opens the file, or makes it, and starts its writer.
    pub(crate) async fn open(parts: StoreParts) -> Result<Arc<Self>, StoreError> {
        blocking(move || Self::open_blocking(parts)).await
    }

    fn open_blocking(parts: StoreParts) -> Result<Arc<Self>, StoreError> {
        let folder = parts.data_dir.display().to_string();
        std::fs::create_dir_all(&parts.data_dir).map_err(|error| fault::io_error(&folder, &error))?;
        let lock = Arc::new(Lock::take(&parts.data_dir)?);
        let path = parts.data_dir.join("store.db");
        backup::finish_restore(&path)?;
        let timeout = Duration::from_millis(parts.config.timeout_ms);
        let core = Core::open(&path, timeout, Arc::clone(&lock))?;
        let figures = Arc::clone(&core.figures);
        let commit = Duration::from_millis(parts.config.commit_ms);
        let writer = Writer::start(core, commit, parts.config.queue_max)?;
        Ok(Self::new(path, parts.config, Some(Arc::new(writer)), Some(lock), figures))
    }

    /// Opens the file beside whoever writes it.
    pub(crate) async fn open_read_only(parts: StoreParts) -> Result<Arc<Self>, StoreError> {
        blocking(move || {
            let path = parts.data_dir.join("store.db");
            let what = path.display().to_string();
            let timeout = Duration::from_millis(parts.config.timeout_ms);
            let db = files::open_reader(&path, timeout).map_err(|error| fault::store_error(&what, &error))?;
            let found = schema::check_version(&what, &db)?;
            if found != schema::VERSION {
                let message = format!(
                    "its schema version is {found}, not {}; open it once for writing to bring it up to date",
                    schema::VERSION
                );
                return Err(StoreError::Unavailable { what, message });
            }
            Ok(Self::new(path, parts.config, None, None, Arc::default()))
        })
        .await
    }

    fn new(
        path: PathBuf,
        config: StoreConfig,
        writer: Option<Arc<Writer>>,
        lock: Option<Arc<Lock>>,
        figures: Arc<Figures>,
    ) -> Arc<Self> {
        let pool = Pool::new(&path, Duration::from_millis(config.timeout_ms));
        let what = path.display().to_string();
        Arc::new(Self { what, path, config, pool, writer, lock: Mutex::new(lock), figures })
    }

    pub(crate) fn describe(&self) -> String {
        format!("SQLite at {}", self.what)
    }

    /// The counters behind [`crate::Store::figures`].
    pub(crate) fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.figures)
    }

    pub(crate) fn append(&self, append: Append, done: Done) {
        self.write(Write::Append(Box::new(append)), Reply::Done(done));
    }

    pub(crate) async fn activate(&self, session: SessionId) -> Result<Option<Activation>, StoreError> {
        match self.ask(Write::Activate(session)).await {
            Ok(Some(Log { epoch, bounds })) => {
                // Nobody else can write a later one: older epochs are fenced now.
                let snapshot = self.pool.read(move |db| reads::snapshot(db, session)).await?;
                Ok(Some(Activation { epoch, bounds, snapshot }))
            }
            Ok(None) | Err(AppendError::Gone) => Ok(None),
            Err(error) => Err(self.store_error(error)),
        }
    }

    pub(crate) async fn delete(
        &self,
        session: SessionId,
        epoch: u64,
        audit: AuditEntry,
    ) -> Result<(), AppendError> {
        self.ask(Write::Delete { session, epoch, audit }).await.map(|_| ())
    }

    pub(crate) async fn audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        let written = self.ask(Write::Audit(entry)).await;
        written.map(|_| ()).map_err(|error| self.store_error(error))
    }

    fn write(&self, write: Write, reply: Reply) {
        match &self.writer {
            Some(writer) => writer.write(write, reply),
            None => reply.say(Err(self.read_only().into())),
        }
    }

    async fn ask(&self, write: Write) -> Result<Option<Log>, AppendError> {
        let (reply, answer) = oneshot::channel();
        self.write(write, Reply::Log(reply));
        let timeout = Duration::from_millis(self.config.timeout_ms);
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(self.unavailable("its writer has ended").into()),
            Err(_) => Err(self.unavailable("the disk does not answer").into()),
        }
    }

    fn writer(&self) -> Result<&Writer, StoreError> {
        self.writer.as_deref().ok_or_else(|| self.read_only())
    }

    fn read_only(&self) -> StoreError {
        self.unavailable("it was opened to be read")
    }

    fn unavailable(&self, message: &str) -> StoreError {
        StoreError::Unavailable { what: self.what.clone(), message: message.into() }
    }

    fn store_error(&self, error: AppendError) -> StoreError {
        match error {
            AppendError::Store(error) => error,
            refused => self.unavailable(&refused.to_string()),
        }
    }

    /// Ends everything but the right to write. The writer's connection closes last: only it can move its log into the
    /// file.
    async fn end(&self) -> Result<(), StoreError> {
        self.pool.close().await;
        let Some(writer) = self.writer.clone() else { return Ok(()) };
        blocking(move || {
            writer.close();
            Ok(())
        })
        .await
    }

    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        self.end().await?;
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    }
}

/// Reads go to the pool as they are.
impl Sqlite {
    pub(crate) async fn read(
        &self,
        session: SessionId,
        after: u64,
        rows_max: u32,
    ) -> Result<Vec<SessionEvent>, StoreError> {
        self.pool.run(move |what, db| reads::events(what, db, session, after, rows_max)).await
    }

    pub(crate) async fn bounds(&self, session: SessionId) -> Result<Option<Bounds>, StoreError> {
        self.pool.read(move |db| reads::bounds(db, session)).await
    }

    pub(crate) async fn summary(&self, session: SessionId) -> Result<Option<SessionSummary>, StoreError> {
        self.pool.read(move |db| reads::summary(db, session)).await
    }

    pub(crate) async fn list(&self, query: SessionQuery) -> Result<SessionPage, StoreError> {
        self.pool.run(move |what, db| list::page(what, db, &query)).await
    }

    pub(crate) async fn session_of(&self, turn: TurnId) -> Result<Option<SessionId>, StoreError> {
        self.pool.read(move |db| reads::session_of(db, turn)).await
    }

    pub(crate) async fn unfinished(&self) -> Result<Vec<SessionId>, StoreError> {
        self.pool.read(reads::unfinished).await
    }

    pub(crate) async fn audit_lines(
        &self,
        after: u64,
        lines_max: u32,
        by: Option<Principal>,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        self.pool.read(move |db| reads::audit_lines(db, after, lines_max, by)).await
    }

    pub(crate) async fn audit_verify(&self) -> Result<AuditVerdict, StoreError> {
        self.pool.read(reads::audit_verify).await
    }
}

/// Runs what blocks on a thread for that, and waits for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(StoreError::Unavailable { what: "store".into(), message: format!("a thread ended: {error}") })
    })
}
