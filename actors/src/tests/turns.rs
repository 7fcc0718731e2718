//! Turns of one process against engines that die, lie, hang and refuse.

use pomona_protocol::{Cause, FinishReason, TurnEvent, Usage};

use super::bench::{ANSWER, Bench, PATIENCE, Script, collect, replica, whole};

async fn check_whole(scripts: &[Script]) {
    let bench = Bench::new(scripts).await;
    let (_client, mut stream) = bench.start().await;
    let (text, terminal) = collect(&mut stream).await;
    assert_eq!(text, whole(), "{scripts:?}");
    assert!(matches!(terminal, TurnEvent::Finished { reason: FinishReason::Stop, .. }), "{terminal:?}");
}

#[tokio::test]
async fn an_answer_survives_the_loss_of_its_engine_at_every_token() {
    for tokens in 0..=ANSWER {
        check_whole(&[Script::DieAfter(tokens), Script::Finish]).await;
    }
}

#[tokio::test]
async fn an_answer_survives_any_number_of_losses_that_each_show_something() {
    let mut scripts = vec![Script::DieAfter(1); ANSWER as usize];
    scripts.push(Script::Finish);
    check_whole(&scripts).await;
}

#[tokio::test]
async fn a_lying_engine_changes_nothing_that_was_shown() {
    check_whole(&[Script::DieAfter(3), Script::Repeat, Script::Garbage, Script::Finish]).await;
}

#[tokio::test]
async fn an_engine_that_never_shows_anything_is_given_up() {
    let bench = Bench::new(&[Script::DieAfter(0)]).await;
    let (_client, mut stream) = bench.start().await;
    let (text, terminal) = collect(&mut stream).await;
    assert_eq!(text, "");
    let TurnEvent::Failed { cause: Cause::AttemptsExhausted { attempts: 8, .. } } = terminal else {
        panic!("{terminal:?}")
    };
}

#[tokio::test]
async fn a_refusal_is_passed_on() {
    let bench = Bench::new(&[Script::Refuse]).await;
    let (_client, mut stream) = bench.start().await;
    let (_, terminal) = collect(&mut stream).await;
    assert!(matches!(terminal, TurnEvent::Failed { cause: Cause::ContextExceeded { .. } }), "{terminal:?}");
}

#[tokio::test]
async fn a_cancelled_turn_ends_as_cancelled_with_what_was_shown() {
    let bench = Bench::new(&[Script::Hang]).await;
    let (_client, mut stream) = bench.start().await;
    while !matches!(stream.next().await, Some(TurnEvent::Tokens { .. })) {}
    stream.cancel();
    let usage = Usage { prompt_tokens: 5, cached_tokens: 0, completion_tokens: 1, ..Usage::default() };
    let cancelled = TurnEvent::Finished {
        reason: FinishReason::Cancelled,
        text: String::new(),
        usage,
        marks: Vec::new(),
        stop: None,
        embedding: Vec::new(),
    };
    assert_eq!(stream.next().await, Some(cancelled));
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_client_that_goes_takes_its_turns_along() {
    let bench = Bench::new(&[Script::Hang]).await;
    let (client, mut stream) = bench.start().await;
    while !matches!(stream.next().await, Some(TurnEvent::Tokens { .. })) {}
    drop(client);
    let (_, terminal) = collect(&mut stream).await;
    assert!(terminal.is_terminal());
    let mut turns = bench.handle.shared.turns_active.subscribe();
    tokio::time::timeout(PATIENCE, turns.wait_for(|turns| *turns == 0)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_turn_without_a_replica_waits_for_one() {
    let bench = Bench::new(&[Script::Finish]).await;
    bench.handle.shared.desk.replica_down(&replica("n"));
    let (_client, mut stream) = bench.start().await;
    assert_eq!(stream.next().await, Some(TurnEvent::Queued { ahead: 0 }));
    bench.replica_up();
    assert_eq!(collect(&mut stream).await.0, whole());
}
