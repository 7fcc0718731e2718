//! What clients asked over one WebSocket and is under way: one thing after the other for each session, so that it happens
//! in the order in which it was said, and side by side for different sessions, so that none waits for another.
//!
//! The socket ([`crate::v3::ws`]) puts work in and says what came of it; how much may be under way is for it to say.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use pomona_protocol::SessionId;

/// See the module. Dropping it gives up what was not begun; what was begun may still happen.
pub(super) struct Lanes<T> {
    running: FuturesUnordered<BoxFuture<'static, (SessionId, T)>>,
    /// What waits behind the work that runs; a session stands here as long as one does.
    waiting: BTreeMap<SessionId, VecDeque<BoxFuture<'static, T>>>,
    len: usize,
}

impl<T: Send + 'static> Lanes<T> {
    pub(super) fn new() -> Self {
        Self { running: FuturesUnordered::new(), waiting: BTreeMap::new(), len: 0 }
    }

    /// How much runs and waits.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether something of this session runs or waits.
    pub(super) fn is_busy(&self, session: SessionId) -> bool {
        self.waiting.contains_key(&session)
    }

    /// Does `work` behind everything else of its session.
    pub(super) fn push(&mut self, session: SessionId, work: impl Future<Output = T> + Send + 'static) {
        self.len += 1;
        if let Some(waiting) = self.waiting.get_mut(&session) {
            waiting.push_back(work.boxed());
        } else {
            self.waiting.insert(session, VecDeque::new());
            self.running.push(work.map(move |done| (session, done)).boxed());
        }
    }

    /// What came of the next work. Never ready when there is none.
    pub(super) async fn next(&mut self) -> T {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<T> {
        let Poll::Ready(Some((session, done))) = self.running.poll_next_unpin(context) else {
            return Poll::Pending;
        };
        self.len -= 1;
        match self.waiting.get_mut(&session).and_then(VecDeque::pop_front) {
            Some(next) => self.running.push(next.map(move |done| (session, done)).boxed()),
            None => drop(self.waiting.remove(&session)),
        }
        Poll::Ready(done)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_of_one_session_keeps_its_order_and_others_pass() {
        let mut lanes = Lanes::new();
        let begun = Arc::new(Mutex::new(Vec::new()));
        let mut finish = Vec::new();
        for (session, name) in [(1, "a"), (1, "b"), (2, "c"), (1, "d")] {
            let (send, wait) = oneshot::channel::<()>();
            finish.push(send);
            let begun = Arc::clone(&begun);
            lanes.push(SessionId(session), async move {
                begun.lock().unwrap().push(name);
                wait.await.unwrap();
                name
            });
        }
        assert_eq!(lanes.next().now_or_never(), None);
        assert_eq!(*begun.lock().unwrap(), ["a", "c"]);
        for send in finish.drain(1..) {
            send.send(()).unwrap();
        }
        assert_eq!(lanes.next().await, "c");
        assert_eq!((lanes.len(), lanes.is_busy(SessionId(2))), (3, false));
        assert_eq!(lanes.next().now_or_never(), None, "nothing overtakes the first");
        finish.remove(0).send(()).unwrap();
        assert_eq!((lanes.next().await, lanes.next().await, lanes.next().await), ("a", "b", "d"));
        assert_eq!((lanes.len(), lanes.is_busy(SessionId(1))), (0, false));
        assert_eq!(lanes.next().now_or_never(), None);
    }
}
