//! One group of appends in one transaction and two round trips: lock the ends of the logs, then write and commit.
//!
//! Gateways write at the same time. New rows are made and ends are locked in the order of ids, the audit's end last, so
//! that no two groups wait for each other.

use std::collections::BTreeMap;
use std::pin::Pin;

use futures::future::join_all;
use pomona_protocol::SessionId;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::connect::Connection;
use super::failure::{Failure, Kind};
use super::plan::{self, Log, Writes};
use super::values::{self, id_bytes};
use crate::audit::ChainEnd;
use crate::backend::from_signed;
use crate::{Append, AppendError};

const XID: &str = "SELECT pg_current_xact_id()::text";
const MAKE: &str = "INSERT INTO logs (session, epoch, oldest_seq, head_seq)
    SELECT id, 1, 1, 0 FROM unnest($1::bytea[]) AS made (id) ORDER BY id
    ON CONFLICT DO NOTHING RETURNING session";
const LOCK: &str = "SELECT session, epoch, head_seq, gone FROM logs
    WHERE session = ANY($1::bytea[]) ORDER BY session FOR UPDATE";
/// Also what everything else that lengthens the audit begins with.
pub(super) const LOCK_AUDIT: &str = "SELECT number, hash FROM audit_end FOR UPDATE";
const FATE: &str = "SELECT pg_xact_status($1::text::xid8)";

/// Outcomes of a group, in its order.
pub(super) type Outcomes = Vec<Result<(), AppendError>>;

/// A group whose commit was sent, and perhaps not heard of.
#[derive(Debug)]
pub(super) struct Sent {
    xid: String,
    outcomes: Outcomes,
}

/// What became of a group that was sent.
pub(super) enum Fate {
    /// It is written: these are its outcomes.
    Written(Outcomes),
    /// The server still works on it.
    Open(Sent),
    /// Nothing of it is there.
    Lost,
}

/// Asks the server, over another connection, what became of a group.
pub(super) async fn fate(connection: &mut Connection, sent: Sent) -> Result<Fate, (Failure, Sent)> {
    match connection.query_opt(FATE, &[&sent.xid]).await {
        Err(failure) => Err((failure, sent)),
        Ok(row) => Ok(match row.and_then(|row| row.get::<_, Option<String>>(0)).as_deref() {
            Some("committed") => Fate::Written(sent.outcomes),
            Some("in progress") => Fate::Open(sent),
            _ => Fate::Lost,
        }),
    }
}

/// Writes the group. While `sent` holds something behind a failure, it is not known whether it was written.
pub(super) async fn write(
    connection: &mut Connection,
    appends: &[Append],
    synced: bool,
    sent: &mut Option<Sent>,
) -> Result<Outcomes, Failure> {
    let outcome = transact(connection, appends, synced, sent).await;
    if let Err(failure) = &outcome
        && failure.kind != Kind::Lost
    {
        // The server has answered, so nothing was written; the connection is fit again once this has passed.
        *sent = None;
        connection.batch("ROLLBACK").await?;
    }
    outcome
}

async fn transact(
    connection: &mut Connection,
    appends: &[Append],
    synced: bool,
    sent: &mut Option<Sent>,
) -> Result<Outcomes, Failure> {
    let (xid, mut logs, end) = lock(connection, appends, synced).await?;
    let (outcomes, writes) = plan::plan(appends, &mut logs);
    if writes.is_empty() {
        connection.batch("ROLLBACK").await?;
        return Ok(outcomes);
    }
    let statements = statements(connection, writes, end).await?;
    *sent = Some(Sent { xid, outcomes });
    let client = connection.client();
    let mut calls: Vec<Call<'_>> = Vec::with_capacity(statements.len() + 1);
    for (statement, values) in &statements {
        calls.push(Box::pin(async move {
            let values: Vec<&(dyn ToSql + Sync)> =
                values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
            client.execute(statement, &values).await.map(drop)
        }));
    }
    // Sent right behind: where a statement failed, the server makes a rollback of it.
    calls.push(Box::pin(client.batch_execute("COMMIT")));
    let answers = join_all(calls).await;
    if let Some(error) = answers.into_iter().find_map(Result::err) {
        return Err(connection.failure(error));
    }
    Ok(sent.take().map(|sent| sent.outcomes).unwrap_or_default())
}

type Call<'a> = Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send + 'a>>;

/// Opens the transaction and locks what the group needs, in one round trip.
async fn lock(
    connection: &mut Connection,
    appends: &[Append],
    synced: bool,
) -> Result<(String, BTreeMap<SessionId, Log>, Option<ChainEnd>), Failure> {
    let mut ids: Vec<SessionId> = appends.iter().map(|append| append.session).collect();
    ids.sort_unstable();
    ids.dedup();
    let ids: Vec<Vec<u8>> = ids.into_iter().map(id_bytes).collect();
    let made: Vec<Vec<u8>> =
        appends.iter().filter(|append| plan::makes(append)).map(|append| id_bytes(append.session)).collect();
    let audits = appends.iter().any(|append| !append.audit.is_empty());

    let (xid, make) = (connection.statement(XID).await?, connection.statement(MAKE).await?);
    let (lock, lock_audit) = (connection.statement(LOCK).await?, connection.statement(LOCK_AUDIT).await?);
    let begin = if synced { "BEGIN" } else { "BEGIN; SET LOCAL synchronous_commit TO off" };
    let client = connection.client();
    let (locked_ids, none): ([&(dyn ToSql + Sync); 1], [&(dyn ToSql + Sync); 0]) = ([&ids], []);
    // Each is sent when it is first polled, in this order.
    let (begun, xid, made, locked, end) = tokio::join!(
        biased;
        client.batch_execute(begin),
        client.query_one(&xid, &none),
        async { if made.is_empty() { Ok(Vec::new()) } else { client.query(&make, &[&made]).await } },
        client.query(&lock, &locked_ids),
        async { if audits { client.query_opt(&lock_audit, &[]).await } else { Ok(None) } },
    );
    let failed = |error| connection.failure(error);
    begun.map_err(failed)?;
    let (xid, made) = (xid.map_err(failed)?, made.map_err(failed)?);
    let (locked, end) = (locked.map_err(failed)?, end.map_err(failed)?);
    let mut logs: BTreeMap<SessionId, Log> = locked.iter().map(log_of).collect();
    for row in &made {
        if let Some(log) = logs.get_mut(&values::session(row, 0)) {
            (log.is_new, log.is_absent) = (true, true);
        }
    }
    Ok((xid.get(0), logs, end.as_ref().map(values::chain_end)))
}

fn log_of(row: &Row) -> (SessionId, Log) {
    let log = Log {
        epoch: from_signed(row.get(1)),
        head_seq: from_signed(row.get(2)),
        is_absent: row.get(3),
        is_new: false,
    };
    (values::session(row, 0), log)
}

/// The statements that write the plan, with their values.
async fn statements(
    connection: &mut Connection,
    writes: Writes<'_>,
    end: Option<ChainEnd>,
) -> Result<Vec<(Statement, values::Owned)>, Failure> {
    let mut statements = Vec::new();
    for (sql, values) in values::of_plan(writes, end)? {
        statements.push((connection.statement(sql).await?, values));
    }
    Ok(statements)
}
