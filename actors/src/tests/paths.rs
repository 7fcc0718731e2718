//! A gateway's turns at a node that is reached over links which come, go and get better.

use pomona_protocol::TurnEvent;
use pomona_transport::Link;
use tokio::sync::watch;

use super::bench::{ANSWER, model, replica, token, until, up};
use super::moves::{Gateway, finish, up_to};
use super::orchard::{Orchard, cut};
use crate::route::{PeerRoute, Route};

/// A gateway that reaches the node's replica over whichever link `best` says.
struct Reach {
    gateway: Gateway,
    orchard: Orchard,
    best: watch::Sender<Option<Link>>,
}

impl Reach {
    async fn new() -> Self {
        let mut orchard = Orchard::plant().await;
        let best = watch::Sender::new(Some(orchard.hosted().await));
        let reach = Self { gateway: Gateway::new().await, orchard, best };
        reach.up();
        reach
    }

    fn up(&self) {
        let node = self.orchard.node();
        let route = Route::Peer(PeerRoute { node: node.clone(), link: self.best.subscribe() });
        up(&self.gateway.shared, replica(&node.0), route);
    }

    async fn better(&mut self) -> Option<Link> {
        let link = self.orchard.hosted().await;
        self.best.send_replace(Some(link))
    }
}

#[tokio::test]
async fn a_turn_runs_over_a_link() {
    let reach = Reach::new().await;
    let (_client, mut stream) = reach.gateway.start().await;
    let mut running = reach.orchard.engine.next().await;
    running.start(0..0).await;
    let started = TurnEvent::Started { prompt_tokens: 5, cached_tokens: 0 };
    running.tokens(0..1).await;
    assert_eq!(up_to(&mut stream, 1).await, [started, token(0)]);
    finish(&mut running, &mut stream, 1).await;
    assert!(reach.gateway.notes.retried().is_empty());
}

#[tokio::test]
async fn a_cancelled_turn_is_left_by_the_engine_behind_the_link() {
    let reach = Reach::new().await;
    let (_client, mut stream) = reach.gateway.start().await;
    let mut running = reach.orchard.engine.next().await;
    running.start(0..1).await;
    up_to(&mut stream, 1).await;
    stream.cancel();
    running.until_left().await;
    until("nothing is hosted", || reach.orchard.shared.hosted.running() == 0).await;
}

#[tokio::test]
async fn a_turn_follows_its_node_to_better_links_within_one_attempt() {
    let mut reach = Reach::new().await;
    let (_client, mut stream) = reach.gateway.start().await;
    let mut running = reach.orchard.engine.next().await;
    running.start(0..1).await;
    up_to(&mut stream, 1).await;
    // The links before stay open, as a worse path does.
    let mut before = Vec::new();
    for shown in 1..ANSWER / 2 {
        before.push(reach.better().await);
        running.tokens(shown..shown + 1).await;
        assert_eq!(up_to(&mut stream, shown + 1).await, [token(shown)], "at {shown}");
    }
    finish(&mut running, &mut stream, ANSWER / 2).await;
    assert!(reach.gateway.notes.retried().is_empty(), "{:?}", reach.gateway.notes.retried());
    assert!(reach.orchard.engine.is_alone().await, "the engine was asked again");
}

#[tokio::test]
async fn a_turn_moves_while_tokens_flow_and_none_is_lost_or_twice() {
    for round in 0..10 {
        let mut reach = Reach::new().await;
        let (_client, mut stream) = reach.gateway.start().await;
        let mut running = reach.orchard.engine.next().await;
        let says = async {
            running.start(0..ANSWER - 1).await;
            running
        };
        let moves = async {
            for _ in 0..round % 3 {
                tokio::task::yield_now().await;
            }
            let before = reach.better().await;
            (reach, before)
        };
        let (events, mut running, (reach, _before)) =
            tokio::join!(up_to(&mut stream, ANSWER - 1), says, moves);
        let tokens = events.into_iter().filter(|event| matches!(event, TurnEvent::Tokens { .. }));
        assert!(tokens.eq((0..ANSWER - 1).map(token)));
        finish(&mut running, &mut stream, ANSWER - 1).await;
        assert!(
            reach.gateway.notes.retried().is_empty(),
            "round {round}: {:?}",
            reach.gateway.notes.retried()
        );
    }
}

#[tokio::test]
async fn a_turn_survives_the_loss_of_its_link_when_there_is_another() {
    let mut reach = Reach::new().await;
    let (_client, mut stream) = reach.gateway.start().await;
    let mut running = reach.orchard.engine.next().await;
    running.start(0..3).await;
    up_to(&mut stream, 3).await;
    let before = reach.better().await.unwrap();
    cut(&before);
    running.tokens(3..5).await;
    assert_eq!(up_to(&mut stream, 5).await, [token(3), token(4)]);
    finish(&mut running, &mut stream, 5).await;
    assert!(reach.gateway.notes.retried().is_empty());
}

#[tokio::test]
async fn a_turn_without_a_link_waits_for_its_node_and_goes_on_with_what_that_held() {
    let mut reach = Reach::new().await;
    let (_client, mut stream) = reach.gateway.start().await;
    let mut running = reach.orchard.engine.next().await;
    running.start(0..3).await;
    up_to(&mut stream, 3).await;
    // As the Peer actor and the Fleet do it: the replica leaves the desk before its link is seen to be closed.
    reach.gateway.shared.desk.replica_down(&replica(&reach.orchard.node().0));
    let before = reach.best.send_replace(None).unwrap();
    cut(&before);
    until("the turn waits", || reach.gateway.shared.desk.view().queued == 1).await;
    running.tokens(3..5).await;
    reach.better().await;
    reach.up();
    let events = up_to(&mut stream, 5).await;
    let node = reach.orchard.node();
    let resumed = TurnEvent::Resumed { shown: 3, cause: "link_lost".to_owned(), node };
    assert_eq!(events, [resumed, token(3), token(4)]);
    finish(&mut running, &mut stream, 5).await;
    assert!(reach.orchard.engine.is_alone().await, "the node held the turn, and the engine was asked again");
    assert_eq!(reach.gateway.notes.failovers(), ["link_lost"]);
}

#[tokio::test]
async fn a_node_that_lost_the_turn_has_it_run_anew_from_what_was_shown() {
    let mut reach = Reach::new().await;
    let (_client, mut stream) = reach.gateway.start().await;
    let mut running = reach.orchard.engine.next().await;
    running.start(0..3).await;
    up_to(&mut stream, 3).await;
    drop(running);
    let mut running = reach.orchard.engine.next().await;
    assert_eq!((running.attempt, running.request.resume.len()), (2, 3));
    assert_eq!(running.request.model, model());
    running.start(3..4).await;
    assert_eq!(up_to(&mut stream, 4).await.last(), Some(&token(3)));
    reach.better().await;
    finish(&mut running, &mut stream, 4).await;
    assert_eq!(reach.gateway.notes.retried(), [("engine_lost", 3)]);
}
