//! The writer: one task with a connection of its own that gathers appends of all sessions into groups.
//!
//! It is started with the store and ends when the queue is closed and empty. It alone decides when to connect again and
//! when to write a group once more; [`super::group`] writes one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::connect::{Connection, Server};
use super::failure::{Failure, Kind};
use super::group::{self, Fate, Outcomes, Sent};
use crate::backend::Done;
use crate::{Append, AppendError, StoreError};

/// Appends of one transaction. Twice as many gain nothing: by then the events, not the round trips, take the time.
const GROUP_APPENDS_MAX: usize = 2048;
/// About as many bytes in one transaction, so that one large turn does not hold up everybody for long.
const GROUP_BYTES_MAX: usize = 4 << 20;
/// What is written may wait this long for a sync: less than the 50 ms that the store promises.
const SYNC_WITHIN: Duration = Duration::from_millis(40);
/// First and longest pause before the next try.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];
/// Writes a record and nothing else: its commit takes everything before it to the disk.
const SYNC: &str = "SELECT pg_logical_emit_message(true, 'pomona', '')";

/// The way to the writer.
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Item>>>,
    task: Mutex<Option<AbortOnDropHandle<Result<(), StoreError>>>>,
    name: String,
}

/// Without an append it is a mark: it is done when everything before it is.
struct Item {
    append: Option<Append>,
    done: Done,
}

impl Writer {
    /// Starts it.
    #[expect(clippy::disallowed_methods, reason = "the writer owns the handle")]
    pub(super) fn start(
        server: &Arc<Server>,
        connection: Connection,
        pace: Duration,
        queue_max: usize,
    ) -> Self {
        let (queue, items) = mpsc::channel(queue_max.max(1));
        let work =
            Work { server: Arc::clone(server), connection: Some(connection), pace, unsynced_since: None };
        let task = AbortOnDropHandle::new(tokio::spawn(work.run(items)));
        let name = server.name.clone();
        Self { queue: Mutex::new(Some(queue)), task: Mutex::new(Some(task)), name }
    }

    /// The writer of a store that is only read.
    pub(super) fn absent(server: &Server) -> Self {
        Self { queue: Mutex::new(None), task: Mutex::new(None), name: server.name.clone() }
    }

    /// Queues an append, or says at once why not.
    pub(super) fn append(&self, append: Append, done: Done) {
        self.push(Item { append: Some(append), done });
    }

    /// Waits until everything that was queued before is written or refused.
    pub(super) async fn settled(&self) -> Result<(), AppendError> {
        let (done, settled) = oneshot::channel();
        let done = Box::new(move |outcome| drop(done.send(outcome)));
        self.push(Item { append: None, done });
        settled.await.unwrap_or_else(|_| Err(self.refused("its writer has ended")))
    }

    fn push(&self, item: Item) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(queue) = queue else {
            return (item.done)(Err(
                self.refused("nothing can be written: it was closed, or opened for reading")
            ));
        };
        match queue.try_send(item) {
            Ok(()) => {}
            Err(TrySendError::Full(item)) => {
                let waiting = queue.max_capacity();
                (item.done)(Err(
                    self.refused(&format!("{waiting} writes wait for it (store.queue_max); try again later"))
                ));
            }
            Err(TrySendError::Closed(item)) => (item.done)(Err(self.refused("its writer has ended"))),
        }
    }

    /// Writes what waits, syncs it, and ends the task.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        match task {
            None => Ok(()),
            Some(task) => task.await.unwrap_or_else(|error| {
                Err(StoreError::Unavailable { what: self.name.clone(), message: error.to_string() })
            }),
        }
    }

    fn refused(&self, message: &str) -> AppendError {
        StoreError::Unavailable { what: self.name.clone(), message: message.to_owned() }.into()
    }
}

/// What goes into one transaction.
#[derive(Default)]
struct Group {
    appends: Vec<Append>,
    dones: Vec<Done>,
    marks: Vec<Done>,
    bytes: usize,
}

impl Group {
    fn push(&mut self, item: Item) {
        match item.append {
            Some(append) => {
                self.bytes += weight(&append);
                self.appends.push(append);
                self.dones.push(item.done);
            }
            None => self.marks.push(item.done),
        }
    }

    /// A mark stands behind what it waits for, so nothing goes behind a mark.
    fn has_room(&self) -> bool {
        self.marks.is_empty() && self.appends.len() < GROUP_APPENDS_MAX && self.bytes < GROUP_BYTES_MAX
    }
}

/// What the task holds.
struct Work {
    server: Arc<Server>,
    connection: Option<Connection>,
    pace: Duration,
    /// Since when something is written that may not be on the disk.
    unsynced_since: Option<Instant>,
}

impl Work {
    async fn run(mut self, mut items: mpsc::Receiver<Item>) -> Result<(), StoreError> {
        let mut next_commit = Instant::now();
        while let Some(first) = self.next(&mut items).await {
            sleep_until(next_commit).await;
            next_commit = Instant::now() + self.pace;
            let mut group = Group::default();
            group.push(first);
            while group.has_room() {
                let Ok(item) = items.try_recv() else { break };
                group.push(item);
            }
            let outcomes = self.write(&group.appends).await;
            for (done, outcome) in group.dones.into_iter().zip(outcomes) {
                done(outcome);
            }
            group.marks.into_iter().for_each(|done| done(Ok(())));
        }
        if self.unsynced_since.is_some() { self.sync().await } else { Ok(()) }
    }

