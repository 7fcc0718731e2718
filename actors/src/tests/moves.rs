//! Turns that move between two replicas of one process, because one is lost, silent or leaves.

use std::sync::{Arc, Mutex};

use pomona_cluster::admission::Input;
use pomona_protocol::{FinishReason, ReplicaId, TurnEvent};
use ractor::Actor;

use super::bench::{ANSWER, PATIENCE, model, parts, replica, request, token, up};
use super::engine::{Engine, Running};
use crate::client::Clients;
use crate::observer::{Observation, Observer};
use crate::route::Route;
use crate::shared::Shared;
use crate::{Client, Handle, TurnStream};

/// Causes of what was noted, in order.
#[derive(Default)]
pub(super) struct Notes {
    retried: Mutex<Vec<(&'static str, u32)>>,
    failovers: Mutex<Vec<&'static str>>,
}

impl Observer for Notes {
    fn record(&self, observation: Observation<'_>) {
        match observation {
            Observation::TurnRetried { cause, shown } => self.retried.lock().unwrap().push((cause, shown)),
            Observation::Failover { cause, gap } => {
                assert!(gap < PATIENCE);
                self.failovers.lock().unwrap().push(cause);
            }
            _ => {}
        }
    }
}

impl Notes {
    pub(super) fn retried(&self) -> Vec<(&'static str, u32)> {
        self.retried.lock().unwrap().clone()
    }

    pub(super) fn failovers(&self) -> Vec<&'static str> {
        self.failovers.lock().unwrap().clone()
    }
}

/// A gateway with one turn, and what was noted of it.
pub(super) struct Gateway {
    pub(super) shared: Arc<Shared>,
    pub(super) notes: Arc<Notes>,
    folder: tempfile::TempDir,
}

impl Gateway {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let notes = Arc::<Notes>::default();
        let mut parts = parts(folder.path());
        parts.observer = Arc::clone(&notes) as _;
        parts.turn.buffer_events = 64;
        let shared = Arc::new(Shared::new(&parts));
        let (clients, _) = Actor::spawn(None, Clients, ()).await.unwrap();
        shared.clients.store(Some(Arc::new(clients)));
        shared.desk.tell(Input::ModelWanted { model: model() });
        Self { shared, notes, folder }
    }

    pub(super) async fn start(&self) -> (Client, TurnStream) {
        let client = Handle { shared: Arc::clone(&self.shared) }.connect().await.unwrap();
        let stream = client.start(request()).await.unwrap();
        (client, stream)
    }
}

/// Two replicas in one process, of which the first is up.
struct Pair {
    gateway: Gateway,
    a: Engine,
    b: Engine,
}

fn a() -> ReplicaId {
    replica("a")
}

impl Pair {
    async fn new() -> Self {
        let gateway = Gateway::new().await;
        let (a, b) = (Engine::new(gateway.folder.path(), "a"), Engine::new(gateway.folder.path(), "b"));
        up(&gateway.shared, replica("a"), Route::Engine(a.link()));
        Self { gateway, a, b }
    }

    fn b_is_up(&self) {
        up(&self.gateway.shared, replica("b"), Route::Engine(self.b.link()));
    }

    fn tell(&self, input: Input) {
        self.gateway.shared.desk.tell(input);
    }
}

/// The next events, up to and with the token before this index.
pub(super) async fn up_to(stream: &mut TurnStream, end: u32) -> Vec<TurnEvent> {
    let mut events = Vec::new();
    while events.last() != Some(&token(end - 1)) {
        let event = tokio::time::timeout(PATIENCE, stream.next()).await.expect("silence").expect("an end");
        assert!(!event.is_terminal(), "{event:?} before token {end}");
        events.push(event);
    }
    events
}

/// Says the rest of the answer and reads it; proves that it ends as it should.
pub(super) async fn finish(running: &mut Running, stream: &mut TurnStream, from: u32) {
    let rest = async {
        running.tokens(from..ANSWER).await;
        running.finish(ANSWER).await;
    };
    let (events, ()) = tokio::join!(up_to(stream, ANSWER), rest);
    assert!(events.into_iter().eq((from..ANSWER).map(token)));
    let end = tokio::time::timeout(PATIENCE, stream.next()).await.expect("silence");
    assert!(matches!(end, Some(TurnEvent::Finished { reason: FinishReason::Stop, .. })), "{end:?}");
    assert_eq!(stream.next().await, None);
}

