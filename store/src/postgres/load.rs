//! Restoring: the tables are made anew and filled from a backup in one transaction, and looked at before it counts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pomona_protocol::{ModelId, SessionId, SessionSummary};
use rusqlite::types::Value;

use super::Postgres;
use super::change::execute;
use super::check;
use super::connect::Server;
use super::copy::{self, Batch, Progress};
use super::failure::Failure;
use super::values::{self, TextRows, Written, boxed};
use super::{notices, schema};
use crate::backend::{from_signed, of_backup, principal_of};
use crate::{AuditEntry, StoreError, StoreParts};

const LOGS: &str = "INSERT INTO logs (session, epoch, oldest_seq, head_seq)
    SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[])";
const GONE: &str = "INSERT INTO logs (session, epoch, oldest_seq, head_seq, gone)
    SELECT id, epoch, 1, 0, true FROM unnest($1::bytea[], $2::bigint[]) AS old (id, epoch)";
const END: &str =
    "UPDATE audit_end SET (number, hash) = (SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1)
    WHERE EXISTS (SELECT 1 FROM audit)";

impl Postgres {
    /// Puts a backup in the place of everything, and closes the store.
    pub(crate) async fn restore(&self, from: &Path, progress: Progress<'_>) -> Result<(), StoreError> {
        if self.server.is_read_only() {
            let message = "it was opened to be read".to_owned();
            return Err(StoreError::Unavailable { what: self.server.name.clone(), message });
        }
        // What was queued is written to what goes: it is not to come behind the restore.
        self.writer.settled().await.map_err(|_| Failure::lost(&self.server, "it was closed"))?;
        let loaded = load(&self.server, from, progress).await;
        loaded.map_err(|error| of_backup(&from.display().to_string(), error))?;
        self.close().await
    }

    /// The same where no store can be opened, since its tables are damaged or too new.
    pub(crate) async fn replace(
        parts: StoreParts,
        from: &Path,
        progress: Progress<'_>,
    ) -> Result<(), StoreError> {
        let url = parts.config.url.unwrap_or_default();
        let timeout = Duration::from_millis(parts.config.timeout_ms.max(1));
        let loaded = load(&Arc::new(Server::new(&url, timeout, false)?), from, progress).await;
        loaded.map_err(|error| of_backup(&from.display().to_string(), error))
    }
}

async fn load(server: &Arc<Server>, from: &Path, progress: Progress<'_>) -> Result<(), StoreError> {
    if !from.try_exists().unwrap_or(true) {
        let message = "there is no such file".to_owned();
        return Err(StoreError::Invalid { what: from.display().to_string(), message });
    }
    let mut connection = server.connect().await?;
    check::check_server(&mut connection, &server.name).await?;
    connection.unhurried().await?;
    let (mut batches, reader) = copy::start_reading(from.to_owned());
    let what = from.display().to_string();
    let (mut done, mut all) = (0, 0);
    let mut is_begun = false;
    while let Some((table, rows)) = batches.recv().await {
        if !is_begun {
            // The file is a backup: from here on the old tables go.
            is_begun = true;
            let wait = server.timeout.as_millis();
            connection.begin(&format!("BEGIN; SET LOCAL lock_timeout = {wait}")).await?;
            schema::make_anew(&mut connection).await?;
        }
        if table == usize::MAX {
            all = integers(&what, &rows, 0)?.first().map_or(0, |all| from_signed(*all));
            continue;
        }
        done += rows.len() as u64;
        for written in written(&what, (table, rows))? {
            execute(&mut connection, written).await?;
        }
        progress(done, all);
    }
    copy::joined(reader.await)?;
    connection.execute(END, &[]).await?;
    let look = check::look(&mut connection, &what).await?;
    if let Some(message) = look.problems.into_iter().next() {
        return Err(StoreError::Damaged { what, message });
    }
    Ok(connection.commit().await?)
}

