//! Between the prefix tree and the disk: what leaves the memory is saved, what a turn needs is brought back.
//!
//! Blocks are copied out and in on the engine's thread, between steps; the disk is the [`Tier`]'s business.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use super::Generation;
use crate::backend::{BLOCK_TOKENS, BackendError};
use crate::scheduler::{Restore, SequenceId};
use crate::tier::Tier;

/// Blocks of one turn that are brought back between two steps. More would keep running answers waiting.
const BLOCKS_PER_STEP: usize = 8;
/// Blocks that are saved at once while there is nothing else to do: a turn that comes then waits for no more.
const IDLE_BLOCKS: usize = 4;

/// Between two tries at the end of the engine.
const FULL_PAUSE: Duration = Duration::from_millis(1);

pub(super) struct Disk {
    tier: Tier,
    coming: BTreeMap<SequenceId, Coming>,
}

/// A turn that waits for blocks.
struct Coming {
    restore: Restore,
    blocks: Receiver<Vec<u8>>,
}

impl Generation {
    /// Keeps KV blocks on disk from now on.
    pub fn keep_on_disk(&mut self, tier: Tier) {
        self.scheduler.track_blocks();
        self.disk = Some(Disk { tier, coming: BTreeMap::new() });
    }

    /// Has the blocks of a new turn read, where that is quicker than to compute them.
    pub(super) fn ask_disk(&mut self, id: SequenceId) {
        let Some(disk) = self.disk.as_mut().filter(|disk| disk.tier.is_on()) else { return };
        let computing = self.scheduler.prefill_micros(BLOCK_TOKENS);
        let is_quicker = disk.tier.read_micros().zip(computing).is_none_or(|(read, compute)| read < compute);
        let Some(restore) = self.scheduler.begin_restore(id) else { return };
        let mut missing = restore.missing();
        missing.truncate(disk.tier.count(&missing));
        if missing.is_empty() || !is_quicker {
            return self.scheduler.end_restore(id, restore);
        }
        let blocks = disk.tier.fetch(missing);
        disk.coming.insert(id, Coming { restore, blocks });
    }

    /// Takes what has been read.
    pub(super) fn take_restored(&mut self) -> Result<(), BackendError> {
        let Some(disk) = &mut self.disk else { return Ok(()) };
        for (id, mut coming) in std::mem::take(&mut disk.coming) {
            let is_over = !self.turns.contains_key(&id) || self.take_blocks(&mut coming)?;
            if is_over {
                self.scheduler.end_restore(id, coming.restore);
            } else if let Some(disk) = &mut self.disk {
                disk.coming.insert(id, coming);
            }
        }
        self.show_disk();
        Ok(())
    }

    /// True when nothing more comes.
    fn take_blocks(&mut self, coming: &mut Coming) -> Result<bool, BackendError> {
        for _ in 0..BLOCKS_PER_STEP {
            let bytes = match coming.blocks.try_recv() {
                Ok(bytes) => bytes,
                Err(error) => return Ok(error == TryRecvError::Disconnected),
            };
            let Some(block) = self.scheduler.restore_place(&mut coming.restore) else { return Ok(true) };
            self.save_evicted()?;
            self.backend.import_block(block, &bytes)?;
            self.scheduler.restored(&mut coming.restore);
            self.board.update(|load| load.restored_tokens += BLOCK_TOKENS as u64);
        }
        Ok(false)
    }

    /// Saves blocks that have left the tree, before anything is written over them.
    pub(super) fn save_evicted(&mut self) -> Result<(), BackendError> {
        let Some(disk) = &self.disk else { return Ok(()) };
        for (block, key) in self.scheduler.take_evicted() {
            if disk.tier.wants(&key) {
                disk.tier.save(key, self.backend.export_block(block)?);
            }
        }
        Ok(())
    }

    /// Saves a few blocks of the tree, for a time when there is nothing else to do. True when more are to
    /// be saved or written.
    pub fn save_some(&mut self) -> Result<bool, BackendError> {
        self.show_disk();
        let Some(disk) = &self.disk else { return Ok(false) };
        if !disk.tier.is_on() {
            return Ok(disk.tier.is_opening());
        }
        for _ in 0..IDLE_BLOCKS {
            if !disk.tier.has_room() {
                return Ok(true);
            }
            let Some((block, key)) = self.scheduler.next_unsaved() else {
                // What is written by then is shown before the engine goes to sleep.
                let is_writing = disk.tier.is_writing();
                self.show_disk();
                return Ok(is_writing);
            };
            if disk.tier.wants(&key) {
                disk.tier.save(key, self.backend.export_block(block)?);
            }
        }
        Ok(true)
    }

    /// Saves what the tree has, for no longer than this.
    pub fn save_rest(&mut self, time: Duration) -> Result<(), BackendError> {
        let until = Instant::now() + time;
        while Instant::now() < until && self.disk.as_ref().is_some_and(|disk| disk.tier.is_on()) {
            if !self.save_some()? {
                break;
            }
            std::thread::sleep(FULL_PAUSE);
        }
        Ok(())
    }

    fn show_disk(&self) {
        let Some(disk) = &self.disk else { return };
        let (kept, broken, evicted) =
            (disk.tier.kept_bytes(), disk.tier.broken_files(), disk.tier.evicted_files());
        self.board.update(|load| {
            load.prefix_disk_bytes = kept;
            load.broken_prefix_files = broken;
            load.evicted_prefix_files = evicted;
        });
    }
}
