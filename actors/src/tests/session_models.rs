//! Turns whose model nobody has: which of them wait for it.

use pomona_protocol::{Cause, ModelId, ReplicaId, SessionEventBody};

use super::bench::{replica, up};
use super::sessions::{Bench, read_to_end};
use crate::route::Route;

fn plum() -> ModelId {
    ModelId::from("plum")
}

#[tokio::test]
async fn a_new_turn_does_not_wait_for_a_model_that_nobody_has() {
    let bench = Bench::new().await;
    let process = bench.process().await;
    process.create().await;
    let turn = process.submit_to(plum(), "go").await;
    let mut stream = process.attach(0).await;
    let last = read_to_end(&mut stream, 0).await.pop().unwrap();
    let cause = Cause::UnknownModel { model: "plum".to_owned(), known: vec!["m".to_owned()] };
    assert_eq!(last.body, SessionEventBody::Failed { turn, cause });
}

#[tokio::test]
async fn a_turn_from_before_waits_for_its_model_to_turn_up() {
    let bench = Bench::new().await;
    let served = ReplicaId { model: plum(), ..replica("n") };
    let process = bench.process().await;
    up(&process.shared, served.clone(), Route::Engine(bench.engine.link()));
    process.create().await;
    let turn = process.submit_to(plum(), "go").await;
    let before = bench.engine.next().await;
    process.die().await;
    let process = bench.process().await;
    // It reads the log, and asks for a place where there is none.
    let mut stream = process.attach(0).await;
    super::bench::until("it waits", || process.shared.desk.view().queued == 1).await;
    up(&process.shared, served, Route::Engine(bench.engine.link()));
    let mut running = bench.engine.next().await;
    assert_eq!((before.request.turn, running.request.turn), (turn, turn));
    running.start(0..1).await;
    running.finish(1).await;
    let last = read_to_end(&mut stream, 0).await.pop().unwrap();
    assert!(matches!(last.body, SessionEventBody::Finished { .. }), "{last:?}");
}
