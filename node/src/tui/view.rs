//! Draws a model into a buffer, without I/O and without changing it. What costs time is kept in a [`Cache`].

mod bars;
mod chat;
mod fleet;
mod input;
mod popup;
mod sessions;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use super::model::{Focus, Model};

pub(super) use chat::Cache;

/// Below this there is no room for anything.
const COLUMNS_MIN: u16 = 20;
const ROWS_MIN: u16 = 6;
/// Columns from which on the machines stand beside the chat.
const FLEET_BESIDE_COLUMNS: u16 = 110;
/// Columns of the machines beside the chat.
const FLEET_COLUMNS: u16 = 38;

/// What was drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Drawn {
    /// Where the cursor stands; `None` hides it.
    pub(super) cursor: Option<Position>,
    /// Lines of the chat, rows for them, and the first one that is shown.
    pub(super) lines: usize,
    pub(super) rows: usize,
    pub(super) shown: usize,
}

/// Draws everything.
pub(super) fn draw(model: &Model, cache: &mut Cache, buffer: &mut Buffer) -> Drawn {
    let area = *buffer.area();
    if area.width < COLUMNS_MIN || area.height < ROWS_MIN {
        line(buffer, area, 0, &Line::raw("too small"));
        return Drawn::default();
    }
    let input = input::rows(model, area);
    let input_rows = input.rows.len() as u16;
    bars::top(model, buffer, Rect { height: 1, ..area });
    let main = Rect { y: area.y + 1, height: area.height - 3 - input_rows, ..area };
    let mut drawn = main_part(model, cache, buffer, main);
    bars::separator(model, buffer, Rect { y: main.bottom(), height: 1, ..area });
    let below = Rect { y: main.bottom() + 1, height: input_rows, ..area };
    let mut cursor = input::draw(model, &input, buffer, below);
    bars::bottom(model, buffer, Rect { y: area.bottom() - 1, height: 1, ..area });
    if model.focus == Focus::Sessions {
        cursor = drawn.cursor;
    }
    drawn.cursor = if model.popup.is_some() { popup::draw(model, buffer, area) } else { cursor };
    drawn
}

/// The list, the chat and the machines, as far as they have room.
fn main_part(model: &Model, cache: &mut Cache, buffer: &mut Buffer, area: Rect) -> Drawn {
    let mut middle = area;
    let mut cursor = None;
    if model.is_wide() {
        let columns = (area.width / 4).clamp(22, 36);
        cursor = sessions::draw(model, buffer, Rect { width: columns, ..area });
        rule(model, buffer, area, area.x + columns);
        middle = Rect { x: area.x + columns + 2, width: area.width - columns - 2, ..area };
    } else if model.focus == Focus::Sessions {
        let cursor = sessions::draw(model, buffer, area);
        return Drawn { cursor, ..Drawn::default() };
    }
    if model.fleet.is_some() {
        if area.width < FLEET_BESIDE_COLUMNS {
            fleet::draw(model, buffer, middle);
            return Drawn { cursor, ..Drawn::default() };
        }
        let x = middle.right() - FLEET_COLUMNS;
        rule(model, buffer, area, x - 1);
        fleet::draw(model, buffer, Rect { x: x + 1, width: FLEET_COLUMNS - 1, ..middle });
        middle.width -= FLEET_COLUMNS + 2;
    }
    Drawn { cursor, ..chat::draw(model, cache, buffer, middle) }
}

/// A rule from top to bottom.
fn rule(model: &Model, buffer: &mut Buffer, area: Rect, x: u16) {
    for y in area.top()..area.bottom() {
        buffer.set_string(x, y, "│", model.theme.dim());
    }
}

/// One line of an area, if it has that row.
fn line(buffer: &mut Buffer, area: Rect, row: usize, line: &Line<'_>) {
    if row < usize::from(area.height) {
        buffer.set_line(area.x, area.y + row as u16, line, area.width);
    }
}

/// How long ago, in two or three letters.
fn age(now_ms: u64, then_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(then_ms) / 1000;
    match seconds {
        0..60 => "now".to_owned(),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
