//! One session in memory: a shell around `cluster::session`.
//!
//! Spawned by [`super::supervisor`] when somebody asks for it, and then reads its log; ends when nobody has used it for a
//! while, when another gateway writes its log, or when the store fails. What waits in its mailbox then is answered with
//! [`Cause::SessionMoved`] or not at all, and asked again by [`super::Sessions`]. It supervises its turn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pomona_cluster::session::{Effect, Input};
use pomona_protocol::{
    Cause, SessionAttach, SessionEvent, SessionEventBody, SessionId, SessionReply, SessionRequest, TurnEvent,
    TurnId,
};
use pomona_store::{AppendError, Store};
use ractor::{Actor, ActorProcessingErr, ActorRef, MessagingErr, SupervisionEvent};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::clients::{Clients, Cut, Said};
use super::digest::digest;
use super::loading::{Loaded, load};
use super::pump::Running;
use super::supervisor::SessionsMessage;
use super::traces::Traces;
use super::unix_ms;
use crate::shared::Shared;

pub(crate) type Answer = oneshot::Sender<Result<SessionReply, Cause>>;
/// Sends [`SessionMessage::Look`] when its time has come.
type Timer = AbortOnDropHandle<Result<(), MessagingErr<SessionMessage>>>;

#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum SessionMessage {
    /// Somebody asks something; the answer comes when it is written.
    Ask { request: Box<SessionRequest>, answer: Answer },
    /// Somebody wants to hear; answered at once.
    Attach { attach: SessionAttach, answer: oneshot::Sender<Result<Heard, Cause>> },
    /// A client left.
    Detach { client: u64 },
    /// The running turn said something, and waits until it is written.
    Turn { run: u32, events: Vec<TurnEvent> },
    /// The store has everything up to here.
    Written { seq: u64 },
    /// The store did not take something.
    Unwritten { error: AppendError },
    /// The store deleted the log, or did not.
    Deleted { number: u64, result: Result<(), AppendError> },
    /// Maybe nobody has used it for a while.
    Look,
    /// Nobody finds it any more, and what was said to it before has been heard.
    Leave,
}

/// What an attached client listens to.
pub(crate) struct Heard {
    pub(crate) client: u64,
    pub(crate) said: mpsc::Receiver<Said>,
    pub(crate) cut: Cut,
    /// Where the log ended at that moment; what comes is behind it.
    pub(crate) head_seq: u64,
    pub(crate) session: ActorRef<SessionMessage>,
}

pub(crate) struct SessionActor;

pub(crate) struct SessionArguments {
    pub(crate) shared: Arc<Shared>,
    pub(crate) session: SessionId,
}

pub(crate) struct SessionActorState {
    pub(super) shared: Arc<Shared>,
    pub(super) id: SessionId,
    /// `None` until the log was read, and when it could not be.
    pub(super) loaded: Result<Box<Loaded>, Cause>,
    pub(super) answers: BTreeMap<u64, Answer>,
    next_question: u64,
    clients: Clients,
    running: Option<Running>,
    traces: Traces,
    pub(super) deletion: Option<AbortOnDropHandle<()>>,
    /// Since when nothing happens; whether a look is due.
    idle_since: Instant,
    look: Option<Timer>,
    leaving: bool,
}

impl SessionActorState {
    pub(super) fn store(&self) -> Result<&Store, Cause> {
        self.shared.sessions.store()
    }

    pub(super) async fn decide(&mut self, myself: &ActorRef<SessionMessage>, input: Input) {
        let effects = match &mut self.loaded {
            Ok(loaded) => loaded.machine.handle(input, unix_ms()),
            Err(_) => return,
        };
        self.perform(myself, effects).await;
    }

