//! Where the events of one turn come from: the log of a session, which is followed however often the way to it is cut,
//! or a turn that is in no log and whose events are given the same shape.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pomona_actors::{SessionStream, Sessions};
use pomona_protocol::{
    Cause, Principal, SessionAttach, SessionEvent, SessionEventBody, SessionId, SessionLive, SessionNews,
    TurnId,
};
use tokio::time::{Instant, timeout_at};

use crate::turnlog::passing::Passing;

/// Cuts in a row, without an event between them, after which following is given up.
const CUTS_MAX: u8 = 3;
/// A turn that fails this soon is an HTTP error and not the end of a stream.
const DECISION_TIME: Duration = Duration::from_secs(1);

/// Something that is heard of a turn.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all of them are events; a box for each would cost more"
)]
pub(crate) enum Heard {
    /// An entry of its log.
    Event(SessionEvent),
    /// It waits for a replica.
    Queued,
}

/// The events of one turn, its `Accepted` first, its terminal one last. Nothing is to be asked behind that or behind
/// an error.
pub(crate) enum Source {
    /// A turn of a session.
    Lasting(Box<Follower>),
    /// A turn by itself; dropping it cancels it.
    Passing(Box<Passing>),
}

impl Source {
    /// The next thing that is heard.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Heard, Cause>> {
        match self {
            Source::Lasting(follower) => follower.poll_next(context),
            Source::Passing(passing) => passing.poll_next(context).map(Ok),
        }
    }

    /// As [`Source::poll_next`], to await.
    pub(crate) async fn next(&mut self) -> Result<Heard, Cause> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Hears enough to tell a turn that works from one that fails at once. What was heard is to be written first.
    pub(crate) async fn decide(&mut self) -> Result<Vec<Heard>, Cause> {
        let deadline = Instant::now() + DECISION_TIME;
        let mut heard = Vec::new();
        loop {
            let Ok(next) = timeout_at(deadline, self.next()).await else { return Ok(heard) };
            let next = next?;
            let is_open = match &next {
                Heard::Queued => false,
                Heard::Event(event) => match &event.body {
                    SessionEventBody::Failed { cause, .. } => return Err(cause.clone()),
                    body => matches!(
                        body,
                        SessionEventBody::Accepted { .. } | SessionEventBody::ContextDropped { .. }
                    ),
                },
            };
            heard.push(next);
            if !is_open {
                return Ok(heard);
            }
        }
    }
}

type Attaching = Pin<Box<dyn Future<Output = Result<SessionStream, Cause>> + Send>>;

/// Follows one turn in the log of its session.
pub(crate) struct Follower {
    sessions: Sessions,
    session: SessionId,
    by: Principal,
    turn: TurnId,
    /// The last number that was heard.
    cursor: u64,
    stream: SessionStream,
    attaching: Option<Attaching>,
    /// Cuts since the last event.
    cuts: u8,
}

impl Follower {
    /// Attaches right before `accepted_seq`, the number of the turn's `Accepted`.
    pub(crate) async fn attach(
        sessions: Sessions,
        session: SessionId,
        by: Principal,
        turn: TurnId,
        accepted_seq: u64,
    ) -> Result<Self, Cause> {
        let cursor = accepted_seq.saturating_sub(1);
        let stream = sessions.attach(wish(session, by, cursor)).await?;
        Ok(Self { sessions, session, by, turn, cursor, stream, attaching: None, cuts: 0 })
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Heard, Cause>> {
        loop {
            if let Some(attaching) = &mut self.attaching {
                let attached = ready!(attaching.as_mut().poll(context));
                self.attaching = None;
                match attached {
                    Ok(stream) => self.stream = stream,
                    Err(cause) => return Poll::Ready(Err(cause)),
                }
            }
            match ready!(self.stream.poll_next(context)) {
                Some(SessionNews::Event(event)) => {
                    self.cursor = event.seq;
                    self.cuts = 0;
                    if event.body.turn() == Some(self.turn) {
                        return Poll::Ready(Ok(Heard::Event(event)));
                    }
                }
                Some(SessionNews::Live(SessionLive::Queued { turn, .. })) if turn == self.turn => {
                    return Poll::Ready(Ok(Heard::Queued));
                }
                Some(SessionNews::Live(_) | SessionNews::CaughtUp { .. }) => {}
                Some(SessionNews::Cut { reason }) => self.attach_again(&reason)?,
                None => self.attach_again("moved")?,
            }
        }
    }

    /// A session that moved is found again. A client that reads too slowly goes on where it was once it reads on: its
    /// body asks for more only then.
    fn attach_again(&mut self, reason: &str) -> Result<(), Cause> {
        self.cuts += 1;
        if self.cuts > CUTS_MAX || !matches!(reason, "moved" | "slow") {
            return Err(cause_of(reason, self.session));
        }
        let (sessions, wish) = (self.sessions.clone(), wish(self.session, self.by, self.cursor));
        self.attaching = Some(Box::pin(async move { sessions.attach(wish).await }));
        Ok(())
    }
}

fn wish(session: SessionId, by: Principal, after: u64) -> SessionAttach {
    SessionAttach::new(session, by, String::new(), after)
}

/// Why a client was cut off, as the end of its stream.
fn cause_of(reason: &str, session: SessionId) -> Cause {
    match reason {
        "deleted" => Cause::UnknownSession { session: session.to_string() },
        "shutting_down" => Cause::ShuttingDown,
        "store" => Cause::StoreFailed { message: "the log cannot be read or written".to_owned() },
        _ => Cause::SessionMoved,
    }
}
