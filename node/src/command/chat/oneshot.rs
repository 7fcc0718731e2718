//! One prompt, one answer: only the answer goes to stdout, so that it can be piped on.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use pomona_client::Client;
use tokio::runtime::Runtime;

use super::conversation::Conversation;
use super::turn::{self, Ending};
use crate::command::do_task::shower;
use crate::exit::Exit;
use crate::output::{self, DIM};

/// Asks and prints the answer as it comes, or one JSON object when it is complete.
pub(super) fn run(
    runtime: &Runtime,
    client: &Client,
    mut conversation: Conversation,
    prompt: String,
    json: bool,
) -> anyhow::Result<ExitCode> {
    conversation.ask(prompt);
    let show = shower(json, conversation.shows_thoughts);
    let interrupt = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    let answer = runtime.block_on(turn::ask(client, &conversation.request(), interrupt, show))?;
    if !json && !answer.text.is_empty() && !answer.text.ends_with('\n') {
        output::line("")?;
    }
    let stats = || {
        if !json && io::stderr().is_terminal() {
            output::remark(&format!("{DIM}{}{DIM:#}", answer.stats()));
        }
    };
    match &answer.ending {
        Ending::Finished(_) => {
            if json {
                output::json(&answer.json())?;
            }
            stats();
            Ok(Exit::Ok.into())
        }
        Ending::Interrupted => Ok(Exit::Interrupted.into()),
        Ending::Failed(error) => Err(error.clone().into()),
    }
}