/// Three tokens at `a`, a reason to go, the rest at `b`.
async fn check_move(reason: Input, cause: &str) {
    let pair = Pair::new().await;
    let (_client, mut stream) = pair.gateway.start().await;
    let mut before = pair.a.next().await;
    before.start(0..3).await;
    let started = TurnEvent::Started { prompt_tokens: 5, cached_tokens: 0 };
    assert_eq!(up_to(&mut stream, 3).await, [started, token(0), token(1), token(2)]);
    pair.b_is_up();
    pair.tell(reason);

    let mut after = pair.b.next().await;
    assert_eq!((after.attempt, &after.request.resume[..]), (2, &[1000, 1001, 1002][..]));
    before.until_left().await;
    after.start(3..5).await;
    let resumed = TurnEvent::Resumed { shown: 3, cause: cause.to_owned(), node: replica("b").node };
    assert_eq!(up_to(&mut stream, 5).await, [resumed, token(3), token(4)]);
    finish(&mut after, &mut stream, 5).await;
    assert_eq!(pair.gateway.notes.failovers(), [cause]);
    assert_eq!(pair.gateway.notes.retried(), [(cause, 3)]);
}

#[tokio::test]
async fn a_turn_leaves_a_replica_that_is_silent() {
    check_move(Input::ReplicaSuspect { replica: a() }, "node_suspect").await;
}

#[tokio::test]
async fn a_turn_leaves_a_replica_that_drains() {
    check_move(Input::ReplicaDraining { replica: a(), on: true }, "node_draining").await;
}

#[tokio::test]
async fn a_turn_whose_engine_dies_goes_on_elsewhere_and_says_so_once() {
    let pair = Pair::new().await;
    pair.b_is_up();
    let (_client, mut stream) = pair.gateway.start().await;
    let mut before =
        tokio::select! { running = pair.a.next() => running, running = pair.b.next() => running };
    before.start(0..3).await;
    up_to(&mut stream, 3).await;
    drop(before);
    let mut after = tokio::select! { running = pair.a.next() => running, running = pair.b.next() => running };
    after.start(3..4).await;
    let events = up_to(&mut stream, 4).await;
    assert!(
        matches!(&events[..], [TurnEvent::Resumed { shown: 3, cause, .. }, _] if cause == "engine_lost"),
        "{events:?}"
    );
    finish(&mut after, &mut stream, 4).await;
    assert_eq!(pair.gateway.notes.failovers(), ["engine_lost"]);
}

#[tokio::test]
async fn a_turn_stays_where_there_is_nowhere_to_go_until_there_is() {
    let pair = Pair::new().await;
    let (_client, mut stream) = pair.gateway.start().await;
    let mut running = pair.a.next().await;
    running.start(0..3).await;
    up_to(&mut stream, 3).await;
    pair.tell(Input::ReplicaDraining { replica: a(), on: true });
    running.tokens(3..5).await;
    assert_eq!(up_to(&mut stream, 5).await, [token(3), token(4)]);
    pair.b_is_up();
    let mut after = pair.b.next().await;
    running.until_left().await;
    after.start(5..6).await;
    assert_eq!(up_to(&mut stream, 6).await.last(), Some(&token(5)));
    finish(&mut after, &mut stream, 6).await;
}

#[tokio::test]
async fn a_turn_that_loses_two_replicas_before_a_token_resumes_once_from_nothing() {
    let pair = Pair::new().await;
    let (_client, mut stream) = pair.gateway.start().await;
    drop(pair.a.next().await);
    drop(pair.a.next().await);
    let mut running = pair.a.next().await;
    assert_eq!(running.attempt, 3);
    running.start(0..1).await;
    let events = up_to(&mut stream, 1).await;
    let resumed = events.iter().filter(|event| matches!(event, TurnEvent::Resumed { shown: 0, .. })).count();
    assert_eq!(resumed, 1, "{events:?}");
    finish(&mut running, &mut stream, 1).await;
    assert_eq!(pair.gateway.notes.failovers(), ["engine_lost"]);
    assert_eq!(pair.gateway.notes.retried().len(), 2);
}

#[tokio::test]
async fn a_turn_that_is_cancelled_while_it_moves_ends_as_cancelled() {
    for _ in 0..20 {
        let pair = Pair::new().await;
        let (_client, mut stream) = pair.gateway.start().await;
        let mut running = pair.a.next().await;
        running.start(0..1).await;
        up_to(&mut stream, 1).await;
        pair.b_is_up();
        pair.tell(Input::ReplicaSuspect { replica: a() });
        stream.cancel();
        let end = tokio::time::timeout(PATIENCE, stream.next()).await.expect("silence");
        assert!(matches!(end, Some(TurnEvent::Finished { reason: FinishReason::Cancelled, .. })), "{end:?}");
        running.until_left().await;
        let mut active = pair.gateway.shared.turns_active.subscribe();
        tokio::time::timeout(PATIENCE, active.wait_for(|turns| *turns == 0)).await.unwrap().unwrap();
        assert!(pair.gateway.shared.desk.view().placed.values().all(|placed| *placed == 0));
    }
}
