//! How sessions leave the memory, and what stays of them.

use pomona_config::SessionConfig;
use pomona_protocol::SessionCommand;
use tokio::runtime::Handle as Runtime;

use super::bench::until;
use super::sessions::{Bench, next, read_to_end};

#[tokio::test]
async fn an_idle_session_leaves_the_memory_and_comes_back_as_it_was() {
    let bench = Bench::new().await;
    let process = bench.process_with(SessionConfig { idle_ms: 20, ..SessionConfig::default() }).await;
    process.create().await;
    process.submit("go").await;
    let mut running = bench.engine.next().await;
    running.start(0..300).await;
    running.finish(300).await;
    let mut stream = process.attach(0).await;
    read_to_end(&mut stream, 0).await;
    let view = process.view().await;
    drop(stream);
    for _ in 0..2 {
        until("it left", || process.shared.sessions.len() == 0).await;
        assert_eq!(process.view().await, view);
    }
}

#[tokio::test]
async fn a_deleted_session_is_gone_for_everybody() {
    let bench = Bench::new().await;
    let process = bench.process().await;
    process.create().await;
    let mut stream = process.attach(1).await;
    process.ask(SessionCommand::Delete).await.unwrap();
    assert_eq!(next(&mut stream).await, Err("deleted".to_owned()));
    let shown = process.ask(SessionCommand::Show).await;
    assert_eq!(shown.map_err(|cause| cause.code()).unwrap_err(), "session_not_found");
}

#[tokio::test]
async fn a_deleted_session_leaves_no_task_behind() {
    const DAY_MS: u64 = 24 * 3600 * 1000;
    let bench = Bench::new().await;
    let process = bench.process_with(SessionConfig { idle_ms: DAY_MS, ..SessionConfig::default() }).await;
    let tasks = || Runtime::current().metrics().num_alive_tasks();
    let before = tasks();
    process.create().await;
    process.view().await;
    process.ask(SessionCommand::Delete).await.unwrap();
    until("it left", || process.shared.sessions.len() == 0).await;
    until("its tasks end", || tasks() <= before).await;
}
