//! `pomona tui`: checks that there is a terminal and a gateway, then hands over to the screen.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use tokio::runtime::Builder;

use super::chat::history::HistoryFile;
use super::sessions::session_id;
use crate::cli::{Global, TuiArgs};
use crate::exit::Exit;
use crate::logging;
use crate::paths::Paths;
use crate::tui::{self, Ending, Start};

/// Shows the screen until the person leaves.
pub(super) fn run(args: TuiArgs, global: &Global) -> anyhow::Result<ExitCode> {
    if global.json || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let message = "`pomona tui` needs a terminal; for programs there is `pomona chat --json`";
        return Err(Exit::Usage.because(anyhow!(message)));
    }
    // Lines of a log would go into the picture.
    let _log = (!io::stderr().is_terminal()).then(|| logging::start_command(global.verbose)).transpose()?;
    let client = super::connect(global)?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    // A gateway that does not answer is told where it can be read.
    runtime.block_on(client.models())?;
    let session = match &args.session {
        Some(given) => Some(runtime.block_on(session_id(&client, given))?),
        None => None,
    };
    let history = Paths::discover(global.home.as_deref()).ok().map(|paths| HistoryFile::of(&paths.data_dir));
    let start = Start {
        session,
        model: args.model,
        name: args.name.unwrap_or_else(name),
        history: history.iter().flat_map(HistoryFile::read).collect(),
        has_colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    let remember = |text: &str| {
        if let Some(Err(error)) = history.as_ref().map(|file| file.append(text)) {
            tracing::debug!("the history was not kept: {error:#}");
        }
    };
    let ended = runtime.block_on(tui::run(client, start, remember));
    // The terminal's reader may wait for a key that never comes.
    runtime.shutdown_background();
    Ok(match ended? {
        Ending::Left => Exit::Ok.into(),
        Ending::Signal => Exit::Interrupted.into(),
    })
}

/// The person and the machine, as a shell calls them.
fn name() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    let system = rustix::system::uname();
    let machine = system.nodename().to_string_lossy();
    let machine = machine.split('.').next().unwrap_or_default();
    match user.trim() {
        "" => machine.to_owned(),
        user => format!("{user}@{machine}"),
    }
}
