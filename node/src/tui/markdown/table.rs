//! Tables of Markdown: columns as wide as their widest cell, narrowed where the screen has no room.

use ratatui::text::Span;

use crate::tui::text::{clean_line, fit, width};
use crate::tui::theme::Theme;

/// Between two columns.
const BORDER: &str = " │ ";
/// A column is not narrowed below this.
const COLUMN_MIN: usize = 3;

/// Rows of cells; the first one is the head.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn start_row(&mut self) {
        self.rows.push(Vec::new());
    }

    /// One more cell of the last row.
    pub(super) fn push(&mut self, cell: &str) {
        if let Some(row) = self.rows.last_mut() {
            row.push(clean_line(cell));
        }
    }

    /// The lines of the table; cells without room end with an ellipsis.
    pub(super) fn lines(&self, room: usize, theme: Theme) -> Vec<Vec<Span<'static>>> {
        let widths = self.widths(room);
        let mut lines = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            let style = if index == 0 { theme.bold() } else { ratatui::style::Style::new() };
            let mut line = Vec::new();
            for (column, &columns) in widths.iter().enumerate() {
                if column > 0 {
                    line.push(Span::styled(BORDER, theme.dim()));
                }
                let cell = row.get(column).map_or("", String::as_str);
                line.push(Span::styled(fit(cell, columns), style));
            }
            lines.push(line);
            if index == 0 {
                let rules: Vec<String> = widths.iter().map(|&columns| "─".repeat(columns)).collect();
                lines.push(vec![Span::styled(rules.join("─┼─"), theme.dim())]);
            }
        }
        lines
    }

    /// The widest columns give way first.
    fn widths(&self, room: usize) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row: &Vec<String>| row.get(column))
                .map(|cell| width(cell))
                .max()
                .unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..columns).map(widest).collect();
        let borders = columns.saturating_sub(1) * width(BORDER);
        while widths.iter().sum::<usize>() + borders > room {
            match widths.iter_mut().max() {
                Some(widest) if *widest > COLUMN_MIN => *widest -= 1,
                _ => break,
            }
        }
        widths
    }
}
