//! One running turn. Spawned by [`crate::Client::start`], supervised by its Client, ends itself after the
//! terminal event. What it does next is `cluster::turn`'s decision; tokens pass it by, in the attempt.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

use bytes::BytesMut;
use pomona_cluster::admission::{Ask, Ticket};
use pomona_cluster::affinity::Prefix;
use pomona_cluster::ledger::Ledger;
use pomona_cluster::turn::{Effect, End, Input, Outcome, Turn as Machine};
use pomona_protocol::limits::REQUEST_FRAME_BYTES_MAX;
use pomona_protocol::{
    Cause, FinishReason, Open, Principal, ReplicaId, TraceContext, TurnEvent, TurnRequest, Usage,
    encode_frame,
};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use crate::attempt::{Attempt, Ended, Loss};
use crate::desk::{Answer, Place};
use crate::observer::Observation;
use crate::owned;
use crate::route::Route;
use crate::shared::Shared;
use crate::trace::Span;

#[derive(ractor_cluster::RactorMessage)]
pub(crate) enum TurnMessage {
    /// A place came free for a turn that waited.
    Placed { attempt: u32, replica: ReplicaId, route: Route },
    /// The turn's place in the queue changed.
    Queued { ahead: u32 },
    /// No place will come.
    Refused { attempt: u32, cause: Cause },
    /// The place should be given up for another one.
    Move { attempt: u32, cause: Cause },
    /// The attempt handed the ledger back.
    AttemptEnded(Box<Ended>),
    /// A pause before this attempt is over.
    PauseOver { attempt: u32 },
    /// The client wants the end, or is gone.
    Cancel,
    /// The deadline came.
    Tick,
}

pub(crate) struct Turn;

pub(crate) struct TurnArguments {
    pub(crate) shared: Arc<Shared>,
    pub(crate) request: TurnRequest,
    /// Whose turn it is: the number of a client's key.
    pub(crate) key: u64,
    /// Boxed: the channel keeps room for 32 at least.
    pub(crate) sink: mpsc::Sender<Box<TurnEvent>>,
    /// Room for the terminal event, kept free from the first moment.
    pub(crate) terminal: mpsc::OwnedPermit<Box<TurnEvent>>,
    pub(crate) past: Past,
}

/// What was before a turn began here.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Past {
    /// Tries that processes before this one may have made; nodes refuse those that are not above.
    pub(crate) attempts: u32,
    /// Until when its model is waited for although nobody has it, since somebody had it before.
    pub(crate) unknown_until: Option<Instant>,
}

pub(crate) struct TurnState {
    shared: Arc<Shared>,
    machine: Machine,
    open: Open,
    past: Past,
    sink: mpsc::Sender<Box<TurnEvent>>,
    terminal: Option<mpsc::OwnedPermit<Box<TurnEvent>>>,
    accepted_at: Instant,
    /// How many tokens were shown, for whoever watches.
    shown: Arc<AtomicU32>,
    /// With the attempt while one runs.
    ledger: Option<Ledger>,
    token_at: Option<Instant>,
    first_token_at: Option<Instant>,
    /// When it got its first place.
    placed_at: Option<Instant>,
    /// What it was asked in; attempts are below.
    trace: Option<TraceContext>,
    /// Its time without a place.
    waiting: Option<Span>,
    place: Option<Place>,
    /// Where it runs, or ran last.
    placed: Option<(ReplicaId, Route)>,
    key: u64,
    prefix: Prefix,
    /// A replica was lost and no token has been shown since.
    loss: Option<Loss>,
    finished: Option<TurnEvent>,
    running: Option<(Option<oneshot::Sender<()>>, AbortOnDropHandle<()>)>,
}

impl TurnState {
    fn request(&mut self) -> (&mut u32, &mut TurnRequest) {
        match &mut self.open {
            Open::Turn { attempt, request } => (attempt, request),
            Open::Watch | Open::Attach { .. } | Open::Blob(_) | Open::Session(_) => {
                unreachable!("a turn opens streams for turns only")
            }
        }
    }

    fn decide(&mut self, myself: &ActorRef<TurnMessage>, input: Input) {
        let effects = self.machine.handle(input, Instant::now());
        self.perform(myself, effects);
    }

