//! Letting go: rows of ended turns that become one, events and sessions that are older than the configuration keeps.
//!
//! Each session is one short transaction under the lock of its log, so that gateways go on meanwhile.

use pomona_protocol::{Principal, SessionEvent, SessionId};

use super::Postgres;
use super::change::{days_before, delete_rows, execute, write_lines};
use super::check::bytes;
use super::connect::{Connection, Lease};
use super::failure::Failure;
use super::values::{id_bytes, of_events, session};
use super::{read, schema};
use crate::backend::{from_signed, push_joined, to_signed};
use crate::{AuditEntry, Compacted, Kept, StoreError};

const LOGS: &str = "SELECT session FROM logs WHERE NOT gone AND session > $1
    AND session NOT IN (SELECT id FROM sessions WHERE open_turns > 0) ORDER BY session LIMIT 500";
const IS_OPEN: &str = "SELECT 1 FROM sessions WHERE id = $1 AND open_turns > 0";
const LOCK: &str = "SELECT 1 FROM logs WHERE session = $1 AND NOT gone FOR UPDATE";
const EVENTS: &str = "SELECT first_seq, seq, at_ms, payload FROM events WHERE session = $1 ORDER BY seq";
const EVENTS_AWAY: &str = "DELETE FROM events WHERE session = $1 AND seq = ANY($2::bigint[])";
const COUNT: &str = "SELECT count(*) FROM events";

const OLD_SESSIONS: &str = "SELECT id FROM sessions WHERE updated_ms < $1 AND open_turns = 0
    ORDER BY updated_ms LIMIT 500";
/// Asked again under the lock: it may have gone on meanwhile.
const IS_OLD: &str = "SELECT 1 FROM sessions WHERE id = $2 AND updated_ms < $1 AND open_turns = 0";
const OLD_EVENTS: &str = "SELECT logs.session FROM logs
    JOIN sessions ON id = logs.session JOIN snapshots ON snapshots.session = logs.session
    WHERE NOT gone AND open_turns = 0 AND oldest_seq <= snapshots.seq AND logs.session > $2
    AND EXISTS (SELECT 1 FROM events WHERE events.session = logs.session AND seq >= oldest_seq
        AND first_seq <= oldest_seq AND at_ms < $1)
    ORDER BY logs.session LIMIT 500";
/// The first event that stays: a young one, or one that the snapshot does not know.
const FIRST_KEPT: &str = "SELECT coalesce(min(events.first_seq), max(logs.head_seq) + 1) FROM logs
    JOIN sessions ON id = logs.session AND open_turns = 0
    JOIN snapshots ON snapshots.session = logs.session
    LEFT JOIN events ON events.session = logs.session AND (at_ms >= $1 OR events.seq > snapshots.seq)
    WHERE logs.session = $2 HAVING count(*) > 0";
const FORGET: &str = "DELETE FROM events WHERE session = $1 AND seq < $2";
const OLDEST: &str = "UPDATE logs SET oldest_seq = $2 WHERE session = $1 AND oldest_seq < $2";

impl Postgres {
    /// See [`crate::Store::compact`].
    pub(crate) async fn compact(&self) -> Result<Compacted, StoreError> {
        let mut connection = self.server.connect().await?;
        connection.unhurried().await?;
        let before = (count(&mut connection).await?, bytes(&mut connection).await?);
        let mut last = Vec::new();
        loop {
            let page = ids(&mut connection, LOGS, &[&last]).await?;
            let Some(end) = page.last() else { break };
            last = id_bytes(*end);
            for id in page {
                self.join_rows(&mut connection, id).await?;
            }
        }
        connection.batch(&format!("VACUUM (ANALYZE) {}", schema::TABLES)).await?;
        let after = (count(&mut connection).await?, bytes(&mut connection).await?);
        Ok(Compacted {
            rows_before: before.0,
            rows_after: after.0,
            bytes_before: before.1,
            bytes_after: after.1,
        })
    }

    async fn join_rows(&self, connection: &mut Connection, id: SessionId) -> Result<(), Failure> {
        connection.begin("BEGIN").await?;
        if connection.query_opt(LOCK, &[&id_bytes(id)]).await?.is_some()
            && connection.query_opt(IS_OPEN, &[&id_bytes(id)]).await?.is_none()
        {
            let rows = connection.query(EVENTS, &[&id_bytes(id)]).await?;
            let events = rows.iter().map(|row| read::event(&self.server.name, id, row, 0));
            let (away, joined) = join_all(events.collect::<Result<_, _>>()?);
            if !away.is_empty() {
                let away: Vec<i64> = away.into_iter().map(to_signed).collect();
                connection.execute(EVENTS_AWAY, &[&id_bytes(id), &away]).await?;
                if let Some(written) = of_events(joined.iter().map(|event| (id, event)))? {
                    execute(connection, written).await?;
                }
            }
        }
        connection.commit().await
    }

