//! The editor of what is being typed: several lines, a cursor between characters as people see them, and a history.
//! Pure; `update` turns keys into calls, `view::input` draws it.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use super::text::{self, width};

/// Bytes of a message; what a gateway takes by default is more.
pub(super) const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Messages that are remembered.
const HISTORY_MAX: usize = 1000;

/// Text with a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Editor {
    text: String,
    /// A byte between two graphemes of `text`.
    cursor: usize,
    history: Vec<String>,
    /// The entry that is shown, while the person looks through the history.
    browsing: Option<usize>,
    /// What was typed before they looked.
    draft: String,
}

/// The text as rows of a given width, and where the cursor stands in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rows {
    /// At least one.
    pub(super) rows: Vec<String>,
    /// Column and row.
    pub(super) cursor: (usize, usize),
}

impl Editor {
    /// An editor with text; the cursor stands behind it.
    pub(super) fn with(text: &str) -> Self {
        let mut editor = Self::default();
        editor.set(text);
        editor
    }

    /// What was typed.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether nothing was typed.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Puts other text in its place, the cursor behind it.
    pub(super) fn set(&mut self, text: &str) {
        self.text = text::clean(text);
        self.cursor = self.text.len();
        self.browsing = None;
    }

    /// Takes the text and remembers it.
    pub(super) fn take(&mut self) -> String {
        let taken = std::mem::take(&mut self.text);
        self.cursor = 0;
        self.browsing = None;
        self.remember(&taken);
        taken
    }

    /// Adds to the history what is not empty and not there as the last entry.
    pub(super) fn remember(&mut self, entry: &str) {
        if entry.trim().is_empty() || self.history.last().is_some_and(|last| last == entry) {
            return;
        }
        if self.history.len() == HISTORY_MAX {
            self.history.remove(0);
        }
        self.history.push(entry.to_owned());
    }

    /// Inserts text at the cursor, made harmless. Whether there was room; if not, nothing changes.
    pub(super) fn insert(&mut self, text: &str) -> bool {
        let text = text::clean(text);
        if self.text.len() + text.len() > BYTES_MAX {
            return false;
        }
        self.text.insert_str(self.cursor, &text);
        // What was inserted may have joined the character behind it.
        self.cursor = self.boundary_at_or_after(self.cursor + text.len());
        true
    }

    /// Removes the character before the cursor.
    pub(super) fn backspace(&mut self) {
        self.remove(self.before(self.cursor), self.cursor);
    }

    /// Removes the character behind the cursor.
    pub(super) fn delete(&mut self) {
        self.remove(self.cursor, self.after(self.cursor));
    }

    /// Removes up to the start of the word before the cursor.
    pub(super) fn delete_word(&mut self) {
        self.remove(self.word_before(), self.cursor);
    }

    /// Removes up to the start of the line.
    pub(super) fn delete_to_start(&mut self) {
        self.remove(self.line_start(self.cursor), self.cursor);
    }

    /// Removes up to the end of the line.
    pub(super) fn delete_to_end(&mut self) {
        self.remove(self.cursor, self.line_end(self.cursor));
    }

    /// One character to the left.
    pub(super) fn left(&mut self) {
        self.cursor = self.before(self.cursor);
    }

    /// One character to the right.
    pub(super) fn right(&mut self) {
        self.cursor = self.after(self.cursor);
    }

    /// To the start of the word.
    pub(super) fn word_left(&mut self) {
        self.cursor = self.word_before();
    }

    /// Behind the word.
    pub(super) fn word_right(&mut self) {
        let rest = &self.text[self.cursor..];
        let is_word = |(_, word): &(usize, &str)| word.chars().any(char::is_alphanumeric);
        let end = rest.split_word_bound_indices().find(is_word).map(|(start, word)| start + word.len());
        self.cursor = self.boundary_at_or_after(self.cursor + end.unwrap_or(rest.len()));
    }

    /// To the start of the line.
    pub(super) fn home(&mut self) {
        self.cursor = self.line_start(self.cursor);
    }

    /// To the end of the line.
    pub(super) fn end(&mut self) {
        self.cursor = self.line_end(self.cursor);
    }

