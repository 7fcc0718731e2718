//! What keys mean: first in what lies over the screen, then everywhere, then in the list or the input. The list of them
//! for people is `HELP` of `view::popup`.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{actions, list};
use crate::tui::message::Command;
use crate::tui::model::{Focus, Model, Popup, Scroll};

/// A second Ctrl-C within this time ends the program.
const QUIT_MS: u64 = 1_500;
/// Sessions before the end of the list at which the next page is asked for.
const NEXT_PAGE_AHEAD: usize = 10;

pub(super) fn press(model: &mut Model, key: KeyEvent) -> Vec<Command> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    if is_control && key.code == KeyCode::Char('q') {
        return vec![Command::Quit];
    }
    if is_control && key.code == KeyCode::Char('c') {
        return interrupt(model);
    }
    model.quits_until_ms = 0;
    if model.popup.is_some() {
        return in_popup(model, key);
    }
    if let Some(commands) = everywhere(model, key) {
        return commands;
    }
    match model.focus {
        Focus::Sessions => in_sessions(model, key),
        Focus::Input => in_input(model, key),
    }
}

pub(super) fn paste(model: &mut Model, text: &str) -> Vec<Command> {
    let searches = model.focus == Focus::Sessions;
    let editor = match &mut model.popup {
        Some(Popup::Rename { editor, .. }) => editor,
        Some(_) => return Vec::new(),
        None if searches => match &mut model.sessions.search {
            Some(search) => search,
            None => return Vec::new(),
        },
        None => &mut model.input,
    };
    if !editor.insert(text) {
        model.say(format!(
            "what was pasted has no room: a message has at most {} bytes",
            crate::tui::input::BYTES_MAX
        ));
    }
    if searches && model.sessions.search.is_some() { vec![list(model)] } else { Vec::new() }
}

/// Ctrl-C ends an answer; twice, the program.
fn interrupt(model: &mut Model) -> Vec<Command> {
    if model.now_ms < model.quits_until_ms {
        return vec![Command::Quit];
    }
    model.quits_until_ms = model.now_ms + QUIT_MS;
    if let Some(command) = actions::cancel(model) {
        model.say("cancelled; Ctrl-C once more quits");
        return vec![command];
    }
    model.say("Ctrl-C once more quits");
    Vec::new()
}

/// Keys that mean the same in the list and in the input.
fn everywhere(model: &mut Model, key: KeyEvent) -> Option<Vec<Command>> {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    let is_alt = key.modifiers.contains(KeyModifiers::ALT);
    let commands = match key.code {
        KeyCode::F(1) => {
            model.popup = Some(Popup::Help { top: 0 });
            Vec::new()
        }
        KeyCode::F(2) => actions::toggle_fleet(model),
        KeyCode::F(3) => {
            actions::rename(model);
            Vec::new()
        }
        KeyCode::F(4) => actions::fork(model),
        KeyCode::F(8) => {
            actions::ask_delete(model);
            Vec::new()
        }
        KeyCode::Tab | KeyCode::BackTab => {
            model.focus = if model.focus == Focus::Input { Focus::Sessions } else { Focus::Input };
            Vec::new()
        }
        KeyCode::PageUp => {
            scroll(model, false);
            Vec::new()
        }
        KeyCode::PageDown => {
            scroll(model, true);
            Vec::new()
        }
        KeyCode::End if is_control => {
            model.scroll.follow();
            Vec::new()
        }
        KeyCode::Home if is_control => {
            model.scroll = Scroll { top: Some(0), shows_selected: false, ..model.scroll };
            Vec::new()
        }
        KeyCode::Left if is_alt => actions::switch_branch(model, false),
        KeyCode::Right if is_alt => actions::switch_branch(model, true),
        KeyCode::Up if is_alt => {
            actions::select_turn(model, false);
            Vec::new()
        }
        KeyCode::Down if is_alt => {
            actions::select_turn(model, true);
            Vec::new()
        }
        KeyCode::Char(letter) if is_control => with_control(model, letter)?,
        _ => return None,
    };
    Some(commands)
}

fn with_control(model: &mut Model, letter: char) -> Option<Vec<Command>> {
    Some(match letter {
        'o' => {
            model.popup = Some(Popup::Models { selected: 0 });
            vec![Command::Models]
        }
        'n' => actions::new_session(model),
        'r' => actions::regenerate(model),
        'e' => {
            actions::edit(model);
            Vec::new()
        }
        'f' => {
            actions::search(model);
            Vec::new()
        }
        _ => return None,
    })
}

/// A page up or down; at the end it follows.
fn scroll(model: &mut Model, down: bool) {
    let scroll = &mut model.scroll;
    let page = scroll.rows.saturating_sub(1).max(1);
    let next = if down { scroll.shown + page } else { scroll.shown.saturating_sub(page) };
    scroll.top = (next < scroll.bottom()).then_some(next);
    scroll.shown = next.min(scroll.bottom());
    scroll.shows_selected = false;
}