    /// See [`crate::Store::retain`].
    pub(crate) async fn retain(&self, now_ms: u64) -> Result<Kept, StoreError> {
        let mut kept = Kept::default();
        let mut lease = self.pool.lease().await?;
        if let Some(before_ms) = days_before(now_ms, self.config.keep_days) {
            loop {
                let page = ids(&mut lease, OLD_SESSIONS, &[&before_ms]).await?;
                let mut deleted = 0;
                for id in page {
                    deleted += u64::from(delete_old(&mut lease, id, before_ms, now_ms).await?);
                }
                kept.sessions_deleted += deleted;
                if deleted == 0 {
                    break;
                }
            }
        }
        if let Some(before_ms) = days_before(now_ms, self.config.keep_events_days) {
            let mut last = Vec::new();
            loop {
                let page = ids(&mut lease, OLD_EVENTS, &[&before_ms, &last]).await?;
                let Some(end) = page.last() else { break };
                last = id_bytes(*end);
                for id in page {
                    kept.events_deleted += forget_old(&mut lease, id, before_ms).await?;
                }
            }
        }
        Ok(kept)
    }
}

async fn ids(
    connection: &mut Connection,
    sql: &'static str,
    values: super::connect::Values<'_>,
) -> Result<Vec<SessionId>, Failure> {
    Ok(connection.query(sql, values).await?.iter().map(|row| session(row, 0)).collect())
}

async fn count(connection: &mut Connection) -> Result<u64, Failure> {
    let row = connection.query_opt(COUNT, &[]).await?;
    Ok(row.map(|row| from_signed(row.get(0))).unwrap_or_default())
}

async fn delete_old(
    lease: &mut Lease<'_>,
    id: SessionId,
    before_ms: i64,
    now_ms: u64,
) -> Result<bool, Failure> {
    let entry = AuditEntry {
        at_ms: now_ms,
        // Nobody's key: the configuration asked for it.
        by: Principal(0),
        action: "session.expired".into(),
        object: id.to_string(),
        detail: String::new(),
    };
    lease.begin("BEGIN").await?;
    let mut is_deleted = false;
    if lease.query_opt(LOCK, &[&id_bytes(id)]).await?.is_some()
        && lease.query_opt(IS_OLD, &[&before_ms, &id_bytes(id)]).await?.is_some()
    {
        delete_rows(lease, id).await?;
        write_lines(lease, &[&entry]).await?;
        is_deleted = true;
    }
    lease.commit().await?;
    Ok(is_deleted)
}

async fn forget_old(lease: &mut Lease<'_>, id: SessionId, before_ms: i64) -> Result<u64, Failure> {
    lease.begin("BEGIN").await?;
    let mut deleted = 0;
    if lease.query_opt(LOCK, &[&id_bytes(id)]).await?.is_some()
        && let Some(row) = lease.query_opt(FIRST_KEPT, &[&before_ms, &id_bytes(id)]).await?
    {
        let first: i64 = row.get(0);
        deleted = lease.execute(FORGET, &[&id_bytes(id), &first]).await?;
        lease.execute(OLDEST, &[&id_bytes(id), &first]).await?;
    }
    lease.commit().await?;
    Ok(deleted)
}

/// Joins what neighbours: numbers of the rows that go, and the rows that come instead.
fn join_all(events: Vec<SessionEvent>) -> (Vec<u64>, Vec<SessionEvent>) {
    let (mut rows, mut joined): (Vec<Vec<u64>>, Vec<SessionEvent>) = Default::default();
    for event in events {
        let (count, seq) = (joined.len(), event.seq);
        push_joined(&mut joined, event);
        match rows.last_mut() {
            Some(row) if joined.len() == count => row.push(seq),
            _ => rows.push(vec![seq]),
        }
    }
    let changed = rows.into_iter().zip(joined).filter(|(row, _)| row.len() > 1);
    let (away, joined): (Vec<_>, Vec<_>) = changed.unzip();
    (away.concat(), joined)
}
