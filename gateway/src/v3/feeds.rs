//! Many sessions read side by side, for whoever tells them to one client: a WebSocket or the stream of many topics.
//!
//! Only feeds that have something to say are looked at, in the order in which they got it, and each gives one envelope
//! before it stands at the end of the queue again: a session that never stops talking keeps no other one waiting, and
//! thousands that are silent cost nothing.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use pomona_protocol::SessionId;
use pomona_protocol::v3::{Envelope, EnvelopeBody};

use crate::v3::feed::{Feed, Source};

/// See the module. Dropping it detaches the client from everything.
pub(crate) struct Feeds<S> {
    listening: FuturesUnordered<Listening<S>>,
    /// Who is read, and the last number that was given out.
    cursors: BTreeMap<SessionId, u64>,
}

impl<S: Source + Unpin> Feeds<S> {
    pub(crate) fn new() -> Self {
        Self { listening: FuturesUnordered::new(), cursors: BTreeMap::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.cursors.len()
    }

    pub(crate) fn contains(&self, session: SessionId) -> bool {
        self.cursors.contains_key(&session)
    }

    /// Every session that is read, and the last number that was given out of it.
    pub(crate) fn cursors(&self) -> impl Iterator<Item = (SessionId, u64)> {
        self.cursors.iter().map(|(&session, &cursor)| (session, cursor))
    }

    /// Reads a session, which must not be read yet.
    pub(crate) fn add(&mut self, session: SessionId, feed: Feed<S>) {
        self.cursors.insert(session, feed.cursor());
        self.listening.push(Listening { session, feed: Some(feed), waker: None });
    }

    /// Reads a session no more. Gives the last number that was given out of it; `None` when it was not read.
    pub(crate) fn remove(&mut self, session: SessionId) -> Option<u64> {
        let cursor = self.cursors.remove(&session)?;
        if let Some(listening) =
            self.listening.iter_mut().find(|each| each.session == session && each.feed.is_some())
        {
            listening.stop();
        }
        Some(cursor)
    }

    /// The next envelope, and of which session. The last one of a session is a `cut`, with which it leaves. Never ready
    /// when no session is read.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<(SessionId, Envelope)> {
        loop {
            let Poll::Ready(Some(heard)) = self.listening.poll_next_unpin(context) else {
                return Poll::Pending;
            };
            let Some((session, feed, envelope)) = heard else { continue };
            if matches!(envelope.body, EnvelopeBody::Cut { .. }) {
                self.cursors.remove(&session);
            } else {
                self.cursors.insert(session, feed.cursor());
                self.listening.push(Listening { session, feed: Some(feed), waker: None });
            }
            return Poll::Ready((session, envelope));
        }
    }

    /// As [`Feeds::poll_next`].
    pub(crate) async fn next(&mut self) -> (SessionId, Envelope) {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }
}

/// Waits for one envelope of one session.
struct Listening<S> {
    session: SessionId,
    /// `None` when it is not read any more.
    feed: Option<Feed<S>>,
    waker: Option<Waker>,
}

impl<S> Listening<S> {
    /// Lets go of the session at once, and sees to it that what is left of this goes too.
    fn stop(&mut self) {
        self.feed = None;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl<S: Source + Unpin> Future for Listening<S> {
    type Output = Option<(SessionId, Feed<S>, Envelope)>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(mut feed) = self.feed.take() else { return Poll::Ready(None) };
        match feed.poll_next(context) {
            Poll::Ready(Some(envelope)) => Poll::Ready(Some((self.session, feed, envelope))),
            // The `cut` before it was the end.
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                self.feed = Some(feed);
                if self.waker.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
                    self.waker = Some(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests;
