//! The prefix cache on disk: KV blocks that were computed once, kept across restarts.
//!
//! Started by `serve` for one model; `generation` gives it blocks ([`Tier::save`]) and asks for them ([`Tier::fetch`]),
//! neither of which waits for the disk. Two threads do: one writes, one reads. Blocks are named by the tokens they
//! follow from ([`PrefixKey`]) in a folder named by the model, its weights, the backend and this version; their bytes
//! are checked on every read. A disk that fails turns the tier off, with one warning; turns go on without it.

mod file;
mod fingerprint;
mod index;
mod threads;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

use std::collections::HashSet;

use crate::backend::BlockFormat;
use crate::prefix::PrefixKey;
use index::Index;

/// Bytes that wait to be written. More are not kept: a disk that is slower than the engine must not fill the memory.
const QUEUE_BYTES_MAX: u64 = 128 << 20;
/// Bytes that were read and wait for the engine.
const AHEAD_BYTES_MAX: usize = 64 << 20;

/// Where and how much.
#[derive(Clone, Debug)]
pub struct TierOptions {
    /// Folder for all models of this machine; made when missing, for this user only.
    pub root: PathBuf,
    /// Bytes of all files in it, of all models together.
    pub bytes_max: u64,
    /// The model's folder, whose files say which model it is.
    pub model_dir: PathBuf,
    /// What the blocks of its backend look like.
    pub format: BlockFormat,
}

/// The handle of the engine's thread. Dropped, it writes what waits and ends the threads.
#[derive(Debug)]
pub struct Tier {
    shared: Arc<Shared>,
    saves: Option<Sender<(PrefixKey, Vec<u8>)>>,
    wishes: Option<Sender<Wish>>,
    threads: Vec<JoinHandle<()>>,
}

/// Blocks that somebody waits for, in order.
struct Wish {
    keys: Vec<PrefixKey>,
    blocks: std::sync::mpsc::SyncSender<Vec<u8>>,
}

/// What handle and threads share.
#[derive(Debug)]
struct Shared {
    options: TierOptions,
    /// The folder of this model, known when its files were hashed.
    folder: OnceLock<PathBuf>,
    state: Mutex<State>,
    is_on: AtomicBool,
    is_stopping: AtomicBool,
    has_failed: AtomicBool,
    queued_bytes: AtomicU64,
    broken_files: AtomicU64,
    evicted_files: AtomicU64,
    /// What reading a block takes; 0 is not known.
    read_micros: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    index: Index,
    /// Blocks that wait to be written.
    pending: HashSet<PrefixKey>,
}

impl Tier {
    /// Starts the threads. The tier is of use when they have found out which model it is, which takes as long as
    /// reading its files.
    pub fn start(options: TierOptions) -> Self {
        let shared = Arc::new(Shared {
            options,
            folder: OnceLock::new(),
            state: Mutex::default(),
            is_on: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            queued_bytes: AtomicU64::new(0),
            broken_files: AtomicU64::new(0),
            evicted_files: AtomicU64::new(0),
            read_micros: AtomicU64::new(0),
        });
        let (saves, to_write) = channel();
        let (wishes, to_read) = channel();
        let (writer, reader) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = [
            threads::spawn("prefix-writer", move || threads::write(&writer, &to_write)),
            threads::spawn("prefix-reader", move || threads::read(&reader, &to_read)),
        ];
        let threads =
            threads.into_iter().filter_map(|thread| thread.map_err(|error| shared.turn_off(&error)).ok());
        Self {
            threads: threads.collect(),
            shared: Arc::clone(&shared),
            saves: Some(saves),
            wishes: Some(wishes),
        }
    }

    /// Whether blocks are kept now.
    pub fn is_on(&self) -> bool {
        self.shared.is_on.load(Ordering::Acquire)
    }

    /// Whether it is being found out what is there.
    pub fn is_opening(&self) -> bool {
        !self.is_on() && !self.shared.has_failed.load(Ordering::Acquire)
    }

    /// Whether a block should be given to [`Tier::save`]: it is not there yet, and there is room for it to wait.
    pub fn wants(&self, key: &PrefixKey) -> bool {
        let state = self.shared.state();
        self.is_on() && self.has_room() && !state.index.has(key) && !state.pending.contains(key)
    }

    /// Whether blocks wait to be written.
    pub fn is_writing(&self) -> bool {
        self.is_on() && self.shared.queued_bytes.load(Ordering::Acquire) > 0
    }

    /// Whether a block can wait to be written.
    pub fn has_room(&self) -> bool {
        let queued = self.shared.queued_bytes.load(Ordering::Acquire);
        queued + self.shared.options.format.bytes as u64 <= QUEUE_BYTES_MAX
    }

    /// Keeps a block, as far as the disk can follow.
    pub fn save(&self, key: PrefixKey, bytes: Vec<u8>) {
        if !self.is_on() || !self.shared.state().pending.insert(key) {
            return;
        }
        self.shared.queued_bytes.fetch_add(bytes.len() as u64, Ordering::AcqRel);
        if let Some(saves) = &self.saves {
            // A writer that has gone has turned the tier off.
            let _ = saves.send((key, bytes));
        }
    }

    /// How many of these blocks, from the first on, are on disk.
    pub fn count(&self, keys: &[PrefixKey]) -> usize {
        if !self.is_on() {
            return 0;
        }
        let state = self.shared.state();
        keys.iter().take_while(|key| state.index.has(key)).count()
    }

    /// Has blocks read; they come in order, and fewer when one cannot be had. Dropping the receiver stops it.
    pub fn fetch(&self, keys: Vec<PrefixKey>) -> Receiver<Vec<u8>> {
        let ahead = (AHEAD_BYTES_MAX / self.shared.options.format.bytes.max(1)).clamp(2, 256);
        let (blocks, coming) = sync_channel(ahead);
        if let Some(wishes) = &self.wishes {
            // Without a reader the receiver hears at once that nothing comes.
            let _ = wishes.send(Wish { keys, blocks });
        }
        coming
    }

    /// Microseconds that reading a block takes, when one was read.
    pub fn read_micros(&self) -> Option<u64> {
        Some(self.shared.read_micros.load(Ordering::Relaxed)).filter(|micros| *micros > 0)
    }

    /// Bytes of this model's blocks that are on disk.
    pub fn kept_bytes(&self) -> u64 {
        self.shared.state().index.bytes()
    }

    /// Files that were not what was written, and were removed.
    pub fn broken_files(&self) -> u64 {
        self.shared.broken_files.load(Ordering::Relaxed)
    }

    /// Files that were removed to make room.
    pub fn evicted_files(&self) -> u64 {
        self.shared.evicted_files.load(Ordering::Relaxed)
    }
}

impl Drop for Tier {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        drop((self.saves.take(), self.wishes.take()));
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing left to write.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// The first failure is said; from then on nothing is read or written.
    fn turn_off(&self, error: &std::io::Error) {
        self.is_on.store(false, Ordering::Release);
        if !self.has_failed.swap(true, Ordering::AcqRel) {
            let folder = self.options.root.display();
            tracing::warn!(%folder, %error, "the prefix cache on disk is off until the engine starts again");
        }
    }

    /// A map and a set stay usable whatever happened to a thread.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