    async fn perform(&mut self, myself: &ActorRef<SessionMessage>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Append(batch) => self.append(myself, *batch),
                Effect::Publish(events) => self.publish(events),
                Effect::Live(live) => self.clients.show(live),
                Effect::Reply { number, reply } => {
                    if let Some(answer) = self.answers.remove(&number) {
                        let _ = answer.send(reply.map(|reply| self.with_oldest(reply)));
                    }
                }
                Effect::Start { run, request, by } => {
                    let request = self.traces.place(*request);
                    let past = Running::past(&self.shared, self.epoch(), run, self.is_old(request.turn));
                    self.running = Some(Running::start(&self.shared, myself, past, run, request, by).await);
                }
                Effect::Ready { run } => {
                    if let Some(running) = self.running(run) {
                        running.ready();
                    }
                }
                Effect::Cancel { run } => {
                    if let Some(running) = self.running(run) {
                        running.cancel();
                    }
                }
                Effect::LetGo { run } => {
                    self.running = self.running.take().filter(|running| running.run != run)
                }
                Effect::StepDown { reason } => self.step_down(myself, reason),
                Effect::Delete { number, by } => self.delete(myself, number, by),
            }
        }
        self.note_use(myself);
    }

    pub(super) fn epoch(&self) -> u64 {
        self.loaded.as_ref().map_or(0, |loaded| loaded.epoch)
    }

    /// Whether a turn was accepted before this activation.
    fn is_old(&self, turn: TurnId) -> bool {
        let Ok(loaded) = &self.loaded else { return false };
        let mut turns = loaded.machine.state().turns.iter().rev();
        turns.find(|record| record.turn == turn).is_some_and(|record| record.accepted_seq <= loaded.read_seq)
    }

    /// The machine knows no store, and so not what can still be read of it.
    fn with_oldest(&self, mut reply: SessionReply) -> SessionReply {
        if let (SessionReply::View(view), Ok(loaded)) = (&mut reply, &self.loaded) {
            view.oldest_seq = loaded.oldest_seq;
        }
        reply
    }

    fn publish(&mut self, events: Vec<SessionEvent>) {
        let shares = |event: &SessionEvent| matches!(&event.body, SessionEventBody::Updated { change, .. } if change.shared.is_some());
        let changes_readers = events.iter().any(shares);
        self.clients.publish(events);
        if let (true, Ok(loaded)) = (changes_readers, &self.loaded) {
            self.clients.keep(|by| loaded.machine.is_readable_by(by));
        }
    }

    fn running(&self, run: u32) -> Option<&Running> {
        self.running.as_ref().filter(|running| running.run == run)
    }

    /// Ends this activation; the next question makes another one.
    pub(super) fn step_down(&mut self, myself: &ActorRef<SessionMessage>, reason: &'static str) {
        self.running = None;
        self.clients.cut_all(reason);
        self.leave(myself);
        if reason != "deleted" {
            tracing::info!(session = %self.id, reason, "a session steps down");
            self.shared.tell_sessions(SessionsMessage::Recover);
        }
    }

    /// From now on nobody finds it; what was said before is heard first.
    fn leave(&mut self, myself: &ActorRef<SessionMessage>) {
        self.leaving = true;
        self.shared.sessions.remove(self.id, myself.get_id());
        let _ = myself.cast(SessionMessage::Leave);
    }

    fn ask(&mut self, request: SessionRequest, answer: Answer) -> Option<Input> {
        if self.leaving || self.shared.sessions.is_frozen() {
            let _ = answer.send(Err(Cause::SessionMoved));
            return None;
        }
        let loaded = match &self.loaded {
            Ok(loaded) => loaded,
            Err(cause) => {
                let _ = answer.send(Err(cause.clone()));
                return None;
            }
        };
        let (Ok(turn), Ok(seed)) = (random_u128(), getrandom::u64()) else {
            let message = "the system gives no random numbers".to_owned();
            let _ = answer.send(Err(Cause::Internal { message }));
            return None;
        };
        self.next_question += 1;
        self.answers.insert(self.next_question, answer);
        self.traces.note(TurnId(turn), &request, loaded.machine.state());
        let digest = digest(&request.command);
        let request = Box::new(request);
        Some(Input::Command { number: self.next_question, request, digest, turn: TurnId(turn), seed })
    }

    fn attach(&mut self, myself: &ActorRef<SessionMessage>, attach: SessionAttach) -> Result<Heard, Cause> {
        if self.leaving || self.shared.sessions.is_frozen() {
            return Err(Cause::SessionMoved);
        }
        let loaded = self.loaded.as_ref().map_err(Clone::clone)?;
        if !loaded.machine.is_readable_by(attach.by) {
            return Err(Cause::UnknownSession { session: self.id.to_string() });
        }
        let (head_seq, oldest_seq) = (loaded.machine.written_seq(), loaded.oldest_seq);
        if attach.after > head_seq {
            return Err(Cause::CursorAhead { cursor: attach.after, head: head_seq });
        }
        if attach.after.saturating_add(1) < oldest_seq {
            return Err(Cause::CursorGone { oldest: oldest_seq });
        }
        let config = &self.shared.sessions.config;
        if self.clients.len() >= config.clients_max as usize {
            let limit = config.clients_max;
            let message =
                format!("{limit} clients are attached to this session already (session.clients_max)");
            return Err(Cause::SessionLimit { message });
        }
        let buffer = config.client_buffer_events as usize;
        let (client, said, cut) = self.clients.add(attach.by, attach.name, buffer);
        Ok(Heard { client, said, cut, head_seq, session: myself.clone() })
    }

    fn is_idle(&self) -> bool {
        let machine_is_idle = self.loaded.as_ref().map_or(true, |loaded| loaded.machine.is_idle());
        machine_is_idle && self.answers.is_empty() && self.clients.len() == 0 && self.running_is_over()
    }

    fn running_is_over(&self) -> bool {
        self.running.is_none() || self.loaded.as_ref().is_ok_and(|loaded| loaded.machine.is_idle())
    }

    /// Something happened; looks again after a while whether something did since. One look is due at a time.
    fn note_use(&mut self, myself: &ActorRef<SessionMessage>) {
        self.idle_since = Instant::now();
        let is_nothing = self.loaded.as_ref().map_or(true, |loaded| loaded.machine.state().head_seq == 0);
        if is_nothing && self.is_idle() && !self.leaving {
            return self.leave(myself);
        }
        if self.look.is_none() && self.is_idle() {
            self.look_after(myself, self.patience());
        }
    }

    /// The timer ends with the session, which may be deleted long before.
    fn look_after(&mut self, myself: &ActorRef<SessionMessage>, pause: Duration) {
        let timer = myself.send_after(pause, || SessionMessage::Look);
        self.look = Some(AbortOnDropHandle::new(timer));
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(self.shared.sessions.config.idle_ms.max(1))
    }

    fn look(&mut self, myself: &ActorRef<SessionMessage>) {
        self.look = None;
        if self.leaving || !self.is_idle() {
            return;
        }
        let (patience, quiet) = (self.patience(), self.idle_since.elapsed());
        if quiet < patience {
            return self.look_after(myself, patience - quiet);
        }
        self.save_snapshot(myself);
        self.leave(myself);
    }
}

