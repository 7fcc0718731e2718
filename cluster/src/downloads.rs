//! Which downloads of models run, wait and are remembered. One per gateway that hosts models; its shell runs what is
//! started here and passes on what happens. Times are Unix milliseconds.

use std::collections::VecDeque;

use pomona_protocol::{Download, DownloadError, DownloadId, DownloadRetry, DownloadState, NodeId};

/// How long speeds are averaged.
const SPEED_MS: u64 = 5_000;

/// How many of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownloadLimits {
    /// That run at once: more share one line and all take longer.
    pub running_max: usize,
    /// That wait or stand still.
    pub waiting_max: usize,
    /// That are over and remembered.
    pub ended_max: usize,
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The repository.
    pub repo: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// Which file of it.
    pub file: Option<String>,
    /// What to call it.
    pub model: Option<String>,
    /// Who asks.
    pub by: String,
}

/// What a running download tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Its files are known.
    Selected {
        /// What clients will call it.
        model: String,
        /// The commit.
        commit: String,
        /// Files.
        files: u32,
        /// Bytes in all.
        bytes_total: u64,
        /// Bytes that are here already.
        bytes_done: u64,
    },
    /// Bytes came.
    Progress {
        /// Bytes on the disk.
        bytes_done: u64,
    },
    /// A question failed.
    Retry(DownloadRetry),
    /// A file is compared with its hash.
    Proving,
    /// The model is in its place.
    Done {
        /// What clients call it.
        model: String,
        /// Its bytes.
        bytes: u64,
    },
    /// It ended without a model.
    Failed(DownloadError),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Run it.
    Start(DownloadId),
    /// End its run and leave what is on the disk.
    Stop(DownloadId),
    /// Remove what it left on the disk.
    Sweep(DownloadId),
    /// Tell that it is like this now.
    Say(Box<Download>),
    /// Tell that it is not listed any more.
    Gone(DownloadId),
    /// Write the list down.
    Keep,
}

/// Why something is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such download.
    Unknown,
    /// It is over, or was never begun.
    Ended,
    /// Too many wait.
    TooMany {
        /// The limit.
        waiting_max: usize,
    },
}

#[derive(Clone, Debug)]
struct Entry {
    told: Download,
    /// Bytes at moments of the last seconds.
    seen: VecDeque<(u64, u64)>,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Downloads {
    limits: DownloadLimits,
    node: NodeId,
    /// What people call this machine.
    name: String,
    /// The oldest first.
    entries: Vec<Entry>,
}

impl Downloads {
    /// A machine with those of an earlier process; what ran then goes on.
    pub fn new(limits: DownloadLimits, node: NodeId, name: String, before: Vec<Download>) -> Self {
        let entry = |mut told: Download| {
            if told.state.is_running() {
                told.state = DownloadState::Waiting;
            }
            (told.bytes_per_s, told.eta_s, told.retry) = (0.0, None, None);
            Entry { told, seen: VecDeque::new() }
        };
        let mut entries: Vec<Entry> = before.into_iter().map(entry).collect();
        entries.sort_by_key(|entry| (entry.told.started_unix_ms, entry.told.id));
        Self { limits, node, name, entries }
    }

    /// All of them, the newest first.
    pub fn list(&self) -> Vec<Download> {
        self.entries.iter().rev().map(|entry| entry.told.clone()).collect()
    }

    /// Starts what may run; to be called once at the beginning.
    pub fn begin(&mut self, now_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.start_waiting(now_ms, &mut effects);
        effects
    }

