//! Backups: everything at one moment as a SQLite file of the store's own schema, so that either database takes it back.
//!
//! Rows cross in batches between the connection and the thread that holds the file. `load` is the way back.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use futures::TryStreamExt;
use rusqlite::types::Value;
use rusqlite::{Connection as File, OpenFlags, params_from_iter};
use tokio::sync::mpsc;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Postgres;
use super::check::BEGIN_LOOK;
use super::connect::Lease;
use super::failure::Failure;
use super::schema::text_back;
use crate::StoreError;
use crate::sqlite::{fault, schema};

/// Rows that cross at once.
pub(super) const BATCH_ROWS: usize = 500;
/// Batches that wait for the slower side.
pub(super) const BATCHES: usize = 4;

/// Hears rows done and in all.
pub(super) type Progress<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

/// Rows of one table, and which.
pub(super) type Batch = (usize, Vec<Vec<Value>>);

/// What is read here, and how it is written there; each column keeps its place.
const TABLES: [(&str, &str); 9] = [
    (
        "SELECT session, epoch, oldest_seq, head_seq FROM logs WHERE NOT gone",
        "INSERT INTO logs (session, epoch, oldest_seq, head_seq) VALUES (?, ?, ?, ?)",
    ),
    (
        "SELECT session, epoch FROM logs WHERE gone",
        "INSERT INTO gone (session, epoch) VALUES (?, ?)",
    ),
    (
        "SELECT session, seq, first_seq, at_ms, payload FROM events",
        "INSERT INTO events (session, seq, first_seq, at_ms, payload) VALUES (?, ?, ?, ?, ?)",
    ),
    (
        "SELECT id, owner, shared, title, title_folded, model, tags, created_ms, updated_ms, turns, open_turns FROM sessions",
        "INSERT INTO sessions (id, owner, shared, title, title_folded, model, tags, created_ms, updated_ms, turns, open_turns)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    (
        "SELECT session, seq, state FROM snapshots",
        "INSERT INTO snapshots (session, seq, state) VALUES (?, ?, ?)",
    ),
    ("SELECT turn, session FROM turns", "INSERT INTO turns (turn, session) VALUES (?, ?)"),
    (
        "SELECT session, turn, part, string_agg(words, ' ' ORDER BY chunk) FROM texts GROUP BY session, turn, part",
        "INSERT INTO texts (session, turn, part, words) VALUES (?, ?, ?, ?)",
    ),
    (
        "SELECT number, at_ms, principal, action, object, detail, hash FROM audit ORDER BY number",
        "INSERT INTO audit (number, at_ms, principal, action, object, detail, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
    ),
    ("SELECT id, at_ms, body FROM notices", "INSERT INTO notices (id, at_ms, body) VALUES (?, ?, ?)"),
];

const COUNT: &str = "SELECT (SELECT count(*) FROM logs) + (SELECT count(*) FROM events)
    + (SELECT count(*) FROM sessions) + (SELECT count(*) FROM snapshots) + (SELECT count(*) FROM turns)
    + (SELECT count(*) FROM texts WHERE chunk = 0) + (SELECT count(*) FROM audit)
    + (SELECT count(*) FROM notices)";

impl Postgres {
    /// See [`crate::Store::backup`].
    pub(crate) async fn backup(&self, to: &Path, progress: Progress<'_>) -> Result<(), StoreError> {
        create(to)?;
        let (batches, written) = mpsc::channel(BATCHES);
        let target = to.to_owned();
        let writer = tokio::task::spawn_blocking(move || write(&target, written));
        let read = self.read_all(&batches, progress).await;
        if read.is_ok() {
            // An empty batch says that this was everything.
            let _ = batches.send((0, Vec::new())).await;
        }
        drop(batches);
        let written = joined(writer.await);
        // What the thread says comes first: without it, reading fails as well.
        let copied = written.and(read.map_err(StoreError::from));
        if copied.is_err() {
            // Half a copy is of no use to anybody.
            let _ = std::fs::remove_file(to);
        }
        copied
    }

    async fn read_all(&self, batches: &mpsc::Sender<Batch>, progress: Progress<'_>) -> Result<(), Failure> {
        let mut lease = self.pool.lease().await?;
        lease.begin(BEGIN_LOOK).await?;
        let row = lease.query_opt(COUNT, &[]).await?;
        let all = row.map(|row| crate::backend::from_signed(row.get(0))).unwrap_or_default();
        let mut done = 0;
        for (table, (sql, _)) in TABLES.iter().enumerate() {
            let mut rows = lease.stream(sql).await?;
            let mut batch = Vec::new();
            loop {
                let row = rows.try_next().await.map_err(|error| lease.failure(error))?;
                let is_last = row.is_none();
                batch.extend(row.as_ref().map(cells));
                if batch.len() >= BATCH_ROWS || (is_last && !batch.is_empty()) {
                    done += batch.len() as u64;
                    if batches.send((table, std::mem::take(&mut batch))).await.is_err() {
                        return Err(given_up(&lease));
                    }
                    progress(done, all);
                }
                if is_last {
                    break;
                }
            }
        }
        lease.commit().await
    }
}

fn given_up(lease: &Lease<'_>) -> Failure {
    Failure::again(lease, "the copy was given up")
}

