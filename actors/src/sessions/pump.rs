//! The running turn of a session: a task that carries what the turn says to its session, in one message at a time, and
//! carries the next one when that is written. So a session's mailbox never holds more than one, and a store that is slow
//! slows the turn, not the memory.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pomona_protocol::{Cause, Principal, TurnEvent, TurnRequest};
use ractor::ActorRef;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::session::SessionMessage;
use crate::TurnStream;
use crate::api::{Canceller, start_turn};
use crate::owned;
use crate::shared::{Readiness, Shared};
use crate::turn::Past;

/// Events carried at once; what is ready beyond that comes next.
const EVENTS_MAX: usize = 256;
/// Tries that one activation may make before the next one counts from higher: far more than any turn is allowed.
const ATTEMPTS_PER_EPOCH: u32 = 1 << 12;

/// A turn that runs. Dropping it drops its stream.
pub(super) struct Running {
    pub(super) run: u32,
    ready: Arc<Notify>,
    canceller: Option<Canceller>,
    _task: AbortOnDropHandle<()>,
}

impl Running {
    /// Starts a turn; what it says comes to `session` as [`SessionMessage::Turn`].
    pub(super) async fn start(
        shared: &Arc<Shared>,
        session: &ActorRef<SessionMessage>,
        past: Past,
        run: u32,
        request: TurnRequest,
        by: Principal,
    ) -> Self {
        let ready = Arc::new(Notify::new());
        let started = start_turn(shared, session.get_cell(), by.0, request, past).await;
        let (canceller, task) = match started {
            Ok(stream) => {
                let canceller = stream.canceller();
                (Some(canceller), owned::spawn(pump(stream, session.clone(), run, Arc::clone(&ready))))
            }
            Err(cause) => (None, owned::spawn(refuse(cause, session.clone(), run))),
        };
        Self { run, ready, canceller, _task: task }
    }

    /// What a turn's start is to know of what was before: `epoch` is that of its session, and `is_old` says that it was
    /// accepted before the session was read.
    pub(super) fn past(shared: &Shared, epoch: u64, run: u32, is_old: bool) -> Past {
        let attempts = (epoch as u32).saturating_mul(ATTEMPTS_PER_EPOCH);
        let attempts = attempts.saturating_add(run.saturating_mul(64));
        // Soon after its start this process may not have heard of every node. The model of a turn that was accepted
        // before may turn up, and any model while there is none yet.
        let knows_none = !matches!(*shared.readiness.borrow(), Readiness::Ready(_));
        let until = shared.started_at + Duration::from_millis(shared.fleet.orphan_grace_ms);
        Past { attempts, unknown_until: (is_old || knows_none).then_some(until) }
    }

    /// What was carried is written.
    pub(super) fn ready(&self) {
        self.ready.notify_one();
    }

    /// Asks for the turn's end.
    pub(super) fn cancel(&self) {
        if let Some(canceller) = &self.canceller {
            canceller.cancel();
        }
    }
}

async fn pump(mut stream: TurnStream, session: ActorRef<SessionMessage>, run: u32, ready: Arc<Notify>) {
    while let Some(first) = stream.next().await {
        let mut events = vec![first];
        while events.len() < EVENTS_MAX {
            let mut context = Context::from_waker(Waker::noop());
            let Poll::Ready(Some(event)) = stream.poll_next(&mut context) else { break };
            events.push(event);
        }
        if session.cast(SessionMessage::Turn { run, events }).is_err() {
            return;
        }
        ready.notified().await;
    }
}

async fn refuse(cause: Cause, session: ActorRef<SessionMessage>, run: u32) {
    let _ = session.cast(SessionMessage::Turn { run, events: vec![TurnEvent::Failed { cause }] });
}
