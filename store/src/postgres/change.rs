//! Changes that are not appends: taking a log over, deleting a session, a line of the audit on its own.

use pomona_protocol::SessionId;
use tokio_postgres::types::ToSql;

use super::Postgres;
use super::connect::Connection;
use super::failure::Failure;
use super::group::LOCK_AUDIT;
use super::read;
use super::values::{self, Written, id_bytes};
use crate::backend::{from_signed, to_signed};
use crate::{Activation, AppendError, AuditEntry, StoreError};

const TAKE_OVER: &str = "UPDATE logs SET epoch = epoch + 1 WHERE session = $1 AND NOT gone
    RETURNING epoch, oldest_seq, head_seq";
const SNAPSHOT: &str = "SELECT seq, state FROM snapshots WHERE session = $1";
const LOCK_LOG: &str = "SELECT epoch FROM logs WHERE session = $1 AND NOT gone FOR UPDATE";
/// What a deleted session leaves is its id, its epoch, and what the audit says.
const DELETE: [&str; 6] = [
    "DELETE FROM texts WHERE session = $1",
    "DELETE FROM turns WHERE session = $1",
    "DELETE FROM snapshots WHERE session = $1",
    "DELETE FROM sessions WHERE id = $1",
    "DELETE FROM events WHERE session = $1",
    "UPDATE logs SET gone = true WHERE session = $1",
];
/// Tries of something that another transaction may be in the way of.
pub(super) const TRIES: usize = 5;

/// Runs something on a borrowed connection within the store's time, and again when another transaction was in the way.
/// Not a function: the future of a closure that borrows both what it is given and what is around it cannot be shown to
/// be `Send`.
macro_rules! limited {
    ($store:expr, $lease:ident, $work:block) => {{
        let tries = async {
            let mut tries = 0;
            loop {
                let mut held = $store.pool.lease().await?;
                let $lease = &mut held;
                let outcome: Result<_, $crate::postgres::failure::Failure> = async { $work }.await;
                tries += 1;
                match outcome {
                    Err(failure)
                        if failure.kind == $crate::postgres::failure::Kind::Again
                            && tries < $crate::postgres::change::TRIES =>
                    {
                        drop(held);
                    }
                    outcome => return outcome,
                }
            }
        };
        $store.within(tries).await
    }};
}
pub(super) use limited;

impl Postgres {
    /// Waits for something no longer than the store's time.
    pub(super) async fn within<T>(
        &self,
        tries: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, StoreError> {
        let limited = tokio::time::timeout(self.server.timeout, tries).await;
        let outcome =
            limited.unwrap_or_else(|_| Err(Failure::lost(&self.server, "it took too long to answer")));
        outcome.map_err(Into::into)
    }

    /// See [`crate::Store::activate`].
    pub(crate) async fn activate(&self, id: SessionId) -> Result<Option<Activation>, StoreError> {
        limited!(self, lease, {
            lease.begin("BEGIN").await?;
            let taken = lease.query_opt(TAKE_OVER, &[&id_bytes(id)]).await?;
            let snapshot = match taken {
                // Whoever wrote before is fenced from here on, so this belongs to the same moment.
                Some(_) => lease.query_opt(SNAPSHOT, &[&id_bytes(id)]).await?,
                None => None,
            };
            lease.commit().await?;
            Ok(taken.map(|row| Activation {
                epoch: from_signed(row.get(0)),
                bounds: read::bounds(&row, 1),
                snapshot: snapshot.map(|row| (from_signed(row.get(0)), row.get(1))),
            }))
        })
    }

    /// See [`crate::Store::delete`].
    pub(crate) async fn delete(
        &self,
        id: SessionId,
        epoch: u64,
        audit: AuditEntry,
    ) -> Result<(), AppendError> {
        // What was appended before comes first.
        self.writer.settled().await?;
        let deleted = limited!(self, lease, {
            lease.begin("BEGIN").await?;
            let log = lease.query_opt(LOCK_LOG, &[&id_bytes(id)]).await?;
            let held = log.map(|row| from_signed(row.get(0)));
            let outcome = match held {
                None => Err(AppendError::Gone),
                Some(held) if held != epoch => Err(AppendError::Fenced { epoch: held }),
                Some(_) => Ok(()),
            };
            if outcome.is_ok() {
                delete_rows(lease, id).await?;
                write_lines(lease, &[&audit]).await?;
            }
            lease.commit().await?;
            Ok(outcome)
        });
        deleted?
    }

    /// See [`crate::Store::audit`].
    pub(crate) async fn audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        limited!(self, lease, {
            lease.begin("BEGIN").await?;
            write_lines(lease, &[&entry]).await?;
            lease.commit().await
        })
    }
}

/// Takes away everything of a session whose log is locked. The log's row stays, so that its id never comes back.
pub(super) async fn delete_rows(connection: &mut Connection, id: SessionId) -> Result<(), Failure> {
    for sql in DELETE {
        connection.execute(sql, &[&id_bytes(id)]).await?;
    }
    Ok(())
}

/// Lengthens the audit, inside a transaction. Nothing is to be locked behind it.
pub(super) async fn write_lines(connection: &mut Connection, entries: &[&AuditEntry]) -> Result<(), Failure> {
    let end = connection.query_opt(LOCK_AUDIT, &[]).await?;
    let end = end.as_ref().map(values::chain_end).unwrap_or_default();
    for written in values::of_audit(end, entries) {
        execute(connection, written).await?;
    }
    Ok(())
}

/// Runs a statement with its own values.
pub(super) async fn execute(connection: &mut Connection, (sql, values): Written) -> Result<u64, Failure> {
    let values: Vec<&(dyn ToSql + Sync)> =
        values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
    connection.execute(sql, &values).await
}

/// Keeps numbers as the server has them.
pub(super) fn days_before(now_ms: u64, days: u32) -> Option<i64> {
    (days > 0).then(|| to_signed(now_ms.saturating_sub(u64::from(days) * 86_400_000)))
}
