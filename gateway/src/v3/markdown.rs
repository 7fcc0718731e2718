//! A conversation as Markdown, for reading.

use pomona_protocol::said::parts_of;
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
            section(&mut out, message.role.as_str(), &told(&message.parts));
        }
        answer(&mut out, turn);
    }
    out
}

fn answer(out: &mut String, turn: &TurnView) {
    let parts = parts_of(turn.turn, &turn.answer, &turn.marks);
    section(out, Role::Assistant.as_str(), &told(&parts));
    let note = match &turn.state {
        TurnState::Finished(FinishReason::Length) => "*(cut off at its longest length)*".to_owned(),
        TurnState::Finished(FinishReason::Cancelled) => "*(cancelled)*".to_owned(),
        TurnState::Failed(cause) => format!("*(failed: {})*", cause.code()),
        TurnState::Finished(FinishReason::Stop | FinishReason::ToolCalls)
        | TurnState::Queued
        | TurnState::Running => return,
    };
    out.push('\n');
    out.push_str(&note);
    out.push('\n');
}

/// What a message says: thoughts as a quotation, calls with their arguments as code, a word in place of a picture.
fn told(parts: &[Part]) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Reasoning(text) => {
                let quoted = text.trim().lines().map(|line| format!("> {line}\n"));
                paragraph(&mut out, &quoted.collect::<String>());
            }
            Part::Call(call) => {
                let name = escaped(&call.name);
                let code = fenced(&call.arguments);
                paragraph(&mut out, &format!("*calls {name}:*\n\n{code}"));
            }
            Part::Answers(_) => {}
            Part::Image(image) => {
                let media_type = escaped(&image.media_type);
                paragraph(&mut out, &format!("*(a picture, {media_type})*\n"));
            }
        }
    }
    out
}

fn paragraph(out: &mut String, text: &str) {
    if !out.is_empty() && !out.ends_with("\n\n") {
        out.push_str(if out.ends_with('\n') { "\n" } else { "\n\n" });
    }
    out.push_str(text);
    out.push('\n');
}

/// A block of code, whatever is in it.
fn fenced(code: &str) -> String {
    let longest = code.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}json\n{code}\n{fence}\n")
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

#[cfg(test)]
mod tests {
    use pomona_protocol::{Image, ToolCall};

    use super::*;

    #[test]
    fn thoughts_calls_and_pictures_are_told_apart() {
        let arguments = "{\"a\":\"```\"}".to_owned();
        let call = ToolCall { id: "c".to_owned(), name: "get_x".to_owned(), arguments };
        let image = Image { media_type: "image/png".to_owned(), base64: "AAAA".to_owned() };
        let parts = [
            Part::Reasoning("hm\nso".to_owned()),
            Part::Text("Let me.".to_owned()),
            Part::Call(call),
            Part::Image(image),
        ];
        let expected = "> hm\n> so\n\nLet me.\n\n*calls get\\_x:*\n\n````json\n{\"a\":\"```\"}\n````\n\n\
                        *(a picture, image/png)*\n\n";
        assert_eq!(told(&parts), expected);
    }
}
