//! What a node does with turns that gateways send over links: it relays them, and holds them when a link is lost.

use pomona_protocol::{Cause, FinishReason, Open, TurnEvent, TurnId, TurnRequest};

use super::bench::{ANSWER, request, until};
use super::engine::Running;
use super::orchard::{Asked, Orchard, attach, cut, turn};

fn is_stop(event: Option<TurnEvent>) -> bool {
    matches!(event, Some(TurnEvent::Finished { reason: FinishReason::Stop, .. }))
}

fn failed(event: Option<TurnEvent>) -> Cause {
    match event {
        Some(TurnEvent::Failed { cause }) => cause,
        other => panic!("{other:?} is no failure"),
    }
}

async fn until_idle(orchard: &Orchard) {
    until("the node hosts nothing", || orchard.shared.hosted.running() == 0).await;
}

/// A turn of which three tokens arrived before its link was cut.
async fn orphan(orchard: &mut Orchard) -> Running {
    let link = orchard.hosted().await;
    let mut asked = Asked::of(&link, &turn(1, 0)).await;
    let mut running = orchard.engine.next().await;
    running.start(0..3).await;
    assert_eq!(asked.up_to(3).await, [0, 1, 2]);
    cut(&link);
    running
}

#[tokio::test]
async fn a_turn_is_relayed_and_its_engine_stream_serves_the_next_one() {
    let mut orchard = Orchard::plant().await;
    let link = orchard.hosted().await;
    let mut asked = Asked::of(&link, &turn(1, 0)).await;
    let mut running = orchard.engine.next().await;
    assert_eq!((running.attempt, &running.request), (1, &request()));
    running.start(0..ANSWER).await;
    running.finish(ANSWER).await;
    let (indices, end) = asked.rest().await;
    assert!(indices.into_iter().eq(0..ANSWER) && is_stop(end));
    assert_eq!(asked.next().await, None, "the stream ends with the turn");
    until_idle(&orchard).await;

    let mut asked = Asked::of(&link, &turn(1, 0)).await;
    let mut running = Running::next(running.stream).await.expect("the stream was kept");
    running.start(0..1).await;
    running.finish(1).await;
    assert!(is_stop(asked.rest().await.1));
}

#[tokio::test]
async fn a_cancel_at_the_gateway_reaches_the_engine() {
    let mut orchard = Orchard::plant().await;
    let link = orchard.hosted().await;
    let mut asked = Asked::of(&link, &turn(1, 0)).await;
    let mut running = orchard.engine.next().await;
    running.start(0..2).await;
    asked.up_to(2).await;
    drop(asked);
    running.until_left().await;
    until_idle(&orchard).await;
    let mut late = Asked::of(&link, &attach(1, 2)).await;
    assert_eq!(failed(late.next().await), Cause::TurnNotHeld, "what was cancelled is not held");
}

#[tokio::test]
async fn an_engine_that_is_lost_or_lies_ends_its_turn_and_no_other() {
    let lies: [&[u8]; 4] = [b"", b"\xff\xff\xff\xff", b"\x00\x00\x00\x03\xc1\xc1\xc1", b"\x00\x00\x00"];
    let mut orchard = Orchard::plant().await;
    let link = orchard.hosted().await;
    for lie in lies {
        let mut asked = Asked::of(&link, &turn(1, 0)).await;
        let mut running = orchard.engine.next().await;
        running.start(0..2).await;
        running.say_raw(lie).await;
        drop(running);
        let (indices, end) = asked.rest().await;
        assert_eq!(indices, [0, 1], "{lie:?}");
        assert!(matches!(failed(end), Cause::EngineLost { .. }), "{lie:?}");
        until_idle(&orchard).await;
    }
}

#[tokio::test]
async fn a_turn_whose_link_is_lost_is_held_and_given_from_any_token_on() {
    for from in 0..=3 {
        let mut orchard = Orchard::plant().await;
        let mut running = orphan(&mut orchard).await;
        // It goes on while nobody listens.
        running.tokens(3..6).await;
        let link = orchard.hosted().await;
        let mut asked = Asked::of(&link, &attach(1, from)).await;
        assert!(asked.up_to(6).await.into_iter().eq(from..6));
        running.tokens(6..8).await;
        running.finish(8).await;
        let (indices, end) = asked.rest().await;
        assert_eq!(indices, [6, 7]);
        assert!(is_stop(end));
        until_idle(&orchard).await;
    }
}

#[tokio::test]
async fn a_turn_that_ended_while_nobody_listened_is_given_with_its_end() {
    let mut orchard = Orchard::plant().await;
    let mut running = orphan(&mut orchard).await;
    running.tokens(3..5).await;
    running.finish(5).await;
    let link = orchard.hosted().await;
    let mut asked = Asked::of(&link, &attach(2, 3)).await;
    let (indices, end) = asked.rest().await;
    assert!(indices == [3, 4] && is_stop(end));
    until_idle(&orchard).await;
}

