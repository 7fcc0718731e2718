//! What one client hears of one session: envelopes, at the pace that suits it.
//!
//! A [`Feed`] reads a source of news and is read by a stream of server-sent events or a WebSocket. Tokens are gathered
//! for a while and joined; everything else goes out at once, behind what was gathered. What is joined changes neither
//! the text nor the numbers, so a cursor means the same to every client. The last envelope is always a `cut`.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pomona_actors::{SessionStream, Sessions};
use pomona_protocol::v3::{Envelope, EnvelopeBody};
use pomona_protocol::{SessionAttach, SessionEvent, SessionEventBody, SessionId, SessionNews};
use tokio::time::{Instant, Sleep, sleep};

use crate::errors::ApiError;
use crate::v3::envelope::{live_body, logged, passing};

/// Text that is joined at most, in bytes: what a replay of a long answer holds at once.
const GATHERED_BYTES_MAX: usize = 16 * 1024;
/// Tokens that are joined at most; tokens without text count too.
const GATHERED_TOKENS_MAX: u64 = 4096;

/// Where news comes from. It has said everything when it said [`SessionNews::Cut`].
pub(crate) trait Source {
    /// The next news, in order.
    fn poll_news(&mut self, context: &mut Context<'_>) -> Poll<Option<SessionNews>>;
}

impl Source for SessionStream {
    fn poll_news(&mut self, context: &mut Context<'_>) -> Poll<Option<SessionNews>> {
        self.poll_next(context)
    }
}

/// How fast a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// For how long tokens are gathered; zero passes each event on as it came.
    pub(crate) coalesce: Duration,
    /// After how much silence a heartbeat is said; `None` leaves that to the reader.
    pub(crate) heartbeat: Option<Duration>,
}

/// See the module.
pub(crate) struct Feed<S> {
    session: String,
    source: S,
    pace: Pace,
    /// The last number that was given out.
    cursor: u64,
    /// The last number that was read; ahead of `cursor` while tokens are gathered.
    read_seq: u64,
    gathered: Option<SessionEvent>,
    /// What goes out behind the gathered tokens.
    behind: Option<SessionNews>,
    /// When tokens were given out last.
    tokens_at: Option<Instant>,
    /// When anything was given out last.
    said_at: Instant,
    timer: Pin<Box<Sleep>>,
    has_ended: bool,
}

/// Attaches a client to a session; refused where the session or the cursor is none.
pub(crate) async fn attach(
    sessions: &Sessions,
    attach: SessionAttach,
    pace: Pace,
) -> Result<Feed<SessionStream>, ApiError> {
    let (session, after) = (attach.session, attach.after);
    Ok(Feed::new(session, after, sessions.attach(attach).await?, pace))
}

impl Feed<SessionStream> {
    /// Which of the clients of its session this is, where that is known.
    pub(crate) fn client(&self) -> Option<u64> {
        self.source.client()
    }
}

impl<S: Source> Feed<S> {
    /// What `source` says behind the number `after`, with which it was opened.
    pub(crate) fn new(session: SessionId, after: u64, source: S, pace: Pace) -> Self {
        Self {
            session: session.to_string(),
            source,
            pace,
            cursor: after,
            read_seq: after,
            gathered: None,
            behind: None,
            tokens_at: None,
            said_at: Instant::now(),
            timer: Box::pin(sleep(pace.heartbeat.unwrap_or(pace.coalesce))),
            has_ended: false,
        }
    }

    /// The last number that was given out: where the client goes on when it comes back.
    pub(crate) fn cursor(&self) -> u64 {
        self.cursor
    }

