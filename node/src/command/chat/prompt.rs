//! The prompt: reads messages from a terminal, with editing, history and lines that go on.

use std::cell::Cell;

use anyhow::Context;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Editor, Helper};

use super::history::HistoryFile;
use super::overhear::Printer;

const PROMPT: &str = "> ";
const PROMPT_MORE: &str = "… ";

/// The line editor and what was typed before.
pub(super) struct Prompt {
    editor: Editor<Watch, MemHistory>,
    file: Option<HistoryFile>,
}

impl Prompt {
    /// A prompt that remembers in `file`, or only as long as it lives.
    pub(super) fn new(file: Option<HistoryFile>) -> anyhow::Result<Self> {
        let what = "cannot use this terminal";
        let mut editor = Editor::with_history(Config::default(), MemHistory::new()).context(what)?;
        editor.set_helper(Some(Watch::default()));
        for entry in file.iter().flat_map(HistoryFile::read) {
            editor.add_history_entry(entry).context("cannot keep the history")?;
        }
        Ok(Self { editor, file })
    }

    /// What prints above the prompt while somebody types; `None` for a terminal that cannot.
    pub(super) fn printer(&mut self) -> Option<Printer> {
        let printer = self.editor.create_external_printer().ok()?;
        Some(Box::new(printer))
    }

    /// The next message: a line, and those after it as long as one ends with a backslash. `None` when the person
    /// leaves: by Ctrl-D, or by Ctrl-C when there is nothing typed that it could throw away.
    pub(super) fn read(&mut self) -> anyhow::Result<Option<String>> {
        let mut message = String::new();
        loop {
            if let Some(watch) = self.editor.helper() {
                watch.typed.set(false);
            }
            match self.editor.readline(if message.is_empty() { PROMPT } else { PROMPT_MORE }) {
                Ok(line) => match line.strip_suffix('\\') {
                    Some(begun) => {
                        message.push_str(begun);
                        message.push('\n');
                    }
                    None => {
                        message.push_str(&line);
                        self.remember(&message);
                        return Ok(Some(message));
                    }
                },
                Err(ReadlineError::Interrupted) if self.has_typed(&message) => message.clear(),
                Err(ReadlineError::Interrupted | ReadlineError::Eof) => return Ok(None),
                Err(error) => return Err(error).context("cannot read from the terminal"),
            }
        }
    }

    fn has_typed(&self, message: &str) -> bool {
        !message.is_empty() || self.editor.helper().is_some_and(|watch| watch.typed.get())
    }

    fn remember(&mut self, message: &str) {
        let is_new = !message.trim().is_empty() && self.editor.add_history_entry(message).unwrap_or(false);
        if let Some(Err(error)) = self.file.as_ref().filter(|_| is_new).map(|file| file.append(message)) {
            tracing::debug!("the history was not kept: {error:#}");
        }
    }
}

/// Sees the line change: the editor does not say what stood on it when Ctrl-C ends it.
#[derive(Default)]
struct Watch {
    typed: Cell<bool>,
}

impl Hinter for Watch {
    type Hint = String;

    fn hint(&self, line: &str, _position: usize, _context: &rustyline::Context<'_>) -> Option<String> {
        self.typed.set(!line.is_empty());
        None
    }
}

impl Completer for Watch {
    type Candidate = String;
}

impl Highlighter for Watch {}
impl Validator for Watch {}
impl Helper for Watch {}
