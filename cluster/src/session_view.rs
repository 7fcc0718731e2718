//! A session as people and lists see it.

use pomona_protocol::{SessionSummary, SessionView, TurnState, TurnView};

use crate::session_record::TurnRecord;
use crate::session_state::SessionState;

impl SessionState {
    /// What people see; `None` while there is nothing. `oldest_seq` is the store's.
    pub fn view(&self, oldest_seq: u64) -> Option<SessionView> {
        let running = self.oldest_open().map(|record| record.turn);
        let turn_view = |record: &TurnRecord| TurnView {
            turn: record.turn,
            parent: record.parent,
            by: record.by,
            origin: record.origin,
            state: match &record.end {
                Some(Ok(reason)) => TurnState::Finished(*reason),
                Some(Err(cause)) => TurnState::Failed(cause.clone()),
                None if running == Some(record.turn) => TurnState::Running,
                None => TurnState::Queued,
            },
            model: record.model.clone(),
            input: record.input.clone(),
            answer: record.answer.clone(),
            marks: record.marks.clone(),
            tokens: record.tokens,
            usage: record.usage,
            cancelled_by: record.cancelled_by,
            accepted_seq: record.accepted_seq,
            accepted_ms: record.accepted_ms,
            started_ms: record.started_ms,
            first_token_ms: record.first_token_ms,
            ended_ms: record.ended_ms,
            ended_seq: record.ended_seq,
        };
        Some(SessionView {
            id: self.id,
            owner: self.owner?,
            shared: self.shared.clone(),
            title: self.title.clone(),
            tags: self.tags.clone(),
            settings: self.settings.clone(),
            created_ms: self.created_ms,
            updated_ms: self.updated_ms,
            head_seq: self.head_seq,
            oldest_seq,
            turns: self.turns.iter().map(|record| turn_view(record)).collect(),
            active: self.active,
            forked_from: self.forked_from,
        })
    }

    /// What lists show; `None` while there is nothing.
    pub fn summary(&self) -> Option<SessionSummary> {
        Some(SessionSummary {
            id: self.id,
            owner: self.owner?,
            shared: self.shared.clone(),
            title: self.title.clone(),
            model: self.settings.model.clone(),
            tags: self.tags.clone(),
            created_ms: self.created_ms,
            updated_ms: self.updated_ms,
            turns: self.turns.len() as u32,
            open_turns: self.open_turns(),
            head_seq: self.head_seq,
        })
    }
}