    /// Takes on a download; the same one that is not over is answered in its place, with `false`.
    pub fn ask(
        &mut self,
        id: DownloadId,
        wanted: Wanted,
        now_ms: u64,
    ) -> Result<(Download, bool, Vec<Effect>), Refused> {
        let is_same = |told: &Download| {
            (&told.repo, &told.revision, &told.file) == (&wanted.repo, &wanted.revision, &wanted.file)
        };
        let known = self.entries.iter().find(|entry| !entry.told.state.is_over() && is_same(&entry.told));
        if let Some(known) = known {
            return Ok((known.told.clone(), false, Vec::new()));
        }
        let waiting = |entry: &&Entry| !entry.told.state.is_over() && !entry.told.state.is_running();
        if self.entries.iter().filter(waiting).count() >= self.limits.waiting_max {
            return Err(Refused::TooMany { waiting_max: self.limits.waiting_max });
        }
        let told = Download {
            id,
            repo: wanted.repo,
            revision: wanted.revision,
            file: wanted.file,
            model: wanted.model,
            commit: None,
            node: self.node.clone(),
            name: self.name.clone(),
            state: DownloadState::Waiting,
            files: 0,
            bytes_total: 0,
            bytes_done: 0,
            bytes_per_s: 0.0,
            eta_s: None,
            retry: None,
            error: None,
            by: wanted.by,
            started_unix_ms: now_ms,
            changed_unix_ms: now_ms,
        };
        self.entries.push(Entry { told: told.clone(), seen: VecDeque::new() });
        let mut effects = vec![Effect::Say(Box::new(told))];
        self.start_waiting(now_ms, &mut effects);
        effects.push(Effect::Keep);
        Ok((self.entry(id)?.told.clone(), true, effects))
    }

    /// Stops one; what is on the disk stays.
    pub fn pause(&mut self, id: DownloadId, now_ms: u64) -> Result<(Download, Vec<Effect>), Refused> {
        let state = self.entry(id)?.told.state;
        if state.is_over() {
            return Err(Refused::Ended);
        }
        let mut effects = Vec::new();
        if state.is_running() {
            effects.push(Effect::Stop(id));
        }
        if state != DownloadState::Paused {
            self.turn(id, DownloadState::Paused, now_ms, &mut effects);
            self.start_waiting(now_ms, &mut effects);
            effects.push(Effect::Keep);
        }
        Ok((self.entry(id)?.told.clone(), effects))
    }

    /// Goes on with one that was stopped or failed.
    pub fn resume(&mut self, id: DownloadId, now_ms: u64) -> Result<(Download, Vec<Effect>), Refused> {
        let mut effects = Vec::new();
        match self.entry(id)?.told.state {
            DownloadState::Done => return Err(Refused::Ended),
            DownloadState::Paused | DownloadState::Failed => {
                self.entry_mut(id)?.told.error = None;
                self.turn(id, DownloadState::Waiting, now_ms, &mut effects);
                self.start_waiting(now_ms, &mut effects);
                effects.push(Effect::Keep);
            }
            DownloadState::Waiting | DownloadState::Running | DownloadState::Proving => {}
        }
        Ok((self.entry(id)?.told.clone(), effects))
    }

    /// Takes one off the list; what an unfinished one left on the disk goes, a model stays.
    pub fn remove(&mut self, id: DownloadId, now_ms: u64) -> Result<Vec<Effect>, Refused> {
        let state = self.entry(id)?.told.state;
        self.entries.retain(|entry| entry.told.id != id);
        let mut effects = Vec::new();
        if state.is_running() {
            effects.push(Effect::Stop(id));
        }
        if state != DownloadState::Done {
            effects.push(Effect::Sweep(id));
        }
        effects.push(Effect::Gone(id));
        self.start_waiting(now_ms, &mut effects);
        effects.push(Effect::Keep);
        Ok(effects)
    }

