//! A turn that is in no log, told as if it were: what writes the events of a session's turn writes this one too.

use std::task::{Context, Poll, ready};
use std::time::{SystemTime, UNIX_EPOCH};

use pomona_actors::TurnStream;
use pomona_protocol::{Cause, SessionEvent, SessionEventBody, TurnEvent, TurnId};

use crate::turnlog::source::Heard;

/// See the module. Dropping it cancels the turn.
pub(crate) struct Passing {
    turn: TurnId,
    events: TurnStream,
    /// What the log would begin with, until it is told.
    accepted: Option<SessionEventBody>,
    seq: u64,
}

impl Passing {
    /// `accepted` is the [`SessionEventBody::Accepted`] that the turn would have.
    pub(crate) fn new(events: TurnStream, accepted: SessionEventBody) -> Self {
        Self { turn: events.turn(), events, accepted: Some(accepted), seq: 0 }
    }

    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Heard> {
        if let Some(accepted) = self.accepted.take() {
            return Poll::Ready(self.numbered(accepted));
        }
        loop {
            let event = ready!(self.events.poll_next(context)).unwrap_or_else(|| TurnEvent::Failed {
                cause: Cause::Internal { message: "the turn ended without a terminal event".to_owned() },
            });
            if matches!(event, TurnEvent::Queued { .. }) {
                return Poll::Ready(Heard::Queued);
            }
            if let Some(body) = as_log(self.turn, event) {
                return Poll::Ready(self.numbered(body));
            }
        }
    }

    fn numbered(&mut self, body: SessionEventBody) -> Heard {
        let first_seq = self.seq + 1;
        self.seq += body.width();
        Heard::Event(SessionEvent { first_seq, seq: self.seq, at_ms: unix_ms(), body })
    }
}

/// What a log would say; nothing of what passes. Text of several tokens counts for the last of them, since where it
/// could be cut is not told.
fn as_log(turn: TurnId, event: TurnEvent) -> Option<SessionEventBody> {
    Some(match event {
        TurnEvent::Queued { .. } | TurnEvent::Prefill { .. } | TurnEvent::Resumed { .. } => return None,
        TurnEvent::Started { prompt_tokens, cached_tokens } => {
            SessionEventBody::Started { turn, prompt_tokens, cached_tokens }
        }
        TurnEvent::Tokens { first, ids, text, marks, logprobs: _ } => {
            let mut ends = vec![0; ids.len()];
            if let Some(last) = ends.last_mut() {
                *last = text.len() as u32;
            }
            SessionEventBody::Tokens { turn, first, ids, text, marks, ends }
        }
        TurnEvent::Finished { reason, text, marks, usage, stop, embedding: _ } => {
            SessionEventBody::Finished { turn, reason, text, marks, usage, stop }
        }
        TurnEvent::Failed { cause } => SessionEventBody::Failed { turn, cause },
    })
}

/// Now.
fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_several_tokens_counts_for_the_last() {
        let event = TurnEvent::Tokens {
            first: 4,
            ids: vec![1, 2],
            text: "é".to_owned(),
            marks: Vec::new(),
            logprobs: vec![],
        };
        let Some(SessionEventBody::Tokens { first, ends, .. }) = as_log(TurnId(1), event) else {
            panic!("no tokens")
        };
        assert_eq!((first, ends), (4, vec![0, 2]));
        assert!(as_log(TurnId(1), TurnEvent::Queued { ahead: 1 }).is_none());
    }
}
