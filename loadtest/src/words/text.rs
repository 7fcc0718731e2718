//! Lines of a terminal: signs, headings, lists with a limit, and nothing in them that a terminal would obey.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::number;
use super::verdict::{Mark, Statement};
use crate::markup::one_line;

/// Longest line; a summary has no longer one unless a name is hostile.
const LINE_CHARACTERS_MAX: usize = 480;
/// Longest line of a list.
const NAME_CHARACTERS_MAX: usize = 120;
/// Most lines of a list.
pub(super) const LINES_MAX: usize = 12;

/// Lines, with or without colours.
pub(super) struct Text {
    /// What was written.
    pub(super) text: String,
    /// Whether the terminal has them.
    pub(super) colours: bool,
}

impl Text {
    /// Nothing yet.
    pub(super) fn new(colours: bool) -> Self {
        Self { text: String::new(), colours }
    }

    /// An empty line, or the end of one.
    pub(super) fn end(&mut self) {
        self.text.push('\n');
    }

    /// One line, cleaned of what is no text.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(&one_line(line, LINE_CHARACTERS_MAX));
        self.end();
    }

    fn styled(&mut self, style: Style, text: &str) {
        let text = one_line(text, LINE_CHARACTERS_MAX);
        let _ = match self.colours {
            true => write!(self.text, "{style}{text}{style:#}"),
            false => write!(self.text, "{text}"),
        };
    }

    /// A line that heads others.
    pub(super) fn bold(&mut self, line: &str) {
        self.styled(Style::new().bold(), line);
        self.end();
    }

    /// An answer of the verdict with its sign and what it rests on.
    pub(super) fn statement(&mut self, statement: &Statement) {
        let (mark, colour) = match statement.mark {
            Mark::Good => ("✓", AnsiColor::Green),
            Mark::Bad => ("✗", AnsiColor::Red),
            Mark::Open => ("·", AnsiColor::Yellow),
        };
        let style = Style::new().bold().fg_color(Some(colour.into()));
        self.styled(style, &format!("{mark} {}", statement.headline));
        self.end();
        for reason in &statement.reasons {
            self.line(&format!("  {reason}"));
        }
    }

    /// A heading and at most [`LINES_MAX`] lines; nothing when there is nothing to list.
    pub(super) fn list(&mut self, head: &str, lines: impl ExactSizeIterator<Item = String>) {
        if lines.len() == 0 {
            return;
        }
        let more = lines.len().saturating_sub(LINES_MAX);
        self.end();
        self.bold(head);
        for line in lines.take(LINES_MAX) {
            self.line(&format!("  {}", one_line(&line, NAME_CHARACTERS_MAX)));
        }
        if more > 0 {
            self.line(&format!("  and {} more", number::count(more as u64)));
        }
    }
}
