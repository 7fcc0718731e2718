//! Cutting and joining events of a log: which turn they speak of, the part behind a cursor, two that become one.

use std::fmt;

use crate::ids::IdError;
use crate::said::{join_marks, marks_from};
use crate::{Principal, SessionEvent, SessionEventBody, TurnId};

impl SessionEvent {
    /// Its part behind `cursor`; `None` when nothing of it is.
    pub fn after(&self, cursor: u64) -> Option<SessionEvent> {
        if cursor < self.first_seq {
            return Some(self.clone());
        }
        if cursor >= self.seq {
            return None;
        }
        let skip = (cursor + 1 - self.first_seq) as usize;
        let SessionEventBody::Tokens { turn, first, ids, text, marks, ends } = &self.body else {
            return None;
        };
        let byte = ends.get(skip.checked_sub(1)?).copied()?;
        let body = SessionEventBody::Tokens {
            turn: *turn,
            first: first + skip as u32,
            ids: ids.get(skip..)?.to_vec(),
            text: text.get(byte as usize..)?.to_owned(),
            marks: marks_from(marks, byte),
            ends: ends.get(skip..)?.iter().map(|end| end.saturating_sub(byte)).collect(),
        };
        Some(SessionEvent { first_seq: cursor + 1, seq: self.seq, at_ms: self.at_ms, body })
    }

    /// Takes `next` in when it holds the tokens right behind these; gives it back otherwise.
    pub fn join(&mut self, next: SessionEvent) -> Option<SessionEvent> {
        let follows = next.first_seq == self.seq + 1;
        let (
            SessionEventBody::Tokens { turn, first, ids, text, marks, ends },
            SessionEventBody::Tokens { turn: next_turn, first: next_first, .. },
        ) = (&mut self.body, &next.body)
        else {
            return Some(next);
        };
        if !follows || turn != next_turn || *first + ids.len() as u32 != *next_first {
            return Some(next);
        }
        let SessionEventBody::Tokens { ids: more, text: behind, marks: said, ends: cuts, .. } = next.body
        else {
            return None;
        };
        let base = text.len() as u32;
        ids.extend(more);
        if !marks.is_empty() || !said.is_empty() {
            join_marks(marks, base, &said);
        }
        text.push_str(&behind);
        ends.extend(cuts.into_iter().map(|end| end + base));
        self.seq = next.seq;
        None
    }
}

impl SessionEventBody {
    /// The turn that it speaks of.
    pub fn turn(&self) -> Option<TurnId> {
        match self {
            SessionEventBody::Accepted { turn, .. }
            | SessionEventBody::ContextDropped { turn, .. }
            | SessionEventBody::Started { turn, .. }
            | SessionEventBody::Tokens { turn, .. }
            | SessionEventBody::CancelAsked { turn, .. }
            | SessionEventBody::Finished { turn, .. }
            | SessionEventBody::Failed { turn, .. } => Some(*turn),
            SessionEventBody::Created { .. }
            | SessionEventBody::Updated { .. }
            | SessionEventBody::BranchChosen { .. }
            | SessionEventBody::Deleted { .. } => None,
        }
    }

    /// Whether it ends its turn.
    pub fn is_terminal(&self) -> bool {
        matches!(self, SessionEventBody::Finished { .. } | SessionEventBody::Failed { .. })
    }

    /// How many numbers it covers.
    pub fn width(&self) -> u64 {
        match self {
            SessionEventBody::Tokens { ids, .. } => ids.len() as u64,
            _ => 1,
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key_{:016x}", self.0)
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Principal {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = text.strip_prefix("key_").filter(|hex| hex.len() == 16);
        let number = hex.and_then(|hex| u64::from_str_radix(hex, 16).ok());
        number.map(Principal).ok_or_else(|| IdError::new(text, "key id", "key_ and 16 hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(first_seq: u64, first: u32, pieces: &[&str]) -> SessionEvent {
        let mut text = String::new();
        let mut ends = Vec::new();
        for piece in pieces {
            text.push_str(piece);
            ends.push(text.len() as u32);
        }
        let ids = (first..first + pieces.len() as u32).collect();
        let body = SessionEventBody::Tokens { turn: TurnId(1), first, ids, text, marks: Vec::new(), ends };
        SessionEvent { first_seq, seq: first_seq + pieces.len() as u64 - 1, at_ms: 5, body }
    }

    #[test]
    fn an_event_is_cut_behind_any_cursor() {
        let pieces = ["a", "", "ü", "dd"];
        let whole = tokens(10, 3, &pieces);
        for cut in 0..pieces.len() {
            let expected = tokens(10 + cut as u64, 3 + cut as u32, &pieces[cut..]);
            assert_eq!(whole.after(9 + cut as u64), Some(expected));
        }
        assert_eq!(whole.after(13), None);
    }

    #[test]
    fn what_was_cut_joins_to_the_whole_again() {
        let whole = tokens(10, 0, &["a", "", "ü", "dd"]);
        let mut head = tokens(10, 0, &["a", ""]);
        assert_eq!(head.join(whole.after(11).unwrap()), None);
        assert_eq!(head, whole);
        let far = tokens(20, 4, &["x"]);
        assert_eq!(head.join(far.clone()), Some(far));
    }

    #[test]
    fn a_key_id_reads_back_as_it_was_shown() {
        let by = Principal(0xfeed);
        assert_eq!(by.to_string().parse(), Ok(by));
        assert!("key_xyz".parse::<Principal>().is_err());
    }
}