fn in_popup(model: &mut Model, key: KeyEvent) -> Vec<Command> {
    let Some(mut popup) = model.popup.take() else { return Vec::new() };
    if key.code == KeyCode::Esc {
        return Vec::new();
    }
    match (&mut popup, key.code) {
        (Popup::Help { .. }, KeyCode::F(1) | KeyCode::Enter | KeyCode::Char('q')) => return Vec::new(),
        (Popup::Help { top }, KeyCode::Down | KeyCode::PageDown) => *top += 1,
        (Popup::Help { top }, KeyCode::Up | KeyCode::PageUp) => *top = top.saturating_sub(1),
        (Popup::Models { selected }, KeyCode::Down) => {
            *selected = (*selected + 1).min(model.models.len().saturating_sub(1));
        }
        (Popup::Models { selected }, KeyCode::Up) => *selected = selected.saturating_sub(1),
        (Popup::Models { selected }, KeyCode::Enter) => {
            let name = model.models.get(*selected).map(|model| model.id.clone());
            return name.map(|name| actions::choose_model(model, name)).unwrap_or_default();
        }
        (Popup::Rename { session, editor }, KeyCode::Enter) => {
            return vec![actions::renamed(std::mem::take(session), editor.text())];
        }
        (Popup::Rename { editor, .. }, _) => {
            edit_line(editor, key);
        }
        (Popup::Delete { session, .. }, KeyCode::Char('y' | 'Y')) => {
            return vec![Command::Delete(std::mem::take(session))];
        }
        (Popup::Delete { .. }, KeyCode::Char('n' | 'N') | KeyCode::Enter) => return Vec::new(),
        _ => {}
    }
    model.popup = Some(popup);
    Vec::new()
}

fn in_sessions(model: &mut Model, key: KeyEvent) -> Vec<Command> {
    let place = model.sessions.place();
    match key.code {
        KeyCode::Up => select_session(model, place.saturating_sub(1)),
        KeyCode::Down => select_session(model, place + 1),
        KeyCode::Home => select_session(model, 0),
        KeyCode::End => select_session(model, usize::MAX),
        KeyCode::Enter => {
            let visible = model.sessions.visible();
            let Some(session) = visible.get(place).map(|session| session.id.clone()) else {
                return Vec::new();
            };
            model.focus = Focus::Input;
            actions::open(model, &session)
        }
        KeyCode::Esc if model.sessions.search.is_some() => actions::end_search(model),
        KeyCode::Esc => {
            model.focus = Focus::Input;
            Vec::new()
        }
        _ if model.sessions.search.is_some() => {
            let before = model.sessions.words().map(str::to_owned);
            if let Some(search) = &mut model.sessions.search {
                edit_line(search, key);
            }
            if model.sessions.words() == before.as_deref() { Vec::new() } else { vec![list(model)] }
        }
        KeyCode::Char('/') => {
            actions::search(model);
            Vec::new()
        }
        KeyCode::Char('n') => actions::new_session(model),
        KeyCode::Char('f') => actions::fork(model),
        KeyCode::Char('r') => {
            actions::rename(model);
            Vec::new()
        }
        KeyCode::Char('d') | KeyCode::Delete => {
            actions::ask_delete(model);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// Selects a session of the list; near its end the next page is asked for.
fn select_session(model: &mut Model, place: usize) -> Vec<Command> {
    let visible = model.sessions.visible();
    let place = place.min(visible.len().saturating_sub(1));
    let is_near_end = place + NEXT_PAGE_AHEAD >= visible.len();
    model.sessions.selected = visible.get(place).map(|session| session.id.clone());
    if !is_near_end || model.sessions.words().is_some() {
        return Vec::new();
    }
    let from = model.sessions.next.take();
    from.map(|from| Command::List { search: None, from: Some(from) }).into_iter().collect()
}

fn in_input(model: &mut Model, key: KeyEvent) -> Vec<Command> {
    let has_modifier = key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SHIFT);
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Enter if has_modifier || is_control => drop(model.input.insert("\n")),
        KeyCode::Char('j') if is_control => drop(model.input.insert("\n")),
        KeyCode::Enter => return actions::submit(model),
        KeyCode::Esc if model.editing.is_some() => actions::abandon_edit(model),
        KeyCode::Esc if model.selected_turn.is_some() => model.selected_turn = None,
        KeyCode::Esc => return actions::cancel(model).into_iter().collect(),
        KeyCode::Char('p') if is_control => model.input.older(),
        KeyCode::Up if model.input.is_empty() && model.target().is_some() => actions::edit(model),
        KeyCode::Up if model.input.is_browsing() || !model.input.up() => model.input.older(),
        KeyCode::Up => {}
        KeyCode::Down if model.input.is_browsing() || !model.input.down() => model.input.newer(),
        KeyCode::Down => {}
        _ => drop(edit_line(&mut model.input, key)),
    }
    Vec::new()
}

/// Keys of an editor of one line; whether this is one.
fn edit_line(editor: &mut crate::tui::input::Editor, key: KeyEvent) -> bool {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    let is_alt = key.modifiers.contains(KeyModifiers::ALT);
    match key.code {
        KeyCode::Backspace if is_control || is_alt => editor.delete_word(),
        KeyCode::Backspace => editor.backspace(),
        KeyCode::Delete => editor.delete(),
        KeyCode::Left if is_control => editor.word_left(),
        KeyCode::Right if is_control => editor.word_right(),
        KeyCode::Left => editor.left(),
        KeyCode::Right => editor.right(),
        KeyCode::Home => editor.home(),
        KeyCode::End => editor.end(),
        KeyCode::Char('a') if is_control => editor.home(),
        KeyCode::Char('u') if is_control => editor.delete_to_start(),
        KeyCode::Char('k') if is_control => editor.delete_to_end(),
        KeyCode::Char('w') if is_control => editor.delete_word(),
        KeyCode::Char('b') if is_alt => editor.word_left(),
        KeyCode::Char('f') if is_alt => editor.word_right(),
        KeyCode::Char(letter) if !is_control && !is_alt => {
            return editor.insert(letter.encode_utf8(&mut [0; 4]));
        }
        _ => return false,
    }
    true
}
