//! The list of sessions: title, age, model, and a mark for those in which something runs.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use pomona_protocol::v3::SummaryBody;

use super::age;
use crate::tui::model::{Focus, Model};
use crate::tui::text::{clean_line, fit, width};

/// Rows from which on each session has a second line.
const ROOMY_ROWS: u16 = 14;

/// Draws the list; the cursor stands in the words of a search.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) -> Option<Position> {
    let mut list = area;
    let mut cursor = None;
    if let Some(search) = &model.sessions.search {
        let text = format!("/{}", search.text());
        super::line(buffer, area, 0, &Line::styled(fit(&text, area.width.into()), model.theme.bold()));
        let (column, _) = search.rows(usize::from(u16::MAX)).cursor;
        let x = area.x + (column as u16 + 1).min(area.width - 1);
        cursor = (model.focus == Focus::Sessions).then_some(Position { x, y: area.y });
        list = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    }
    let visible = model.sessions.visible();
    if visible.is_empty() {
        let text = if model.sessions.words().is_some() { " nothing found" } else { " no sessions yet" };
        super::line(buffer, list, 0, &Line::styled(text, model.theme.dim()));
        return cursor;
    }
    let per_session = if list.height >= ROOMY_ROWS { 2 } else { 1 };
    let fits = (usize::from(list.height) / per_session).max(1);
    let place = model.sessions.place();
    let first = (place + 1)
        .saturating_sub(fits)
        .max(place.saturating_sub(fits / 2))
        .min(visible.len().saturating_sub(fits));
    for (row, session) in visible.iter().skip(first).take(fits).enumerate() {
        entry(model, session, buffer, list, row * per_session, per_session);
    }
    cursor
}

fn entry(model: &Model, session: &SummaryBody, buffer: &mut Buffer, area: Rect, row: usize, rows: usize) {
    let columns = usize::from(area.width);
    let theme = model.theme;
    let is_open = model.chat.as_ref().is_some_and(|chat| chat.id == session.id);
    let is_selected = model.sessions.selected.as_deref() == Some(&session.id);
    let mark = match (session.open_turns > 0, is_open) {
        (true, _) => Span::styled("● ", theme.good()),
        (false, true) => Span::raw("▸ "),
        (false, false) => Span::raw("  "),
    };
    let age = age(model.now_ms, session.updated_at);
    let title =
        if session.title.trim().is_empty() { "untitled".to_owned() } else { clean_line(&session.title) };
    let title = fit(&title, columns.saturating_sub(4 + width(&age)));
    let style = if is_open { theme.bold() } else { Style::new() };
    let head =
        Line::from(vec![mark, Span::styled(title, style), Span::styled(format!(" {age} "), theme.dim())]);
    super::line(buffer, area, row, &head);
    if rows > 1 {
        let below = format!("  {}", clean_line(&session.model));
        super::line(buffer, area, row + 1, &Line::styled(fit(&below, columns), theme.dim()));
    }
    if is_selected && model.focus == Focus::Sessions {
        let y = area.y + row as u16;
        let height = (rows as u16).min(area.bottom().saturating_sub(y));
        buffer.set_style(Rect { y, height, ..area }, theme.selected());
    }
}