    /// The next envelope; `None` behind a `cut`.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Envelope>> {
        while !self.has_ended {
            if let Some(news) = self.behind.take() {
                return Poll::Ready(Some(self.give(news)));
            }
            match self.source.poll_news(context) {
                Poll::Ready(news) => {
                    // A source that ends without a word has lost its session.
                    let news = news.unwrap_or_else(|| cut("moved"));
                    if let Some(envelope) = self.take(news) {
                        return Poll::Ready(Some(envelope));
                    }
                }
                Poll::Pending => return self.poll_timers(context).map(Some),
            }
        }
        Poll::Ready(None)
    }

    /// As [`Feed::poll_next`], for tests.
    #[cfg(test)]
    pub(crate) async fn next(&mut self) -> Option<Envelope> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// Takes news in; gives out what is to be said now.
    fn take(&mut self, news: SessionNews) -> Option<Envelope> {
        let event = match news {
            SessionNews::Event(event) => event,
            other => return Some(self.flush_before(other)),
        };
        let event = if event.first_seq > self.read_seq { event } else { event.after(self.read_seq)? };
        if event.first_seq != self.read_seq + 1 {
            // Never shown, since the client would take it for the whole; it reads again from where it is.
            tracing::error!(
                session = self.session,
                read = self.read_seq,
                next = event.first_seq,
                "gap in a log"
            );
            return Some(self.flush_before(cut("store")));
        }
        self.read_seq = event.seq;
        if !matches!(event.body, SessionEventBody::Tokens { .. }) {
            return Some(self.flush_before(SessionNews::Event(event)));
        }
        let Some(mut gathered) = self.gathered.take() else {
            if self.may_say_tokens() {
                return Some(self.give(SessionNews::Event(event)));
            }
            self.gathered = Some(event);
            return None;
        };
        if let Some(other) = gathered.join(event) {
            self.gathered = Some(other);
            return Some(self.give(SessionNews::Event(gathered)));
        }
        if is_full(&gathered) {
            return Some(self.give(SessionNews::Event(gathered)));
        }
        self.gathered = Some(gathered);
        None
    }

    /// Whether the last tokens are long enough ago.
    fn may_say_tokens(&self) -> bool {
        self.pace.coalesce.is_zero() || self.tokens_at.is_none_or(|at| at.elapsed() >= self.pace.coalesce)
    }

    /// Says `news`, or what has to be said before it.
    fn flush_before(&mut self, news: SessionNews) -> Envelope {
        match self.gathered.take() {
            Some(gathered) => {
                self.behind = Some(news);
                self.give(SessionNews::Event(gathered))
            }
            None => self.give(news),
        }
    }

    fn give(&mut self, news: SessionNews) -> Envelope {
        self.said_at = Instant::now();
        match news {
            SessionNews::Event(event) => {
                self.cursor = event.seq;
                if matches!(event.body, SessionEventBody::Tokens { .. }) {
                    self.tokens_at = Some(self.said_at);
                }
                logged(&self.session, event)
            }
            SessionNews::CaughtUp { head_seq } => passing(&self.session, EnvelopeBody::CaughtUp { head_seq }),
            SessionNews::Live(live) => passing(&self.session, live_body(live)),
            SessionNews::Cut { reason } => {
                self.has_ended = true;
                passing(&self.session, EnvelopeBody::Cut { reason, cursor: self.cursor })
            }
        }
    }

    /// What is to be said since time has passed: gathered tokens, or a heartbeat.
    fn poll_timers(&mut self, context: &mut Context<'_>) -> Poll<Envelope> {
        loop {
            let tokens_due = match (&self.gathered, self.tokens_at) {
                (Some(_), Some(at)) => Some(at + self.pace.coalesce),
                _ => None,
            };
            let silence_due = self.pace.heartbeat.map(|heartbeat| self.said_at + heartbeat);
            let Some(due) = tokens_due.into_iter().chain(silence_due).min() else { return Poll::Pending };
            // A timer that fires too early is set again; that is less work than setting it with each envelope.
            if due < self.timer.deadline() {
                self.timer.as_mut().reset(due);
            }
            ready!(self.timer.as_mut().poll(context));
            if Instant::now() < due {
                self.timer.as_mut().reset(due);
                continue;
            }
            if tokens_due.is_some_and(|tokens_due| tokens_due <= due)
                && let Some(gathered) = self.gathered.take()
            {
                return Poll::Ready(self.give(SessionNews::Event(gathered)));
            }
            self.said_at = Instant::now();
            return Poll::Ready(passing(&self.session, EnvelopeBody::Heartbeat {}));
        }
    }
}

fn cut(reason: &str) -> SessionNews {
    SessionNews::Cut { reason: reason.to_owned() }
}

fn is_full(gathered: &SessionEvent) -> bool {
    let bytes = match &gathered.body {
        SessionEventBody::Tokens { text, .. } => text.len(),
        _ => 0,
    };
    bytes >= GATHERED_BYTES_MAX || gathered.seq - gathered.first_seq >= GATHERED_TOKENS_MAX
}

#[cfg(test)]
mod tests;
