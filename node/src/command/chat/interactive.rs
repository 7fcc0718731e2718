//! A conversation at a terminal: reads lines, does slash commands, shows answers as they come.

use std::process::ExitCode;

use anyhow::Context;
use pomona_client::Client;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Editor};
use tokio::runtime::Runtime;

use super::conversation::Conversation;
use super::history::HistoryFile;
use super::slash::{self, Slash};
use super::turn::{self, Ending};
use crate::cli::Global;
use crate::exit::Exit;
use crate::output::{self, DIM, harmless};
use crate::paths::Paths;

const PROMPT: &str = "> ";
const PROMPT_MORE: &str = "… ";

/// What a person did at the prompt.
enum Input {
    Line(String),
    Leave,
}

/// The terminal and what it remembers.
struct Talk<'a> {
    runtime: &'a Runtime,
    client: &'a Client,
    conversation: Conversation,
    editor: Editor<(), MemHistory>,
    history: Option<HistoryFile>,
}

/// Talks until the person leaves.
pub(super) fn run(
    runtime: &Runtime,
    client: &Client,
    conversation: Conversation,
    global: &Global,
) -> anyhow::Result<ExitCode> {
    let config = Config::builder().build();
    let editor = Editor::with_history(config, MemHistory::new()).context("cannot use this terminal")?;
    let history = Paths::discover(global.home.as_deref()).ok().map(|paths| HistoryFile::of(&paths.data_dir));
    let mut talk = Talk { runtime, client, conversation, editor, history };
    talk.greet()?;
    while let Input::Line(line) = talk.read()? {
        talk.remember(&line);
        match slash::parse(&line) {
            Some(Ok(Slash::Quit)) => break,
            Some(Ok(command)) => talk.obey(command)?,
            Some(Err(message)) => output::error(&message),
            None if line.trim().is_empty() => {}
            None => talk.answer(line)?,
        }
    }
    Ok(Exit::Ok.into())
}

impl Talk<'_> {
    fn greet(&mut self) -> anyhow::Result<()> {
        for entry in self.history.iter().flat_map(HistoryFile::read) {
            self.editor.add_history_entry(entry).context("cannot keep the history")?;
        }
        let url = self.client.url().as_str().trim_end_matches('/');
        let model = harmless(&self.conversation.model);
        output::line(&format!("{DIM}{model} at {url} · /help lists commands, Ctrl-D leaves{DIM:#}"))
    }

    /// The next message: a line, and those after it as long as one ends with a backslash. Ctrl-C throws away what
    /// was typed, and leaves when that was nothing.
    fn read(&mut self) -> anyhow::Result<Input> {
        let mut message = String::new();
        loop {
            let prompt = if message.is_empty() { PROMPT } else { PROMPT_MORE };
            match self.editor.readline(prompt) {
                Ok(line) => match line.strip_suffix('\\') {
                    Some(begun) => {
                        message.push_str(begun);
                        message.push('\n');
                    }
                    None => return Ok(Input::Line(message + &line)),
                },
                Err(ReadlineError::Interrupted) if !message.is_empty() => message.clear(),
                Err(ReadlineError::Interrupted | ReadlineError::Eof) => return Ok(Input::Leave),
                Err(error) => return Err(error).context("cannot read from the terminal"),
            }
        }
    }

    fn remember(&mut self, line: &str) {
        let is_new = !line.trim().is_empty() && self.editor.add_history_entry(line).unwrap_or(false);
        if let Some(Err(error)) = self.history.as_ref().filter(|_| is_new).map(|history| history.append(line))
        {
            tracing::debug!("the history was not kept: {error:#}");
        }
    }

    fn obey(&mut self, command: Slash) -> anyhow::Result<()> {
        match command {
            Slash::Help => output::line(slash::HELP)?,
            Slash::System(text) => self.conversation.system = text,
            Slash::Reset => self.conversation.reset(),
            Slash::Model(Some(name)) => self.conversation.model = name,
            Slash::Model(None) => self.list_models()?,
            Slash::Seed(seed) => self.conversation.seed = seed,
            Slash::Quit => {}
        }
        Ok(())
    }

    fn list_models(&self) -> anyhow::Result<()> {
        match self.runtime.block_on(self.client.models()) {
            Err(error) => output::error(&error.to_string()),
            Ok(models) => {
                for model in models {
                    let mark = if model.id == self.conversation.model { "*" } else { " " };
                    output::line(&format!("{mark} {}", harmless(&model.id)))?;
                }
            }
        }
        Ok(())
    }

    /// Asks and shows. Whatever goes wrong, the conversation goes on.
    fn answer(&mut self, prompt: String) -> anyhow::Result<()> {
        self.conversation.ask(prompt);
        let request = self.conversation.request();
        let interrupt = async {
            let _ = tokio::signal::ctrl_c().await;
        };
        let show = |text: &str| output::fragment(&harmless(text));
        let answer = self.runtime.block_on(turn::ask(self.client, &request, interrupt, show))?;
        if !answer.text.is_empty() && !answer.text.ends_with('\n') {
            output::line("")?;
        }
        if let Ending::Failed(error) = &answer.ending {
            output::error(&error.to_string());
        }
        output::line(&format!("{DIM}{}{DIM:#}", answer.stats()))?;
        self.conversation.answered(answer.text);
        Ok(())
    }
}
