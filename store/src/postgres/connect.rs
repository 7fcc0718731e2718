//! Connections: from a URL to a client that remembers its statements, and a few of them to borrow.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row, RowStream, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::AbortOnDropHandle;

use super::failure::{self, Failure};
use crate::StoreError;
use crate::figures::Figures;

/// Connections besides the writer's. A server takes a hundred as it comes, and several gateways share it.
const CONNECTIONS_MAX: usize = 8;
/// Silence before the system asks whether the server is still there.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Parameters of a statement.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// How the server is reached.
pub(super) struct Server {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    /// What messages call it: without the password.
    pub(super) name: String,
    /// Longest time for anything that is not maintenance.
    pub(super) timeout: Duration,
    /// Whether the server itself is to refuse every write.
    is_read_only: bool,
    pub(super) figures: Arc<Figures>,
}

impl Server {
    /// Reads the URL; nothing is dialled yet.
    pub(super) fn new(url: &str, timeout: Duration, is_read_only: bool) -> Result<Self, StoreError> {
        let wrong = |message: String| StoreError::Invalid { what: "store.url".to_owned(), message };
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            wrong(format!("{}; expected postgres://user@host/database", failure::chain(&error)))
        })?;
        if config.get_hosts().is_empty() {
            return Err(wrong("it names no host; expected postgres://user@host/database".to_owned()));
        }
        if config.get_application_name().is_none() {
            config.application_name("pomona");
        }
        config.connect_timeout(timeout);
        config.keepalives_idle(KEEPALIVE).tcp_user_timeout(timeout);
        if !config.get_options().is_some_and(|options| options.contains("search_path")) {
            let options = config.get_options().map(|options| format!("{options} ")).unwrap_or_default();
            config.options(format!("{options}-c search_path=pomona"));
        }
        let tls = match config.get_ssl_mode() {
            SslMode::Require => Some(tls().map_err(wrong)?),
            // Without roots to check against, encryption that is only preferred proves nothing.
            _ => None,
        };
        if tls.is_none() {
            config.ssl_mode(SslMode::Disable);
        }
        let name = describe(&config);
        Ok(Self { config, tls, name, timeout, is_read_only, figures: Arc::default() })
    }

    /// A new connection.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<Connection, Failure> {
        let dialled = tokio::time::timeout(self.timeout, self.dial()).await;
        let (client, task) = dialled.map_err(|_| Failure::lost(self, "it does not answer"))??;
        let mut connection = Connection {
            client,
            statements: HashMap::new(),
            server: Arc::clone(self),
            is_clean: true,
            _task: task,
        };
        let limit = self.timeout.as_millis();
        // A server whose default is not to sync would make every acknowledgement a guess.
        let settings = format!(
            "SET client_min_messages = warning; SET statement_timeout = {limit}; SET idle_in_transaction_session_timeout = {limit};
             SET default_transaction_read_only = {};
             SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
            if self.is_read_only { "on" } else { "off" }
        );
        connection.batch(&settings).await?;
        Ok(connection)
    }

    #[expect(clippy::disallowed_methods, reason = "the connection owns the handle")]
    async fn dial(&self) -> Result<(Client, AbortOnDropHandle<()>), Failure> {
        let lost = |error| Failure::of(self, error);
        Ok(match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await.map_err(lost)?;
                (client, AbortOnDropHandle::new(tokio::spawn(async move { drop(connection.await) })))
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await.map_err(lost)?;
                (client, AbortOnDropHandle::new(tokio::spawn(async move { drop(connection.await) })))
            }
        })
    }

    /// Whether it was reached to be read.
    pub(super) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Whether what is said crosses a network in the clear.
    pub(super) fn is_open_to_others(&self) -> bool {
        let is_far = |host: &Host| match host {
            Host::Tcp(name) => !matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
            Host::Unix(_) => false,
        };
        self.tls.is_none() && self.config.get_hosts().iter().any(is_far)
    }
}

/// TLS that trusts the roots of the system, or of the file in `SSL_CERT_FILE`.
fn tls() -> Result<MakeRustlsConnect, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(
            "sslmode=require, but this machine has no root certificates; name a file of them in SSL_CERT_FILE"
                .to_owned(),
        );
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    Ok(MakeRustlsConnect::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn describe(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        Some(Host::Unix(folder)) => folder.display().to_string(),
        None => String::new(),
    };
    let port = config.get_ports().first().map(|port| format!(":{port}")).unwrap_or_default();
    let database = config.get_dbname().or(config.get_user()).unwrap_or("postgres");
    format!("PostgreSQL at {host}{port}/{database}")
}

/// One connection. Whoever drops it in the middle of something ends it, which rolls back.
pub(super) struct Connection {
    client: Client,
    statements: HashMap<&'static str, Statement>,
    server: Arc<Server>,
    /// Nothing is under way and no transaction is open.
    is_clean: bool,
    _task: AbortOnDropHandle<()>,
}