#[tokio::test]
async fn a_turn_that_is_asked_for_again_goes_on_where_it_is_held() {
    let mut orchard = Orchard::plant().await;
    let mut running = orphan(&mut orchard).await;
    let link = orchard.hosted().await;
    let mut asked = Asked::of(&link, &turn(2, 3)).await;
    running.tokens(3..5).await;
    running.finish(5).await;
    let (indices, end) = asked.rest().await;
    assert!(indices == [3, 4] && is_stop(end));
    assert!(orchard.engine.is_alone().await, "the engine was asked again");
}

#[tokio::test]
async fn a_turn_that_is_not_held_from_there_starts_anew() {
    let mut orchard = Orchard::plant().await;
    let before = orphan(&mut orchard).await;
    let link = orchard.hosted().await;
    // Somebody else has shown more than this node ever said.
    let mut asked = Asked::of(&link, &turn(2, 5)).await;
    let mut running = orchard.engine.next().await;
    assert_eq!((running.attempt, running.request.resume.len()), (2, 5));
    before.until_left().await;
    running.start(5..7).await;
    running.finish(7).await;
    let (indices, end) = asked.rest().await;
    assert!(indices == [5, 6] && is_stop(end));
    until_idle(&orchard).await;
}

#[tokio::test]
async fn the_middle_of_a_frame_is_not_held_and_the_turn_stays() {
    let mut orchard = Orchard::plant().await;
    let link = orchard.hosted().await;
    let mut asked = Asked::of(&link, &turn(1, 0)).await;
    let mut running = orchard.engine.next().await;
    running.start(0..0).await;
    let ids = vec![1000, 1001, 1002];
    running
        .say(TurnEvent::Tokens {
            first: 0,
            ids,
            text: "abc".to_owned(),
            logprobs: Vec::new(),
            marks: Vec::new(),
        })
        .await;
    assert_eq!(asked.up_to(3).await, [0, 1, 2]);
    for from in [1, 2, 4] {
        let mut other = Asked::of(&link, &attach(1, from)).await;
        assert_eq!(failed(other.next().await), Cause::TurnNotHeld, "from {from}");
    }
    running.finish(3).await;
    assert!(is_stop(asked.rest().await.1));
}

#[tokio::test]
async fn an_older_attempt_is_refused_and_the_newer_one_goes_on() {
    let mut orchard = Orchard::plant().await;
    let link = orchard.hosted().await;
    let mut asked = Asked::of(&link, &turn(3, 0)).await;
    let mut running = orchard.engine.next().await;
    running.start(0..1).await;
    asked.up_to(1).await;
    for open in [attach(2, 1), turn(2, 1), turn(1, 0)] {
        let mut old = Asked::of(&link, &open).await;
        assert!(matches!(failed(old.next().await), Cause::Protocol { .. }), "{open:?}");
        assert_eq!(old.next().await, None);
    }
    running.finish(1).await;
    assert!(is_stop(asked.rest().await.1));
    assert!(orchard.engine.is_alone().await);
}

#[tokio::test]
async fn a_turn_that_nobody_comes_back_for_ends_after_its_grace() {
    let mut orchard = Orchard::with(|parts| parts.fleet.orphan_grace_ms = 1).await;
    let running = orphan(&mut orchard).await;
    running.until_left().await;
    until_idle(&orchard).await;
    let link = orchard.hosted().await;
    let mut asked = Asked::of(&link, &attach(2, 3)).await;
    assert_eq!(failed(asked.next().await), Cause::TurnNotHeld);
}

#[tokio::test]
async fn turns_of_one_link_do_not_wait_for_each_other() {
    let mut orchard = Orchard::plant().await;
    let link = orchard.hosted().await;
    let (mut asked, mut running) = (Vec::new(), Vec::new());
    for number in 0..20 {
        let request = TurnRequest { turn: TurnId(number), ..request() };
        let open = Open::Turn { attempt: 1, request: Box::new(request) };
        asked.push(Asked::of(&link, &open).await);
        running.push(orchard.engine.next().await);
    }
    // The last one first.
    for (mut asked, mut running) in asked.into_iter().zip(running).rev() {
        running.start(0..2).await;
        running.finish(2).await;
        assert_eq!(asked.rest().await.0, [0, 1]);
    }
    until_idle(&orchard).await;
}

#[tokio::test]
async fn a_turn_that_failed_here_and_is_asked_for_again_runs_again() {
    for _ in 0..20 {
        let mut orchard = Orchard::plant().await;
        let link = orchard.hosted().await;
        let mut asked = Asked::of(&link, &turn(1, 0)).await;
        let mut running = orchard.engine.next().await;
        running.start(0..2).await;
        drop(running);
        assert!(matches!(failed(asked.rest().await.1), Cause::EngineLost { .. }));
        let mut asked = Asked::of(&link, &turn(2, 2)).await;
        let mut running = orchard.engine.next().await;
        running.start(2..3).await;
        assert_eq!(asked.up_to(3).await, [2]);
    }
}
