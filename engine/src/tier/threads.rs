//! The two threads of the tier: one writes what the engine gives, one reads what it asks for.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use super::file::{self, Unreadable};
use super::fingerprint::fingerprint;
use super::index::{EXTENSION, Index, trim};
use super::{Shared, Wish};
use crate::prefix::PrefixKey;

/// Blocks in a file. More lose more at once when room must be made; fewer are more files to open.
const FILE_BLOCKS: usize = 16;
/// How long a block waits for others to share a file with.
const FILE_WAIT: Duration = Duration::from_millis(500);
/// What a new reading time counts for, as a share.
const READ_WEIGHT: u64 = 4;

pub(super) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(body)
}

/// The writer: until the handle is dropped, then what waits.
pub(super) fn write(shared: &Shared, saves: &Receiver<(PrefixKey, Vec<u8>)>) {
    while let Ok(first) = saves.recv() {
        let mut blocks = vec![first];
        let until = Instant::now() + FILE_WAIT;
        while blocks.len() < FILE_BLOCKS {
            match saves.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(block) => blocks.push(block),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        if shared.is_on.load(Ordering::Acquire)
            && let Err(error) = write_file(shared, &blocks)
        {
            shared.turn_off(&error);
        }
        let bytes: usize = blocks.iter().map(|(_, bytes)| bytes.len()).sum();
        shared.queued_bytes.fetch_sub(bytes as u64, Ordering::AcqRel);
        let mut state = shared.state();
        for (key, _) in &blocks {
            state.pending.remove(key);
        }
    }
}

fn write_file(shared: &Shared, blocks: &[(PrefixKey, Vec<u8>)]) -> io::Result<()> {
    let folder = shared.folder.get().ok_or_else(|| io::Error::other("the model is not known yet"))?;
    let nanos = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    let path = folder.join(format!("{nanos:032x}-{}.{EXTENSION}", std::process::id()));
    let places = file::write(&path, blocks)?;
    shared.state().index.add(&path, places);
    make_room(shared)
}

fn make_room(shared: &Shared) -> io::Result<()> {
    let removed = trim(&shared.options.root, shared.options.bytes_max)?;
    shared.evicted_files.fetch_add(removed.len() as u64, Ordering::Relaxed);
    let mut state = shared.state();
    removed.iter().for_each(|path| state.index.remove(path));
    Ok(())
}

/// The reader: finds out which model this is and what is there, then serves wishes until the handle is dropped.
pub(super) fn read(shared: &Shared, wishes: &Receiver<Wish>) {
    match open(shared) {
        Ok(true) => shared.is_on.store(true, Ordering::Release),
        Ok(false) => return,
        Err(error) => return shared.turn_off(&error),
    }
    while let Ok(wish) = wishes.recv() {
        let mut touched: Option<PathBuf> = None;
        for key in &wish.keys {
            let Some((path, bytes)) = read_block(shared, key) else { break };
            if touched.as_ref() != Some(&path) {
                touch(&path);
                touched = Some(path);
            }
            if wish.blocks.send(bytes).is_err() || shared.is_stopping.load(Ordering::Acquire) {
                break;
            }
        }
    }
}

/// False when the engine ended meanwhile.
fn open(shared: &Shared) -> io::Result<bool> {
    let options = &shared.options;
    if options.bytes_max < options.format.bytes as u64 {
        let (max, block) = (options.bytes_max, options.format.bytes);
        return Err(io::Error::other(format!(
            "engine.prefix_disk_bytes is {max} and one block takes {block} bytes"
        )));
    }
    let model = fingerprint(&options.model_dir, &options.format.name, &shared.is_stopping)?;
    let Some(model) = model else { return Ok(false) };
    let folder = options.root.join(model.hex());
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let (index, broken) = Index::open(&folder)?;
    shared.broken_files.fetch_add(broken, Ordering::Relaxed);
    shared.state().index = index;
    let _ = shared.folder.set(folder);
    make_room(shared)?;
    Ok(true)
}

/// A block and its file, or nothing: then it is not asked for again.
fn read_block(shared: &Shared, key: &PrefixKey) -> Option<(PathBuf, Vec<u8>)> {
    if !shared.is_on.load(Ordering::Acquire) {
        return None;
    }
    let (path, place) = shared.state().index.get(key)?;
    let started = Instant::now();
    match file::read_block(&path, &place) {
        Ok(bytes) => {
            let micros = started.elapsed().as_micros().clamp(1, u128::from(u32::MAX)) as u64;
            let known = Some(shared.read_micros.load(Ordering::Relaxed)).filter(|known| *known > 0);
            let blended =
                known.map_or(micros, |known| (known * (READ_WEIGHT - 1) + micros).div_ceil(READ_WEIGHT));
            shared.read_micros.store(blended, Ordering::Relaxed);
            Some((path, bytes))
        }
        Err(Unreadable::Disk(error)) => {
            shared.turn_off(&error);
            None
        }
        Err(unreadable) => {
            shared.state().index.remove(&path);
            if matches!(unreadable, Unreadable::Broken) {
                shared.broken_files.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(file = %path.display(), "a file of the prefix cache was damaged and is removed");
                if let Err(error) = fs::remove_file(&path) {
                    shared.turn_off(&error);
                }
            }
            None
        }
    }
}

/// Notes that a file was used: what was not for longest goes first.
fn touch(path: &Path) {
    // Without the note it goes a little earlier.
    let _ = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
}
