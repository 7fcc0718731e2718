//! The conversation of a log: the turns of its active branch with their answers. Pure; `export` reads the events.

use std::collections::BTreeMap;

use pomona_protocol::said::join_marks;
use pomona_protocol::v3::{ExportBody, ExportTurn, MessageBody, mark_bodies};
use pomona_protocol::{Mark, SessionEvent, SessionEventBody, SessionSummary, TurnId, Usage};

/// What a file of an exported session says it is.
const FORMAT: &str = "pomona.session.v3";

/// A turn as far as the events told.
struct Turn {
    parent: Option<TurnId>,
    export: ExportTurn,
    marks: Vec<Mark>,
}

impl Turn {
    fn say(&mut self, text: &str, marks: &[Mark]) {
        join_marks(&mut self.marks, self.export.answer.len() as u32, marks);
        self.export.answer.push_str(text);
    }
}

/// What `import` takes. Turns whose acceptance is not among the events are not in it.
pub(super) fn conversation(session: &SessionSummary, events: &[SessionEvent]) -> ExportBody {
    let mut turns: BTreeMap<TurnId, Turn> = BTreeMap::new();
    let mut active = None;
    let mut system = None;
    for event in events {
        match &event.body {
            SessionEventBody::Created { settings, .. } => system.clone_from(&settings.system),
            SessionEventBody::Updated { change, .. } => {
                if let Some(changed) = &change.system {
                    system.clone_from(changed);
                }
            }
            SessionEventBody::Accepted { turn, parent, input, model, .. } => {
                let input = input.iter().cloned().map(MessageBody::from).collect();
                let usage = Usage::default();
                let export = ExportTurn {
                    input,
                    answer: String::new(),
                    marks: Vec::new(),
                    model: model.0.clone(),
                    usage,
                };
                turns.insert(*turn, Turn { parent: *parent, export, marks: Vec::new() });
                active = Some(*turn);
            }
            SessionEventBody::Tokens { turn, text, marks, .. } => {
                if let Some(turn) = turns.get_mut(turn) {
                    turn.say(text, marks);
                }
            }
            SessionEventBody::Finished { turn, text, marks, usage, .. } => {
                if let Some(turn) = turns.get_mut(turn) {
                    turn.say(text, marks);
                    turn.export.usage = *usage;
                }
            }
            SessionEventBody::BranchChosen { leaf, .. } => active = Some(*leaf),
            SessionEventBody::ContextDropped { .. }
            | SessionEventBody::Started { .. }
            | SessionEventBody::CancelAsked { .. }
            | SessionEventBody::Failed { .. }
            | SessionEventBody::Deleted { .. } => {}
        }
    }
    let mut path = Vec::new();
    // Taken out, so that a log that goes in circles ends as well.
    while let Some(turn) = active.and_then(|turn| turns.remove(&turn)) {
        active = turn.parent;
        path.push(ExportTurn { marks: mark_bodies(&turn.marks), ..turn.export });
    }
    path.reverse();
    ExportBody {
        format: FORMAT.to_owned(),
        title: session.title.clone(),
        tags: session.tags.clone(),
        model: session.model.0.clone(),
        system,
        turns: path,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pomona_protocol::{
        AnswerForm, FinishReason, Message, ModelId, Principal, Role, Sampling, SessionChange, SessionId,
        TurnOrigin,
    };

    use super::*;

    fn event(seq: u64, body: SessionEventBody) -> SessionEvent {
        SessionEvent { first_seq: seq, seq, at_ms: 0, body }
    }

    fn accepted(turn: u128, parent: Option<u128>, text: &str) -> SessionEventBody {
        SessionEventBody::Accepted {
            turn: TurnId(turn),
            parent: parent.map(TurnId),
            by: Principal(1),
            idempotency_key: None,
            digest: 0,
            origin: TurnOrigin::Asked,
            input: vec![Message::text(Role::User, text)],
            model: ModelId::from("sprout"),
            system: None,
            sampling: Sampling::default(),
            form: AnswerForm::default(),
            note: None,
        }
    }

    fn finished(turn: u128, text: &str) -> SessionEventBody {
        let usage = Usage { prompt_tokens: 3, cached_tokens: 0, completion_tokens: 2, ..Usage::default() };
        SessionEventBody::Finished {
            turn: TurnId(turn),
            reason: FinishReason::Stop,
            text: text.to_owned(),
            usage,
            marks: Vec::new(),
            stop: None,
        }
    }

    fn tokens(turn: u128, text: &str) -> SessionEventBody {
        let ends = vec![u32::try_from(text.len()).unwrap()];
        SessionEventBody::Tokens {
            turn: TurnId(turn),
            first: 0,
            ids: vec![1],
            text: text.to_owned(),
            ends,
            marks: Vec::new(),
        }
    }

    #[test]
    fn the_active_branch_is_exported_with_its_answers() {
        let summary = SessionSummary {
            id: SessionId(1),
            owner: Principal(1),
            shared: BTreeMap::new(),
            title: "pie".to_owned(),
            model: ModelId::from("sprout"),
            tags: vec!["work".to_owned()],
            created_ms: 0,
            updated_ms: 0,
            turns: 3,
            open_turns: 0,
            head_seq: 9,
        };
        let change = SessionChange { system: Some(Some("be brief".to_owned())), ..SessionChange::default() };
        let bodies = [
            SessionEventBody::Updated { by: Principal(1), change },
            accepted(1, None, "apples"),
            tokens(1, "app"),
            finished(1, "les"),
            accepted(2, Some(1), "pears"),
            accepted(3, Some(1), "plums"),
            finished(3, "plum"),
            SessionEventBody::BranchChosen { by: Principal(1), leaf: TurnId(2) },
            tokens(2, "pear"),
        ];
        let events: Vec<SessionEvent> = (1..).zip(bodies).map(|(seq, body)| event(seq, body)).collect();
        let export = conversation(&summary, &events);
        let said: Vec<(String, &str)> = export
            .turns
            .iter()
            .map(|turn| (turn.input[0].content.plain_text(), turn.answer.as_str()))
            .collect();
        assert_eq!(said, [("apples".to_owned(), "apples"), ("pears".to_owned(), "pear")]);
        assert_eq!((export.system.as_deref(), export.format.as_str()), (Some("be brief"), FORMAT));
        // The beginning of the log is not kept any more.
        assert_eq!(conversation(&summary, &events[4..]).turns.len(), 1);
    }
}