impl Connection {
    /// The client, for statements that go out together. `is_clean` is the caller's business then.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// What messages call the server.
    pub(super) fn name(&self) -> &str {
        &self.server.name
    }

    /// What a driver's error means.
    pub(super) fn failure(&self, error: tokio_postgres::Error) -> Failure {
        Failure::of(&self.server, error)
    }

    /// A statement, prepared when it is new.
    pub(super) async fn statement(&mut self, sql: &'static str) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await.map_err(|error| self.failure(error))?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }

    /// Rows of one statement.
    pub(super) async fn query(&mut self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, Failure> {
        let was_clean = std::mem::replace(&mut self.is_clean, false);
        let statement = self.statement(sql).await?;
        let rows = self.client.query(&statement, values).await.map_err(|error| self.failure(error))?;
        self.is_clean = was_clean;
        Ok(rows)
    }

    /// The first row, if there is one.
    pub(super) async fn query_opt(
        &mut self,
        sql: &'static str,
        values: Values<'_>,
    ) -> Result<Option<Row>, Failure> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// Rows that one statement changed.
    pub(super) async fn execute(&mut self, sql: &'static str, values: Values<'_>) -> Result<u64, Failure> {
        let was_clean = std::mem::replace(&mut self.is_clean, false);
        let statement = self.statement(sql).await?;
        let count = self.client.execute(&statement, values).await.map_err(|error| self.failure(error))?;
        self.is_clean = was_clean;
        Ok(count)
    }

    /// Statements without parameters or answers.
    pub(super) async fn batch(&mut self, sql: &str) -> Result<(), Failure> {
        let was_clean = std::mem::replace(&mut self.is_clean, false);
        self.client.batch_execute(sql).await.map_err(|error| self.failure(error))?;
        self.is_clean = was_clean;
        Ok(())
    }

    /// Rows as they come, for answers that do not fit into the memory.
    pub(super) async fn stream(&mut self, sql: &'static str) -> Result<Pin<Box<RowStream>>, Failure> {
        self.is_clean = false;
        let statement = self.statement(sql).await?;
        let none: [&(dyn ToSql + Sync); 0] = [];
        let rows = self.client.query_raw(&statement, none).await.map_err(|error| self.failure(error))?;
        Ok(Box::pin(rows))
    }

    /// Opens a transaction; without [`Connection::commit`] nothing of it stays.
    pub(super) async fn begin(&mut self, begin: &str) -> Result<(), Failure> {
        self.is_clean = false;
        self.batch(begin).await
    }

    /// Ends the transaction with all that was written.
    pub(super) async fn commit(&mut self) -> Result<(), Failure> {
        self.batch("COMMIT").await?;
        self.is_clean = true;
        Ok(())
    }

    /// Takes the limit on time away, for maintenance.
    pub(super) async fn unhurried(&mut self) -> Result<(), Failure> {
        self.batch("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0").await
    }
}

/// Connections that wait to be borrowed.
pub(super) struct Pool {
    /// Where they lead.
    pub(super) server: Arc<Server>,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

/// A borrowed connection; it goes back when it is clean.
pub(super) struct Lease<'a> {
    connection: Option<Connection>,
    pool: &'a Pool,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    /// With one connection that has proven itself.
    pub(super) fn new(server: Arc<Server>, first: Connection) -> Self {
        Self { server, idle: Mutex::new(vec![first]), permits: Semaphore::new(CONNECTIONS_MAX) }
    }

    /// Borrows one, made when none is idle.
    pub(super) async fn lease(&self) -> Result<Lease<'_>, Failure> {
        let permit =
            self.permits.acquire().await.map_err(|_| Failure::lost(&self.server, "it was closed"))?;
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|connection| !connection.client.is_closed());
            idle.pop()
        };
        let connection = match idle {
            Some(connection) => connection,
            None => self.server.connect().await?,
        };
        Ok(Lease { connection: Some(connection), pool: self, _permit: permit })
    }

    /// Ends what is idle, so that the server sees them go.
    pub(super) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl std::ops::Deref for Lease<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("invariant: a lease holds its connection until it is dropped")
    }
}

impl std::ops::DerefMut for Lease<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("invariant: a lease holds its connection until it is dropped")
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if connection.is_clean && !connection.client.is_closed() {
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<Server, StoreError> {
        Server::new(url, Duration::from_secs(1), false)
    }

    #[test]
    fn a_description_shows_no_password() {
        let server = server("postgres://ann:hidden@db.example:5433/talks").unwrap();
        assert_eq!(server.name, "PostgreSQL at db.example:5433/talks");
        assert!(server.is_open_to_others());
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_its_password() {
        for url in ["postgres://ann:hidden@db/talks?no=thing", "postgres://ann:hidden@db:x/talks", "hidden"] {
            let error = server(url).err().unwrap().to_string();
            assert!(error.starts_with("store.url: ") && !error.contains("hidden"), "{error}");
        }
    }
}
