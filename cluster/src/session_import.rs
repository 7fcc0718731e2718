//! Turns that come with their answers: the events that they become. The names of tool calls follow from the turn that
//! made them, so what answers such a call gets its new name with the turn.

use pomona_protocol::said::call_id;
use pomona_protocol::{
    AnswerForm, FinishReason, ImportedTurn, Mark, Message, Part, Principal, Said, Sampling, SessionEventBody,
    TurnId, TurnOrigin,
};

/// The two events of each turn, each turn following the one before; the first one is named `first`, the others have the
/// numbers behind it.
pub(crate) fn imported_turns(
    by: Principal,
    first: TurnId,
    turns: Vec<ImportedTurn>,
    sampling: &Sampling,
) -> Vec<SessionEventBody> {
    let mut bodies = Vec::with_capacity(turns.len() * 2);
    let mut parent: Option<(TurnId, Vec<u32>)> = None;
    for (at, mut imported) in turns.into_iter().enumerate() {
        let turn = TurnId(first.0.wrapping_add(at as u128));
        if let Some((parent, calls)) = &parent {
            rename_answers(&mut imported.input, *parent, calls);
        }
        let calls = calls_of(&imported.marks);
        bodies.extend(imported_turn(by, turn, parent.map(|(turn, _)| turn), imported, sampling));
        parent = Some((turn, calls));
    }
    bodies
}

fn imported_turn(
    by: Principal,
    turn: TurnId,
    parent: Option<TurnId>,
    imported: ImportedTurn,
    sampling: &Sampling,
) -> [SessionEventBody; 2] {
    let ImportedTurn { input, answer, marks, model, usage } = imported;
    let reason = if calls_of(&marks).is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
    let accepted = SessionEventBody::Accepted {
        turn,
        parent,
        by,
        idempotency_key: None,
        digest: 0,
        origin: TurnOrigin::Imported,
        input,
        model,
        system: None,
        sampling: Sampling { seed: 0, ..sampling.clone() },
        form: AnswerForm::default(),
        note: None,
    };
    [accepted, SessionEventBody::Finished { turn, reason, text: answer, marks, usage, stop: None }]
}

/// The calls of an answer, by their numbers.
fn calls_of(marks: &[Mark]) -> Vec<u32> {
    let calls = marks.iter().filter_map(|mark| match mark.kind {
        Said::Call { index, .. } => Some(index),
        Said::Text | Said::Reasoning => None,
    });
    calls.collect()
}

/// What answers a call of the turn before, under the name that this turn had elsewhere, answers it under its new one.
/// Calls that stand in the same input keep the names that the client gave them.
fn rename_answers(input: &mut [Message], parent: TurnId, calls: &[u32]) {
    let given: Vec<String> = input.iter().flat_map(|message| &message.parts).filter_map(call_name).collect();
    for part in input.iter_mut().flat_map(|message| &mut message.parts) {
        if let Part::Answers(id) = part
            && !given.contains(id)
            && let Some(index) = index_of(id).filter(|index| calls.contains(index))
        {
            *id = call_id(parent, index);
        }
    }
}

fn call_name(part: &Part) -> Option<String> {
    match part {
        Part::Call(call) => Some(call.id.clone()),
        _ => None,
    }
}

/// The number of a call in a name that a turn gave it.
fn index_of(id: &str) -> Option<u32> {
    let (turn, index) = id.strip_prefix("call_")?.split_once('_')?;
    (turn.len() == 32).then(|| index.parse().ok())?
}

#[cfg(test)]
mod tests {
    use pomona_protocol::{Role, Usage};

    use super::*;

    #[test]
    fn answers_to_calls_follow_their_turn_to_its_new_name() {
        let call = Mark { at: 0, kind: Said::Call { index: 0, name: Some("f".to_owned()) } };
        let asks = ImportedTurn {
            input: vec![Message::text(Role::User, "q")],
            answer: "{}".to_owned(),
            marks: vec![call],
            model: "m".into(),
            usage: Usage::default(),
        };
        let result = |id: String| Message { role: Role::Tool, parts: vec![Part::Answers(id)] };
        let input = vec![result(call_id(TurnId(99), 0)), result("mine".to_owned())];
        let told = ImportedTurn { input, answer: "a".to_owned(), marks: Vec::new(), ..asks.clone() };
        let bodies = imported_turns(Principal(1), TurnId(7), vec![asks, told], &Sampling::default());
        let SessionEventBody::Finished { reason, .. } = &bodies[1] else { panic!("{bodies:?}") };
        assert_eq!(*reason, FinishReason::ToolCalls);
        let SessionEventBody::Accepted { input, .. } = &bodies[2] else { panic!("{bodies:?}") };
        assert_eq!(*input, [result(call_id(TurnId(7), 0)), result("mine".to_owned())]);
    }
}
