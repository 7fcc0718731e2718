//! One try of one turn: a task that opens a stream to a replica, checks every event against the ledger, and
//! passes tokens on to the client. Spawned and owned by the Turn actor. When the replica's node is reached over a
//! better path while tokens flow, the stream moves there at the next token, within the same attempt.
//!
//! The attempt holds the ledger and the way to the client while it runs, and hands the ledger back when it
//! ends, however it ends. So no two attempts can ever show tokens of one turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use bytes::BytesMut;
use pomona_cluster::ledger::{Ledger, Verdict};
use pomona_cluster::turn::Outcome;
use pomona_protocol::limits::EVENT_FRAME_BYTES_MAX;
use pomona_protocol::{
    Cause, FrameDecoder, ModelId, NodeId, Open, ReplicaId, TraceContext, TurnEvent, TurnId, encode_frame,
};
use pomona_transport::Link;
use ractor::ActorRef;
use tokio::sync::{mpsc, oneshot};

use crate::counts::count;
use crate::observer::Observation;
use crate::route::{PeerRoute, Route, TurnIo};
use crate::shared::Shared;
use crate::trace::{Phases, Span};
use crate::turn::TurnMessage;

pub(crate) struct Attempt {
    pub(crate) shared: Arc<Shared>,
    pub(crate) turn: ActorRef<TurnMessage>,
    pub(crate) id: TurnId,
    pub(crate) attempt: u32,
    /// Its number as nodes hear it.
    pub(crate) wire_attempt: u32,
    pub(crate) ledger: Ledger,
    pub(crate) sink: mpsc::Sender<Box<TurnEvent>>,
    pub(crate) accepted_at: Instant,
    /// When the last token was shown, over all attempts.
    pub(crate) token_at: Option<Instant>,
    pub(crate) deadline: Instant,
    /// How many tokens were shown, for whoever watches.
    pub(crate) shown: Arc<AtomicU32>,
    /// What was lost before, until the next token is shown.
    loss: Option<Loss>,
    /// Where it runs.
    node: NodeId,
    model: ModelId,
    /// When the first token was shown, over all attempts.
    first_token_at: Option<Instant>,
    span: Option<Span>,
    phases: Option<Phases>,
    outcome: Outcome,
    finished: Option<TurnEvent>,
}

/// A replica was lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loss {
    /// Code of the cause.
    pub(crate) cause: &'static str,
    /// When that was noticed.
    pub(crate) at: Instant,
}

/// What an attempt hands back.
pub(crate) struct Ended {
    pub(crate) attempt: u32,
    pub(crate) ledger: Ledger,
    pub(crate) token_at: Option<Instant>,
    pub(crate) first_token_at: Option<Instant>,
    pub(crate) loss: Option<Loss>,
    pub(crate) outcome: Outcome,
    /// The engine's `Finished` event, when the outcome says so.
    pub(crate) finished: Option<TurnEvent>,
}