    /// Takes what a running download tells; of one that was stopped meanwhile it is too late.
    pub fn heard(&mut self, id: DownloadId, heard: Heard, now_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Ok(entry) = self.entry_mut(id) else { return effects };
        if !entry.told.state.is_running() {
            return effects;
        }
        match heard {
            Heard::Selected { model, commit, files, bytes_total, bytes_done } => {
                let told = &mut entry.told;
                (told.model, told.commit, told.files) = (Some(model), Some(commit), files);
                told.bytes_total = bytes_total;
                entry.advance(bytes_done, now_ms);
                effects.push(Effect::Say(Box::new(entry.told.clone())));
                effects.push(Effect::Keep);
            }
            Heard::Progress { bytes_done } => {
                entry.told.retry = None;
                entry.told.state = DownloadState::Running;
                entry.advance(bytes_done, now_ms);
                effects.push(Effect::Say(Box::new(entry.told.clone())));
            }
            Heard::Retry(retry) => {
                entry.told.retry = Some(retry);
                entry.stand(now_ms);
                effects.push(Effect::Say(Box::new(entry.told.clone())));
            }
            Heard::Proving => {
                if entry.told.state != DownloadState::Proving {
                    self.turn(id, DownloadState::Proving, now_ms, &mut effects);
                }
            }
            Heard::Done { model, bytes } => {
                entry.told.model = Some(model);
                (entry.told.bytes_total, entry.told.bytes_done) = (bytes, bytes);
                self.end(id, DownloadState::Done, now_ms, &mut effects);
            }
            Heard::Failed(error) => {
                entry.told.error = Some(error);
                self.end(id, DownloadState::Failed, now_ms, &mut effects);
            }
        }
        effects
    }

    fn end(&mut self, id: DownloadId, state: DownloadState, now_ms: u64, effects: &mut Vec<Effect>) {
        self.turn(id, state, now_ms, effects);
        let over = self.entries.iter().filter(|entry| entry.told.state.is_over()).count();
        for _ in self.limits.ended_max..over {
            let oldest = self.entries.iter().position(|entry| entry.told.state.is_over());
            let Some(oldest) = oldest else { break };
            effects.push(Effect::Gone(self.entries.remove(oldest).told.id));
        }
        self.start_waiting(now_ms, effects);
        effects.push(Effect::Keep);
    }

    fn start_waiting(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        let running = self.entries.iter().filter(|entry| entry.told.state.is_running()).count();
        let waiting = self.entries.iter().filter(|entry| entry.told.state == DownloadState::Waiting);
        let next: Vec<DownloadId> = waiting.map(|entry| entry.told.id).collect();
        for id in next.into_iter().take(self.limits.running_max.saturating_sub(running)) {
            effects.push(Effect::Start(id));
            self.turn(id, DownloadState::Running, now_ms, effects);
        }
    }

    fn turn(&mut self, id: DownloadId, state: DownloadState, now_ms: u64, effects: &mut Vec<Effect>) {
        let Ok(entry) = self.entry_mut(id) else { return };
        (entry.told.state, entry.told.changed_unix_ms, entry.told.retry) = (state, now_ms, None);
        entry.stand(now_ms);
        effects.push(Effect::Say(Box::new(entry.told.clone())));
    }

    fn entry(&self, id: DownloadId) -> Result<&Entry, Refused> {
        self.entries.iter().find(|entry| entry.told.id == id).ok_or(Refused::Unknown)
    }

    fn entry_mut(&mut self, id: DownloadId) -> Result<&mut Entry, Refused> {
        self.entries.iter_mut().find(|entry| entry.told.id == id).ok_or(Refused::Unknown)
    }
}

impl Entry {
    fn advance(&mut self, bytes_done: u64, now_ms: u64) {
        self.told.bytes_done = bytes_done;
        self.seen.push_back((now_ms, bytes_done));
        while self.seen.len() > 2 && self.seen.front().is_some_and(|(at, _)| at + SPEED_MS < now_ms) {
            self.seen.pop_front();
        }
        let (Some(first), Some(last)) = (self.seen.front(), self.seen.back()) else { return };
        let seconds = last.0.saturating_sub(first.0) as f64 / 1e3;
        let speed = if seconds > 0.0 { last.1.saturating_sub(first.1) as f64 / seconds } else { 0.0 };
        let left = self.told.bytes_total.saturating_sub(bytes_done) as f64;
        (self.told.bytes_per_s, self.told.eta_s) =
            (speed, (speed > 0.0).then(|| (left / speed).ceil() as u64));
    }

    /// Nothing comes for now.
    fn stand(&mut self, now_ms: u64) {
        self.seen = VecDeque::from([(now_ms, self.told.bytes_done)]);
        (self.told.bytes_per_s, self.told.eta_s) = (0.0, None);
    }
}

#[cfg(test)]
#[path = "downloads_tests.rs"]
mod tests;
