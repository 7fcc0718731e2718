//! PostgreSQL: one database for several gateways.
//!
//! [`crate::Store`] calls it. Appends go to one [`writer`] per process; everything else borrows a connection. That logs
//! cannot fork, although several processes write, is held by locks on rows of `logs` inside each transaction.

mod change;
mod check;
mod connect;
mod copy;
mod failure;
mod group;
mod list;
mod load;
mod maintain;
mod notices;
mod plan;
mod read;
mod schema;
mod values;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use connect::{Pool, Server};
use pomona_config::StoreConfig;
use writer::Writer;

use crate::backend::Done;
use crate::figures::Figures;
use crate::{Append, StoreError, StoreParts};

/// A database at a server.
pub(crate) struct Postgres {
    server: Arc<Server>,
    pool: Pool,
    writer: Writer,
    config: StoreConfig,
    id: u64,
}

impl Postgres {
    /// Connects, brings the tables up to date, and starts the writer.
    pub(crate) async fn open(parts: StoreParts) -> Result<Arc<Self>, StoreError> {
        Self::start(parts, false).await
    }

    /// Connects beside running gateways: nothing is created, migrated or written.
    pub(crate) async fn open_read_only(parts: StoreParts) -> Result<Arc<Self>, StoreError> {
        Self::start(parts, true).await
    }

    async fn start(parts: StoreParts, is_read_only: bool) -> Result<Arc<Self>, StoreError> {
        let config = parts.config;
        let url = config.url.clone().unwrap_or_default();
        let server =
            Arc::new(Server::new(&url, Duration::from_millis(config.timeout_ms.max(1)), is_read_only)?);
        if server.is_open_to_others() {
            tracing::warn!(server = %server.name, "what is stored crosses the network in the clear; add sslmode=require to store.url");
        }
        let mut first = server.connect().await?;
        check::check_server(&mut first, &server.name).await?;
        if is_read_only {
            let found = schema::check_version(&mut first, &server.name).await?;
            if found != schema::VERSION {
                let message = format!(
                    "its schema has version {found}, and {} is needed; start the gateway once",
                    schema::VERSION
                );
                return Err(StoreError::Unavailable { what: server.name.clone(), message });
            }
        } else {
            schema::migrate(&mut first, &server.name).await?;
        }
        let id = schema::store_id(&mut first).await?;
        let writer = if is_read_only {
            Writer::absent(&server)
        } else {
            let connection = server.connect().await?;
            let pace = Duration::from_millis(config.commit_ms);
            Writer::start(&server, connection, pace, config.queue_max as usize)
        };
        let pool = Pool::new(Arc::clone(&server), first);
        Ok(Arc::new(Self { server, pool, writer, config, id }))
    }

    /// `PostgreSQL at host:port/database`.
    pub(crate) fn describe(&self) -> String {
        self.server.name.clone()
    }

    /// See [`crate::Store::id`].
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The counters behind [`crate::Store::figures`].
    pub(crate) fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.server.figures)
    }

    /// See [`crate::Store::append`].
    pub(crate) fn append(&self, append: Append, done: Done) {
        self.writer.append(append, done);
    }

    /// See [`crate::Store::close`].
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let closed = self.writer.close().await;
        self.pool.clear();
        closed
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration holds a password.
        f.debug_struct("Postgres").field("server", &self.server.name).finish_non_exhaustive()
    }
}
