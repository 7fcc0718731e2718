//! A look at everything: whether logs are dense and readable, and whether the audit's chain holds.
//!
//! Reads one moment of the database while gateways go on writing.

use futures::TryStreamExt;
use pomona_protocol::SessionId;
use tokio_postgres::Row;

use super::Postgres;
use super::connect::Connection;
use super::failure::Failure;
use super::values::{chain_end, session};
use super::{read, schema};
use crate::audit::{Verifier, hex};
use crate::{AuditVerdict, Bounds, CheckReport, StoreError};

/// One moment, for as long as it takes.
pub(super) const BEGIN_LOOK: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";
/// Problems that are listed; more of them say nothing new.
const PROBLEMS_MAX: usize = 100;

const WALK: &str = "SELECT logs.session, oldest_seq, head_seq, first_seq, seq, at_ms, payload
    FROM logs LEFT JOIN events ON events.session = logs.session WHERE NOT gone ORDER BY logs.session, seq";
const STRAYS: &str = "SELECT
    (SELECT count(*) FROM events WHERE NOT EXISTS
        (SELECT 1 FROM logs WHERE logs.session = events.session AND NOT gone)),
    (SELECT count(*) FROM sessions WHERE NOT EXISTS
        (SELECT 1 FROM logs WHERE logs.session = sessions.id AND NOT gone)),
    (SELECT count(*) FROM texts WHERE NOT EXISTS
        (SELECT 1 FROM logs WHERE logs.session = texts.session AND NOT gone)),
    (SELECT count(*) FROM snapshots JOIN logs USING (session) WHERE seq > head_seq OR gone)";
const BYTES: &str = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
    WHERE relkind = 'r' AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'logs'::regclass)";
/// The first version that tells what became of a transaction (`pg_xact_status`).
const SERVER_VERSION_MIN: i32 = 13;

const SERVER: &str =
    "SELECT current_setting('server_version_num')::int4 / 10000, current_setting('server_encoding')";
const SYNCS: &str = "SELECT current_setting('fsync') = 'on'";
const LINES: &str =
    "SELECT number, at_ms, principal, action, object, detail, hash FROM audit ORDER BY number";
const END: &str = "SELECT number, hash FROM audit_end";

impl Postgres {
    /// See [`crate::Store::audit_verify`].
    pub(crate) async fn audit_verify(&self) -> Result<AuditVerdict, StoreError> {
        let mut lease = self.pool.lease().await?;
        lease.begin(BEGIN_LOOK).await?;
        let verdict = verify(&mut lease).await?;
        lease.commit().await?;
        Ok(verdict)
    }

    /// See [`crate::Store::check`].
    pub(crate) async fn check(&self) -> Result<CheckReport, StoreError> {
        let mut lease = self.pool.lease().await?;
        lease.begin(BEGIN_LOOK).await?;
        let mut report = look(&mut lease, &self.server.name).await?;
        let syncs = lease.query(SYNCS, &[]).await?;
        if !syncs.first().is_some_and(|row| row.get(0)) {
            let problem = "the server runs with fsync = off: a power cut can destroy everything";
            report.problems.push(problem.to_owned());
        }
        lease.commit().await?;
        Ok(report)
    }
}

/// Refuses servers that lack what the store needs. Words and titles are compared byte by byte, which only UTF-8 makes
/// right.
pub(super) async fn check_server(connection: &mut Connection, what: &str) -> Result<(), StoreError> {
    let rows = connection.query(SERVER, &[]).await?;
    let (version, encoding): (i32, String) =
        rows.first().map(|row| (row.get(0), row.get(1))).unwrap_or_default();
    let message = if version < SERVER_VERSION_MIN {
        format!("it is version {version}, and {SERVER_VERSION_MIN} or later is needed")
    } else if encoding != "UTF8" {
        format!("its encoding is {encoding}; make the database with ENCODING 'UTF8'")
    } else {
        return Ok(());
    };
    Err(StoreError::Unavailable { what: what.to_owned(), message })
}