/// Cells as the file has them; arrays are JSON there.
fn cells(row: &Row) -> Vec<Value> {
    let cell = |column: usize| match *row.columns()[column].type_() {
        Type::BYTEA => Value::Blob(row.get(column)),
        Type::INT2 => Value::Integer(row.get::<_, i16>(column).into()),
        Type::TEXT_ARRAY => {
            let texts: Vec<String> = row.get(column);
            let texts: Vec<String> = texts.into_iter().map(text_back).collect();
            Value::Text(serde_json::Value::from(texts).to_string())
        }
        Type::TEXT => Value::Text(text_back(row.get(column))),
        _ => Value::Integer(row.get(column)),
    };
    (0..row.len()).map(cell).collect()
}

/// An empty file that only the user may read.
fn create(to: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let what = to.display().to_string();
    match options.open(to) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(StoreError::Invalid { what, message: "there is such a file; name a new one".into() })
        }
        Err(error) => Err(fault::io_error(&what, &error)),
    }
}

/// Fills the file, in one transaction, until an empty batch ends it.
fn write(to: &Path, mut batches: mpsc::Receiver<Batch>) -> Result<(), StoreError> {
    let what = to.display().to_string();
    let fault = |error: rusqlite::Error| fault::store_error(&what, &error);
    let mut file = File::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(fault)?;
    schema::migrate(&what, &mut file)?;
    let transaction = file.transaction().map_err(fault)?;
    let mut is_whole = false;
    while let Some((table, rows)) = batches.blocking_recv() {
        is_whole = rows.is_empty();
        let Some((_, sql)) = TABLES.get(table) else { continue };
        let mut insert = transaction.prepare_cached(sql).map_err(fault)?;
        for row in rows {
            insert.execute(params_from_iter(row)).map_err(fault)?;
        }
    }
    if !is_whole {
        return Err(StoreError::Unavailable { what, message: "the copy was given up".into() });
    }
    transaction.execute_batch("INSERT INTO found (found) VALUES ('rebuild')").map_err(fault)?;
    transaction.commit().map_err(fault)?;
    drop(file);
    std::fs::File::open(to).and_then(|file| file.sync_all()).map_err(|error| fault::io_error(&what, &error))
}

/// Reads the rows of a file in the order of [`TABLES`] and sends them. The first word, from a table that there is not,
/// is how many there are.
pub(super) fn read(from: &Path, batches: &mpsc::Sender<Batch>) -> Result<(), StoreError> {
    let what = from.display().to_string();
    let fault = |error: rusqlite::Error| fault::store_error(&what, &error);
    let file = File::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(fault)?;
    let found = schema::check_version(&what, &file)?;
    if found != schema::VERSION {
        let message = match found {
            0 => "it is no backup of a store; name a file that `pomona store backup` wrote".to_owned(),
            _ => format!(
                "it has schema version {found}; open a copy of it as a SQLite store once, then restore that"
            ),
        };
        return Err(StoreError::Invalid { what, message });
    }
    let moment = file.unchecked_transaction().map_err(fault)?;
    let tables = SOURCES.map(|(columns, table)| {
        (format!("SELECT count(*) FROM {table}"), format!("SELECT {columns} FROM {table}"))
    });
    let mut all = 0i64;
    for (count, _) in &tables {
        all += moment.query_row(count, [], |row| row.get::<_, i64>(0)).map_err(fault)?;
    }
    let gone = || StoreError::Unavailable { what: what.clone(), message: "the copy was given up".into() };
    let send = |batch: Batch| batches.blocking_send(batch).map_err(|_| gone());
    send((usize::MAX, vec![vec![Value::Integer(all)]]))?;
    for (table, (_, select)) in tables.iter().enumerate() {
        let mut query = moment.prepare(select).map_err(fault)?;
        let columns = query.column_count();
        let mut rows = query.query([]).map_err(fault)?;
        let mut batch = Vec::new();
        while let Some(row) = rows.next().map_err(fault)? {
            let cells: Result<Vec<Value>, _> = (0..columns).map(|column| row.get(column)).collect();
            batch.push(cells.map_err(fault)?);
            if batch.len() >= BATCH_ROWS {
                send((table, std::mem::take(&mut batch)))?;
            }
        }
        if !batch.is_empty() {
            send((table, batch))?;
        }
    }
    Ok(())
}

/// The same tables as a file has them.
const SOURCES: [(&str, &str); 9] = [
    ("session, epoch, oldest_seq, head_seq", "logs"),
    ("session, epoch", "gone"),
    ("session, seq, first_seq, at_ms, payload", "events"),
    ("id, owner, shared, title, model, tags, created_ms, updated_ms, turns, open_turns", "sessions"),
    ("session, seq, state", "snapshots"),
    ("turn, session", "turns"),
    ("session, turn, part, words", "texts"),
    ("number, at_ms, principal, action, object, detail, hash", "audit"),
    ("id, at_ms, body", "notices"),
];

/// What a thread said, or that it ended without a word.
pub(super) fn joined(
    outcome: Result<Result<(), StoreError>, tokio::task::JoinError>,
) -> Result<(), StoreError> {
    outcome.unwrap_or_else(|error| {
        Err(StoreError::Unavailable { what: "copy".into(), message: format!("a thread ended: {error}") })
    })
}

/// Starts to read a file on a thread of its own.
pub(super) fn start_reading(
    from: PathBuf,
) -> (mpsc::Receiver<Batch>, tokio::task::JoinHandle<Result<(), StoreError>>) {
    let (batches, rows) = mpsc::channel(BATCHES);
    (rows, tokio::task::spawn_blocking(move || read(&from, &batches)))
}
