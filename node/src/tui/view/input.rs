//! The line or lines that are being typed.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use crate::tui::input::Rows;
use crate::tui::model::{Focus, Model};

/// Stands before the first row; the others are indented as far.
const PROMPT: &str = "> ";
/// Rows at most, where the screen is high enough.
const ROWS_MAX: usize = 8;

/// The rows around the cursor that have room.
pub(super) fn rows(model: &Model, area: Rect) -> Rows {
    let all = model.input.rows(usize::from(area.width).saturating_sub(PROMPT.len() + 1));
    let fits = (usize::from(area.height) / 3).clamp(1, ROWS_MAX);
    let first = (all.cursor.1 + 1).saturating_sub(fits).min(all.rows.len().saturating_sub(fits));
    let rows = all.rows.into_iter().skip(first).take(fits).collect();
    Rows { rows, cursor: (all.cursor.0, all.cursor.1 - first) }
}

/// Draws them; says where the cursor stands.
pub(super) fn draw(model: &Model, rows: &Rows, buffer: &mut Buffer, area: Rect) -> Option<Position> {
    let has_focus = model.focus == Focus::Input;
    for (row, text) in rows.rows.iter().enumerate() {
        let prompt = if row == 0 { PROMPT } else { "  " };
        let style = if has_focus { model.theme.asker() } else { model.theme.dim() };
        let line = Line::from(vec![Span::styled(prompt, style), Span::raw(text.as_str())]);
        super::line(buffer, area, row, &line);
    }
    let x = area.x + PROMPT.len() as u16 + rows.cursor.0 as u16;
    has_focus.then(|| Position { x: x.min(area.right() - 1), y: area.y + rows.cursor.1 as u16 })
}