    fn perform(&mut self, myself: &ActorRef<TurnMessage>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Ask { attempt, avoid, prefer } => self.ask(myself, attempt, avoid, prefer),
                Effect::Leave { .. } => self.place = None,
                Effect::Run { attempt, .. } => self.run(myself, attempt),
                Effect::Stop => {
                    if let Some(stop) = self.running.as_mut().and_then(|(stop, _)| stop.take()) {
                        let _ = stop.send(());
                    }
                }
                Effect::Pause { attempt, pause } => {
                    myself.send_after(pause, move || TurnMessage::PauseOver { attempt });
                }
                Effect::NoteRetry { cause, shown, lost_at } => {
                    let first = self.loss.as_ref().map_or(lost_at, |loss| loss.at);
                    self.loss = Some(Loss { cause: cause.code(), at: first });
                    let turn = self.request().1.turn;
                    tracing::info!(%turn, cause = cause.code(), shown, "turn goes on after a loss");
                    self.shared.observe(Observation::TurnRetried { cause: cause.code(), shown });
                }
                Effect::End(end) => {
                    self.end(end);
                    myself.stop(None);
                }
            }
        }
    }

    fn ask(
        &mut self,
        myself: &ActorRef<TurnMessage>,
        attempt: u32,
        avoid: Option<ReplicaId>,
        prefer: Option<ReplicaId>,
    ) {
        self.waiting = Span::below(&self.shared.observer, self.trace, "queue");
        let (_, request) = self.request();
        let ticket = Ticket { turn: request.turn, attempt };
        let ask = Ask {
            avoid,
            prefer,
            key: self.key,
            prefix: self.prefix.clone(),
            resume_tokens: self.ledger.as_ref().map_or(0, Ledger::shown),
            deadline: Some(self.machine.deadline()),
            unknown_until: self.past.unknown_until,
            draw: getrandom::u64().unwrap_or_default(),
            ..Ask::new(ticket, self.request().1.model.clone())
        };
        let desk = Arc::clone(&self.shared.desk);
        let answer = desk.ask(ask, myself);
        self.place = Some(Place { ticket, desk });
        self.on_answer(myself, attempt, answer);
    }

    fn on_answer(&mut self, myself: &ActorRef<TurnMessage>, attempt: u32, answer: Answer) {
        match answer {
            Answer::Placed { replica, route } => {
                self.on_placed(&replica, route);
                self.decide(myself, Input::Placed { attempt, replica });
            }
            Answer::Waits { ahead } => self.show_queued(ahead),
            Answer::Refused(cause) => self.decide(myself, Input::Refused { attempt, cause }),
        }
    }

    fn on_placed(&mut self, replica: &ReplicaId, route: Route) {
        self.waiting = None;
        self.placed_at.get_or_insert_with(Instant::now);
        self.placed = Some((replica.clone(), route));
    }

    /// Only a turn that has not started yet tells its client that it waits.
    fn show_queued(&self, ahead: u32) {
        if self.ledger.as_ref().is_some_and(|ledger| ledger.prompt().0 == 0) {
            let _ = self.sink.try_send(Box::new(TurnEvent::Queued { ahead }));
        }
    }

    fn run(&mut self, myself: &ActorRef<TurnMessage>, attempt: u32) {
        let ledger = self.ledger.take().unwrap_or_default();
        let wire_attempt = self.past.attempts.saturating_add(attempt);
        let span = self.attempt_span(wire_attempt);
        let trace = span.as_ref().map(Span::context).or(self.trace);
        let (number, request) = self.request();
        *number = wire_attempt;
        request.trace = trace;
        request.resume = ledger.ids().to_vec();
        let id = request.turn;
        let mut open = BytesMut::new();
        let (stop, stopped) = oneshot::channel();
        let deadline = self.machine.deadline();
        let run = Attempt::new(
            Arc::clone(&self.shared),
            myself.clone(),
            id,
            attempt,
            ledger,
            self.sink.clone(),
            self.accepted_at,
            self.token_at,
            deadline,
        );
        let Some((replica, route)) = self.placed.clone() else { return };
        self.shared.watch.turn_placed(id, replica.node.clone());
        let mut run = run.after(self.loss.take(), replica).told_in(span, self.first_token_at);
        run.wire_attempt = wire_attempt;
        run.shown = Arc::clone(&self.shown);
        if let Err(error) = encode_frame(&self.open, &mut open, REQUEST_FRAME_BYTES_MAX) {
            let cause = Cause::InvalidRequest { parameter: "input".to_owned(), message: error.to_string() };
            return run.refuse(cause);
        }
        self.running = Some((Some(stop), owned::spawn(run.run(route, open, stopped))));
    }

    fn attempt_span(&self, number: u32) -> Option<Span> {
        let mut span = Span::below(&self.shared.observer, self.trace, "attempt")?;
        span.set("attempt", u64::from(number));
        if let Some((replica, _)) = &self.placed {
            span.set("node", replica.node.0.as_str());
            span.set("model", replica.model.0.as_str());
        }
        Some(span)
    }

    fn end(&mut self, end: End) {
        let Some(terminal) = self.terminal.take() else { return };
        let ledger = self.ledger.take().unwrap_or_default();
        let (prompt_tokens, cached_tokens) = ledger.prompt();
        let usage =
            Usage { prompt_tokens, cached_tokens, completion_tokens: ledger.shown(), ..Usage::default() };
        let event = match (end, self.finished.take()) {
            (End::Finished, Some(finished)) => finished,
            (End::Finished, None) | (End::Cancelled, _) => {
                TurnEvent::finished(FinishReason::Cancelled, "", usage)
            }
            (End::Failed(cause), _) => TurnEvent::Failed { cause },
        };
        let outcome = match &event {
            TurnEvent::Finished { reason: FinishReason::Stop, .. } => "stop",
            TurnEvent::Finished { reason: FinishReason::Length, .. } => "length",
            TurnEvent::Failed { cause } => cause.code(),
            _ => "cancelled",
        };
        let after = self.accepted_at.elapsed();
        let (first, last) = (self.first_token_at, self.token_at);
        let model = self.request().1.model.clone();
        self.shared.observe(Observation::TurnEnded {
            model: &model,
            outcome,
            after,
            prefill: first.zip(self.placed_at).map(|(first, placed)| first.saturating_duration_since(placed)),
            decode: last.zip(first).map(|(last, first)| last - first),
            trace: self.trace.filter(|trace| trace.is_sampled).map(|trace| trace.trace),
            prompt_tokens,
            cached_tokens,
            completion_tokens: usage.completion_tokens,
            accepted_tokens: usage.accepted_tokens,
        });
        let turn = self.request().1.turn;
        self.shared.watch.turn_ended(turn, outcome, usage.completion_tokens, after);
        tracing::debug!(%turn, outcome, tokens = usage.completion_tokens, ms = after.as_millis() as u64, "turn ended");
        terminal.send(Box::new(event));
    }
}

