//! What `pomona up` shows a person: progress while a model loads, then where everything is.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use pomona_actors::Handle;
use pomona_protocol::{Cause, ModelCard};

use crate::output::{self, BOLD, DIM};

/// A model that loads faster shows no bar.
const PROGRESS_AFTER: Duration = Duration::from_millis(500);
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// What is shown once turns are welcome.
pub(crate) struct Banner<'a> {
    pub(crate) address: SocketAddr,
    /// The configured port when it was taken.
    pub(crate) fell_back_from: Option<u16>,
    pub(crate) cluster: &'a str,
    pub(crate) card: &'a ModelCard,
    pub(crate) key_file: &'a Path,
}

/// Prints where everything is. `ready_after` is the time since the start of the process.
pub(crate) fn show(banner: &Banner<'_>, ready_after: Duration) -> anyhow::Result<()> {
    let Banner { address, fell_back_from, cluster, card, key_file } = banner;
    let version = env!("CARGO_PKG_VERSION");
    if let Some(port) = fell_back_from {
        output::line(&format!("port {port} is in use; listening on {} instead", address.port()))?;
    }
    let seconds = ready_after.as_secs_f64();
    output::line(&format!(
        "{BOLD}pomona {version}{BOLD:#} · cluster \"{cluster}\" · 1 node · model {BOLD}{}{BOLD:#} ready in {seconds:.1} s",
        output::harmless(&card.id.0)
    ))?;
    output::line(&format!("  chat       http://{address}"))?;
    output::line(&format!("  OpenAI     http://{address}/v1     {DIM}key in {}{DIM:#}", short(key_file)))?;
    output::line("  terminal   pomona chat")
}

/// The path with the home folder as `~`.
fn short(path: &Path) -> String {
    let home = std::env::var_os("HOME");
    match home.as_ref().and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

/// Waits for the model, with a bar on the terminal's stderr when that takes long.
pub(crate) async fn until_loaded(handle: &Handle) -> Result<ModelCard, Cause> {
    let ready = handle.ready();
    tokio::pin!(ready);
    if let Ok(card) = tokio::time::timeout(PROGRESS_AFTER, &mut ready).await {
        return card;
    }
    let style = ProgressStyle::with_template("loading the model {bar:30} {bytes}/{total_bytes} {eta}");
    let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    loop {
        if let Some((done, total)) = handle.load_progress() {
            bar.set_length(total);
            bar.set_position(done);
        }
        if let Ok(card) = tokio::time::timeout(PROGRESS_EVERY, &mut ready).await {
            bar.finish_and_clear();
            return card;
        }
    }
}

/// Opens the chat page where a person sits: on a terminal with a desktop. Failing is no error.
pub(crate) fn open_browser(address: SocketAddr) {
    let has_desktop = cfg!(target_os = "macos")
        || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if output::is_terminal() && has_desktop {
        let _ = open::that_detached(format!("http://{address}"));
    }
}