/// Looks at everything, inside a transaction.
pub(super) async fn look(connection: &mut Connection, what: &str) -> Result<CheckReport, Failure> {
    let mut report = CheckReport {
        schema: schema::version(connection).await?,
        bytes: bytes(connection).await?,
        ..Default::default()
    };
    let mut walk = Walk::default();
    let mut rows = connection.stream(WALK).await?;
    while let Some(row) = rows.try_next().await.map_err(|error| connection.failure(error))? {
        walk.row(what, &row);
    }
    walk.end();
    (report.sessions, report.events, report.problems) = (walk.sessions, walk.events, walk.problems);
    let strays = connection.query_opt(STRAYS, &[]).await?;
    for (column, name) in ["events", "summaries", "texts", "snapshots"].iter().enumerate() {
        let count: i64 = strays.as_ref().map(|row| row.get(column)).unwrap_or_default();
        if count > 0 {
            report.problems.push(format!("{count} {name} fit no log"));
        }
    }
    if let Some((number, what)) = verify(connection).await?.broken {
        report.problems.push(format!("line {number} of the audit: {what}"));
    }
    Ok(report)
}

/// Bytes of all tables with their indexes.
pub(super) async fn bytes(connection: &mut Connection) -> Result<u64, Failure> {
    let row = connection.query_opt(BYTES, &[]).await?;
    Ok(row.map(|row| crate::backend::from_signed(row.get(0))).unwrap_or_default())
}

/// Takes every line of the audit, and that the last one is where the chain is known to end.
async fn verify(connection: &mut Connection) -> Result<AuditVerdict, Failure> {
    let end = connection.query_opt(END, &[]).await?.as_ref().map(chain_end).unwrap_or_default();
    let mut verifier = Verifier::default();
    let mut rows = connection.stream(LINES).await?;
    let mut is_whole = true;
    while let Some(row) = rows.try_next().await.map_err(|error| connection.failure(error))? {
        let (number, entry) = read::line(&row);
        // What follows a broken line is read to its end, so that the connection is fit afterwards.
        is_whole = is_whole && verifier.line(number, &entry, row.get(6));
    }
    let mut verdict = verifier.verdict();
    if verdict.broken.is_none() && (verdict.lines, &verdict.last_hash) != (end.number, &hex(&end.hash)) {
        let message = format!("the chain ends at {}, and the table before", end.number);
        verdict.broken = Some((verdict.lines + 1, message));
    }
    Ok(verdict)
}

/// Rows of all logs, in order.
#[derive(Default)]
struct Walk {
    sessions: u64,
    events: u64,
    problems: Vec<String>,
    /// The log that is walked, and the number that must come next.
    now: Option<(SessionId, Bounds, u64)>,
}

impl Walk {
    fn row(&mut self, what: &str, row: &Row) {
        let id = session(row, 0);
        if self.now.is_none_or(|(now, ..)| now != id) {
            self.end();
            let bounds = read::bounds(row, 1);
            self.sessions += 1;
            self.now = Some((id, bounds, bounds.oldest_seq));
        }
        if row.get::<_, Option<i64>>(4).is_none() {
            return;
        }
        self.events += 1;
        let numbers = [3, 4].map(|column| crate::backend::from_signed(row.get(column)));
        if let Err(error) = read::event(what, id, row, 3) {
            self.problem(error.to_string());
        }
        let expected = self.now.map_or(0, |(.., expected)| expected);
        if numbers[0] != expected {
            self.problem(format!("{id}: event {expected} is followed by {}", numbers[0]));
        }
        if let Some((.., expected)) = &mut self.now {
            *expected = numbers[1].saturating_add(1);
        }
    }

    fn end(&mut self) {
        if let Some((id, bounds, expected)) = self.now.take()
            && expected != bounds.head_seq.saturating_add(1)
        {
            let last = expected.saturating_sub(1);
            self.problem(format!("{id}: its log ends at {}, and its events at {last}", bounds.head_seq));
        }
    }

    fn problem(&mut self, problem: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }
}