    /// To the line above; whether there is one.
    pub(super) fn up(&mut self) -> bool {
        let start = self.line_start(self.cursor);
        if start == 0 {
            return false;
        }
        let column = width(&self.text[start..self.cursor]);
        self.cursor = self.at_column(self.line_start(start - 1), column);
        true
    }

    /// To the line below; whether there is one.
    pub(super) fn down(&mut self) -> bool {
        let end = self.line_end(self.cursor);
        if end == self.text.len() {
            return false;
        }
        let column = width(&self.text[self.line_start(self.cursor)..self.cursor]);
        self.cursor = self.at_column(end + 1, column);
        true
    }

    /// The entry before the one that is shown.
    pub(super) fn older(&mut self) {
        let index = self.browsing.unwrap_or(self.history.len());
        let Some(older) = index.checked_sub(1) else { return };
        if self.browsing.is_none() {
            self.draft.clone_from(&self.text);
        }
        self.show(older);
    }

    /// The entry behind the one that is shown; behind the last one comes what was being typed.
    pub(super) fn newer(&mut self) {
        let Some(index) = self.browsing else { return };
        if index + 1 < self.history.len() {
            self.show(index + 1);
        } else {
            let draft = std::mem::take(&mut self.draft);
            self.set(&draft);
        }
    }

    /// Whether the history is being looked through.
    pub(super) fn is_browsing(&self) -> bool {
        self.browsing.is_some()
    }

    /// The text in rows of `columns`.
    pub(super) fn rows(&self, columns: usize) -> Rows {
        let columns = columns.max(2);
        let mut rows = Vec::new();
        let mut cursor = (0, 0);
        let mut start = 0;
        for line in self.text.split('\n') {
            let end = start + line.len();
            let mut row_start = start;
            for row in text::wrap_anywhere(line, columns) {
                let row_end = row_start + row.len();
                if (row_start..=row_end).contains(&self.cursor) {
                    cursor = (width(&self.text[row_start..self.cursor]), rows.len());
                }
                row_start = row_end;
                rows.push(row);
            }
            // Behind a full row the cursor stands at the start of the next one.
            if self.cursor == end && cursor.0 >= columns {
                rows.push(String::new());
                cursor = (0, rows.len() - 1);
            }
            start = end + 1;
        }
        Rows { rows, cursor }
    }

    fn show(&mut self, index: usize) {
        let entry = self.history[index].clone();
        self.set(&entry);
        self.browsing = Some(index);
    }

    fn remove(&mut self, from: usize, to: usize) {
        if from < to {
            self.text.replace_range(from..to, "");
            self.cursor = self.boundary_at_or_after(from);
        }
    }

    fn before(&self, at: usize) -> usize {
        let found = GraphemeCursor::new(at, self.text.len(), true).prev_boundary(&self.text, 0);
        found.ok().flatten().unwrap_or(0)
    }

    fn after(&self, at: usize) -> usize {
        let found = GraphemeCursor::new(at, self.text.len(), true).next_boundary(&self.text, 0);
        found.ok().flatten().unwrap_or(self.text.len())
    }

    fn boundary_at_or_after(&self, at: usize) -> usize {
        let mut cursor = GraphemeCursor::new(at, self.text.len(), true);
        if cursor.is_boundary(&self.text, 0) == Ok(true) { at } else { self.after(at) }
    }

    fn word_before(&self) -> usize {
        let before = &self.text[..self.cursor];
        let is_word = |(_, word): &(usize, &str)| word.chars().any(char::is_alphanumeric);
        before.split_word_bound_indices().rfind(is_word).map_or(0, |(start, _)| start)
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |found| found + 1)
    }

    fn line_end(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |found| at + found)
    }

    /// The place in the line that starts at `start` that is nearest to a column.
    fn at_column(&self, start: usize, column: usize) -> usize {
        let line = &self.text[start..self.line_end(start)];
        let mut used = 0;
        for (index, grapheme) in line.grapheme_indices(true) {
            if used >= column {
                return start + index;
            }
            used += width(grapheme);
        }
        start + line.len()
    }
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
