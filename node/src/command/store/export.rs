//! Every session of the store as a file: the conversation as `pomona sessions import` takes it, and beside it the
//! events of the log with every branch.

use std::path::Path;

use anyhow::Context;
use indicatif::ProgressBar;
use pomona_protocol::v3::ExportBody;
use pomona_protocol::{SessionEvent, SessionQuery, SessionSummary};
use pomona_store::{Store, StoreError};
use serde::Serialize;

use super::conversation::conversation;
use super::failed;
use crate::command::sessions::write;
use crate::output;
use crate::paths::make_private;

/// Sessions that are listed at once.
const PAGE: u32 = 200;
/// Rows of events that are read at once.
const ROWS: u32 = 4096;

/// A file.
#[derive(Serialize)]
struct Exported<'a> {
    /// The session.
    session: String,
    /// Its owner's key.
    owner: String,
    /// What `import` reads.
    #[serde(flatten)]
    conversation: ExportBody,
    /// The log.
    events: &'a [SessionEvent],
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Summary {
    /// Files.
    sessions: u64,
    /// Files without the beginning of their conversation, since its events are not kept any more.
    incomplete: u64,
    /// Sessions without a file, since the store is damaged there.
    damaged: Vec<String>,
}

impl Summary {
    /// Whether every session has a file.
    pub(super) fn is_whole(&self) -> bool {
        self.damaged.is_empty()
    }

    /// For people.
    pub(super) fn text(&self, folder: &Path) -> String {
        let incomplete = match self.incomplete {
            0 => String::new(),
            count => format!("; {count} of them begin later than their session: older events are not kept"),
        };
        let damaged = match self.damaged.as_slice() {
            [] => String::new(),
            damaged => format!("; damaged and not written: {}", damaged.join(", ")),
        };
        format!("wrote {} sessions to {}{incomplete}{damaged}", self.sessions, folder.display())
    }
}

/// Writes one file per session, named by its id. What the store has lost of one session keeps no other from its file.
pub(super) async fn export(store: &Store, folder: &Path, bar: &ProgressBar) -> anyhow::Result<Summary> {
    make_private(folder)?;
    let mut query = SessionQuery { limit: PAGE, ..SessionQuery::default() };
    let mut summary = Summary::default();
    loop {
        let page = store.list(query.clone()).await.map_err(failed)?;
        let came = page.sessions.len();
        for session in &page.sessions {
            match events(store, session).await {
                Ok(Some((events, is_complete))) => {
                    one(session, &events, folder)?;
                    summary.sessions += 1;
                    summary.incomplete += u64::from(!is_complete);
                }
                // One that was deleted meanwhile is none.
                Ok(None) => {}
                Err(error @ StoreError::Damaged { .. }) => {
                    output::error(&error.to_string());
                    summary.damaged.push(session.id.to_string());
                }
                Err(error) => return Err(failed(error)),
            }
            bar.inc(1);
        }
        match page.next {
            Some(next) if came > 0 => query.cursor = Some(next),
            _ => break,
        }
    }
    bar.finish_and_clear();
    Ok(summary)
}

/// The log of a session, and whether it was there from the beginning.
async fn events(
    store: &Store,
    session: &SessionSummary,
) -> Result<Option<(Vec<SessionEvent>, bool)>, StoreError> {
    let Some(bounds) = store.bounds(session.id).await? else { return Ok(None) };
    let mut events: Vec<SessionEvent> = Vec::new();
    let mut after = bounds.oldest_seq.saturating_sub(1);
    while after < bounds.head_seq {
        let rows = store.read(session.id, after, ROWS).await?;
        let Some(last) = rows.last().map(|event| event.seq) else { break };
        after = last;
        events.extend(rows);
    }
    Ok(Some((events, bounds.oldest_seq <= 1)))
}

/// Writes one session.
fn one(session: &SessionSummary, events: &[SessionEvent], folder: &Path) -> anyhow::Result<()> {
    let exported = Exported {
        session: session.id.to_string(),
        owner: session.owner.to_string(),
        conversation: conversation(session, events),
        events,
    };
    let bytes = serde_json::to_vec_pretty(&exported).context("cannot write a session as JSON")?;
    write(&folder.join(format!("{}.json", session.id)), &bytes)
}
