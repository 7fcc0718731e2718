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
const RED: Style = AnsiColor::Red.on_default().bold();

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

/// Prints a value as JSON, indented, to stdout.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Remarks something on stderr; nobody reading it is no error.
pub(crate) fn remark(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
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

/// Columns of equal width, two spaces apart, with a bold head. Cells are made harmless.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let cell = |text: &str| harmless(text).replace(['\n', '\t'], " ");
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|text| cell(text)).collect()).collect();
    let width = |column: usize, name: &str| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count());
        cells.chain([name.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = head.iter().enumerate().map(|(column, name)| width(column, name)).collect();
    let joined = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(text, width)| format!("{text:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut text = format!("{BOLD}{}{BOLD:#}", joined(head.to_vec()));
    for row in &rows {
        text.push('\n');
        text.push_str(&joined(row.iter().map(String::as_str).collect()));
    }
    text
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
        let plain =
            text.replace(&BOLD.render().to_string(), "").replace(&BOLD.render_reset().to_string(), "");
        assert_eq!(plain, "MODEL   N\nsprout  1\nä b     22");
    }
}
