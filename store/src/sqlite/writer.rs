//! The one thread that writes: gathers what all sessions want written, and commits it in one transaction.
//!
//! Started by `Sqlite::open`, ended by [`Writer::close`] or by dropping the last handle; what was handed in before is
//! written first. A lone write after quiet is committed at once; under load the next commit begins `commit_ms` after the
//! last one began, so a slow disk makes groups larger instead of queues longer. Answers are given on this thread, after
//! the commit. A write that the rules refuse fails alone; when the file itself fails, the whole group does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flume::{Receiver, RecvTimeoutError, Sender, TrySendError};
use tokio::sync::oneshot;

use super::core::{Core, Log};
use super::group::{Outcome, Write};
use crate::backend::Done;
use crate::{AppendError, StoreError};

/// Writes of one commit. More would make the first of them wait long for the last.
const GROUP_MAX: usize = 16_384;

/// Who hears what became of a write.
pub(super) enum Reply {
    /// Only whether it was written.
    Done(Done),
    /// Also where the log ends.
    Log(oneshot::Sender<Result<Option<Log>, AppendError>>),
}

impl Reply {
    /// Says it.
    pub(super) fn say(self, outcome: Outcome) {
        // A callback is not ours; its panic must not end everybody's writer.
        let said = catch_unwind(AssertUnwindSafe(|| match self {
            Reply::Done(done) => done(outcome.map(|_| ())),
            // Nobody waits any more: it is written all the same.
            Reply::Log(reply) => drop(reply.send(outcome)),
        }));
        if said.is_err() {
            tracing::error!("a callback of the store's writer panicked");
        }
    }
}

/// Something to do with the file, between two commits. Answers by itself.
pub(super) type Task = Box<dyn FnOnce(&mut Core) + Send>;

/// What the thread is told.
pub(super) enum Job {
    /// Write this with others.
    Write(Write, Reply),
    /// Do this alone.
    Task(Task),
    /// End.
    Close,
}

/// The handle on the thread.
#[derive(Debug)]
pub(super) struct Writer {
    what: String,
    /// Bounded; the standard library's would set all its room aside at once, 9 MiB.
    jobs: Sender<Job>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread. `queue_max` jobs may wait.
    pub(super) fn start(core: Core, commit: Duration, queue_max: u32) -> Result<Self, StoreError> {
        let what = core.what.clone();
        let (jobs, queue) = flume::bounded(queue_max as usize);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run(core, &queue, commit))
            .map_err(|error| StoreError::Unavailable { what: what.clone(), message: error.to_string() })?;
        Ok(Self { what, jobs, thread: Mutex::new(Some(thread)) })
    }

    /// Hands in a write; refuses at once when too many wait.
    pub(super) fn write(&self, write: Write, reply: Reply) {
        let Err(refused) = self.send(Job::Write(write, reply)) else { return };
        if let (Job::Write(_, reply), error) = *refused {
            reply.say(Err(error.into()));
        }
    }

    /// Runs something on the thread and waits for what it gives.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Core) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let task: Task = Box::new(move |core| drop(reply.send(work(core))));
        self.send(Job::Task(task)).map_err(|refused| refused.1)?;
        answer.await.map_err(|_| self.ended())?
    }

    fn send(&self, job: Job) -> Result<(), Box<(Job, StoreError)>> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(job) => {
                let message = "too many writes wait for the disk; try again later".into();
                Box::new((job, StoreError::Unavailable { what: self.what.clone(), message }))
            }
            TrySendError::Disconnected(job) => Box::new((job, self.ended())),
        })
    }

    fn ended(&self) -> StoreError {
        StoreError::Unavailable { what: self.what.clone(), message: "the store is closed".into() }
    }

    /// Ends the thread once everything that waits is written. Blocks; may be called again.
    pub(super) fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        // It fails only when the thread has ended.
        let _ = self.jobs.send(Job::Close);
        // A callback may hold the last handle: a thread cannot wait for itself.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!(store = self.what, "the store's writer panicked");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

/// What ends a group.
enum Next {
    Go,
    Task(Task),
    Close,
}

fn run(mut core: Core, queue: &Receiver<Job>, commit: Duration) {
    let mut begun = None;
    loop {
        let Some(first) = wait(&mut core, queue) else { break };
        let (mut writes, mut replies) = (Vec::new(), Vec::new());
        let mut take = |job| match job {
            Job::Write(write, reply) => {
                writes.push(write);
                replies.push(reply);
                (writes.len() < GROUP_MAX).then_some(()).ok_or(Next::Go)
            }
            Job::Task(task) => Err(Next::Task(task)),
            Job::Close => Err(Next::Close),
        };
        let due = begun.map(|begun: Instant| begun + commit);
        let due = due.into_iter().chain(core.sync_due()).min();
        let next = match take(first) {
            Ok(()) => gather(queue, due, take),
            Err(next) => next,
        };
        if !writes.is_empty() {
            begun = Some(Instant::now());
            commit_group(&mut core, writes, replies);
            core.forget_pages();
        }
        match next {
            Next::Go => {}
            Next::Task(task) => {
                if catch_unwind(AssertUnwindSafe(|| task(&mut core))).is_err() {
                    tracing::error!(store = core.what, "a task of the store's writer panicked");
                }
            }
            Next::Close => break,
        }
    }
    if let Err(error) = core.sync() {
        tracing::error!(%error, "the last writes of the store are not on the disk");
    }
}

/// The next job; meanwhile syncs what is due. `None` when nobody can hand in any more.
fn wait(core: &mut Core, queue: &Receiver<Job>) -> Option<Job> {
    loop {
        let Some(due) = core.sync_due() else { return queue.recv().ok() };
        match queue.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(job) => return Some(job),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {
                if let Err(error) = core.sync() {
                    tracing::error!(%error, "what was written is not on the disk yet");
                    core.put_sync_off();
                }
            }
        }
    }
}

/// Takes what waits, and what comes until the next commit is due: at once when none was for a while.
fn gather(
    queue: &Receiver<Job>,
    due: Option<Instant>,
    mut take: impl FnMut(Job) -> Result<(), Next>,
) -> Next {
    loop {
        let left = due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
        let Ok(job) = queue.recv_timeout(left) else { return Next::Go };
        if let Err(next) = take(job) {
            return next;
        }
    }
}

fn commit_group(core: &mut Core, writes: Vec<Write>, replies: Vec<Reply>) {
    // No data should come as far as a panic. If some does, it must not take the writes of everybody else with it.
    let committed = catch_unwind(AssertUnwindSafe(|| core.commit(writes)));
    let committed = committed.unwrap_or_else(|_| {
        let message = "a commit panicked; nothing of it was written".into();
        Err(StoreError::Unavailable { what: core.what.clone(), message })
    });
    match committed {
        Ok(outcomes) => {
            for (reply, outcome) in replies.into_iter().zip(outcomes) {
                reply.say(outcome);
            }
        }
        Err(error) => {
            tracing::warn!(%error, writes = replies.len(), "the store wrote nothing of a group");
            for reply in replies {
                reply.say(Err(error.clone().into()));
            }
        }
    }
}
