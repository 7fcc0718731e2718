//! What clients are shown of sessions and turns.

use pomona_protocol::v3::{
    MessageBody, PageBody, SamplingBody, SessionBody, SessionTurn, SummaryBody, mark_bodies,
};
use pomona_protocol::{Sampling, SessionPage, SessionSummary, SessionView, TurnId, TurnState, TurnView};

use crate::v3::envelope::{error_body, fork_body, origin_body, reason_text};

/// A session with its turns.
pub(crate) fn session_body(view: SessionView) -> SessionBody {
    let settings = view.settings;
    SessionBody {
        id: view.id.to_string(),
        owner: view.owner.to_string(),
        shared: view.shared.into_iter().map(|(key, permission)| (key.to_string(), permission)).collect(),
        title: view.title,
        tags: view.tags,
        model: settings.model.0,
        system: settings.system,
        sampling: sampling_body(&settings.sampling),
        seed: settings.seed,
        context: settings.context,
        created_at: view.created_ms,
        updated_at: view.updated_ms,
        head_seq: view.head_seq,
        oldest_seq: view.oldest_seq,
        turns: view.turns.into_iter().map(turn_body).collect(),
        active: view.active.map(|turn| turn.to_string()),
        forked_from: view.forked_from.map(fork_body),
    }
}

fn turn_body(turn: TurnView) -> SessionTurn {
    let (state, reason, error) = match &turn.state {
        TurnState::Queued => ("queued", None, None),
        TurnState::Running => ("running", None, None),
        TurnState::Finished(reason) => ("finished", Some(reason_text(*reason).to_owned()), None),
        TurnState::Failed(cause) => ("failed", None, Some(error_body(cause))),
    };
    let has_ended = turn.state.is_ended();
    SessionTurn {
        id: turn.turn.to_string(),
        parent: turn.parent.as_ref().map(TurnId::to_string),
        by: turn.by.to_string(),
        origin: origin_body(turn.origin),
        state: state.to_owned(),
        reason,
        error,
        cancelled_by: turn.cancelled_by.map(|by| by.to_string()),
        model: turn.model.0,
        input: turn.input.into_iter().map(MessageBody::from).collect(),
        answer: turn.answer,
        marks: mark_bodies(&turn.marks),
        usage: turn.usage,
        accepted_seq: turn.accepted_seq,
        accepted_at: turn.accepted_ms,
        started_at: known(turn.started_ms),
        first_token_at: known(turn.first_token_ms),
        ended_seq: has_ended.then_some(turn.ended_seq),
        ended_at: has_ended.then_some(turn.ended_ms),
    }
}

/// A time, where there is one.
fn known(ms: u64) -> Option<u64> {
    (ms > 0).then_some(ms)
}

/// A page of the list.
pub(crate) fn page_body(page: SessionPage) -> PageBody {
    PageBody { sessions: page.sessions.into_iter().map(summary_body).collect(), next: page.next }
}

fn summary_body(summary: SessionSummary) -> SummaryBody {
    SummaryBody {
        id: summary.id.to_string(),
        owner: summary.owner.to_string(),
        title: summary.title,
        model: summary.model.0,
        tags: summary.tags,
        created_at: summary.created_ms,
        updated_at: summary.updated_ms,
        turns: summary.turns,
        open_turns: summary.open_turns,
        head_seq: summary.head_seq,
    }
}

/// How tokens are chosen; what changes nothing is left out.
pub(crate) fn sampling_body(sampling: &Sampling) -> SamplingBody {
    let unless_zero = |value: f32| (value != 0.0).then_some(value);
    SamplingBody {
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k.map(i64::from),
        min_p: sampling.min_p,
        repetition_penalty: sampling.repetition_penalty,
        presence_penalty: unless_zero(sampling.presence_penalty),
        frequency_penalty: unless_zero(sampling.frequency_penalty),
        max_tokens: sampling.max_tokens.map(i64::from),
        stop: sampling.stop.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pomona_protocol::{
        Cause, ContextPolicy, FinishReason, Message, ModelId, Permission, Principal, Role, SessionId,
        SessionSettings, TurnOrigin, Usage,
    };

    use super::*;

    fn turn(state: TurnState) -> TurnView {
        TurnView {
            turn: TurnId(2),
            parent: Some(TurnId(1)),
            by: Principal(3),
            origin: TurnOrigin::Regenerated { of: TurnId(4) },
            state,
            model: ModelId::from("m"),
            input: vec![Message::text(Role::User, "q")],
            answer: "a".to_owned(),
            marks: Vec::new(),
            tokens: 1,
            usage: Usage::default(),
            cancelled_by: Some(Principal(3)),
            accepted_seq: 5,
            accepted_ms: 6,
            started_ms: 6,
            first_token_ms: 0,
            ended_ms: 7,
            ended_seq: 8,
        }
    }

    #[test]
    fn a_turn_shows_how_far_it_is_and_its_end_once_it_has_one() {
        let failed = TurnState::Failed(Cause::ShuttingDown);
        for (state, name, reason, code, ended_seq) in [
            (TurnState::Queued, "queued", None, None, None),
            (TurnState::Running, "running", None, None, None),
            (TurnState::Finished(FinishReason::Length), "finished", Some("length"), None, Some(8)),
            (failed, "failed", None, Some("shutting_down"), Some(8)),
        ] {
            let shown = turn_body(turn(state));
            assert_eq!(
                (shown.state.as_str(), shown.reason.as_deref(), shown.ended_seq),
                (name, reason, ended_seq)
            );
            assert_eq!(shown.error.map(|error| error.code).as_deref(), code);
            assert_eq!(shown.origin.of, Some(TurnId(4).to_string()));
            assert_eq!((shown.started_at, shown.first_token_at), (Some(6), None));
        }
    }

    #[test]
    fn a_session_shows_ids_as_clients_write_them() {
        let settings = SessionSettings {
            model: ModelId::from("m"),
            system: None,
            sampling: Sampling::default(),
            seed: Some(1),
            context: ContextPolicy::DropOldest,
        };
        let shown = session_body(SessionView {
            id: SessionId(1),
            owner: Principal(0xab),
            shared: BTreeMap::from([(Principal(2), Permission::Read)]),
            title: "t".to_owned(),
            tags: Vec::new(),
            settings,
            created_ms: 1,
            updated_ms: 2,
            head_seq: 3,
            oldest_seq: 1,
            turns: vec![turn(TurnState::Running)],
            active: Some(TurnId(2)),
            forked_from: Some((SessionId(8), TurnId(9))),
        });
        assert_eq!(shown.id, "ses_00000000000000000000000000000001");
        assert_eq!(shown.owner, "key_00000000000000ab");
        assert_eq!(shown.shared.keys().collect::<Vec<_>>(), ["key_0000000000000002"]);
        assert_eq!(shown.active.as_deref(), Some("turn_00000000000000000000000000000002"));
        assert_eq!(shown.forked_from.unwrap().session, "ses_00000000000000000000000000000008");
    }
}
