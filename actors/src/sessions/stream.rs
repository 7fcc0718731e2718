//! What an attached client hears. First the past, read from the store in the client's own time; then the present, from a
//! bounded buffer that the session fills. The two meet at the number where the log ended when the client attached, so
//! that there is neither gap nor repeat.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pomona_protocol::{SessionEvent, SessionId, SessionNews};
use pomona_store::{Store, StoreError};

use super::clients::Said;
use super::remote::Remote;
use super::session::{Heard, SessionMessage};

/// Rows of the past read at once.
const ROWS: u32 = 512;

/// What an attached client hears. Dropping it detaches.
pub struct SessionStream(Source);

enum Source {
    Here(Box<Listening>),
    There(Box<Remote>),
    Over,
}

impl SessionStream {
    pub(super) fn here(listening: Listening) -> Self {
        Self(Source::Here(Box::new(listening)))
    }

    pub(super) fn there(remote: Remote) -> Self {
        Self(Source::There(Box::new(remote)))
    }

    /// Which of the clients in [`pomona_protocol::SessionLive::Presence`] this is; `None` where an older gateway, at which
    /// the session lives, does not say it.
    pub fn client(&self) -> Option<u64> {
        match &self.0 {
            Source::Here(listening) => Some(listening.heard.client),
            Source::There(remote) => remote.client(),
            Source::Over => None,
        }
    }

    /// The next news; `None` behind [`SessionNews::Cut`].
    pub async fn next(&mut self) -> Option<SessionNews> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// As [`SessionStream::next`], for streams.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<SessionNews>> {
        let news = match &mut self.0 {
            Source::Here(listening) => ready!(listening.poll_next(context)),
            Source::There(remote) => ready!(remote.poll_next(context)),
            Source::Over => return Poll::Ready(None),
        };
        if matches!(news, SessionNews::Cut { .. }) {
            self.0 = Source::Over;
        }
        Poll::Ready(Some(news))
    }
}

type Reading = Pin<Box<dyn Future<Output = Result<Vec<SessionEvent>, StoreError>> + Send>>;

/// A client of a session on this gateway.
pub(super) struct Listening {
    heard: Heard,
    store: Store,
    session: SessionId,
    /// The last number that was given out.
    cursor: u64,
    past: VecDeque<SessionEvent>,
    reading: Option<Reading>,
    caught_up: bool,
}

impl Listening {
    pub(super) fn new(heard: Heard, store: Store, session: SessionId, after: u64) -> Self {
        Self { heard, store, session, cursor: after, past: VecDeque::new(), reading: None, caught_up: false }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<SessionNews> {
        while self.cursor < self.heard.head_seq {
            if let Some(event) = self.past.pop_front() {
                // The store may know more than the session had said by then; the present begins behind that.
                if let Some(event) = event.after(self.cursor) {
                    self.cursor = event.seq;
                    return Poll::Ready(SessionNews::Event(event));
                }
                continue;
            }
            if let Some(reason) = self.heard.cut.get() {
                return cut(reason);
            }
            match ready!(self.poll_read(context)) {
                Ok(events) if !events.is_empty() => self.past.extend(events),
                Ok(_) => return cut("deleted"),
                Err(error) => {
                    tracing::warn!(session = %self.session, %error, "the past of a session cannot be read");
                    return cut("store");
                }
            }
        }
        if !std::mem::replace(&mut self.caught_up, true) {
            (self.past, self.reading) = (VecDeque::new(), None);
            return Poll::Ready(SessionNews::CaughtUp { head_seq: self.cursor });
        }
        loop {
            match ready!(self.heard.said.poll_recv(context)) {
                Some(Said::Event(event)) => {
                    let Some(event) = event.after(self.cursor) else { continue };
                    self.cursor = event.seq;
                    return Poll::Ready(SessionNews::Event(event));
                }
                Some(Said::Live(live)) => return Poll::Ready(SessionNews::Live((*live).clone())),
                None => return cut(self.heard.cut.get().copied().unwrap_or("moved")),
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Vec<SessionEvent>, StoreError>> {
        let (store, session, cursor) = (&self.store, self.session, self.cursor);
        let reading = self.reading.get_or_insert_with(|| {
            let store = store.clone();
            Box::pin(async move { store.read(session, cursor, ROWS).await })
        });
        let events = ready!(reading.as_mut().poll(context));
        self.reading = None;
        Poll::Ready(events)
    }
}

fn cut(reason: &str) -> Poll<SessionNews> {
    Poll::Ready(SessionNews::Cut { reason: reason.to_owned() })
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.heard.session.cast(SessionMessage::Detach { client: self.heard.client });
    }
}
