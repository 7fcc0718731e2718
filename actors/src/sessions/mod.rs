//! Sessions as the gateway sees them: commands, streams of events, lists. A session lives on one gateway; this finds it
//! and speaks to it there.
//!
//! ```text
//! Sessions (handle) ─▶ SessionTable ─▶ Session actor ── cluster::session ──▶ store writer
//!      │   not here        │ none: SessionsActor activates     │ Turn ◀── pump ── fleet
//!      ▼                   ▼                                   ▼ written
//!  Open::Session on the link to its gateway              SessionStream: past from the store, then present
//! ```

mod clients;
mod digest;
mod forks;
mod loading;
mod pump;
mod remote;
pub(crate) mod serve;
pub(crate) mod session;
mod stream;
pub(crate) mod supervisor;
pub(crate) mod table;
mod traces;
mod writing;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pomona_cluster::rendezvous;
use pomona_protocol::{
    Cause, NodeId, Principal, SessionAttach, SessionCommand, SessionEvent, SessionId, SessionPage,
    SessionQuery, SessionReply, SessionRequest, TurnAsk, TurnId,
};
use pomona_store::{AuditEntry, Store};
use tokio::sync::oneshot;

pub use self::stream::SessionStream;

use self::session::{Heard, SessionMessage};
use self::stream::Listening;
use self::supervisor::SessionsMessage;
use crate::route::PeerRoute;
use crate::shared::Shared;

/// Times that a question is asked again because its session moved. Each move ends with an activation; more than a few in
/// a row means that two gateways cannot agree.
const MOVES_MAX: u32 = 8;
/// Before the first of them, doubled for each further one.
const MOVE_PAUSE: Duration = Duration::from_millis(5);

/// The way to every session. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    pub(crate) shared: Arc<Shared>,
}

/// Where a session lives.
enum Home {
    Here,
    There(PeerRoute),
}

impl Sessions {
    /// Asks something of a session, wherever it lives; activates it if need be. Access is checked there: a session
    /// that `by` may not read is [`Cause::UnknownSession`]. Asking again after a lost answer asks nothing twice.
    pub async fn ask(&self, mut request: SessionRequest) -> Result<SessionReply, Cause> {
        self.shared.sessions.store()?;
        name_turn(&mut request.command)?;
        let mut moves = 0;
        loop {
            let answered = match self.home(request.session) {
                Home::Here => self.ask_here(request.clone()).await,
                Home::There(route) => remote::ask(&route, &request).await,
            };
            match answered {
                Err(cause) if moves < MOVES_MAX && moved(&cause) && !self.shared.is_draining() => {
                    tokio::time::sleep(MOVE_PAUSE * 2u32.pow(moves)).await;
                    moves += 1;
                }
                answered => return answered,
            }
        }
    }

    /// Attaches a client: the past from its cursor, then the present. Refused with [`Cause::CursorAhead`] or
    /// [`Cause::CursorGone`] when the cursor is none of this log.
    pub async fn attach(&self, attach: SessionAttach) -> Result<SessionStream, Cause> {
        self.shared.sessions.store()?;
        let mut moves = 0;
        loop {
            let attached = match self.home(attach.session) {
                Home::Here => self.attach_here(attach.clone()).await,
                Home::There(route) => remote::attach(&route, &attach).await,
            };
            match attached {
                Err(cause) if moves < MOVES_MAX && moved(&cause) && !self.shared.is_draining() => {
                    tokio::time::sleep(MOVE_PAUSE * 2u32.pow(moves)).await;
                    moves += 1;
                }
                attached => return attached,
            }
        }
    }

    /// Sessions that `by` may read, whatever `query.readable_by` says.
    pub async fn list(&self, by: Principal, query: SessionQuery) -> Result<SessionPage, Cause> {
        let query = SessionQuery { readable_by: Some(by), ..query };
        Ok(self.shared.sessions.store()?.list(query).await?)
    }

    /// The session of a turn, when `by` may read it.
    pub async fn session_of(&self, by: Principal, turn: TurnId) -> Result<SessionId, Cause> {
        let unknown = || Cause::UnknownTurn { turn: turn.to_string() };
        let session = self.shared.sessions.store()?.session_of(turn).await?.ok_or_else(unknown)?;
        self.check_readable(session, by).await.map_err(|cause| match cause {
            Cause::UnknownSession { .. } => unknown(),
            cause => cause,
        })?;
        Ok(session)
    }

    /// Events of the log behind `after` without attaching, at most `rows_max` rows, cut at `after`.
    pub async fn events(
        &self,
        session: SessionId,
        by: Principal,
        after: u64,
        rows_max: u32,
    ) -> Result<Vec<SessionEvent>, Cause> {
        self.check_readable(session, by).await?;
        let events = self.shared.sessions.store()?.read(session, after, rows_max).await?;
        Ok(events.iter().filter_map(|event| event.after(after)).collect())
    }

