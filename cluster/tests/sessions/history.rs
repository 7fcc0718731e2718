//! Whether what many writers of one session saw has one order: the log's.
//!
//! The log is the only witness that is needed. A history is right when every request has its place in the log between
//! the moment that it was made and the moment that it was answered. Tests of whole processes include this file by its
//! path; it knows the words of sessions alone.

use std::collections::{BTreeMap, BTreeSet};

use pomona_protocol::{SessionEvent, SessionEventBody, TurnId};

/// What a writer wanted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    /// Ask a turn under a key that no other wish has. A wish that is repeated is one entry, from its first request to its
    /// last answer.
    Ask {
        /// The idempotency key.
        key: String,
        /// Where the log had to end.
        expected_seq: Option<u64>,
    },
    /// Look at the turns.
    Read,
}

/// What the writer was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// The turn was accepted.
    Accepted {
        /// Its name.
        turn: TurnId,
        /// Its number.
        seq: u64,
    },
    /// The log ended elsewhere.
    Conflict {
        /// Where.
        head: u64,
    },
    /// It was refused for another reason, and nothing came of it.
    Refused,
    /// These are the turns, in order.
    Seen(Vec<TurnId>),
    /// No answer came, or one that leaves open whether it happened.
    Unknown,
}

/// One request and its answer. The clock of all writers is one counter that never shows the same number twice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Operation {
    /// Who.
    pub(crate) writer: usize,
    /// When it was made.
    pub(crate) invoked: u64,
    /// When it was answered; ignored for [`Outcome::Unknown`].
    pub(crate) returned: u64,
    /// What was wanted.
    pub(crate) call: Call,
    /// What was told.
    pub(crate) outcome: Outcome,
}

/// Accepted turns of a log: number, turn, key.
struct Entries(Vec<(u64, TurnId, Option<String>)>);

impl Entries {
    fn of(log: &[SessionEvent]) -> Self {
        let entry = |event: &SessionEvent| match &event.body {
            SessionEventBody::Accepted { turn, idempotency_key, .. } => {
                Some((event.seq, *turn, idempotency_key.clone()))
            }
            _ => None,
        };
        Self(log.iter().filter_map(entry).collect())
    }

    fn seq_of(&self, key: &str) -> Option<u64> {
        self.0.iter().find(|(_, _, own)| own.as_deref() == Some(key)).map(|(seq, ..)| *seq)
    }
}

/// Says what is wrong with a history, if anything is.
pub(crate) fn check(log: &[SessionEvent], operations: &[Operation]) -> Result<(), String> {
    let entries = Entries::of(log);
    check_entries(&entries, operations)?;
    for operation in operations {
        check_outcome(log, &entries, operation).map_err(|what| format!("{what}: {operation:?}"))?;
    }
    check_clock(&entries, operations)
}

/// Each entry stands there once and was wished for by somebody.
fn check_entries(entries: &Entries, operations: &[Operation]) -> Result<(), String> {
    let wishes: BTreeSet<&str> = operations.iter().filter_map(key_of).collect();
    let (mut turns, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for (seq, turn, key) in &entries.0 {
        let key = key.as_deref().unwrap_or_default();
        if !wishes.contains(key) {
            return Err(format!("entry {seq} was asked by nobody"));
        }
        if !turns.insert(turn) || !keys.insert(key) {
            return Err(format!("entry {seq} stands there twice"));
        }
    }
    Ok(())
}

/// An answer agrees with the log.
fn check_outcome(log: &[SessionEvent], entries: &Entries, operation: &Operation) -> Result<(), String> {
    let place = key_of(operation).and_then(|key| entries.seq_of(key));
    let expected_seq = match &operation.call {
        Call::Ask { expected_seq, .. } => *expected_seq,
        Call::Read => None,
    };
    if let (Some(expected), Some(seq)) = (expected_seq, place)
        && seq != expected + 1
    {
        return Err(format!("it wanted a log that ends at {expected} and stands at {seq}"));
    }
    match &operation.outcome {
        Outcome::Accepted { turn, seq } => {
            let is_there = entries.0.iter().any(|(own, it, _)| own == seq && it == turn);
            if place == Some(*seq) && is_there {
                Ok(())
            } else {
                Err("it is not where it was said to be".into())
            }
        }
        Outcome::Conflict { head } => {
            let exists = *head == 0 || log.iter().any(|event| event.first_seq <= *head && *head <= event.seq);
            match () {
                () if place.is_some() => Err("it was refused and happened".into()),
                () if expected_seq == Some(*head) => Err("it was refused for nothing".into()),
                () if !exists => Err("the log never ended there".into()),
                () => Ok(()),
            }
        }
        Outcome::Refused if place.is_some() => Err("it was refused and happened".into()),
        Outcome::Refused | Outcome::Unknown => Ok(()),
        Outcome::Seen(turns) => {
            let order: Vec<TurnId> = entries.0.iter().map(|(_, turn, _)| *turn).collect();
            if order.starts_with(turns) { Ok(()) } else { Err("the turns stand in another order".into()) }
        }
    }
}

/// Who was answered before somebody else asked stands before them.
fn check_clock(entries: &Entries, operations: &[Operation]) -> Result<(), String> {
    for operation in operations {
        let (low, high) = span(entries, operation);
        let before =
            |other: &&Operation| other.outcome != Outcome::Unknown && other.returned < operation.invoked;
        for other in operations.iter().filter(before) {
            let (floor, _) = span(entries, other);
            if high < floor {
                return Err(format!("{operation:?} at {low} to {high} came after {other:?} at {floor}"));
            }
        }
    }
    Ok(())
}

/// The earliest and the latest number of the log at which this can have happened; a look or a refusal happens behind
/// the last entry that it knows of and before the next.
fn span(entries: &Entries, operation: &Operation) -> (u64, u64) {
    let any = (0, u64::MAX);
    match &operation.outcome {
        Outcome::Accepted { seq, .. } => (*seq, *seq),
        Outcome::Conflict { head } => (*head, *head),
        Outcome::Seen(turns) => {
            let known =
                turns.len().checked_sub(1).and_then(|at| entries.0.get(at)).map_or(0, |entry| entry.0);
            let next = entries.0.get(turns.len()).map_or(u64::MAX, |entry| entry.0 - 1);
            (known, next)
        }
        Outcome::Unknown => {
            key_of(operation).and_then(|key| entries.seq_of(key)).map_or(any, |seq| (seq, seq))
        }
        Outcome::Refused => any,
    }
}

fn key_of(operation: &Operation) -> Option<&str> {
    match &operation.call {
        Call::Ask { key, .. } => Some(key),
        Call::Read => None,
    }
}

/// Turns that were acknowledged, with their numbers.
pub(crate) fn acknowledged(operations: &[Operation]) -> BTreeMap<TurnId, u64> {
    let accepted = |operation: &Operation| match operation.outcome {
        Outcome::Accepted { turn, seq } => Some((turn, seq)),
        _ => None,
    };
    operations.iter().filter_map(accepted).collect()
}
