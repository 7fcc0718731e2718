//! What a person wants with sessions and turns, whichever key says so.

use pomona_protocol::v3::{AskBody, ChangeBody, InputBody};

use super::list;
use crate::tui::input::Editor;
use crate::tui::message::{Command, Verb};
use crate::tui::model::{Fleet, Focus, Model, Pending, Popup};

/// Opens a session.
pub(super) fn open(model: &mut Model, session: &str) -> Vec<Command> {
    abandon_edit(model);
    model.opening = Some(session.to_owned());
    model.reopen_ms = None;
    model.sessions.selected = Some(session.to_owned());
    vec![Command::Open(session.to_owned())]
}

/// Leaves the session that is open, for one that is made by the first question.
pub(super) fn leave(model: &mut Model) {
    abandon_edit(model);
    model.chat = None;
    model.opening = None;
    model.reopen_ms = None;
    model.selected_turn = None;
    model.scroll.follow();
    model.focus = Focus::Input;
}

/// A new session.
pub(super) fn new_session(model: &mut Model) -> Vec<Command> {
    leave(model);
    vec![Command::Detach]
}

/// Sends what was typed.
pub(super) fn submit(model: &mut Model) -> Vec<Command> {
    if model.input.text().trim().is_empty() {
        return Vec::new();
    }
    if model.pending.is_some() {
        model.say("what was sent before is still on its way");
        return Vec::new();
    }
    if model.opening.is_some() {
        model.say("the session is still being opened");
        return Vec::new();
    }
    let text = model.input.take();
    let turn = model.editing.take();
    let verb = if turn.is_some() { Verb::Edit } else { Verb::Ask };
    let session = model.chat.as_ref().map(|chat| chat.id.clone());
    let refused = model.refused.take();
    let is_same =
        |refused: &Pending| (&refused.session, &refused.turn, &refused.text) == (&session, &turn, &text);
    let number = match refused.filter(is_same) {
        Some(refused) => refused.number,
        None => next_number(model),
    };
    let pending = Pending { number, session, verb, turn, text: text.clone() };
    model.scroll.follow();
    model.selected_turn = None;
    let mut commands = vec![Command::Remember(text)];
    commands.extend(send(model, pending));
    commands
}

/// Sends something; for a session that does not exist yet, that is made first.
pub(super) fn send(model: &mut Model, pending: Pending) -> Vec<Command> {
    let command = match &pending.session {
        None => Command::Create { model: model.new_model.clone() },
        Some(session) => Command::Ask {
            session: session.clone(),
            verb: pending.verb,
            body: Box::new(AskBody {
                input: (pending.verb != Verb::Regenerate).then(|| InputBody::Text(pending.text.clone())),
                turn: pending.turn.clone(),
                idempotency_key: Some(format!("tui-{}-{}", model.nonce, pending.number)),
                ..AskBody::default()
            }),
        },
    };
    model.pending = Some(pending);
    vec![command]
}

fn next_number(model: &mut Model) -> u64 {
    model.sent += 1;
    model.sent
}

/// Another answer to the selected question.
pub(super) fn regenerate(model: &mut Model) -> Vec<Command> {
    let Some(turn) = model.target().map(|turn| turn.id.clone()) else {
        model.say("there is no answer yet");
        return Vec::new();
    };
    if model.pending.is_some() {
        model.say("what was sent before is still on its way");
        return Vec::new();
    }
    let session = model.chat.as_ref().map(|chat| chat.id.clone());
    let number = next_number(model);
    model.scroll.follow();
    model.selected_turn = None;
    let text = String::new();
    send(model, Pending { number, session, verb: Verb::Regenerate, turn: Some(turn), text })
}

/// Puts the selected question into the input, to be asked otherwise.
pub(super) fn edit(model: &mut Model) {
    let Some((id, question)) = model.target().map(|turn| (turn.id.clone(), turn.question.clone())) else {
        model.say("there is no question yet");
        return;
    };
    if !model.input.is_empty() && model.editing.is_none() {
        let typed = model.input.take();
        model.input.remember(&typed);
    }
    model.input.set(&question);
    model.editing = Some(id);
    model.focus = Focus::Input;
}

/// Keeps the question as it was asked.
pub(super) fn abandon_edit(model: &mut Model) {
    if model.editing.take().is_some() {
        model.input.set("");
    }
}

/// Ends the turn that runs; whether there is one.
pub(super) fn cancel(model: &mut Model) -> Option<Command> {
    let chat = model.chat.as_ref()?;
    let turn = chat.open_turn().filter(|turn| turn.cancelled_by.is_none())?;
    Some(Command::Cancel { session: chat.id.clone(), turn: turn.id.clone() })
}

