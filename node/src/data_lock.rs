//! One gateway per data folder, and how our own commands find it.
//!
//! `up` takes the lock before anything else, announces its address once it listens, and both go when it ends.
//! The lock belongs to the open file, so it goes with the process however that ends; `gateway.json` may stay
//! behind and counts only while the lock is held.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::exit::Exit;
use crate::paths::make_private;

/// A command that looks whether the lock is held holds it for microseconds itself; this outlasts many of them.
const PATIENCE: Duration = Duration::from_millis(500);

/// The gateway that runs on a data folder: the content of `gateway.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunningGateway {
    /// Where it listens.
    pub(crate) url: String,
    /// Its process.
    pub(crate) pid: u32,
    /// Since when, in UTC.
    pub(crate) started: String,
}

/// The right to use a data folder.
#[derive(Debug)]
pub(crate) struct DataLock {
    data_dir: PathBuf,
    _file: File,
}

impl DataLock {
    /// Takes the lock, making the folder when it is missing; says who holds it when it is taken.
    pub(crate) fn acquire(data_dir: &Path) -> anyhow::Result<Self> {
        make_private(data_dir)?;
        let mut file = open_lock(data_dir)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Exit::Unavailable.because(taken(data_dir, &mut file)));
                }
                Err(TryLockError::Error(error)) => {
                    let what = format!("cannot lock the data folder {}", data_dir.display());
                    return Err(Exit::Unavailable.because(anyhow::Error::from(error).context(what)));
                }
            }
        }
        let _ = fs::remove_file(gateway_file(data_dir));
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .context("cannot write to the lock file")?;
        writeln!(file, "{}", std::process::id()).context("cannot write to the lock file")?;
        Ok(Self { data_dir: data_dir.to_owned(), _file: file })
    }

    /// Tells our own commands where this process listens.
    pub(crate) fn announce(&self, url: &str) -> anyhow::Result<()> {
        let gateway =
            RunningGateway { url: url.to_owned(), pid: std::process::id(), started: clock::now_utc() };
        let path = gateway_file(&self.data_dir);
        let draft = path.with_extension("json.draft");
        let text = serde_json::to_string_pretty(&gateway)?;
        let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, &path));
        written.with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Drop for DataLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(gateway_file(&self.data_dir));
    }
}

/// The gateway that runs on this data folder now, if one does and listens already.
pub(crate) fn running_gateway(data_dir: &Path) -> Option<RunningGateway> {
    let file = File::open(lock_file(data_dir)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => announced(data_dir),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

fn announced(data_dir: &Path) -> Option<RunningGateway> {
    serde_json::from_slice(&fs::read(gateway_file(data_dir)).ok()?).ok()
}

/// Who holds the lock, as far as it can be told.
fn taken(data_dir: &Path, file: &mut File) -> anyhow::Error {
    let holder = match announced(data_dir) {
        Some(gateway) => format!("another pomona (process {}, {})", gateway.pid, gateway.url),
        None => {
            let mut text = String::new();
            let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(20).read_to_string(&mut text));
            match text.trim().parse::<u32>() {
                Ok(pid) if read.is_ok() => format!("another pomona (process {pid})"),
                _ => "another pomona".to_owned(),
            }
        }
    };
    anyhow!(
        "{holder} uses the data folder {}; use or stop that one, or give this one a folder of its own with --home",
        data_dir.display()
    )
}

fn open_lock(data_dir: &Path) -> anyhow::Result<File> {
    let path = lock_file(data_dir);
    let opened: io::Result<File> =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    opened.with_context(|| format!("cannot open {}", path.display()))
}

fn lock_file(data_dir: &Path) -> PathBuf {
    data_dir.join("lock")
}

fn gateway_file(data_dir: &Path) -> PathBuf {
    data_dir.join("gateway.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://127.0.0.1:9999";

    #[test]
    fn the_running_gateway_is_found_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        assert_eq!(running_gateway(&data_dir), None);
        let lock = DataLock::acquire(&data_dir).unwrap();
        assert_eq!(running_gateway(&data_dir), None);
        lock.announce(URL).unwrap();
        let found = running_gateway(&data_dir).unwrap();
        assert_eq!((found.url.as_str(), found.pid), (URL, std::process::id()));
        drop(lock);
        assert_eq!(running_gateway(&data_dir), None);
        assert!(!gateway_file(&data_dir).exists());
    }

    #[test]
    fn a_second_one_is_told_who_holds_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let lock = DataLock::acquire(folder.path()).unwrap();
        let error = DataLock::acquire(folder.path()).unwrap_err();
        let pid = std::process::id();
        assert!(error.to_string().contains(&format!("(process {pid}) uses")), "{error}");
        assert_eq!(Exit::of(&error), Exit::Unavailable);
        lock.announce(URL).unwrap();
        let error = DataLock::acquire(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("(process {pid}, {URL}) uses the data folder")), "{error}");
        drop(lock);
        DataLock::acquire(folder.path()).unwrap();
    }

    #[test]
    fn what_a_killed_gateway_left_behind_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        drop(DataLock::acquire(folder.path()).unwrap());
        let stale = RunningGateway { url: URL.to_owned(), pid: 1, started: clock::now_utc() };
        fs::write(gateway_file(folder.path()), serde_json::to_vec(&stale).unwrap()).unwrap();
        assert_eq!(running_gateway(folder.path()), None);
        let _lock = DataLock::acquire(folder.path()).unwrap();
        assert_eq!(
            running_gateway(folder.path()),
            None,
            "the stale address is gone before the new one is known"
        );
    }

    #[test]
    fn looking_for_a_gateway_does_not_stop_one_from_starting() {
        let folder = tempfile::tempdir().unwrap();
        drop(DataLock::acquire(folder.path()).unwrap());
        let reader = File::open(lock_file(folder.path())).unwrap();
        reader.try_lock_shared().unwrap();
        let release = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(10));
            drop(reader);
        });
        DataLock::acquire(folder.path()).unwrap();
        release.join().unwrap();
    }
}
