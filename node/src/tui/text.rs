//! Text in columns: what may be shown, how wide it is, and where it breaks. Pure; `markdown` and the views call it.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::output::harmless;

/// Columns of a tab.
const TAB: &str = "    ";
/// What stands for text that has no room.
const ELLIPSIS: &str = "…";

/// Text of others as it may be shown: nothing that commands a terminal, and spaces for tabs.
pub(super) fn clean(text: &str) -> String {
    harmless(&text.replace("\r\n", "\n").replace('\r', "\n")).replace('\t', TAB)
}

/// One line of it.
pub(super) fn clean_line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Columns that the text takes.
pub(super) fn width(text: &str) -> usize {
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// The text in at most `columns`, with an ellipsis where something is missing.
pub(super) fn clip(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    if columns == 0 {
        return String::new();
    }
    let mut clipped = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        used += grapheme.width();
        if used + 1 > columns {
            break;
        }
        clipped.push_str(grapheme);
    }
    clipped + ELLIPSIS
}

/// The text, filled with spaces or clipped to exactly `columns`.
pub(super) fn fit(text: &str, columns: usize) -> String {
    let clipped = clip(text, columns);
    let missing = columns.saturating_sub(width(&clipped));
    clipped + &" ".repeat(missing)
}

/// Breaks styled text into lines of at most `columns`, between words where that is possible. The first line starts
/// with `first`, the others with `rest`. There is always one line.
pub(super) fn wrap(
    spans: &[Span<'_>],
    columns: usize,
    first: &[Span<'static>],
    rest: &[Span<'static>],
) -> Vec<Line<'static>> {
    let mut wrapper = Wrapper::new(columns, first, rest);
    for span in spans {
        for (index, part) in span.content.split('\n').enumerate() {
            if index > 0 {
                wrapper.end_line();
            }
            for piece in part.split_word_bounds() {
                wrapper.push(piece, span.style);
            }
        }
    }
    wrapper.end()
}

/// Breaks text anywhere, as code wants it.
pub(super) fn wrap_anywhere(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let wide = grapheme.width();
        if used + wide > columns && used > 0 {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        line.push_str(grapheme);
        used += wide;
    }
    lines.push(line);
    lines
}

/// The line that is being filled.
struct Wrapper<'a> {
    columns: usize,
    rest: &'a [Span<'static>],
    lines: Vec<Line<'static>>,
    line: Vec<Span<'static>>,
    used: usize,
    /// Columns of the prefix of this line.
    prefix: usize,
    /// Pieces since the last space; they stay together.
    word: Vec<(String, Style)>,
    word_width: usize,
}

impl<'a> Wrapper<'a> {
    fn new(columns: usize, first: &[Span<'static>], rest: &'a [Span<'static>]) -> Self {
        let prefix = first.iter().map(|span| width(&span.content)).sum();
        Self {
            columns,
            rest,
            lines: Vec::new(),
            line: first.to_vec(),
            used: prefix,
            prefix,
            word: Vec::new(),
            word_width: 0,
        }
    }

    fn push(&mut self, piece: &str, style: Style) {
        if piece.chars().all(|c| c == ' ') {
            self.place_word();
            let wide = width(piece);
            // A space at the place where a line breaks is the break.
            if self.used + wide <= self.columns {
                self.put(piece, style);
            } else {
                self.used = self.columns;
            }
            return;
        }
        self.word.push((piece.to_owned(), style));
        self.word_width += width(piece);
    }

    fn place_word(&mut self) {
        let word = std::mem::take(&mut self.word);
        let word_width = std::mem::take(&mut self.word_width);
        if word.is_empty() {
            return;
        }
        if self.used + word_width > self.columns && self.used > self.prefix {
            self.break_line();
        }
        for (piece, style) in word {
            for grapheme in piece.graphemes(true) {
                if self.used + grapheme.width() > self.columns && self.used > self.prefix {
                    self.break_line();
                }
                self.put(grapheme, style);
            }
        }
    }

    fn put(&mut self, text: &str, style: Style) {
        self.used += width(text);
        match self.line.last_mut() {
            Some(last) if last.style == style => last.content.to_mut().push_str(text),
            _ => self.line.push(Span::styled(text.to_owned(), style)),
        }
    }

    fn break_line(&mut self) {
        self.lines.push(Line::from(std::mem::replace(&mut self.line, self.rest.to_vec())));
        self.prefix = self.rest.iter().map(|span| width(&span.content)).sum();
        self.used = self.prefix;
    }

    fn end_line(&mut self) {
        self.place_word();
        self.break_line();
    }

    fn end(mut self) -> Vec<Line<'static>> {
        self.place_word();
        self.lines.push(Line::from(self.line));
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &str, columns: usize) -> Vec<String> {
        let wrapped = wrap(&[Span::raw(text.to_owned())], columns, &["> ".into()], &["  ".into()]);
        wrapped.iter().map(|line| line.to_string().trim_end().to_owned()).collect()
    }

    #[test]
    fn lines_break_between_words_and_long_words_anywhere() {
        assert_eq!(lines("one two three", 9), ["> one two", "  three"]);
        assert_eq!(lines("abcdefghij kl", 6), ["> abcd", "  efgh", "  ij", "  kl"]);
        assert_eq!(lines("one\ntwo", 9), ["> one", "  two"]);
        assert_eq!(lines("", 9), [">"]);
    }

    #[test]
    fn wide_characters_take_two_columns_and_are_never_cut() {
        assert_eq!(lines("日本語", 6), ["> 日本", "  語"]);
        assert_eq!(clip("日本語", 5), "日本…");
        assert_eq!(clip("日本語", 4), "日…");
        assert_eq!(fit("日", 4), "日  ");
        assert_eq!(width("👩‍👩‍👧"), 2);
    }

    #[test]
    fn what_commands_a_terminal_is_gone() {
        assert_eq!(clean("a\x1b[2J\r\n\tb\x07"), "a[2J\n    b");
        assert_eq!(clean_line(" a\n b "), "a b");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_asked_and_no_letter_is_lost(text in "[a-z日é👩‍👧 \n]{0,60}", columns in 5usize..30) {
            let wrapped = wrap(&[Span::raw(text.clone())], columns, &[], &[]);
            for line in &wrapped {
                prop_assert!(width(&line.to_string()) <= columns, "{:?}", line.to_string());
            }
            let shown: String = wrapped.iter().flat_map(|line| line.to_string().chars().collect::<Vec<_>>()).filter(|c| !c.is_whitespace()).collect();
            let given: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            prop_assert_eq!(shown, given);
        }
    }
}
