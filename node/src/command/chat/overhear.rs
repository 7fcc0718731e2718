//! What happens in a session while a person types: printed above the prompt, line by line. `durable` starts it with
//! each prompt and ends it when a message is there.

use anyhow::Context;
use futures::StreamExt;
use pomona_client::{ClientError, SessionFeed};
use rustyline::ExternalPrinter;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::screen::Screen;
use crate::output;

/// Prints above the prompt.
pub(super) type Printer = Box<dyn ExternalPrinter + Send>;

/// Somebody listens while somebody else types.
pub(super) struct Overhearing {
    stop: oneshot::Sender<()>,
    task: JoinSet<Overheard>,
}

/// What is left of it.
pub(super) struct Overheard {
    /// The session goes on here, or the reason why nothing more will come.
    pub(super) feed: Result<SessionFeed, ClientError>,
    /// Where the screen stands.
    pub(super) screen: Screen,
    /// Text that was not printed: a line that is not complete, or all of it where nothing can be printed above a prompt.
    pub(super) rest: String,
}

impl Overhearing {
    /// Begins to listen.
    pub(super) fn start(
        runtime: &Runtime,
        feed: SessionFeed,
        screen: Screen,
        printer: Option<Printer>,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn_on(overhear(feed, screen, printer, stopped), runtime.handle());
        Self { stop, task }
    }

    /// Ends it.
    pub(super) fn end(mut self, runtime: &Runtime) -> anyhow::Result<Overheard> {
        let _ = self.stop.send(());
        let ended = runtime.block_on(self.task.join_next());
        ended.context("nobody listened to the session")?.context("listening to the session failed")
    }
}

async fn overhear(
    mut feed: SessionFeed,
    mut screen: Screen,
    mut printer: Option<Printer>,
    mut stopped: oneshot::Receiver<()>,
) -> Overheard {
    let mut rest = String::new();
    loop {
        let event = tokio::select! {
            _ = &mut stopped => return Overheard { feed: Ok(feed), screen, rest },
            event = feed.next() => event,
        };
        match event {
            Some(Ok(event)) => rest.push_str(&output::colored(&screen.take(&event))),
            Some(Err(error)) => {
                print(&mut printer, &mut rest);
                // The person is in the middle of a line; it is said when that is done.
                let _ = stopped.await;
                return Overheard { feed: Err(error), screen, rest };
            }
            // Does not happen: a feed ends behind an error.
            None => {
                let _ = stopped.await;
                return Overheard { feed: Ok(feed), screen, rest };
            }
        }
        print(&mut printer, &mut rest);
    }
}

/// Prints the lines that are complete.
fn print(printer: &mut Option<Printer>, rest: &mut String) {
    let Some(end) = rest.rfind('\n') else { return };
    let Some(lines) = printer else { return };
    let text: String = rest.drain(..=end).collect();
    if let Err(error) = lines.print(text) {
        tracing::debug!("nothing can be printed above the prompt: {error}");
        *printer = None;
    }
}
