//! One group of writes: who may write, and what there is to write, before any of it goes to the file.
//!
//! Pure but for the questions about logs that the writer does not know by heart. Each write sees what those before it in
//! the group did, so that two appends of one session follow each other, and of two with the same expectation one loses.

use std::collections::BTreeMap;

use pomona_protocol::{SessionEvent, SessionId, SessionSummary};

use super::core::{Core, Log};
use crate::audit::ChainEnd;
use crate::backend::push_joined;
use crate::{Append, AppendError, AuditEntry, Bounds, Indexed};

/// Something to be written by the next commit.
#[derive(Debug)]
pub(super) enum Write {
    /// Events behind others.
    Append(Box<Append>),
    /// The next epoch of a log.
    Activate(SessionId),
    /// The end of a session.
    Delete {
        /// Which.
        session: SessionId,
        /// Must be the log's.
        epoch: u64,
        /// Says who did it.
        audit: AuditEntry,
    },
    /// A line of the audit.
    Audit(AuditEntry),
}

/// What became of a write: the log's end behind it, if it has one.
pub(super) type Outcome = Result<Option<Log>, AppendError>;

impl Write {
    /// Whether it must be on the disk before it is acknowledged.
    pub(super) fn is_synced(&self) -> bool {
        match self {
            Write::Append(append) => append.synced,
            // Nobody but this process writes, so an epoch that a power cut takes back was nobody else's.
            Write::Activate(_) => false,
            Write::Delete { .. } | Write::Audit(_) => true,
        }
    }
}

/// What a group changes of one session.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Its rows, joined where they can be.
    pub(super) events: Vec<SessionEvent>,
    /// What lists show.
    pub(super) summary: Option<SessionSummary>,
    /// What searches find.
    pub(super) texts: Vec<Indexed>,
    /// The number behind which a snapshot was taken, and the snapshot.
    pub(super) snapshot: Option<(u64, Vec<u8>)>,
    /// The log's end behind all this.
    pub(super) log: Option<Log>,
}

/// What a group changes.
#[derive(Debug)]
pub(super) struct Group {
    /// In the order of the file, which keeps neighbours on one page.
    pub(super) sessions: BTreeMap<SessionId, Changes>,
    /// Deleted sessions and their last epochs.
    pub(super) deleted: BTreeMap<SessionId, u64>,
    /// Lines with their links.
    pub(super) audit: Vec<(ChainEnd, AuditEntry)>,
    /// The end of the audit behind them.
    pub(super) audit_end: ChainEnd,
}

impl Group {
    /// An empty one, behind a line of the audit.
    pub(super) fn new(audit_end: ChainEnd) -> Self {
        Self { sessions: BTreeMap::new(), deleted: BTreeMap::new(), audit: Vec::new(), audit_end }
    }

    /// Takes a write in, or refuses it alone.
    pub(super) fn take(&mut self, core: &mut Core, write: Write) -> Result<Outcome, rusqlite::Error> {
        match write {
            Write::Append(append) => self.append(core, *append),
            Write::Activate(session) => self.activate(core, session),
            Write::Delete { session, epoch, audit } => self.delete(core, session, epoch, audit),
            Write::Audit(entry) => {
                self.line(entry);
                Ok(Ok(None))
            }
        }
    }

    fn append(&mut self, core: &mut Core, append: Append) -> Result<Outcome, rusqlite::Error> {
        let log = match self.log(core, append.session)? {
            Some(log) => log,
            None => {
                let is_new = append.epoch == 1 && append.expected_seq == 0 && !append.events.is_empty();
                if !is_new || self.deleted.contains_key(&append.session) || core.is_gone(append.session)? {
                    return Ok(Err(AppendError::Gone));
                }
                Log { epoch: 1, bounds: Bounds { oldest_seq: 1, head_seq: 0 } }
            }
        };
        if append.epoch != log.epoch {
            return Ok(Err(AppendError::Fenced { epoch: log.epoch }));
        }
        if append.expected_seq != log.bounds.head_seq {
            return Ok(Err(AppendError::Conflict { head: log.bounds.head_seq }));
        }
        let head_seq = append.events.last().map_or(log.bounds.head_seq, |event| event.seq);
        let log = Log { bounds: Bounds { head_seq, ..log.bounds }, ..log };
        core.logs.insert(append.session, log);
        let changes = self.sessions.entry(append.session).or_default();
        changes.log = Some(log);
        for event in append.events {
            push_joined(&mut changes.events, event);
        }
        changes.summary = append.summary.or(changes.summary.take());
        changes.texts.extend(append.texts);
        changes.snapshot = append.snapshot.map(|state| (head_seq, state)).or(changes.snapshot.take());
        for entry in append.audit {
            self.line(entry);
        }
        Ok(Ok(Some(log)))
    }

    fn activate(&mut self, core: &mut Core, session: SessionId) -> Result<Outcome, rusqlite::Error> {
        let Some(log) = self.log(core, session)? else { return Ok(Err(AppendError::Gone)) };
        let log = Log { epoch: log.epoch.saturating_add(1), ..log };
        core.logs.insert(session, log);
        self.sessions.entry(session).or_default().log = Some(log);
        Ok(Ok(Some(log)))
    }

    fn delete(
        &mut self,
        core: &mut Core,
        session: SessionId,
        epoch: u64,
        audit: AuditEntry,
    ) -> Result<Outcome, rusqlite::Error> {
        let Some(log) = self.log(core, session)? else { return Ok(Err(AppendError::Gone)) };
        if epoch != log.epoch {
            return Ok(Err(AppendError::Fenced { epoch: log.epoch }));
        }
        self.sessions.remove(&session);
        self.deleted.insert(session, epoch);
        core.logs.remove(&session);
        self.line(audit);
        Ok(Ok(None))
    }

    /// The log as this group leaves it so far.
    fn log(&self, core: &mut Core, session: SessionId) -> Result<Option<Log>, rusqlite::Error> {
        if self.deleted.contains_key(&session) {
            return Ok(None);
        }
        core.log(session)
    }

    fn line(&mut self, entry: AuditEntry) {
        self.audit_end = self.audit_end.with(&entry);
        self.audit.push((self.audit_end, entry));
    }
}