/// Shows the branch before or behind, at the selected turn or the last one that has several.
pub(super) fn switch_branch(model: &mut Model, forward: bool) -> Vec<Command> {
    let Some(chat) = &model.chat else { return Vec::new() };
    let branch = chat.branch();
    let has_siblings = |turn: &&&crate::tui::chat::Turn| chat.siblings(turn).1.len() > 1;
    let selected = model.selected_turn.as_deref().and_then(|id| branch.iter().find(|turn| turn.id == id));
    let Some(turn) = selected.or_else(|| branch.iter().rfind(has_siblings)) else { return Vec::new() };
    let (place, siblings) = chat.siblings(turn);
    let next = if forward { place + 1 } else { place.wrapping_sub(1) };
    let Some(sibling) = siblings.get(next).map(|turn| turn.id.clone()) else { return Vec::new() };
    let command = Command::Choose { session: chat.id.clone(), leaf: chat.leaf_below(&sibling) };
    if model.selected_turn.is_some() {
        model.selected_turn = Some(sibling);
    }
    vec![command]
}

/// Selects the turn above or below; below the last one none is selected.
pub(super) fn select_turn(model: &mut Model, down: bool) {
    let Some(chat) = &model.chat else { return };
    let ids: Vec<&str> = chat.branch().iter().map(|turn| turn.id.as_str()).collect();
    let place = model.selected_turn.as_deref().and_then(|id| ids.iter().position(|other| *other == id));
    let next = match (place, down) {
        (None, false) => ids.len().checked_sub(1),
        (None, true) => None,
        (Some(place), false) => Some(place.saturating_sub(1)),
        (Some(place), true) => Some(place + 1),
    };
    model.selected_turn = next.and_then(|next| ids.get(next)).map(|id| (*id).to_owned());
    model.scroll.follow();
    model.scroll.shows_selected = model.selected_turn.is_some();
}

/// The session that is selected in the list, or the open one.
fn session_of_keys(model: &Model) -> Option<(String, String)> {
    if model.focus == Focus::Sessions {
        let visible = model.sessions.visible();
        return visible
            .get(model.sessions.place())
            .map(|session| (session.id.clone(), session.title.clone()));
    }
    model.chat.as_ref().map(|chat| (chat.id.clone(), chat.title.clone()))
}

/// Asks for another name.
pub(super) fn rename(model: &mut Model) {
    match session_of_keys(model) {
        Some((session, title)) => {
            model.popup = Some(Popup::Rename { session, editor: Editor::with(&title) });
        }
        None => model.say("there is no session to rename"),
    }
}

/// Gives a session another name.
pub(super) fn renamed(session: String, title: &str) -> Command {
    let change = ChangeBody { title: Some(title.trim().to_owned()), ..ChangeBody::default() };
    Command::Change { session, change: Box::new(change) }
}

/// Asks whether a session is to be deleted.
pub(super) fn ask_delete(model: &mut Model) {
    match session_of_keys(model) {
        Some((session, title)) => model.popup = Some(Popup::Delete { session, title }),
        None => model.say("there is no session to delete"),
    }
}

/// Continues a session behind the selected turn in a new one.
pub(super) fn fork(model: &mut Model) -> Vec<Command> {
    let Some((session, _)) = session_of_keys(model) else {
        model.say("there is no session to fork");
        return Vec::new();
    };
    let is_open = model.chat.as_ref().is_some_and(|chat| chat.id == session);
    let turn = model.selected_turn.clone().filter(|_| is_open && model.focus == Focus::Input);
    vec![Command::Fork { session, turn }]
}

/// Takes a model for the open session, or for the next one.
pub(super) fn choose_model(model: &mut Model, name: String) -> Vec<Command> {
    match &model.chat {
        Some(chat) => {
            let change = ChangeBody { model: Some(name), ..ChangeBody::default() };
            vec![Command::Change { session: chat.id.clone(), change: Box::new(change) }]
        }
        None => {
            model.new_model = Some(name);
            Vec::new()
        }
    }
}

/// Shows or hides the machines.
pub(super) fn toggle_fleet(model: &mut Model) -> Vec<Command> {
    if model.fleet.take().is_some() {
        return Vec::new();
    }
    model.fleet = Some(Fleet { asked_ms: model.now_ms, ..Fleet::default() });
    vec![Command::Fleet]
}

/// Searches for sessions.
pub(super) fn search(model: &mut Model) {
    model.focus = Focus::Sessions;
    model.sessions.search.get_or_insert_default();
}

/// Ends the search.
pub(super) fn end_search(model: &mut Model) -> Vec<Command> {
    model.sessions.search = None;
    model.sessions.found = None;
    vec![list(model)]
}