    /// Notes in the audit what is no event of a log, `session.exported` for instance.
    pub async fn audit(
        &self,
        by: Principal,
        action: &str,
        object: String,
        detail: String,
    ) -> Result<(), Cause> {
        let entry = AuditEntry { at_ms: unix_ms(), by, action: action.to_owned(), object, detail };
        Ok(self.shared.sessions.store()?.audit(entry).await?)
    }

    /// The store, for reading the audit.
    pub fn store(&self) -> Option<Store> {
        self.shared.sessions.store.clone()
    }

    async fn check_readable(&self, session: SessionId, by: Principal) -> Result<(), Cause> {
        let summary = self.shared.sessions.store()?.summary(session).await?;
        let readable = summary.is_some_and(|summary| summary.owner == by || summary.shared.contains_key(&by));
        if readable { Ok(()) } else { Err(Cause::UnknownSession { session: session.to_string() }) }
    }

    fn home(&self, session: SessionId) -> Home {
        if self.shared.sessions.get(session).is_some() {
            return Home::Here;
        }
        let elsewhere = self.shared.home_elsewhere(session).and_then(|node| self.shared.peers.route(&node));
        elsewhere.map_or(Home::Here, Home::There)
    }

    /// Asks the activation on this gateway.
    pub(crate) async fn ask_here(&self, request: SessionRequest) -> Result<SessionReply, Cause> {
        let request = Box::new(request);
        self.say(request.session, |answer| SessionMessage::Ask { request, answer }).await
    }

    /// Listens to the activation on this gateway.
    pub(crate) async fn attach_here(&self, attach: SessionAttach) -> Result<SessionStream, Cause> {
        let (session, after) = (attach.session, attach.after);
        let heard: Heard = self.say(session, |answer| SessionMessage::Attach { attach, answer }).await?;
        let store = self.shared.sessions.store()?.clone();
        Ok(SessionStream::here(Listening::new(heard, store, session, after)))
    }

    /// Says something to the activation here and waits for what comes back. An activation that ended before it answered
    /// has noted nothing, or what is asked again is recognised.
    async fn say<T>(
        &self,
        session: SessionId,
        message: impl FnOnce(oneshot::Sender<Result<T, Cause>>) -> SessionMessage,
    ) -> Result<T, Cause> {
        let actor = match self.shared.sessions.get(session) {
            Some(actor) => actor,
            None => self.find(session).await?,
        };
        let (answer, answered) = oneshot::channel();
        actor.cast(message(answer)).map_err(|_| Cause::SessionMoved)?;
        answered.await.unwrap_or(Err(Cause::SessionMoved))
    }

    async fn find(&self, session: SessionId) -> Result<ractor::ActorRef<SessionMessage>, Cause> {
        let supervisor = self.shared.sessions.supervisor.load_full().ok_or(Cause::ShuttingDown)?;
        let (answer, answered) = oneshot::channel();
        supervisor.cast(SessionsMessage::Find { session, answer }).map_err(|_| Cause::ShuttingDown)?;
        answered.await.unwrap_or(Err(Cause::SessionMoved))
    }
}

impl Shared {
    /// Other gateways that are linked and write the same store.
    pub(crate) fn gateways_of_store(&self) -> Vec<NodeId> {
        let store = self.sessions.store.as_ref().filter(|store| store.is_shared());
        store.map_or_else(Vec::new, |store| self.peers.on_store(store.id()))
    }

    /// Whether a session is to be activated on this gateway.
    pub(crate) fn lives_here(&self, session: SessionId) -> bool {
        self.home_elsewhere(session).is_none()
    }

    /// The other gateway on which a session lives.
    fn home_elsewhere(&self, session: SessionId) -> Option<NodeId> {
        let others = self.gateways_of_store();
        let home = rendezvous::home(session, others.iter().chain([&self.node]))?;
        (*home != self.node).then(|| home.clone())
    }

    pub(crate) fn tell_sessions(&self, message: SessionsMessage) {
        if let Some(sessions) = self.sessions.supervisor.load().as_deref() {
            let _ = sessions.cast(message);
        }
    }
}

/// Whether asking again may find the session.
fn moved(cause: &Cause) -> bool {
    matches!(cause, Cause::SessionMoved | Cause::LinkLost { .. })
}

/// Gives a turn without an idempotency key one of its own, so that asking again after a lost answer asks nothing twice.
fn name_turn(command: &mut SessionCommand) -> Result<(), Cause> {
    let ask: &mut TurnAsk = match command {
        SessionCommand::Ask(ask)
        | SessionCommand::Edit { ask, .. }
        | SessionCommand::Regenerate { ask, .. } => ask,
        _ => return Ok(()),
    };
    if ask.idempotency_key.is_none() {
        let number = getrandom::u64().map_err(|error| Cause::Internal { message: error.to_string() })?;
        ask.idempotency_key = Some(format!("auto-{number:016x}"));
    }
    Ok(())
}

/// Unix time in milliseconds.
pub(crate) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}
