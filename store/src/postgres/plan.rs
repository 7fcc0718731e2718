//! What a group of appends comes to, once the ends of their logs are locked: who is refused, and what is written for
//! the others. Pure; [`super::group`] reads and writes.

use std::collections::BTreeMap;

use pomona_protocol::{SessionEvent, SessionId, SessionSummary, TurnId};

use crate::audit::ChainEnd;
use crate::backend::push_joined;
use crate::{Append, AppendError, AuditEntry};

/// A row of `logs`, as it was locked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Log {
    /// Who writes.
    pub(super) epoch: u64,
    /// Where it ends.
    pub(super) head_seq: u64,
    /// Whether it was deleted, or is made by this group and nobody has yet.
    pub(super) is_absent: bool,
    /// Whether this group made the row.
    pub(super) is_new: bool,
}

/// What is to be written. The last value of each key counts.
#[derive(Debug, Default)]
pub(super) struct Writes<'a> {
    /// Ends of the logs that take part.
    pub(super) heads: BTreeMap<SessionId, u64>,
    /// Events of each, in order, small neighbours joined.
    pub(super) events: BTreeMap<SessionId, Vec<SessionEvent>>,
    /// What lists show.
    pub(super) summaries: BTreeMap<SessionId, &'a SessionSummary>,
    /// Texts to be found.
    pub(super) texts: BTreeMap<(SessionId, TurnId, u8), &'a str>,
    /// States, and the numbers behind which they were taken.
    pub(super) snapshots: BTreeMap<SessionId, (u64, &'a [u8])>,
    /// Lines of the audit, in order.
    pub(super) audit: Vec<&'a AuditEntry>,
}

/// Whether this makes a session where there is none.
pub(super) fn makes(append: &Append) -> bool {
    append.epoch == 1 && append.expected_seq == 0 && !append.events.is_empty()
}

/// Decides each append in turn; a refused one leaves nothing behind.
pub(super) fn plan<'a>(
    appends: &'a [Append],
    logs: &mut BTreeMap<SessionId, Log>,
) -> (Vec<Result<(), AppendError>>, Writes<'a>) {
    let mut writes = Writes::default();
    let mut outcomes = Vec::with_capacity(appends.len());
    for append in appends {
        let outcome = admit(append, logs.get_mut(&append.session));
        if outcome.is_ok() {
            writes.add(append);
        }
        outcomes.push(outcome);
    }
    (outcomes, writes)
}

fn admit(append: &Append, log: Option<&mut Log>) -> Result<(), AppendError> {
    let log = log.ok_or(AppendError::Gone)?;
    if log.is_absent {
        if !(log.is_new && makes(append)) {
            return Err(AppendError::Gone);
        }
        log.is_absent = false;
    }
    if append.epoch != log.epoch {
        return Err(AppendError::Fenced { epoch: log.epoch });
    }
    if append.expected_seq != log.head_seq {
        return Err(AppendError::Conflict { head: log.head_seq });
    }
    log.head_seq = append.events.last().map_or(log.head_seq, |event| event.seq);
    Ok(())
}

impl<'a> Writes<'a> {
    fn add(&mut self, append: &'a Append) {
        let head = append.events.last().map_or(append.expected_seq, |event| event.seq);
        self.heads.insert(append.session, head);
        let events = self.events.entry(append.session).or_default();
        for event in &append.events {
            push_joined(events, event.clone());
        }
        if let Some(summary) = &append.summary {
            self.summaries.insert(append.session, summary);
        }
        for text in &append.texts {
            self.texts.insert((append.session, text.turn, text.part), &text.text);
        }
        if let Some(state) = &append.snapshot {
            self.snapshots.insert(append.session, (head, state));
        }
        self.audit.extend(&append.audit);
    }

    /// Whether nothing is to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }
}

/// Lines of the audit with their numbers and hashes behind `end`, and the new end.
pub(super) fn chain<'a>(
    mut end: ChainEnd,
    entries: &[&'a AuditEntry],
) -> (Vec<(ChainEnd, &'a AuditEntry)>, ChainEnd) {
    let link = |entry: &&'a AuditEntry| {
        end = end.with(entry);
        (end, *entry)
    };
    let lines = entries.iter().map(link).collect();
    (lines, end)
}

#[cfg(test)]
mod tests {
    use pomona_protocol::{Principal, SessionEventBody};

    use super::*;

    fn append(session: u128, epoch: u64, expected_seq: u64) -> Append {
        let seq = expected_seq + 1;
        let body = SessionEventBody::Deleted { by: Principal(1) };
        Append {
            session: SessionId(session),
            epoch,
            expected_seq,
            events: vec![SessionEvent { first_seq: seq, seq, at_ms: 1, body }],
            synced: false,
            summary: None,
            texts: Vec::new(),
            audit: Vec::new(),
            snapshot: None,
        }
    }

    #[test]
    fn each_append_is_decided_alone_and_in_order() {
        let log = Log { epoch: 3, head_seq: 7, is_absent: false, is_new: false };
        let mut logs = BTreeMap::from([(SessionId(1), log)]);
        let appends = [append(1, 3, 7), append(1, 2, 8), append(1, 3, 7), append(2, 1, 0), append(1, 3, 8)];
        let (outcomes, writes) = plan(&appends, &mut logs);
        let expected = [
            Ok(()),
            Err(AppendError::Fenced { epoch: 3 }),
            Err(AppendError::Conflict { head: 8 }),
            Err(AppendError::Gone),
            Ok(()),
        ];
        assert_eq!(outcomes, expected);
        assert_eq!(writes.heads, BTreeMap::from([(SessionId(1), 9)]));
        assert_eq!(writes.events[&SessionId(1)].len(), 2);
    }

    #[test]
    fn a_session_is_made_once_and_not_before() {
        let log = Log { epoch: 1, head_seq: 0, is_absent: true, is_new: true };
        let mut logs = BTreeMap::from([(SessionId(1), log)]);
        let appends = [append(1, 1, 4), append(1, 1, 0), append(1, 1, 0), append(1, 1, 1)];
        let (outcomes, _) = plan(&appends, &mut logs);
        let expected = [Err(AppendError::Gone), Ok(()), Err(AppendError::Conflict { head: 1 }), Ok(())];
        assert_eq!(outcomes, expected);
        let gone = Log { is_new: false, ..log };
        let (outcomes, writes) = plan(&appends[1..2], &mut BTreeMap::from([(SessionId(1), gone)]));
        assert_eq!(outcomes, [Err(AppendError::Gone)]);
        assert!(writes.is_empty());
    }
}