fn random_u128() -> Result<u128, getrandom::Error> {
    Ok(u128::from(getrandom::u64()?) << 64 | u128::from(getrandom::u64()?))
}

impl Actor for SessionActor {
    type Msg = SessionMessage;
    type State = SessionActorState;
    type Arguments = SessionArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        arguments: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let SessionArguments { shared, session } = arguments;
        shared.sessions.insert(session, myself);
        Ok(SessionActorState {
            shared,
            id: session,
            loaded: Err(Cause::SessionMoved),
            answers: BTreeMap::new(),
            next_question: 0,
            clients: Clients::default(),
            running: None,
            traces: Traces::default(),
            deletion: None,
            idle_since: Instant::now(),
            look: None,
            leaving: false,
        })
    }

    /// Reads the log before the first message, and without keeping others from their sessions.
    async fn post_start(
        &self,
        myself: ActorRef<Self::Msg>,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        state.loaded = load(&state.shared.sessions, state.id).await.map(Box::new);
        let effects = match &mut state.loaded {
            Ok(loaded) => loaded.machine.resume(unix_ms()),
            Err(cause) => {
                tracing::warn!(session = %state.id, %cause, "a session cannot be read");
                state.shared.sessions.remove(state.id, myself.get_id());
                let _ = myself.cast(SessionMessage::Leave);
                state.shared.tell_sessions(SessionsMessage::Recover);
                return Ok(());
            }
        };
        state.perform_resumed(&myself, effects).await;
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SessionMessage::Ask { request, answer } => {
                if let Some(input) = state.ask(*request, answer) {
                    state.decide(&myself, input).await;
                }
            }
            SessionMessage::Attach { attach, answer } => {
                let heard = state.attach(&myself, attach);
                if let Err(Ok(unheard)) = answer.send(heard) {
                    state.clients.remove(unheard.client);
                }
                state.note_use(&myself);
            }
            SessionMessage::Detach { client } => {
                state.clients.remove(client);
                state.note_use(&myself);
            }
            SessionMessage::Turn { .. } if state.shared.sessions.is_frozen() => {}
            SessionMessage::Turn { run, events } => state.decide(&myself, Input::Turn { run, events }).await,
            SessionMessage::Written { seq } => state.decide(&myself, Input::Written { seq }).await,
            SessionMessage::Unwritten { error } => state.on_unwritten(&myself, error).await,
            SessionMessage::Deleted { number, result } => state.on_deleted(&myself, number, result),
            SessionMessage::Look => state.look(&myself),
            SessionMessage::Leave => myself.stop(None),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        _: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        // Its stream ends with a failure, made by `TurnStream` when the channel closes without one.
        if let SupervisionEvent::ActorFailed(_, error) = event {
            tracing::error!(%error, "a turn actor failed");
        }
        Ok(())
    }
}

impl SessionActorState {
    /// As [`SessionActorState::perform`]; whoever woke an empty session is about to say why, so it does not leave.
    async fn perform_resumed(&mut self, myself: &ActorRef<SessionMessage>, effects: Vec<Effect>) {
        if !effects.is_empty() {
            self.perform(myself, effects).await;
        } else if self.loaded.as_ref().is_ok_and(|loaded| loaded.machine.state().head_seq > 0) {
            self.note_use(myself);
        }
    }
}
