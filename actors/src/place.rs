//! A place at a replica, or in the queue before it. It travels with the turn and is given back when dropped,
//! so that not even a panic keeps it.

use std::sync::Arc;

use pomona_cluster::admission::{Input, Ticket};
use pomona_protocol::{ModelId, ReplicaId};
use ractor::ActorRef;

use crate::router::RouterMessage;
use crate::shared::Shared;
use crate::turn::TurnMessage;

pub(crate) struct Place {
    ticket: Ticket,
    shared: Arc<Shared>,
}

impl Place {
    /// Asks the router; the answer comes to `turn` as `Placed`, `Queued` or `Refused`.
    pub(crate) fn ask(
        shared: &Arc<Shared>,
        ticket: Ticket,
        model: ModelId,
        avoid: Option<ReplicaId>,
        turn: ActorRef<TurnMessage>,
    ) -> Self {
        shared.tell_router(RouterMessage::Ask { ticket, model, avoid, turn });
        Self { ticket, shared: Arc::clone(shared) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.tell_router(RouterMessage::Decide(Input::Leave { ticket: self.ticket }));
    }
}
