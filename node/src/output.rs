//! Everything that the commands say: results to stdout, remarks to stderr, colour only where a terminal reads.
//!
//! A reader that left is [`Closed`]; `main` ends quietly on it.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

/// For what may be overlooked.
pub(crate) const DIM: Style = Style::new().dimmed();
/// For heads of tables.
pub(crate) const BOLD: Style = Style::new().bold();
/// For what is wrong.
pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
/// For what is as it should be.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// For what may become wrong.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();

/// Whoever read stdout is gone.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output")]
pub(crate) struct Closed;

/// Prints a line to stdout.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    fragment(&format!("{text}\n"))
}

/// Prints a piece of text to stdout, at once.
pub(crate) fn fragment(text: &str) -> anyhow::Result<()> {
    write(anstream::stdout(), text)
}

/// Prints a piece of text to stdout exactly as it is, for answers that are piped on.
pub(crate) fn raw(text: &str) -> anyhow::Result<()> {
    write(io::stdout(), text)
}

fn write(mut stdout: impl Write, text: &str) -> anyhow::Result<()> {
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Closed.into(),
        _ => anyhow::Error::from(error).context("cannot write to stdout"),
    })
}

/// Text for stdout by another way than [`fragment`]: without colours where nobody wants them.
pub(crate) fn colored(text: &str) -> String {
    match anstream::AutoStream::choice(&io::stdout()) {
        anstream::ColorChoice::Never => anstream::adapter::strip_str(text).to_string(),
        _ => text.to_owned(),
    }
}

/// Prints a value as JSON, indented, to stdout.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Remarks something on stderr; nobody reading it is no error.
pub(crate) fn remark(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Asks on stderr, without ending the line.
pub(crate) fn prompt(text: &str) {
    let mut stderr = anstream::stderr();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

/// Says on stderr what went wrong. The text may quote a gateway of somebody else, so it is made harmless.
pub(crate) fn error(text: &str) {
    remark(&format!("{RED}error:{RED:#} {}", harmless(text)));
}

/// Whether a person sees stdout.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Text of others without what could move the cursor, change colours or write to the clipboard of a terminal:
/// control characters other than line feed and tab, and marks that reverse the direction of writing.
pub(crate) fn harmless(text: &str) -> String {
    let harmful = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(|c| !harmful(*c)).collect()
}

/// A cell of a table.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) style: Style,
}

impl Cell {
    /// A cell in a style of its own.
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::styled(text, Style::new())
    }
}

/// Columns of equal width, two spaces apart, with a bold head. Cells are made harmless.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<Cell>> = rows.iter().map(|row| row.iter().cloned().map(Cell::from).collect()).collect();
    styled_table(head, &rows)
}

/// [`table`] with styles.
pub(crate) fn styled_table(head: &[&str], rows: &[Vec<Cell>]) -> String {
    let plain = |cell: &Cell| Cell::styled(harmless(&cell.text).replace(['\n', '\t'], " "), cell.style);
    let rows: Vec<Vec<Cell>> = rows.iter().map(|row| row.iter().map(plain).collect()).collect();
    let width = |column: usize, name: &str| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count());
        cells.chain([name.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = head.iter().enumerate().map(|(column, name)| width(column, name)).collect();
    let bold: Vec<Cell> = head.iter().map(|name| Cell::styled(*name, BOLD)).collect();
    let lines: Vec<String> = [&bold].into_iter().chain(&rows).map(|cells| joined(cells, &widths)).collect();
    lines.join("\n")
}

/// One line of a table; nothing stands behind its last cell that is not empty.
fn joined(cells: &[Cell], widths: &[usize]) -> String {
    let last = cells.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |last| last + 1);
    let mut line = String::new();
    for (column, (Cell { text, style }, width)) in cells.iter().zip(widths).take(last).enumerate() {
        line.push_str(&format!("{style}{text}{style:#}"));
        if column + 1 < last {
            line.push_str(&" ".repeat(width - text.chars().count() + 2));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_cannot_command_the_terminal() {
        assert_eq!(harmless("a\x1b]52;c;aGk=\x07b\r\n\tc\u{9b}2J\u{202e}"), "a]52;c;aGk=b\n\tc2J");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![vec!["sprout".to_owned(), "1".to_owned()], vec!["ä\nb".to_owned(), "22".to_owned()]];
        let text = table(&["MODEL", "N"], &rows);
        assert_eq!(anstream::adapter::strip_str(&text).to_string(), "MODEL   N\nsprout  1\nä b     22");
    }

    #[test]
    fn styles_take_no_room_and_no_space_ends_a_line() {
        let row = |text: &str, style| vec![Cell::styled(text, style), Cell::from(String::new())];
        let text = styled_table(&["A", "B"], &[row("good", GOOD), row("bad", RED)]);
        assert!(text.contains(&format!("{GOOD}good{GOOD:#}\n")), "{text:?}");
        assert_eq!(anstream::adapter::strip_str(&text).to_string(), "A     B\ngood\nbad");
    }
}
