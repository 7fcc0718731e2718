//! What gateways say: lists, sessions, envelopes, and why something was not done.

use pomona_client::ModelInfo;
use pomona_protocol::v3::{AcceptedBody, DoneBody, EnvelopeBody, PageBody, SessionBody};
use pomona_protocol::{NodeStatus, Status};

use super::{actions, list};
use crate::tui::chat::Chat;
use crate::tui::message::{Command, News, Trouble, Verb};
use crate::tui::model::{Link, Model, Pending};

/// Sessions that are kept of the list.
const SESSIONS_MAX: usize = 10_000;
/// Before a session that cannot be read is tried once more.
const REOPEN_MS: u64 = 1_000;

pub(super) fn listed(
    model: &mut Model,
    search: Option<String>,
    from: Option<String>,
    result: Result<(PageBody, u64), Trouble>,
) -> Vec<Command> {
    let (page, took_ms) = match result {
        Ok(answer) => answer,
        Err(trouble) => {
            // Nothing new is shown; what is offline says so elsewhere.
            if trouble.is_offline {
                lost(model);
            } else {
                model.complain(&trouble);
            }
            return Vec::new();
        }
    };
    model.link = Link::Online { rtt_ms: Some(took_ms) };
    // A name that was made from the first question is no event of the log.
    if let Some(chat) = model.chat.as_mut().filter(|chat| chat.title.is_empty()) {
        let listed = page.sessions.iter().find(|session| session.id == chat.id);
        chat.title = listed.map(|session| session.title.clone()).unwrap_or_default();
    }
    let sessions = &mut model.sessions;
    match (search, from) {
        (Some(words), None) => sessions.found = Some((words, page.sessions)),
        (Some(_), Some(_)) => {}
        (None, None) => {
            // Further pages stay as they are, besides what came to the front.
            let is_new = |id: &str| page.sessions.iter().any(|session| session.id == id);
            let has_more = sessions.all.len() > page.sessions.len();
            let mut all = page.sessions.clone();
            if page.next.is_some() && has_more {
                all.extend(sessions.all.drain(..).filter(|session| !is_new(&session.id)));
            } else {
                sessions.next = page.next;
            }
            sessions.all = all;
        }
        (None, Some(_)) => {
            let known: Vec<String> = sessions.all.iter().map(|session| session.id.clone()).collect();
            sessions.all.extend(page.sessions.into_iter().filter(|session| !known.contains(&session.id)));
            sessions.all.truncate(SESSIONS_MAX);
            sessions.next = page.next.filter(|_| sessions.all.len() < SESSIONS_MAX);
        }
    }
    Vec::new()
}

pub(super) fn models(model: &mut Model, result: Result<Vec<ModelInfo>, Trouble>) -> Vec<Command> {
    match result {
        Ok(models) => model.models = models,
        Err(trouble) => model.complain(&trouble),
    }
    Vec::new()
}

pub(super) fn fleet(
    model: &mut Model,
    result: Result<Box<(Vec<NodeStatus>, Status)>, Trouble>,
) -> Vec<Command> {
    if let Some(fleet) = &mut model.fleet {
        match result {
            Ok(told) => {
                (fleet.nodes, fleet.status) = (told.0, Some(told.1));
                fleet.trouble = None;
            }
            Err(trouble) => fleet.trouble = Some(trouble.message),
        }
    }
    Vec::new()
}

pub(super) fn opened(
    model: &mut Model,
    session: &str,
    result: Result<Box<SessionBody>, Trouble>,
) -> Vec<Command> {
    if model.opening.as_deref() != Some(session) {
        return Vec::new();
    }
    match result {
        Ok(body) => show(model, *body),
        Err(trouble) if trouble.is_offline => {
            lost(model);
            model.reopen_ms = Some(model.now_ms + REOPEN_MS);
            Vec::new()
        }
        Err(trouble) => {
            model.opening = None;
            model.complain(&trouble);
            Vec::new()
        }
    }
}

/// Puts a session on the screen and listens to it.
fn show(model: &mut Model, body: SessionBody) -> Vec<Command> {
    let chat = Chat::of(body);
    let (session, after) = (chat.id.clone(), chat.cursor);
    let is_same = model.chat.as_ref().is_some_and(|old| old.id == chat.id);
    model.opening = None;
    model.reopen_ms = None;
    model.sessions.selected = Some(session.clone());
    if !is_same {
        model.selected_turn = None;
        model.scroll.follow();
    }
    model.chat = Some(chat);
    vec![Command::Attach { session, after }]
}

