//! What lies over the screen: the keys, the models, a new name, a question.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Widget};

use crate::tui::input::Editor;
use crate::tui::model::{Model, Popup};
use crate::tui::text::{clean_line, clip, fit, width};

/// The keys, for people.
const HELP: [(&str, &str); 24] = [
    ("Enter", "send"),
    ("Alt/Shift+Enter, ^J", "new line"),
    ("Esc, ^C", "cancel the running answer"),
    ("^C twice, ^Q", "quit"),
    ("^N", "new session"),
    ("^O", "choose the model"),
    ("^R", "another answer"),
    ("^E, Up when empty", "edit the last question"),
    ("^P, Up and Down", "what was typed before"),
    ("Alt+Up/Down", "select a turn"),
    ("Alt+Left/Right", "switch the branch"),
    ("PageUp/PageDown", "scroll"),
    ("^Home/^End", "first and last line"),
    ("Tab", "list of sessions and back"),
    ("/, ^F", "search in sessions"),
    ("F2", "machines of the cluster"),
    ("F3, r in the list", "rename"),
    ("F4, f in the list", "fork behind the selected turn"),
    ("F8, d in the list", "delete"),
    ("^Left/Right, Alt+B/F", "by words"),
    ("^W", "delete a word"),
    ("^U, ^K", "delete to start, to end"),
    ("^A, Home, End", "start and end of the line"),
    ("F1", "this"),
];
/// Columns of the keys in the list of them.
const KEYS_COLUMNS: usize = 22;

/// Draws what lies over the screen; says where the cursor stands.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) -> Option<Position> {
    match model.popup.as_ref()? {
        Popup::Help { top } => help(model, *top, buffer, area),
        Popup::Models { selected } => models(model, *selected, buffer, area),
        Popup::Rename { editor, .. } => return Some(rename(editor, buffer, area)),
        Popup::Delete { title, .. } => {
            let title = if title.trim().is_empty() { "untitled" } else { title };
            let inner = frame(buffer, area, " Delete ", 46, 2);
            let text = format!("Delete \"{}\" with all of its turns?", clean_line(title));
            super::line(buffer, inner, 0, &Line::raw(clip(&text, inner.width.into())));
            super::line(buffer, inner, 1, &Line::styled("y delete · n keep", model.theme.bold()));
        }
    }
    None
}

fn help(model: &Model, top: usize, buffer: &mut Buffer, area: Rect) {
    let inner = frame(buffer, area, " Keys ", 56, HELP.len() as u16);
    let top = top.min(HELP.len().saturating_sub(inner.height.into()));
    for (row, (keys, what)) in HELP.iter().skip(top).enumerate() {
        let columns = KEYS_COLUMNS.min(usize::from(inner.width) / 2);
        let text = format!("{} {what}", fit(keys, columns));
        super::line(buffer, inner, row, &Line::raw(clip(&text, inner.width.into())));
    }
    if top + usize::from(inner.height) < HELP.len() {
        let y = inner.bottom();
        buffer.set_stringn(inner.x, y, " ↓ more ", inner.width.into(), model.theme.dim());
    }
}

fn models(model: &Model, selected: usize, buffer: &mut Buffer, area: Rect) {
    let inner = frame(buffer, area, " Model ", 46, model.models.len().max(1) as u16);
    if model.models.is_empty() {
        super::line(buffer, inner, 0, &Line::styled("no model can be asked", model.theme.dim()));
    }
    let current = model.chat.as_ref().map(|chat| &chat.model).or(model.new_model.as_ref());
    let first = (selected + 1).saturating_sub(inner.height.into());
    for (row, info) in model.models.iter().skip(first).enumerate() {
        let mark = if Some(&info.id) == current { "✓" } else { " " };
        let text = fit(&format!("{mark} {}", clean_line(&info.id)), inner.width.into());
        let is_selected = first + row == selected;
        let style = if is_selected { model.theme.selected() } else { ratatui::style::Style::new() };
        super::line(buffer, inner, row, &Line::styled(text, style));
    }
}

fn rename(editor: &Editor, buffer: &mut Buffer, area: Rect) -> Position {
    let inner = frame(buffer, area, " New name ", 60, 1);
    let columns = usize::from(inner.width).saturating_sub(1);
    let text = editor.text().replace('\n', " ");
    let (column, _) = editor.rows(usize::from(u16::MAX)).cursor;
    // The end that is being typed is what has to be seen.
    let mut skipped = 0;
    let mut shown = text.as_str();
    while width(shown) > columns && skipped < column {
        let cut = shown.chars().next().map_or(0, char::len_utf8);
        skipped += width(&shown[..cut]);
        shown = &shown[cut..];
    }
    super::line(buffer, inner, 0, &Line::raw(shown));
    let x = inner.x + (column.saturating_sub(skipped)).min(columns) as u16;
    Position { x, y: inner.y }
}

/// An empty box in the middle; gives the room within.
fn frame(buffer: &mut Buffer, area: Rect, title: &str, columns: u16, rows: u16) -> Rect {
    let width = (columns + 2).min(area.width);
    let height = (rows + 2).min(area.height);
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 2;
    let outer = Rect { x, y, width, height };
    Clear.render(outer, buffer);
    let block = Block::bordered().title(title.to_owned());
    let inner = block.inner(outer);
    block.render(outer, buffer);
    inner
}
