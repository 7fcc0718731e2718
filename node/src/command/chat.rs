//! `pomona chat`: one answer for a prompt or a pipe, a conversation for a person at a terminal. With `--session` either
//! is part of a session that lasts.

mod conversation;
mod durable;
pub(super) mod history;
mod interactive;
mod oneshot;
mod overhear;
mod prompt;
mod screen;
mod slash;
mod turn;

use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use pomona_client::Client;
use tokio::runtime::{Builder, Runtime};

use crate::cli::{ChatArgs, Global};
use crate::exit::Exit;
use crate::output;
use conversation::Conversation;

/// Bytes of a prompt from a pipe: what a gateway accepts by default.
const PROMPT_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Asks once, or talks until the person leaves.
pub(super) fn run(args: ChatArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let prompt = match args.prompt.as_slice() {
        [_, ..] => Some(said(args.prompt.join(" "))?),
        [] if io::stdin().is_terminal() => None,
        [] => Some(said(read_stdin()?)?),
    };
    if prompt.is_none() && (!output::is_terminal() || global.json) {
        let message = "no prompt: give one as an argument or through a pipe; a conversation needs a terminal";
        return Err(Exit::Usage.because(anyhow!(message)));
    }
    let pictures = super::picture::read(&args.image)?;
    let client = super::connect(global)?;
    // A worker of its own, so that the connection is looked after while the person types.
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    if let Some(session) = args.session.clone() {
        return match prompt {
            Some(prompt) => runtime.block_on(Box::pin(durable::once(
                &client,
                &session,
                &args,
                &pictures,
                prompt,
                global.json,
            ))),
            None => durable::run(&runtime, &client, &session, &args, pictures, global),
        };
    }
    let model = match args.model.clone() {
        Some(model) => model,
        None => runtime.block_on(first_model(&client))?,
    };
    let conversation = Conversation::new(model, args, pictures);
    match prompt {
        Some(prompt) => oneshot::run(&runtime, &client, conversation, prompt, global.json),
        None => interactive::run(&runtime, &client, conversation, global),
    }
}

/// A prompt; an empty one is an error.
fn said(prompt: String) -> anyhow::Result<String> {
    if prompt.trim().is_empty() {
        return Err(Exit::Usage.because(anyhow!("the prompt is empty")));
    }
    Ok(prompt)
}

/// What a pipe brings, maybe nothing.
pub(super) fn read_stdin() -> anyhow::Result<String> {
    let mut text = String::new();
    let read =
        io::stdin().take(PROMPT_BYTES_MAX + 1).read_to_string(&mut text).context("cannot read the prompt")?;
    if read as u64 > PROMPT_BYTES_MAX {
        return Err(Exit::Usage.because(anyhow!("the prompt is longer than {PROMPT_BYTES_MAX} bytes")));
    }
    Ok(text.trim_end_matches('\n').to_owned())
}

pub(super) async fn first_model(client: &Client) -> anyhow::Result<String> {
    let models = client.models().await?;
    let first = models.into_iter().next();
    let id = first.map(|model| model.id);
    id.ok_or_else(|| Exit::Unavailable.because(anyhow!("no model can be asked yet; see `pomona status`")))
}

/// Prints the models that can be asked, with a mark at one of them.
fn list_models(runtime: &Runtime, client: &Client, marked: &str) -> anyhow::Result<()> {
    match runtime.block_on(client.models()) {
        Err(error) => output::error(&error.to_string()),
        Ok(models) => {
            for model in models {
                let mark = if model.id == marked { "*" } else { " " };
                output::line(&format!("{mark} {}", output::harmless(&model.id)))?;
            }
        }
    }
    Ok(())
}