    /// The next append; meanwhile what was written is synced in time.
    async fn next(&mut self, items: &mut mpsc::Receiver<Item>) -> Option<Item> {
        while let Some(since) = self.unsynced_since {
            match timeout_at(since + SYNC_WITHIN, items.recv()).await {
                Ok(item) => return item,
                Err(_) => {
                    if let Err(error) = self.sync().await {
                        tracing::warn!(%error, "writes could not be synced; trying again");
                        self.unsynced_since = Some(Instant::now());
                    }
                }
            }
        }
        items.recv().await
    }

    async fn sync(&mut self) -> Result<(), StoreError> {
        let began = Instant::now();
        let deadline = began + self.server.timeout;
        let synced = timeout_at(deadline, async { self.connected().await?.batch(SYNC).await }).await;
        let outcome = synced.unwrap_or_else(|_| Err(Failure::lost(&self.server, "it took too long to sync")));
        match outcome {
            Ok(()) => {
                self.server.figures.syncs.note(began.elapsed());
                self.unsynced_since = None;
            }
            Err(_) => self.connection = None,
        }
        outcome.map_err(Into::into)
    }

    /// Writes a group, or each of it alone when the server refuses something in it.
    async fn write(&mut self, appends: &[Append]) -> Outcomes {
        if appends.is_empty() {
            return Vec::new();
        }
        match self.persist(appends).await {
            Ok(outcomes) => outcomes,
            Err(failure) if failure.kind == Kind::Statement && appends.len() > 1 => {
                tracing::warn!(error = %failure.error, appends = appends.len(), "a group was refused; writing each alone");
                let mut outcomes = Vec::with_capacity(appends.len());
                for append in appends {
                    match self.persist(std::slice::from_ref(append)).await {
                        Ok(mut outcome) => outcomes.append(&mut outcome),
                        Err(failure) => outcomes.push(Err(failure.error.into())),
                    }
                }
                outcomes
            }
            Err(failure) => vec![Err(failure.error.into()); appends.len()],
        }
    }

    /// Tries until the group is written, refused for good, or the time is over. A commit that was not heard of is looked
    /// for first, so that nothing is written twice.
    async fn persist(&mut self, appends: &[Append]) -> Result<Outcomes, Failure> {
        let deadline = Instant::now() + self.server.timeout;
        let mut sent = None;
        let [mut pause, pause_max] = PAUSES;
        loop {
            let tried = timeout_at(deadline, self.attempt(appends, &mut sent)).await;
            let outcome =
                tried.unwrap_or_else(|_| Err(Failure::lost(&self.server, "it took too long to write")));
            let failure = match outcome {
                Ok(outcomes) => return Ok(outcomes),
                Err(failure) => failure,
            };
            if failure.kind == Kind::Lost {
                self.connection = None;
            } else if failure.kind != Kind::Again {
                return Err(failure);
            }
            if Instant::now() + pause >= deadline {
                return Err(if sent.is_some() { unknown(failure) } else { failure });
            }
            tracing::debug!(error = %failure.error, "a group could not be written; trying again");
            sleep(pause).await;
            pause = (pause * 2).min(pause_max);
        }
    }

    async fn attempt(&mut self, appends: &[Append], sent: &mut Option<Sent>) -> Result<Outcomes, Failure> {
        let overdue = self.unsynced_since.is_some_and(|since| since.elapsed() >= SYNC_WITHIN);
        let synced = overdue || appends.iter().any(|append| append.synced);
        let began = Instant::now();
        let connection = self.connected().await?;
        let outcomes = match take_fate(connection, sent).await? {
            Some(outcomes) => outcomes,
            None => group::write(connection, appends, synced, sent).await?,
        };
        self.server.figures.on_commit(began.into_std(), synced);
        if synced {
            self.unsynced_since = None;
        } else {
            self.unsynced_since.get_or_insert(began);
        }
        Ok(outcomes)
    }

    async fn connected(&mut self) -> Result<&mut Connection, Failure> {
        let connection = match self.connection.take() {
            Some(connection) if !connection.client().is_closed() => connection,
            _ => self.server.connect().await?,
        };
        Ok(self.connection.insert(connection))
    }
}

/// What became of a group that was sent before, if there is one.
async fn take_fate(
    connection: &mut Connection,
    sent: &mut Option<Sent>,
) -> Result<Option<Outcomes>, Failure> {
    let Some(group) = sent.take() else { return Ok(None) };
    match group::fate(connection, group).await {
        Ok(Fate::Written(outcomes)) => Ok(Some(outcomes)),
        Ok(Fate::Lost) => Ok(None),
        Ok(Fate::Open(group)) => {
            *sent = Some(group);
            Err(Failure::again(connection, "the server still works on a commit"))
        }
        Err((failure, group)) => {
            *sent = Some(group);
            Err(failure)
        }
    }
}

/// A failure behind which nobody knows what was written.
fn unknown(mut failure: Failure) -> Failure {
    if let StoreError::Unavailable { message, .. } = &mut failure.error {
        message.push_str("; whether the last events were written shows when the log is read again");
    }
    failure
}

/// About how many bytes an append brings.
fn weight(append: &Append) -> usize {
    let texts: usize = append.texts.iter().map(|text| text.text.len()).sum();
    let state = append.snapshot.as_ref().map_or(0, Vec::len);
    let tokens: usize = append.events.iter().map(|event| event.body.width() as usize).sum();
    // A question stands in its event and among the texts.
    64 + 2 * texts + state + 32 * tokens
}