impl Attempt {
    #[expect(
        clippy::too_many_arguments,
        reason = "one owner, one call; a second struct would only rename the fields"
    )]
    pub(crate) fn new(
        shared: Arc<Shared>,
        turn: ActorRef<TurnMessage>,
        id: TurnId,
        attempt: u32,
        ledger: Ledger,
        sink: mpsc::Sender<Box<TurnEvent>>,
        accepted_at: Instant,
        token_at: Option<Instant>,
        deadline: Instant,
    ) -> Self {
        let outcome = Outcome::Failed(Cause::Internal { message: "an attempt was dropped".to_owned() });
        Self {
            shared,
            turn,
            id,
            attempt,
            wire_attempt: attempt,
            ledger,
            sink,
            accepted_at,
            token_at,
            deadline,
            shown: Arc::default(),
            loss: None,
            node: NodeId::from(""),
            model: ModelId::from(""),
            first_token_at: None,
            span: None,
            phases: None,
            outcome,
            finished: None,
        }
    }

    /// Goes on at `replica`, perhaps after a loss.
    pub(crate) fn after(mut self, loss: Option<Loss>, replica: ReplicaId) -> Self {
        (self.loss, self.node, self.model) = (loss, replica.node, replica.model);
        self
    }

    /// Is told in this span, and when the first token was shown.
    pub(crate) fn told_in(mut self, span: Option<Span>, first_token_at: Option<Instant>) -> Self {
        (self.span, self.first_token_at) = (span, first_token_at);
        self
    }

    fn context(&self) -> Option<TraceContext> {
        self.span.as_ref().map(Span::context)
    }

    /// Runs to the end, or until told to stop; the result reaches the Turn actor when `self` is dropped.
    pub(crate) async fn run(mut self, route: Route, open: BytesMut, mut stop: oneshot::Receiver<()>) {
        let turn = self.turn.clone();
        let deadline = tokio::time::sleep_until(self.deadline.into());
        self.outcome = {
            let pump = self.converse(&route, open);
            tokio::pin!(pump, deadline);
            tokio::select! {
                biased;
                outcome = &mut pump => outcome,
                _ = &mut stop => Outcome::Stopped,
                () = &mut deadline => {
                    // What that means is the turn's decision.
                    let _ = turn.cast(TurnMessage::Tick);
                    tokio::select! {
                        outcome = pump => outcome,
                        _ = stop => Outcome::Stopped,
                    }
                }
            }
        };
    }

    async fn converse(&mut self, route: &Route, open: BytesMut) -> Outcome {
        // Boxed, as what comes seldom or is over soon is not to count for every running turn.
        let mut io = match Box::pin(route.open(&open)).await {
            Ok(io) => io,
            Err(error) => return Outcome::Failed(lost(route, &error.to_string())),
        };
        // The prompt is not needed any more, and may be large.
        drop(open);
        let outcome = match route.peer() {
            None => {
                count(&self.shared.counts.turns);
                // The node of another engine tells of its phases itself.
                self.phases = Some(Phases::begin(&self.shared.observer, self.context()));
                self.pump(route, &mut io).await
            }
            Some(peer) => Box::pin(self.pump_over_paths(route, peer.clone(), &mut io)).await,
        };
        if outcome == Outcome::Finished {
            route.give_back(io);
        }
        outcome
    }

    /// Ends before it began.
    pub(crate) fn refuse(mut self, cause: Cause) {
        self.outcome = Outcome::Failed(cause);
    }

    async fn pump(&mut self, route: &Route, io: &mut TurnIo) -> Outcome {
        let mut decoder = FrameDecoder::<TurnEvent>::new(EVENT_FRAME_BYTES_MAX);
        loop {
            if let Some(outcome) = self.take_all(&mut decoder).await {
                return outcome;
            }
            if let Err(cause) = read(route, io, &mut decoder).await {
                return Outcome::Failed(cause);
            }
        }
    }

    /// As [`Attempt::pump`], and follows the node when it is reached over another link.
    async fn pump_over_paths(&mut self, route: &Route, mut peer: PeerRoute, io: &mut TurnIo) -> Outcome {
        let mut decoder = FrameDecoder::<TurnEvent>::new(EVENT_FRAME_BYTES_MAX);
        // Streams before a move, until a token came after it. To drop one is to cancel, which must not reach the
        // node before the move does; and a turn that ended before that has its end on the one before.
        let mut before: Vec<(TurnIo, FrameDecoder<TurnEvent>)> = Vec::new();
        let mut shown = self.ledger.shown();
        let mut follows = true;
        loop {
            let outcome = self.take_all(&mut decoder).await;
            if self.ledger.shown() != shown {
                shown = self.ledger.shown();
                before.clear();
            }
            let broken = match outcome {
                Some(Outcome::Failed(cause @ Cause::TurnNotHeld)) => Some(cause),
                Some(outcome) => return outcome,
                None => {
                    let Some(link) = io.link().cloned() else {
                        return self.pump(route, io).await;
                    };
                    tokio::select! {
                        biased;
                        read = read(route, io, &mut decoder) => read.err(),
                        _ = peer.moved_from(&link), if follows => {
                            before.extend(Box::pin(self.attach(route, io, &mut decoder)).await);
                            None
                        }
                    }
                }
            };
            let Some(cause) = broken else { continue };
            if let Some(last) = before.pop() {
                (*io, decoder) = last;
                follows = false;
                continue;
            }
            // The link may be gone while the node and its turn are not.
            let is_elsewhere = |link: &Link| peer.current().is_some_and(|other| other.id() != link.id());
            if cause == Cause::TurnNotHeld || !io.link().is_some_and(is_elsewhere) {
                return Outcome::Failed(cause);
            }
            let Some(broken) = Box::pin(self.attach(route, io, &mut decoder)).await else {
                return Outcome::Failed(cause);
            };
            drop(broken);
        }
    }

    /// Goes on over the link in use now, and gives what was read before; that stays as it was when this fails.
    async fn attach(
        &mut self,
        route: &Route,
        io: &mut TurnIo,
        decoder: &mut FrameDecoder<TurnEvent>,
    ) -> Option<(TurnIo, FrameDecoder<TurnEvent>)> {
        let attach = Open::Attach { turn: self.id, attempt: self.wire_attempt, from: self.ledger.shown() };
        let mut open = BytesMut::new();
        encode_frame(&attach, &mut open, EVENT_FRAME_BYTES_MAX).ok()?;
        let moved = route.open(&open).await.ok()?;
        tracing::debug!(turn = %self.id, shown = self.ledger.shown(), "turn moved to another link");
        let fresh = FrameDecoder::new(EVENT_FRAME_BYTES_MAX);
        Some((std::mem::replace(io, moved), std::mem::replace(decoder, fresh)))
    }

    /// Takes all events that have arrived; says how the attempt ended if it did.
    async fn take_all(&mut self, decoder: &mut FrameDecoder<TurnEvent>) -> Option<Outcome> {
        loop {
            match decoder.next_frame() {
                Ok(Some(event)) => {
                    if let Some(outcome) = self.take(event).await {
                        return Some(outcome);
                    }
                }
                Ok(None) => return None,
                Err(error) => return Some(Outcome::Failed(Cause::Protocol { message: error.to_string() })),
            }
        }
    }

    /// Takes one event; says how the attempt ended if it did.
    async fn take(&mut self, event: TurnEvent) -> Option<Outcome> {
        match self.ledger.admit(&event) {
            Err(cause) => Some(Outcome::Failed(cause)),
            Ok(Verdict::Skip) => None,
            Ok(Verdict::Show) if matches!(event, TurnEvent::Prefill { .. }) => {
                // Never waited for: a client without room for it hears the next number.
                let _ = self.sink.try_send(Box::new(event));
                None
            }
            Ok(Verdict::Show) => {
                if let TurnEvent::Tokens { first: shown, .. } = event {
                    self.observe_tokens();
                    if let Some(loss) = self.loss.take() {
                        let gap = loss.at.elapsed();
                        self.shared.observe(Observation::Failover { cause: loss.cause, gap });
                        let (cause, node) = (loss.cause.to_owned(), self.node.clone());
                        self.show(TurnEvent::Resumed { shown, cause, node }).await;
                    }
                }
                self.show(event).await
            }
            Ok(Verdict::Terminal) => Some(match event {
                TurnEvent::Failed { cause } => Outcome::Failed(cause),
                event => {
                    self.finished = Some(event);
                    Outcome::Finished
                }
            }),
        }
    }

    /// A slow client stops the reading here; the stream fills, and the engine pauses this sequence.
    async fn show(&mut self, event: TurnEvent) -> Option<Outcome> {
        match self.sink.send(Box::new(event)).await {
            Ok(()) => None,
            Err(mpsc::error::SendError(_)) => Some(Outcome::Stopped),
        }
    }

    fn observe_tokens(&mut self) {
        let now = Instant::now();
        self.shown.store(self.ledger.shown(), Ordering::Relaxed);
        let (model, trace) = (&self.model, self.span.as_ref().map(|span| span.context().trace));
        self.shared.observe(match self.token_at.replace(now) {
            None => {
                self.first_token_at = Some(now);
                Observation::FirstToken { model, after: now - self.accepted_at, trace }
            }
            Some(before) => Observation::Tokens { model, gap: now - before, trace },
        });
        if let Some(phases) = &mut self.phases {
            phases.on_token();
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.phases = None;
        if let Some(mut span) = self.span.take() {
            span.set("tokens", u64::from(self.ledger.shown()));
            if let Outcome::Failed(cause) = &self.outcome {
                span.fail(cause.code());
            }
        }
        let ended = Ended {
            attempt: self.attempt,
            ledger: std::mem::take(&mut self.ledger),
            token_at: self.token_at,
            first_token_at: self.first_token_at,
            loss: self.loss,
            outcome: self.outcome.clone(),
            finished: self.finished.take(),
        };
        let _ = self.turn.cast(TurnMessage::AttemptEnded(Box::new(ended)));
    }
}

async fn read(route: &Route, io: &mut TurnIo, decoder: &mut FrameDecoder<TurnEvent>) -> Result<(), Cause> {
    match io.read(decoder.buffer()).await {
        Ok(0) => Err(lost(route, "its stream ended")),
        Ok(_) => Ok(()),
        Err(error) => Err(lost(route, &error.to_string())),
    }
}

fn lost(route: &Route, message: &str) -> Cause {
    let message = message.to_owned();
    match route.peer() {
        None => Cause::EngineLost { message },
        Some(peer) => Cause::LinkLost { node: peer.node.to_string(), message },
    }
}