pub(super) fn heard(model: &mut Model, session: &str, news: News) -> Vec<Command> {
    if model.chat.as_ref().is_none_or(|chat| chat.id != session) {
        return Vec::new();
    }
    match news {
        News::Connected => {
            if !matches!(model.link, Link::Online { .. }) {
                model.link = Link::Online { rtt_ms: None };
            }
            Vec::new()
        }
        News::Lost => {
            lost(model);
            Vec::new()
        }
        News::Said(envelope) => {
            let changes_list = matches!(
                envelope.body,
                EnvelopeBody::TurnAccepted { .. }
                    | EnvelopeBody::TurnFinished { .. }
                    | EnvelopeBody::TurnFailed { .. }
                    | EnvelopeBody::SessionUpdated { .. }
            );
            let now_ms = model.now_ms;
            if let Some(chat) = &mut model.chat {
                chat.apply(*envelope, now_ms);
            }
            learn_me(model);
            if changes_list { vec![list(model)] } else { Vec::new() }
        }
        News::Ended(trouble) => ended(model, session, &trouble),
    }
}

/// A feed that ended: the session is gone, or must be read anew.
fn ended(model: &mut Model, session: &str, trouble: &Trouble) -> Vec<Command> {
    let is_deleted = model.chat.as_ref().is_some_and(|chat| chat.is_deleted);
    if is_deleted || trouble.is_missing {
        model.say("the session was deleted");
        actions::leave(model);
        model.sessions.all.retain(|other| other.id != session);
        return vec![list(model)];
    }
    model.complain(trouble);
    model.opening = Some(session.to_owned());
    model.reopen_ms = Some(model.now_ms + REOPEN_MS);
    Vec::new()
}

pub(super) fn created(model: &mut Model, result: Result<Box<SessionBody>, Trouble>) -> Vec<Command> {
    let body = match result {
        Ok(body) => *body,
        Err(trouble) => {
            give_back(model, &trouble);
            return Vec::new();
        }
    };
    model.me = Some(body.owner.clone());
    let session = body.id.clone();
    let is_still_wanted = model.chat.is_none() && model.opening.is_none();
    let mut commands = if is_still_wanted { show(model, body) } else { Vec::new() };
    if let Some(mut pending) = model.pending.take() {
        pending.session = Some(session);
        commands.extend(actions::send(model, pending));
    }
    commands
}

pub(super) fn forked(model: &mut Model, result: Result<Box<SessionBody>, Trouble>) -> Vec<Command> {
    match result {
        Ok(body) => {
            model.me = Some(body.owner.clone());
            model.say("this is the fork; the session that it comes from stays as it is");
            let mut commands = show(model, *body);
            commands.push(list(model));
            commands
        }
        Err(trouble) => {
            model.complain(&trouble);
            Vec::new()
        }
    }
}

pub(super) fn accepted(model: &mut Model, result: Result<AcceptedBody, Trouble>) -> Vec<Command> {
    match result {
        Ok(body) => {
            model.pending = None;
            model.refused = None;
            model.asked = Some(body.turn);
            learn_me(model);
        }
        Err(trouble) => give_back(model, &trouble),
    }
    Vec::new()
}

pub(super) fn done(model: &mut Model, what: &'static str, result: Result<DoneBody, Trouble>) -> Vec<Command> {
    match result {
        Ok(_) if what.is_empty() => Vec::new(),
        Ok(_) => {
            model.say(what);
            vec![list(model)]
        }
        Err(trouble) => {
            model.complain(&trouble);
            Vec::new()
        }
    }
}

/// What was not accepted goes back to where it was typed, unless something else stands there now.
fn give_back(model: &mut Model, trouble: &Trouble) {
    model.complain(trouble);
    let Some(pending) = model.pending.take() else { return };
    let Pending { session, verb, turn, text, .. } = &pending;
    let is_open = model.chat.as_ref().map(|chat| &chat.id) == session.as_ref();
    if model.input.is_empty() && is_open && *verb != Verb::Regenerate {
        model.input.set(text);
        model.editing.clone_from(turn);
    }
    model.refused = Some(pending);
}

/// Who asked the turn that was accepted from here is the person at this screen.
fn learn_me(model: &mut Model) {
    let turn = model.chat.as_ref().zip(model.asked.as_deref()).and_then(|(chat, asked)| chat.turn(asked));
    if let Some(turn) = turn {
        model.me = Some(turn.by.clone());
    }
}

fn lost(model: &mut Model) {
    if !matches!(model.link, Link::Lost { .. }) {
        model.link = Link::Lost { since_ms: model.now_ms };
    }
}
