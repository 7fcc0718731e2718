//! From the store to a session in memory: its snapshot, then the events behind it.

use pomona_cluster::session::{Session, SessionState};
use pomona_protocol::{Cause, SessionId};
use pomona_store::Store;

use super::table::SessionTable;

/// Rows of a log read at once.
const ROWS: u32 = 2048;

/// A session as the store has it.
pub(super) struct Loaded {
    pub(super) machine: Session,
    /// The epoch in which this activation writes.
    pub(super) epoch: u64,
    pub(super) oldest_seq: u64,
    /// Where the log ended when it was read.
    pub(super) read_seq: u64,
    /// The number behind which the last snapshot was taken.
    pub(super) snapshot_seq: u64,
}

/// Takes the right to write the session's log and reads it. One that does not exist is empty and can be created.
pub(super) async fn load(table: &SessionTable, session: SessionId) -> Result<Loaded, Cause> {
    let store = table.store()?;
    let Some(activation) = store.activate(session).await? else {
        let machine = Session::new(SessionState::empty(session), table.limits());
        return Ok(Loaded { machine, epoch: 1, oldest_seq: 1, read_seq: 0, snapshot_seq: 0 });
    };
    let (mut state, snapshot_seq) = match &activation.snapshot {
        Some((seq, bytes)) => (rmp_serde::from_slice(bytes).map_err(|error| damaged(session, &error))?, *seq),
        None => (SessionState::empty(session), 0),
    };
    read_on(store, &mut state, activation.bounds.head_seq).await?;
    let machine = Session::new(state, table.limits());
    let (epoch, bounds) = (activation.epoch, activation.bounds);
    Ok(Loaded { machine, epoch, oldest_seq: bounds.oldest_seq, read_seq: bounds.head_seq, snapshot_seq })
}

async fn read_on(store: &Store, state: &mut SessionState, head_seq: u64) -> Result<(), Cause> {
    while state.head_seq < head_seq {
        let events = store.read(state.id, state.head_seq, ROWS).await?;
        if events.is_empty() {
            return Err(damaged(state.id, &format!("it ends at {}, not at {head_seq}", state.head_seq)));
        }
        for event in &events {
            let Some(event) = event.after(state.head_seq) else { continue };
            state.apply(&event).map_err(|error| damaged(state.id, &error))?;
        }
    }
    Ok(())
}

fn damaged(session: SessionId, error: &dyn std::fmt::Display) -> Cause {
    let message = format!("the log of {session} is damaged: {error}; `pomona store check` says more");
    Cause::StoreFailed { message }
}
