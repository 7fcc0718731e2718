//! What happens, and what follows from it: every message changes the model and may want things done. Pure; keys are in
//! `keys`, what gateways say is in `answers`.

mod actions;
mod answers;
mod keys;

use super::message::{Command, Message};
use super::model::{Link, Model};

/// The list is asked for so often while nothing happens.
const LIST_EVERY_MS: u64 = 5_000;
/// The same while the gateway is away.
const LIST_AWAY_EVERY_MS: u64 = 1_000;
/// The panel of the machines is asked for so often while it is shown.
const FLEET_EVERY_MS: u64 = 2_000;

/// What is done first: a list, the models, and the session that was named.
pub(super) fn start(model: &mut Model, session: Option<String>) -> Vec<Command> {
    let mut commands = vec![list(model), Command::Models];
    if let Some(session) = session {
        commands.extend(actions::open(model, &session));
    }
    commands
}

/// Takes a message at a time, in Unix milliseconds.
pub(super) fn update(model: &mut Model, message: Message, now_ms: u64) -> Vec<Command> {
    model.now_ms = now_ms;
    match message {
        Message::Key(key) => keys::press(model, key),
        Message::Paste(text) => keys::paste(model, &text),
        Message::Resize(columns, rows) => {
            (model.columns, model.rows) = (columns, rows);
            Vec::new()
        }
        Message::Tick => tick(model),
        Message::Drawn { lines, rows, shown } => {
            (model.scroll.lines, model.scroll.rows, model.scroll.shown) = (lines, rows, shown);
            Vec::new()
        }
        Message::Listed { search, from, result } => answers::listed(model, search, from, result),
        Message::Models(result) => answers::models(model, result),
        Message::Fleet(result) => answers::fleet(model, result),
        Message::Opened { session, result } => answers::opened(model, &session, result),
        Message::Heard { session, news } => answers::heard(model, &session, news),
        Message::Created(result) => answers::created(model, result),
        Message::Forked(result) => answers::forked(model, result),
        Message::Accepted(result) => answers::accepted(model, result),
        Message::Done { what, result } => answers::done(model, what, result),
    }
}

/// Asks for the first page, with the words that are searched for.
fn list(model: &mut Model) -> Command {
    model.sessions.asked_ms = model.now_ms;
    Command::List { search: model.sessions.words().map(str::to_owned), from: None }
}

fn tick(model: &mut Model) -> Vec<Command> {
    let now_ms = model.now_ms;
    if model.notice.as_ref().is_some_and(|notice| notice.until_ms <= now_ms) {
        model.notice = None;
    }
    let every_ms = if matches!(model.link, Link::Lost { .. }) { LIST_AWAY_EVERY_MS } else { LIST_EVERY_MS };
    let mut commands = Vec::new();
    if now_ms >= model.sessions.asked_ms + every_ms {
        commands.push(list(model));
    }
    if model.reopen_ms.is_some_and(|at_ms| now_ms >= at_ms) {
        model.reopen_ms = None;
        commands.extend(model.opening.clone().map(Command::Open));
    }
    if let Some(fleet) = model.fleet.as_mut().filter(|fleet| now_ms >= fleet.asked_ms + FLEET_EVERY_MS) {
        fleet.asked_ms = now_ms;
        commands.push(Command::Fleet);
    }
    commands
}

#[cfg(test)]
#[path = "update_tests.rs"]
mod tests;
