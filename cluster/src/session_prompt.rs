//! The prompt of a turn: what was said on its branch, and which old turns are left out when that is too much.

use std::collections::BTreeSet;

use pomona_protocol::said::parts_of;
use pomona_protocol::{Message, Part, Role, Task, TurnId, TurnInput, TurnOrigin, TurnRequest};

use crate::session_record::TurnRecord;
use crate::session_state::SessionState;

/// Share of a context that is kept for the answer when old turns are left out: one in this many.
const ANSWER_SHARE: u32 = 8;

/// What an engine is asked for this turn; `resume` holds what the log has of the answer.
pub(crate) fn request(state: &SessionState, record: &TurnRecord) -> TurnRequest {
    TurnRequest {
        turn: record.turn,
        model: record.model.clone(),
        input: TurnInput::Messages(messages(state, record)),
        sampling: record.sampling.clone(),
        task: Task::Generate,
        form: record.form.clone(),
        resume: record.ids.clone(),
        deadline_ms: 0,
        asked_ms: record.accepted_ms,
        tells_prefill: true,
        trace: None,
    }
}

/// The turns to be left out when `record`, whose prompt had this many tokens, did not fit: those that are left out
/// already, and the oldest others that make room by their share of the text. `None` when there is nobody left to drop.
pub(crate) fn drop_oldest(
    state: &SessionState,
    record: &TurnRecord,
    prompt_tokens: u32,
    context_tokens: u32,
) -> Option<Vec<TurnId>> {
    let kept = ancestors(state, record);
    let lengths: Vec<u64> =
        kept.iter().map(|ancestor| length(&ancestor.input) + reply_length(ancestor)).collect();
    let system = state.system_of(record).map_or(0, |text| text.len() as u64 + MESSAGE_BYTES);
    let whole = lengths.iter().sum::<u64>() + length(&record.input) + system;
    let for_answer = record.sampling.max_tokens.unwrap_or(u32::MAX).min(context_tokens / ANSWER_SHARE);
    let too_many = u64::from(prompt_tokens.saturating_sub(context_tokens.saturating_sub(for_answer)));
    let wanted = (too_many * whole).div_ceil(u64::from(prompt_tokens.max(1)));
    let mut dropped = record.dropped.clone();
    let mut freed = 0;
    for (ancestor, length) in kept.iter().zip(lengths) {
        if freed >= wanted && dropped.len() > record.dropped.len() {
            break;
        }
        freed += length;
        dropped.push(ancestor.turn);
    }
    (dropped.len() > record.dropped.len()).then_some(dropped)
}

fn messages(state: &SessionState, record: &TurnRecord) -> Vec<Message> {
    let mut messages = Vec::new();
    if let Some(system) = state.system_of(record) {
        messages.push(Message::text(Role::System, system));
    }
    for ancestor in ancestors(state, record) {
        messages.extend(ancestor.input.iter().cloned());
        if !ancestor.answer.is_empty() {
            messages.push(Message {
                role: Role::Assistant,
                parts: parts_of(ancestor.turn, &ancestor.answer, &ancestor.marks),
            });
        }
    }
    messages.extend(record.input.iter().cloned());
    messages
}

/// Turns that stand in the prompt before this one, oldest first. One without an answer would leave two questions in a
/// row, which templates refuse, so it is left out; imported ones are as somebody else made them.
fn ancestors<'a>(state: &'a SessionState, record: &TurnRecord) -> Vec<&'a TurnRecord> {
    let dropped: BTreeSet<TurnId> = record.dropped.iter().copied().collect();
    let counts = |ancestor: &&TurnRecord| {
        let says = !ancestor.answer.is_empty() || ancestor.origin == TurnOrigin::Imported;
        !ancestor.is_open() && says && !dropped.contains(&ancestor.turn)
    };
    let mut kept: Vec<&TurnRecord> = state.branch(record.turn).skip(1).filter(counts).collect();
    kept.reverse();
    kept
}

/// What a template adds to a message, about, in bytes.
const MESSAGE_BYTES: u64 = 16;

fn length(messages: &[Message]) -> u64 {
    let text = |message: &Message| message.parts.iter().map(part_length).sum::<u64>();
    messages.iter().map(|message| text(message) + MESSAGE_BYTES).sum()
}

/// A picture counts like a page of text: what it takes is known to its model alone.
const IMAGE_BYTES: u64 = 1024;

fn part_length(part: &Part) -> u64 {
    match part {
        Part::Text(text) | Part::Reasoning(text) => text.len() as u64,
        Part::Call(call) => (call.name.len() + call.arguments.len()) as u64,
        Part::Answers(_) => 0,
        Part::Image(_) => IMAGE_BYTES,
    }
}

fn reply_length(record: &TurnRecord) -> u64 {
    if record.answer.is_empty() { 0 } else { record.answer.len() as u64 + MESSAGE_BYTES }
}
