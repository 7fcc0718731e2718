//! What a listener of a session makes of the events of its connections: drops what it has, refuses gaps, and knows
//! when nothing can follow. No I/O; `session_stream` brings the events and hands on what is ready.

use std::collections::VecDeque;

use pomona_protocol::v3::{Envelope, EnvelopeBody};
use serde::Deserialize;

use crate::sse::SseEvent;

/// Why nothing more is to be had from a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Deaf {
    /// The gateway said so.
    Cut(String),
    /// It does not speak as a gateway does.
    Nonsense(String),
}

/// What was understood so far, without I/O.
pub(crate) struct Ear {
    /// The last number that was understood, or that the listener had before.
    cursor: u64,
    pub(crate) ready: VecDeque<Envelope>,
    /// Somebody deleted the session, which ends everything behind what is ready. Empty when it is not known who.
    pub(crate) deleted_by: Option<String>,
}

/// The numbers of an event whose type this program does not know.
#[derive(Deserialize)]
struct Numbers {
    seq: Option<u64>,
    first_seq: Option<u64>,
}

impl Ear {
    /// For a listener who has everything up to `cursor`.
    pub(crate) fn behind(cursor: u64) -> Self {
        Self { cursor, ready: VecDeque::new(), deleted_by: None }
    }

    /// The last number that was understood.
    pub(crate) fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Takes in one event; `true` when it was news, so that the connection counts as a good one.
    pub(crate) fn hear(&mut self, session: &str, event: &SseEvent) -> Result<bool, Deaf> {
        let envelope: Envelope = match serde_json::from_str(&event.data) {
            Ok(envelope) => envelope,
            // A newer gateway may have types that are not known here; their numbers count all the same.
            Err(error) => {
                let numbers: Numbers = serde_json::from_str(&event.data)
                    .map_err(|_| Deaf::Nonsense(format!("`{}` is no envelope: {error}", event.name)))?;
                return self.advances(numbers.first_seq, numbers.seq);
            }
        };
        if !envelope.session.is_empty() && envelope.session != session {
            return Err(Deaf::Nonsense(format!("an event of {} came", envelope.session)));
        }
        match &envelope.body {
            EnvelopeBody::Heartbeat {} => return Ok(false),
            // Its last event may not have come here before the log was gone.
            EnvelopeBody::Cut { reason, .. } if reason == "deleted" => {
                self.deleted_by.get_or_insert_with(String::new);
                return Ok(false);
            }
            EnvelopeBody::Cut { reason, .. } => return Err(Deaf::Cut(cut(reason))),
            _ => {}
        }
        if envelope.seq.is_some() && !self.advances(envelope.first_seq, envelope.seq)? {
            return Ok(false);
        }
        if let EnvelopeBody::SessionDeleted { by } = &envelope.body {
            self.deleted_by = Some(by.clone());
        }
        let is_news = envelope.seq.is_some();
        self.ready.push_back(envelope);
        Ok(is_news)
    }

    /// Moves the cursor over an event; `false` for one that is behind it, or that passes.
    fn advances(&mut self, first_seq: Option<u64>, seq: Option<u64>) -> Result<bool, Deaf> {
        let Some(seq) = seq else { return Ok(false) };
        let first_seq = first_seq.unwrap_or(seq);
        if seq <= self.cursor {
            return Ok(false);
        }
        if first_seq != self.cursor + 1 {
            let message = format!("event {first_seq}..{seq} came behind event {}", self.cursor);
            return Err(Deaf::Nonsense(message));
        }
        self.cursor = seq;
        Ok(true)
    }
}

/// What a cut means to a person.
fn cut(reason: &str) -> String {
    match reason {
        "slow" => "this client did not read fast enough".to_owned(),
        "moved" => "the session moved to another gateway".to_owned(),
        "shutting_down" => "the gateway shuts down".to_owned(),
        "store" => "the gateway cannot use its store".to_owned(),
        other => format!("the gateway ended it ({other})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(first: u64, last: u64) -> SseEvent {
        let data = format!(
            r#"{{"v":3,"session":"ses_1","first_seq":{first},"seq":{last},"at":0,"type":"turn.tokens","turn":"t","index":0,"count":1,"text":"x"}}"#
        );
        event(&data)
    }

    fn event(data: &str) -> SseEvent {
        SseEvent { name: "x".to_owned(), data: data.to_owned() }
    }

    #[test]
    fn what_was_heard_is_dropped_and_a_gap_is_refused() {
        let mut ear = Ear::behind(4);
        for (first, last, expected) in [
            (1, 4, Some(false)),
            (5, 5, Some(true)),
            (5, 5, Some(false)),
            (6, 9, Some(true)),
            (9, 10, None),
            (11, 11, None),
        ] {
            assert_eq!(ear.hear("ses_1", &tokens(first, last)).ok(), expected, "{first}..{last}");
        }
        let seqs: Vec<Option<u64>> = ear.ready.iter().map(|envelope| envelope.seq).collect();
        assert_eq!((seqs, ear.cursor()), (vec![Some(5), Some(9)], 9));
    }

    #[test]
    fn numbers_of_unknown_types_count_and_what_passes_is_handed_on() {
        let mut ear = Ear::behind(0);
        let unknown = event(r#"{"v":3,"session":"ses_1","seq":1,"at":0,"type":"turn.sung"}"#);
        assert_eq!(ear.hear("ses_1", &unknown), Ok(true));
        assert!(ear.ready.is_empty());
        let passing = event(r#"{"v":3,"session":"ses_1","at":0,"type":"typing","by":"key_1","name":"a"}"#);
        assert_eq!(ear.hear("ses_1", &passing), Ok(false));
        let heartbeat = event(r#"{"v":3,"session":"","at":0,"type":"heartbeat"}"#);
        assert_eq!(ear.hear("ses_1", &heartbeat), Ok(false));
        assert_eq!((ear.ready.len(), ear.cursor()), (1, 1));
    }

    #[test]
    fn a_cut_says_why_and_other_sessions_and_no_json_are_nonsense() {
        let mut ear = Ear::behind(0);
        let cut = r#"{"v":3,"session":"ses_1","at":0,"type":"cut","reason":"slow","cursor":0}"#;
        assert_eq!(
            ear.hear("ses_1", &event(cut)),
            Err(Deaf::Cut("this client did not read fast enough".to_owned()))
        );
        for data in
            [r#"{"v":3,"session":"ses_2","seq":1,"at":0,"type":"session.deleted","by":"k"}"#, "<html>", "[]"]
        {
            assert!(matches!(ear.hear("ses_1", &event(data)), Err(Deaf::Nonsense(_))), "{data}");
        }
    }

    #[test]
    fn a_deletion_is_handed_on_and_remembered() {
        let mut ear = Ear::behind(0);
        let deleted = r#"{"v":3,"session":"ses_1","seq":1,"at":0,"type":"session.deleted","by":"key_1"}"#;
        assert_eq!(ear.hear("ses_1", &event(deleted)), Ok(true));
        let cut = r#"{"v":3,"session":"ses_1","at":0,"type":"cut","reason":"deleted","cursor":1}"#;
        assert_eq!(ear.hear("ses_1", &event(cut)), Ok(false));
        assert_eq!((ear.ready.len(), ear.deleted_by.as_deref()), (1, Some("key_1")));
        let mut late = Ear::behind(1);
        assert_eq!(late.hear("ses_1", &event(cut)), Ok(false));
        assert_eq!((late.ready.len(), late.deleted_by.as_deref()), (0, Some("")));
    }
}
