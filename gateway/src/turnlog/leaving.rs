//! Who asked for an answer and leaves before it is complete takes the turn along, unless it was asked to go on.

use std::sync::Arc;

use pomona_protocol::{Principal, SessionCommand, SessionId, SessionRequest, TurnId};
use tokio::runtime::Handle;

use crate::state::Shared;

/// Cancels a turn of a session when it is dropped before [`Leaving::stayed`].
pub(crate) struct Leaving {
    shared: Arc<Shared>,
    session: SessionId,
    by: Principal,
    /// `None` once nothing is to be cancelled.
    turn: Option<TurnId>,
}

impl Leaving {
    /// Watches over the client that asked for this turn.
    pub(crate) fn new(shared: Arc<Shared>, session: SessionId, by: Principal, turn: TurnId) -> Self {
        Self { shared, session, by, turn: Some(turn) }
    }

    /// The turn has ended.
    pub(crate) fn stayed(&mut self) {
        self.turn = None;
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        // A gateway that goes down leaves nobody's turn: it goes on after the restart.
        if self.shared.shutdown.is_cancelled() {
            return;
        }
        let (Some(turn), Ok(runtime)) = (self.turn, Handle::try_current()) else { return };
        let command = SessionCommand::Cancel { turn: Some(turn) };
        let request = SessionRequest::new(self.session, self.by, command);
        let sessions = self.shared.handle.sessions();
        let cancels = async move {
            if let Err(cause) = sessions.ask(request).await {
                tracing::debug!(%turn, code = cause.code(), "the turn of a client that left stays");
            }
        };
        self.shared.farewells.spawn_on(cancels, &runtime);
    }
}
