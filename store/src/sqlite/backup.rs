//! Copies of a store file, and putting one in its place.
//!
//! A copy is taken by the library's online backup from one moment, while the writer goes on. A restore first makes and
//! checks the new file beside the old one as `store.db.restoring`; renaming that to `store.db.restored` decides. From
//! then on the restore happens, also when the process ends in between: the next opening finishes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::mpsc;

use super::{Sqlite, blocking, check, fault, files, schema};
use crate::backend::of_backup;
use crate::{StoreError, StoreParts};

/// Pages between two words about progress: 2 MiB.
const STEP_PAGES: i32 = 512;

/// How long a copy waits for whoever holds its source.
const WAIT: Duration = Duration::from_secs(5);

/// Hears pages done and in all.
type Progress<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

impl Sqlite {
    pub(crate) async fn backup(&self, to: &Path, progress: Progress<'_>) -> Result<(), StoreError> {
        let (from, to) = (self.path.clone(), to.to_owned());
        telling(progress, move |tell| {
            let what = to.display().to_string();
            files::create_private(&to).map_err(|error| match error.kind() {
                std::io::ErrorKind::AlreadyExists => StoreError::Invalid {
                    what: what.clone(),
                    message: "there is such a file; name a new one".into(),
                },
                _ => fault::io_error(&what, &error),
            })?;
            let copied = copy(&from, &to, tell).and_then(|()| seal(&to));
            if copied.is_err() {
                // Half a copy is of no use to anybody.
                let _ = fs::remove_file(&to);
            }
            copied?;
            is_whole(&from, &to)
        })
        .await
    }

    /// Puts a backup in the place of the file, and closes the store.
    pub(crate) async fn restore(&self, from: &Path, progress: Progress<'_>) -> Result<(), StoreError> {
        self.writer()?;
        let (from, to) = (from.to_owned(), self.path.clone());
        let target = to.clone();
        telling(progress, move |tell| prepare(&from, &target, tell)).await?;
        self.end().await?;
        blocking(move || commit_restore(&to)).await?;
        self.close().await
    }

    /// The same where no store can be opened, since the file is damaged.
    pub(crate) async fn replace(
        parts: StoreParts,
        from: &Path,
        progress: Progress<'_>,
    ) -> Result<(), StoreError> {
        let from = from.to_owned();
        telling(progress, move |tell| {
            let folder = parts.data_dir.display().to_string();
            fs::create_dir_all(&parts.data_dir).map_err(|error| fault::io_error(&folder, &error))?;
            let _lock = files::Lock::take(&parts.data_dir)?;
            let path = parts.data_dir.join("store.db");
            prepare(&from, &path, tell)?;
            commit_restore(&path)
        })
        .await
    }
}

/// Runs work on a blocking thread and passes on what it tells. Dropping this gives the work up at its next word.
async fn telling(
    progress: Progress<'_>,
    work: impl FnOnce(&mpsc::Sender<(u64, u64)>) -> Result<(), StoreError> + Send + 'static,
) -> Result<(), StoreError> {
    let (tell, mut told) = mpsc::channel(1);
    let work = tokio::task::spawn_blocking(move || work(&tell));
    while let Some((done, all)) = told.recv().await {
        progress(done, all);
    }
    work.await.unwrap_or_else(|error| {
        Err(StoreError::Unavailable { what: "copy".into(), message: format!("a thread ended: {error}") })
    })
}

