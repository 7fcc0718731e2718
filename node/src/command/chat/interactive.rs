//! A conversation at a terminal: does slash commands, shows answers as they come. [`super::prompt`] reads.

use std::process::ExitCode;

use pomona_client::Client;
use tokio::runtime::Runtime;

use super::conversation::Conversation;
use super::history::HistoryFile;
use super::prompt::Prompt;
use super::slash::{self, Slash};
use super::turn::{self, Ending};
use crate::cli::Global;
use crate::command::do_task::shower;
use crate::exit::Exit;
use crate::output::{self, DIM, harmless};
use crate::paths::Paths;

/// A conversation and whom it is with.
struct Talk<'a> {
    runtime: &'a Runtime,
    client: &'a Client,
    conversation: Conversation,
}

/// Talks until the person leaves.
pub(super) fn run(
    runtime: &Runtime,
    client: &Client,
    conversation: Conversation,
    global: &Global,
) -> anyhow::Result<ExitCode> {
    let history = Paths::discover(global.home.as_deref()).ok().map(|paths| HistoryFile::of(&paths.data_dir));
    let mut prompt = Prompt::new(history)?;
    let mut talk = Talk { runtime, client, conversation };
    talk.greet()?;
    while let Some(line) = prompt.read()? {
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
    fn greet(&self) -> anyhow::Result<()> {
        let url = self.client.url().as_str().trim_end_matches('/');
        let model = harmless(&self.conversation.model);
        output::line(&format!("{DIM}{model} at {url} · /help lists commands, Ctrl-D leaves{DIM:#}"))
    }

    fn obey(&mut self, command: Slash) -> anyhow::Result<()> {
        match command {
            Slash::Help => output::line(slash::HELP)?,
            Slash::System(text) => self.conversation.system = text,
            Slash::Reset => self.conversation.reset(),
            Slash::Model(Some(name)) => self.conversation.model = name,
            Slash::Model(None) => {
                super::list_models(self.runtime, self.client, &self.conversation.model)?;
            }
            Slash::Seed(seed) => self.conversation.seed = seed,
            Slash::Quit => {}
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
        let show = shower(false, self.conversation.shows_thoughts);
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