impl Drop for TurnState {
    fn drop(&mut self) {
        // An actor that is killed or fails has not said the end of its turn; this says it.
        self.end(match () {
            () if self.shared.is_draining() => End::Failed(Cause::ShuttingDown),
            () if self.sink.is_closed() => End::Cancelled,
            () => End::Failed(Cause::Internal { message: "the turn's actor was lost".to_owned() }),
        });
        self.shared.turns_active.send_modify(|turns| *turns -= 1);
    }
}

impl Actor for Turn {
    type Msg = TurnMessage;
    type State = TurnState;
    type Arguments = TurnArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        arguments: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let TurnArguments { shared, request, key, sink, terminal, past } = arguments;
        let accepted_at = Instant::now();
        let (machine, effects) = Machine::start(shared.turn_limits(), accepted_at);
        shared.turns_active.send_modify(|turns| *turns += 1);
        shared.observe(Observation::TurnAccepted);
        let ledger = Ledger::resumed(request.resume.clone());
        let trace = request.trace;
        let (id, model) = (request.turn, request.model.clone());
        let watch = &shared.watch;
        let shown = watch.turn_started(id, model, Principal(key), ledger.shown(), myself.clone());
        let mut state = TurnState {
            key,
            prefix: Prefix::of(&request.input),
            loss: None,
            shared,
            machine,
            past,
            open: Open::Turn { attempt: 1, request: Box::new(request) },
            sink,
            terminal: Some(terminal),
            accepted_at,
            shown,
            ledger: Some(ledger),
            token_at: None,
            first_token_at: None,
            placed_at: None,
            trace,
            waiting: None,
            place: None,
            placed: None,
            finished: None,
            running: None,
        };
        state.perform(&myself, effects);
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            TurnMessage::Placed { attempt, replica, route } => {
                state.on_placed(&replica, route);
                state.decide(&myself, Input::Placed { attempt, replica });
            }
            TurnMessage::Queued { ahead } => state.show_queued(ahead),
            TurnMessage::Refused { attempt, cause } => {
                state.decide(&myself, Input::Refused { attempt, cause })
            }
            TurnMessage::Move { attempt, cause } => state.decide(&myself, Input::Move { attempt, cause }),
            TurnMessage::AttemptEnded(ended) => {
                let Ended { attempt, ledger, token_at, first_token_at, loss, outcome, finished } = *ended;
                (state.loss, state.first_token_at) = (loss, first_token_at);
                let shown = ledger.shown();
                if let (Outcome::Finished, Some(place)) = (&outcome, &state.place) {
                    state.prefix.push_answer_ids(ledger.ids());
                    place.desk.answered(place.ticket, std::mem::take(&mut state.prefix));
                }
                state.running = None;
                state.ledger = Some(ledger);
                state.token_at = token_at;
                state.finished = finished;
                state.decide(&myself, Input::AttemptEnded { attempt, shown, outcome });
            }
            TurnMessage::PauseOver { attempt } => state.decide(&myself, Input::PauseOver { attempt }),
            TurnMessage::Cancel => state.decide(&myself, Input::Cancel),
            TurnMessage::Tick => state.decide(&myself, Input::Tick),
        }
        Ok(())
    }
}