/// Copies one file into another, which is empty, as it is at one moment.
fn copy(from: &Path, to: &Path, tell: &mpsc::Sender<(u64, u64)>) -> Result<(), StoreError> {
    let (source, target) = (from.display().to_string(), to.display().to_string());
    let of_source = |error: rusqlite::Error| fault::store_error(&source, &error);
    let of_target = |error: rusqlite::Error| fault::store_error(&target, &error);
    let old = files::open_reader(from, WAIT).map_err(of_source)?;
    // Held open, it keeps the source at this moment; else each commit of the writer would begin the copy anew.
    let moment = old.unchecked_transaction().map_err(of_source)?;
    schema::version(&moment).map_err(of_source)?;
    let mut new = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(of_target)?;
    let backup = Backup::new(&moment, &mut new).map_err(of_target)?;
    loop {
        let step = backup.step(STEP_PAGES).map_err(of_target)?;
        let progress = backup.progress();
        let all = u64::try_from(progress.pagecount).unwrap_or(0);
        let left = u64::try_from(progress.remaining).unwrap_or(0);
        if tell.blocking_send((all.saturating_sub(left), all)).is_err() {
            return Err(StoreError::Unavailable { what: target, message: "the copy was given up".into() });
        }
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Looks at everything in a copy: nobody wants to hear on the day of a restore that it brings nothing back. One that is
/// as damaged as its source stays, for it may be the best there is.
fn is_whole(from: &Path, to: &Path) -> Result<(), StoreError> {
    let (source, copy) = (from.display().to_string(), to.display().to_string());
    let fault = |error: rusqlite::Error| fault::store_error(&copy, &error);
    let db = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(fault)?;
    match check::look(&copy, &db)?.problems.into_iter().next() {
        Some(problem) => {
            let message = format!("{problem} (and so is the copy, {copy})");
            Err(StoreError::Damaged { what: source, message })
        }
        None => Ok(()),
    }
}

/// Makes a copy one file that needs no other, and puts it on the disk.
fn seal(path: &Path) -> Result<(), StoreError> {
    let what = path.display().to_string();
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let sealed = db.and_then(|db| db.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())));
    sealed.map_err(|error| fault::store_error(&what, &error))?;
    let synced = fs::File::open(path).and_then(|file| file.sync_all());
    let folder = path.parent().unwrap_or(Path::new("."));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    synced.and_then(|()| files::sync_folder(folder)).map_err(|error| fault::io_error(&what, &error))
}

/// Copies a backup beside the file that it is to replace, brings it up to date, and looks at everything in it.
fn prepare(from: &Path, path: &Path, tell: &mpsc::Sender<(u64, u64)>) -> Result<(), StoreError> {
    let (new, what) = (files::beside(path, ".restoring"), from.display().to_string());
    if !exists(from)? {
        return Err(StoreError::Invalid { what, message: "there is no such file".into() });
    }
    remove(&new)?;
    files::create_private(&new).map_err(|error| fault::io_error(&what, &error))?;
    let prepared = copy(from, &new, tell).and_then(|()| inspect(&what, &new)).and_then(|()| seal(&new));
    if prepared.is_err() {
        remove(&new)?;
    }
    prepared.map_err(|error| of_backup(&what, error))
}

fn inspect(what: &str, new: &Path) -> Result<(), StoreError> {
    let fault = |error: rusqlite::Error| fault::store_error(what, &error);
    let mut db = Connection::open_with_flags(new, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(fault)?;
    if schema::check_version(what, &db)? == 0 {
        let message = "it is no backup of a store; name a file that `pomona store backup` wrote".into();
        return Err(StoreError::Invalid { what: what.into(), message });
    }
    schema::migrate(what, &mut db)?;
    match check::look(what, &db)?.problems.into_iter().next() {
        Some(message) => Err(StoreError::Damaged { what: what.into(), message }),
        None => Ok(()),
    }
}

/// Decides for the prepared file, and puts it in its place. The old one stays as `store.db.before-restore`.
fn commit_restore(path: &Path) -> Result<(), StoreError> {
    // Of an older restore; the log of another file must never meet this one.
    remove(&files::beside(path, ".before-restore-wal"))?;
    rename(&files::beside(path, ".restoring"), &decided(path))?;
    finish_restore(path)
}

fn decided(path: &Path) -> PathBuf {
    files::beside(path, ".restored")
}

/// Finishes a restore that was decided on, if one was. Each step may be the last one that happens.
pub(super) fn finish_restore(path: &Path) -> Result<(), StoreError> {
    if !exists(&decided(path))? {
        return Ok(());
    }
    if exists(path)? {
        // The log goes first: it must never stand beside the new file.
        if exists(&files::beside(path, "-wal"))? {
            rename(&files::beside(path, "-wal"), &files::beside(path, ".before-restore-wal"))?;
        }
        remove(&files::beside(path, "-shm"))?;
        rename(path, &files::beside(path, ".before-restore"))?;
    }
    rename(&decided(path), path)?;
    tracing::info!(store = %path.display(), "a backup was restored; the old file is kept beside it");
    Ok(())
}

fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(|error| fault::io_error(&path.display().to_string(), &error))
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    let folder = to.parent().unwrap_or(Path::new("."));
    let renamed = fs::rename(from, to).and_then(|()| files::sync_folder(folder));
    renamed.map_err(|error| fault::io_error(&from.display().to_string(), &error))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(fault::io_error(&path.display().to_string(), &error))
        }
        _ => Ok(()),
    }
}
