//! When a stream has been silent for too long. Whoever speaks on it says so; nothing is set anew for each word.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// See the module.
pub(crate) struct Silence {
    limit: Duration,
    spoke_at: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Silence {
    /// Silence from now on; `limit` is what may pass without a word.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, spoke_at: Instant::now(), timer: Box::pin(sleep(limit)) }
    }

    /// Something was said.
    pub(crate) fn broken(&mut self) {
        self.spoke_at = Instant::now();
    }

    /// Ready when the silence has lasted for the limit; it then begins anew.
    pub(crate) fn poll_limit(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(context));
            let now = Instant::now();
            let due = self.spoke_at + self.limit;
            if due > now {
                self.timer.as_mut().reset(due);
                continue;
            }
            self.spoke_at = now;
            self.timer.as_mut().reset(now + self.limit);
            return Poll::Ready(());
        }
    }

    /// As [`Silence::poll_limit`].
    pub(crate) async fn limit(&mut self) {
        std::future::poll_fn(|context| self.poll_limit(context)).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn silence_counts_from_the_last_word_and_again_and_again() {
        let mut silence = Silence::new(Duration::from_millis(1));
        for _ in 0..3 {
            let begun = silence.spoke_at;
            silence.limit().await;
            assert!(silence.spoke_at >= begun + silence.limit);
        }
        let mut silence = Silence::new(Duration::from_secs(600));
        silence.broken();
        assert_eq!(silence.limit().now_or_never(), None);
    }
}
