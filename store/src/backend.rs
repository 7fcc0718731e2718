//! What SQLite and PostgreSQL have in common: the face that both show to [`crate::Store`], and what every write is
//! held to before a database sees it.
//!
//! A backend is a struct with the inherent methods of [`Backend`]'s dispatch in `store.rs`: the same names and answers
//! as `Store` has, with `done` boxed and `progress` as `&mut dyn`. To add one: a variant here, and its arm in the macro
//! `each!` of `store.rs`; nothing else matches on [`Backend`].
//!
//! Both keep to the following, so that one suite holds for both:
//! - An append is refused in this order: [`check_shape`], `Gone` (no such session, or its tombstone), `Fenced`,
//!   `Conflict`. It makes the session when `epoch` is 1, `expected_seq` 0, there is none and there are events.
//! - A deleted session leaves a tombstone with its epoch; making or activating it again is `Gone`, or `None`.
//! - Neighbouring token events of one session may be joined on their way in, up to [`JOIN_TOKENS_MAX`].
//! - `updated_ms`, title, tags and the like are those of the last `summary`; `head_seq` of a list is the log's own.
//! - Search goes over [`crate::search::words`] of the texts and of the title; each word may stand in another text.
//! - Numbers of logs and times are stored as signed 64-bit numbers; larger ones are clamped ([`to_signed`]).
//!   Principals keep their bits ([`principal_bits`]).

use std::sync::Arc;

use pomona_protocol::{Principal, SessionEvent, SessionEventBody};

use crate::postgres::Postgres;
use crate::sqlite::Sqlite;
use crate::{Append, AppendError, StoreError};

/// The databases that there are.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    /// A file of one gateway.
    Sqlite(Arc<Sqlite>),
    /// A database of several gateways.
    Postgres(Arc<Postgres>),
}

/// Hears what became of an append, on the writer's thread.
pub(crate) type Done = Box<dyn FnOnce(Result<(), AppendError>) + Send>;

/// Tokens of one row at most: a reader of one token decodes no more than these.
pub(crate) const JOIN_TOKENS_MAX: u64 = 512;

/// What reading a backup failed with. The remedies for a damaged store do not help a damaged backup.
pub(crate) fn of_backup(backup: &str, error: StoreError) -> StoreError {
    match error {
        StoreError::Damaged { what, message } if what == backup => {
            let message = format!("it is no whole backup: {message}; name another one");
            StoreError::Invalid { what, message }
        }
        error => error,
    }
}

/// Whether the events of an append are dense and as wide as they say. Holds before any look into a database.
pub(crate) fn check_shape(append: &Append) -> Result<(), AppendError> {
    let mut expected = append.expected_seq;
    for event in &append.events {
        let last = event.body.width().checked_add(expected);
        if event.first_seq != expected.wrapping_add(1)
            || Some(event.seq) != last
            || event.seq < event.first_seq
        {
            let message = format!(
                "an event of {} covers {} to {}; expected one that begins at {} and covers {}",
                append.session,
                event.first_seq,
                event.seq,
                expected.wrapping_add(1),
                event.body.width().max(1)
            );
            return Err(StoreError::Invalid { what: "events".into(), message }.into());
        }
        if !is_sound(&event.body) {
            let message =
                format!("the tokens of event {} of {} do not fit together", event.seq, append.session);
            return Err(StoreError::Invalid { what: "events".into(), message }.into());
        }
        expected = event.seq;
    }
    Ok(())
}

/// Whether tokens can be cut and joined: an end for each id, in order, inside the text.
fn is_sound(body: &SessionEventBody) -> bool {
    let SessionEventBody::Tokens { first, ids, text, ends, .. } = body else { return true };
    ends.len() == ids.len()
        && ends.is_sorted()
        && ends.iter().all(|end| text.is_char_boundary(*end as usize))
        && u32::try_from(ids.len()).is_ok_and(|count| first.checked_add(count).is_some())
}

/// Adds an event behind others, into the last one when both hold tokens of one turn and the row stays small.
pub(crate) fn push_joined(events: &mut Vec<SessionEvent>, event: SessionEvent) {
    let rest = match events.last_mut() {
        Some(last) if last.body.width() + event.body.width() <= JOIN_TOKENS_MAX => last.join(event),
        _ => Some(event),
    };
    events.extend(rest);
}

/// A number of a log, or a time, as databases have it.
pub(crate) fn to_signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The way back; what is below 0 was never written and counts as 0.
pub(crate) fn from_signed(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A principal as databases have it: the same 64 bits.
pub(crate) fn principal_bits(by: Principal) -> i64 {
    by.0.cast_signed()
}

/// The way back.
pub(crate) fn principal_of(bits: i64) -> Principal {
    Principal(bits.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use pomona_protocol::{SessionId, TurnId};

    use super::*;

    fn append(events: Vec<SessionEvent>) -> Append {
        Append {
            session: SessionId(1),
            epoch: 1,
            expected_seq: 4,
            events,
            synced: false,
            summary: None,
            texts: Vec::new(),
            audit: Vec::new(),
            snapshot: None,
        }
    }

    fn tokens(first_seq: u64, count: u32) -> SessionEvent {
        let body = SessionEventBody::Tokens {
            turn: TurnId(1),
            first: first_seq as u32,
            ids: (0..count).collect(),
            text: "x".repeat(count as usize),
            ends: (1..=count).collect(),
            marks: Vec::new(),
        };
        SessionEvent { first_seq, seq: first_seq + u64::from(count) - 1, at_ms: 1, body }
    }

    #[test]
    fn only_dense_events_pass() {
        assert_eq!(check_shape(&append(vec![tokens(5, 2), tokens(7, 1)])), Ok(()));
        assert_eq!(check_shape(&append(Vec::new())), Ok(()));
        let mut wide = tokens(5, 2);
        wide.seq = 9;
        let mut none = tokens(5, 1);
        none.body = SessionEventBody::Tokens {
            turn: TurnId(1),
            first: 0,
            ids: Vec::new(),
            text: String::new(),
            ends: Vec::new(),
            marks: Vec::new(),
        };
        none.seq = 4;
        let mut huge = append(vec![tokens(5, 1)]);
        huge.expected_seq = u64::MAX;
        let mut torn = tokens(5, 2);
        let SessionEventBody::Tokens { ends, .. } = &mut torn.body else { panic!("tokens") };
        *ends = vec![1, 9];
        let wrongs = [vec![tokens(6, 1)], vec![wide], vec![none], vec![torn]].map(append);
        for wrong in wrongs.into_iter().chain([huge]) {
            assert!(matches!(check_shape(&wrong), Err(AppendError::Store(StoreError::Invalid { .. }))));
        }
    }

    #[test]
    fn tokens_join_until_the_row_is_full() {
        let mut events = Vec::new();
        for seq in 1..=1030 {
            push_joined(&mut events, tokens(seq, 1));
        }
        assert_eq!(events.iter().map(|event| event.body.width()).collect::<Vec<_>>(), [512, 512, 6]);
        assert_eq!(events[2].seq, 1030);
    }

    #[test]
    fn numbers_come_back_and_huge_ones_are_clamped() {
        assert_eq!(from_signed(to_signed(7)), 7);
        assert_eq!(to_signed(u64::MAX), i64::MAX);
        assert_eq!(principal_of(principal_bits(Principal(u64::MAX))), Principal(u64::MAX));
    }
}
