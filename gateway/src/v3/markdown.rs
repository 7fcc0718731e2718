//! A conversation as Markdown, for reading.

use pomona_protocol::{FinishReason, Part, Role, SessionView, TurnState, TurnView};

use crate::v3::transfer::branch;

/// Title, system prompt, then question and answer of each turn of the active branch.
pub(crate) fn markdown(view: &SessionView) -> String {
    let title = if view.title.is_empty() { "Session" } else { &view.title };
    let mut out = format!("# {}\n", escaped(title));
    if let Some(system) = &view.settings.system {
        section(&mut out, "system", system);
    }
    for turn in branch(view) {
        for message in &turn.input {
            let text: String = message.parts.iter().map(|Part::Text(text)| text.as_str()).collect();
            section(&mut out, message.role.as_str(), &text);
        }
        answer(&mut out, turn);
    }
    out
}

fn answer(out: &mut String, turn: &TurnView) {
    section(out, Role::Assistant.as_str(), &turn.answer);
    let note = match &turn.state {
        TurnState::Finished(FinishReason::Length) => "*(cut off at its longest length)*".to_owned(),
        TurnState::Finished(FinishReason::Cancelled) => "*(cancelled)*".to_owned(),
        TurnState::Failed(cause) => format!("*(failed: {})*", cause.code()),
        TurnState::Finished(FinishReason::Stop) | TurnState::Queued | TurnState::Running => return,
    };
    out.push('\n');
    out.push_str(&note);
    out.push('\n');
}

/// Who speaks, and what. A block of code that was left open is closed, since it would take in what follows.
fn section(out: &mut String, role: &str, text: &str) {
    let text = text.trim_matches('\n').trim_end();
    out.push_str("\n**");
    out.push_str(role);
    out.push_str("**\n");
    if text.is_empty() {
        return;
    }
    out.push('\n');
    out.push_str(text);
    out.push('\n');
    if let Some(fence) = open_fence(text) {
        out.push_str(&fence);
        out.push('\n');
    }
}

/// The fence that would close the block of code in which `text` ends.
fn open_fence(text: &str) -> Option<String> {
    let mut open: Option<(char, usize)> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let line = line.trim_start_matches(' ');
        let Some(mark) = line.chars().next().filter(|mark| matches!(mark, '`' | '~')) else { continue };
        let length = line.chars().take_while(|letter| *letter == mark).count();
        let rest = &line[length..];
        if indent > 3 || length < 3 {
            continue;
        }
        match open {
            None if mark == '~' || !rest.contains('`') => open = Some((mark, length)),
            Some((opened, least)) if mark == opened && length >= least && rest.trim().is_empty() => {
                open = None;
            }
            _ => {}
        }
    }
    open.map(|(mark, length)| std::iter::repeat_n(mark, length).collect())
}

/// A title in which nothing is markup.
fn escaped(title: &str) -> String {
    let mut out = String::with_capacity(title.len());
    for letter in title.chars() {
        if matches!(letter, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}
