//! Connections that read. In write-ahead mode they see the last commit, and neither wait for the writer nor hold it up.
//!
//! Each read runs on a blocking thread of the runtime with a connection of its own; few exist at a time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{fault, files};
use crate::StoreError;

/// Connections at once. Reads take microseconds, so a few keep every processor busy; each costs up to 2 MiB.
const READERS_MAX: u32 = 8;

/// Connections that read.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    what: String,
    path: PathBuf,
    timeout: Duration,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    /// Connections are opened when they are needed.
    pub(super) fn new(path: &Path, timeout: Duration) -> Self {
        let shared = Shared {
            what: path.display().to_string(),
            path: path.to_owned(),
            timeout,
            permits: Arc::new(Semaphore::new(READERS_MAX as usize)),
            idle: Mutex::new(Vec::new()),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Runs a read with a connection.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(move |what, db| work(db).map_err(|error| fault::store_error(what, &error))).await
    }

    /// The same, for work that knows the store's errors.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&str, &Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit =
            tokio::time::timeout(self.shared.timeout, Arc::clone(&self.shared.permits).acquire_owned());
        let permit = match permit.await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(self.unavailable("the store is closed")),
            Err(_) => return Err(self.unavailable("too many reads wait; try again later")),
        };
        let shared = Arc::clone(&self.shared);
        let work = tokio::task::spawn_blocking(move || {
            let db = shared.take()?;
            let result = work(&shared.what, &db);
            // After damage the next read gets a fresh look at the file.
            if result.is_ok() {
                shared.idle().push(db);
            }
            drop(permit);
            result
        });
        work.await.unwrap_or_else(|_| Err(self.unavailable("a read was given up")))
    }

    /// Refuses new reads, waits for those that run, and closes every connection.
    pub(super) async fn close(&self) {
        if let Ok(permits) = self.shared.permits.acquire_many(READERS_MAX).await {
            self.shared.permits.close();
            drop(permits);
        }
        self.shared.idle().clear();
    }

    fn unavailable(&self, message: &str) -> StoreError {
        StoreError::Unavailable { what: self.shared.what.clone(), message: message.into() }
    }
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle().pop();
        match idle {
            Some(db) => Ok(db),
            None => files::open_reader(&self.path, self.timeout)
                .map_err(|error| fault::store_error(&self.what, &error)),
        }
    }
}
