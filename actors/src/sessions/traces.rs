//! Which trace each open turn of a session belongs to. Said with the question and kept here alone, beside the log: a turn
//! that another activation goes on with is in no trace.

use std::collections::BTreeMap;

use pomona_cluster::session::SessionState;
use pomona_protocol::{SessionCommand, SessionRequest, TraceContext, TurnId, TurnRequest};

/// See the module. Holds one entry for each turn that waits or runs, of which there are few, and one for the last
/// question when that made no turn.
#[derive(Debug, Default)]
pub(super) struct Traces(BTreeMap<TurnId, TraceContext>);

impl Traces {
    /// `turn` is the name of the turn, if `request` makes one. Forgets the turns that have ended.
    pub(super) fn note(&mut self, turn: TurnId, request: &SessionRequest, state: &SessionState) {
        self.0.retain(|turn, _| state.turn(*turn).is_some_and(|record| record.is_open()));
        let asks = matches!(
            request.command,
            SessionCommand::Ask(_) | SessionCommand::Edit { .. } | SessionCommand::Regenerate { .. }
        );
        if let Some(trace) = request.trace.filter(|_| asks) {
            self.0.insert(turn, trace);
        }
    }

    /// What an engine is asked, in its trace. A turn may start several times.
    pub(super) fn place(&self, request: TurnRequest) -> TurnRequest {
        TurnRequest { trace: self.0.get(&request.turn).copied(), ..request }
    }
}

#[cfg(test)]
mod tests {
    use pomona_protocol::{Principal, SessionId, TraceId, TurnAsk};

    use super::*;

    #[test]
    fn what_makes_no_turn_is_forgotten_with_the_next_question() {
        let trace = Some(TraceContext { trace: TraceId(7), span: 9, is_sampled: true });
        let session = SessionId(1);
        let asked = |command| SessionRequest { trace, ..SessionRequest::new(session, Principal(1), command) };
        let (mut traces, state) = (Traces::default(), SessionState::empty(session));
        traces.note(TurnId(1), &asked(SessionCommand::Ask(TurnAsk::default())), &state);
        assert_eq!(traces.0.keys().collect::<Vec<_>>(), [&TurnId(1)]);
        traces.note(TurnId(2), &asked(SessionCommand::Show), &state);
        assert!(traces.0.is_empty());
    }
}
