//! How long handlers hold a thread, how late timers fire, and how many actors live. Every actor of this crate is
//! spawned as a [`Watched`] one; the gateway watches the polls of its requests by the same [`LongPolls`].
//!
//! All of this runs on one runtime per process, so one canary is enough.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::observer::{Observation, Observer};

/// A poll that takes longer is counted: other tasks of its thread wait for that long, and the promise to clients is
/// tens of microseconds per token.
pub const LONG_POLL: Duration = Duration::from_micros(500);
/// Long polls are logged at most this often, each time with the number of those that were not.
const LOG_EVERY_US: u64 = 1_000_000;
/// How long the canary sleeps; its lateness is the measure.
const LAG_PERIOD: Duration = Duration::from_millis(100);
/// The worst lateness is that of this many sleeps, five seconds.
const LAG_WINDOW: u32 = 50;

/// Counts and logs polls that held a thread for too long. Cheap to clone.
#[derive(Clone)]
pub struct LongPolls {
    state: Arc<LongPollsState>,
}

struct LongPollsState {
    observer: Arc<dyn Observer>,
    began_at: Instant,
    count: AtomicU64,
    /// When one was logged last, in microseconds since `began_at`; 0 for never.
    logged_us: AtomicU64,
    unlogged: AtomicU64,
}

impl LongPolls {
    pub(crate) fn new(observer: Arc<dyn Observer>) -> Self {
        let state = LongPollsState {
            observer,
            began_at: Instant::now(),
            count: AtomicU64::new(0),
            logged_us: AtomicU64::new(0),
            unlogged: AtomicU64::new(0),
        };
        Self { state: Arc::new(state) }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.state.count.load(Ordering::Relaxed)
    }

    /// Takes note of how long a poll took. `handler` is one of few names, known beforehand.
    pub fn note(&self, handler: &'static str, took: Duration) {
        if took <= LONG_POLL {
            return;
        }
        let state = &self.state;
        state.count.fetch_add(1, Ordering::Relaxed);
        state.observer.record(Observation::LongPoll { handler, took });
        let now_us = state.began_at.elapsed().as_micros() as u64 + 1;
        let logged_us = state.logged_us.load(Ordering::Relaxed);
        let is_due = logged_us == 0 || now_us >= logged_us + LOG_EVERY_US;
        let claimed = is_due
            && state
                .logged_us
                .compare_exchange(logged_us, now_us, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if claimed {
            let unlogged = state.unlogged.swap(0, Ordering::Relaxed);
            tracing::info!(handler, took_us = took.as_micros() as u64, unlogged, "a handler held a thread");
        } else {
            state.unlogged.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Runs a future and notes each of its polls.
    pub async fn watch<T>(&self, handler: &'static str, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            let began = Instant::now();
            let polled: Poll<T> = future.as_mut().poll(context);
            self.note(handler, began.elapsed());
            polled
        })
        .await
    }
}

/// An actor whose handlers are watched, and which counts among the living for as long as it does.
pub(crate) struct Watched<A> {
    name: &'static str,
    actor: A,
    polls: LongPolls,
    living: Arc<AtomicU64>,
}

impl<A> Watched<A> {
    pub(crate) fn new(name: &'static str, actor: A, polls: LongPolls, living: Arc<AtomicU64>) -> Self {
        living.fetch_add(1, Ordering::Relaxed);
        Self { name, actor, polls, living }
    }
}

impl<A> Drop for Watched<A> {
    fn drop(&mut self) {
        self.living.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<A: Actor> Actor for Watched<A> {
    type Msg = A::Msg;
    type State = A::State;
    type Arguments = A::Arguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        arguments: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        self.polls.watch(self.name, self.actor.pre_start(myself, arguments)).await
    }

    async fn post_start(
        &self,
        myself: ActorRef<Self::Msg>,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        self.polls.watch(self.name, self.actor.post_start(myself, state)).await
    }

    async fn post_stop(
        &self,
        myself: ActorRef<Self::Msg>,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        self.polls.watch(self.name, self.actor.post_stop(myself, state)).await
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        self.polls.watch(self.name, self.actor.handle(myself, message, state)).await
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        self.polls.watch(self.name, self.actor.handle_supervisor_evt(myself, event, state)).await
    }
}

/// Measures for ever how late a timer fires; `worst_micros` is the worst of the last seconds. Whoever calls it owns the
/// task.
pub(crate) async fn watch_lag(observer: Arc<dyn Observer>, worst_micros: Arc<AtomicU64>) {
    let (mut worst, mut before, mut sleeps) = (0, 0, 0);
    loop {
        let due = tokio::time::Instant::now() + LAG_PERIOD;
        tokio::time::sleep_until(due).await;
        let late = due.elapsed();
        observer.record(Observation::Lag { late });
        worst = worst.max(late.as_micros() as u64);
        sleeps += 1;
        if sleeps >= LAG_WINDOW {
            (before, worst, sleeps) = (worst, 0, 0);
        }
        worst_micros.store(worst.max(before), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<&'static str>>);

    impl Observer for Heard {
        fn record(&self, observation: Observation<'_>) {
            if let Observation::LongPoll { handler, .. } = observation {
                self.0.lock().unwrap().push(handler);
            }
        }
    }

    #[tokio::test]
    async fn a_handler_that_holds_a_thread_is_counted_by_name_and_a_quick_one_is_not() {
        let heard = Arc::new(Heard::default());
        let polls = LongPolls::new(Arc::clone(&heard) as _);
        polls.note("quick", LONG_POLL);
        let held = polls.watch("slow", async {
            std::thread::sleep(LONG_POLL * 2);
            7
        });
        assert_eq!(held.await, 7);
        assert_eq!((polls.count(), heard.0.lock().unwrap().as_slice()), (1, ["slow"].as_slice()));
    }

    struct Sleepy;

    impl Actor for Sleepy {
        type Msg = ();
        type State = ();
        type Arguments = ();

        async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
            Ok(())
        }

        async fn handle(&self, myself: ActorRef<()>, (): (), (): &mut ()) -> Result<(), ActorProcessingErr> {
            std::thread::sleep(LONG_POLL * 2);
            myself.stop(None);
            Ok(())
        }
    }

    #[tokio::test]
    async fn actors_are_watched_and_counted_while_they_live() {
        let heard = Arc::new(Heard::default());
        let (polls, living) = (LongPolls::new(Arc::clone(&heard) as _), Arc::<AtomicU64>::default());
        let watched = Watched::new("sleepy", Sleepy, polls, Arc::clone(&living));
        let (actor, ended) = Actor::spawn(None, watched, ()).await.unwrap();
        assert_eq!(living.load(Ordering::Relaxed), 1);
        actor.cast(()).unwrap();
        ended.await.unwrap();
        assert_eq!(living.load(Ordering::Relaxed), 0);
        assert!(heard.0.lock().unwrap().contains(&"sleepy"));
    }
}