/// Rows of a file as statements.
fn written(what: &str, (table, rows): Batch) -> Result<Vec<Written>, StoreError> {
    let bytes = |column| blobs(what, &rows, column);
    let numbers = |column| integers(what, &rows, column);
    let boxed_bytes = |column| bytes(column).map(boxed);
    let boxed_numbers = |column| numbers(column).map(boxed);
    Ok(match table {
        0 => vec![(LOGS, vec![boxed_bytes(0)?, boxed_numbers(1)?, boxed_numbers(2)?, boxed_numbers(3)?])],
        1 => vec![(GONE, vec![boxed_bytes(0)?, boxed_numbers(1)?])],
        2 => {
            let places = [boxed_bytes(0)?, boxed_numbers(1)?, boxed_numbers(2)?, boxed_numbers(3)?];
            vec![(values::EVENTS, places.into_iter().chain([boxed_bytes(4)?]).collect())]
        }
        3 => {
            let summaries = rows.iter().map(|row| summary(what, row));
            summaries.map(|summary| Ok(values::of_summary(&summary?))).collect::<Result<_, StoreError>>()?
        }
        4 => vec![(values::SNAPSHOTS, vec![boxed_bytes(0)?, boxed_numbers(1)?, boxed_bytes(2)?])],
        5 => vec![(values::TURNS, vec![boxed_bytes(0)?, boxed_bytes(1)?])],
        6 => {
            let mut texts = TextRows::default();
            let columns = bytes(0)?.into_iter().zip(bytes(1)?).zip(numbers(2)?);
            for (((session, turn), part), row) in columns.zip(&rows) {
                texts.push(session, turn, i16::try_from(part).unwrap_or(i16::MAX), &text(what, row, 3)?);
            }
            texts.written()
        }
        7 => {
            let entries = rows.iter().map(|row| entry(what, row));
            let entries: Vec<AuditEntry> = entries.collect::<Result<_, _>>()?;
            let lines = numbers(0)?.into_iter().zip(&entries).zip(bytes(6)?);
            let lines = lines.map(|((number, entry), hash)| (from_signed(number), entry, hash));
            vec![values::of_lines(lines)]
        }
        _ => {
            let bodies =
                rows.iter().map(|row| text(what, row, 2).map(|body| schema::text(&body).into_owned()));
            let bodies: Vec<String> = bodies.collect::<Result<_, _>>()?;
            vec![(notices::PUT_ALL, vec![boxed_numbers(0)?, boxed_numbers(1)?, boxed(bodies)])]
        }
    })
}

fn summary(what: &str, row: &[Value]) -> Result<SessionSummary, StoreError> {
    let id = blob(what, row, 0)?;
    let json = |error: serde_json::Error| damaged(what, &error.to_string());
    let count = |column| Ok::<_, StoreError>(u32::try_from(integer(what, row, column)?).unwrap_or(u32::MAX));
    Ok(SessionSummary {
        id: SessionId(
            id.as_slice().try_into().map(u128::from_be_bytes).map_err(|_| damaged(what, "an id is no id"))?,
        ),
        owner: principal_of(integer(what, row, 1)?),
        shared: serde_json::from_str(&text(what, row, 2)?).map_err(json)?,
        title: text(what, row, 3)?,
        model: ModelId(text(what, row, 4)?),
        tags: serde_json::from_str(&text(what, row, 5)?).map_err(json)?,
        created_ms: from_signed(integer(what, row, 6)?),
        updated_ms: from_signed(integer(what, row, 7)?),
        turns: count(8)?,
        open_turns: count(9)?,
        head_seq: 0,
    })
}

fn entry(what: &str, row: &[Value]) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        at_ms: integer(what, row, 1)?.cast_unsigned(),
        by: principal_of(integer(what, row, 2)?),
        action: text(what, row, 3)?,
        object: text(what, row, 4)?,
        detail: text(what, row, 5)?,
    })
}

fn blobs(what: &str, rows: &[Vec<Value>], column: usize) -> Result<Vec<Vec<u8>>, StoreError> {
    rows.iter().map(|row| blob(what, row, column)).collect()
}

fn integers(what: &str, rows: &[Vec<Value>], column: usize) -> Result<Vec<i64>, StoreError> {
    rows.iter().map(|row| integer(what, row, column)).collect()
}

fn blob(what: &str, row: &[Value], column: usize) -> Result<Vec<u8>, StoreError> {
    match row.get(column) {
        Some(Value::Blob(bytes)) => Ok(bytes.clone()),
        _ => Err(damaged(what, "a value is no bytes")),
    }
}

fn integer(what: &str, row: &[Value], column: usize) -> Result<i64, StoreError> {
    match row.get(column) {
        Some(Value::Integer(number)) => Ok(*number),
        _ => Err(damaged(what, "a value is no number")),
    }
}

fn text(what: &str, row: &[Value], column: usize) -> Result<String, StoreError> {
    match row.get(column) {
        Some(Value::Text(text)) => Ok(text.clone()),
        _ => Err(damaged(what, "a value is no text")),
    }
}

fn damaged(what: &str, message: &str) -> StoreError {
    StoreError::Damaged { what: what.to_owned(), message: message.to_owned() }
}
