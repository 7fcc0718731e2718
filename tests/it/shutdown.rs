//! How a process ends: what runs is given time, nothing is left behind.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pomona_tests::script::answer;
use pomona_tests::system::{self, Signal};
use pomona_tests::{Launch, Pomona, Socket};

use crate::support::{eventually, scripted, turn};

/// For an end that should be immediate.
const AT_ONCE: Duration = Duration::from_secs(10);

/// Until the signal to end was heard.
async fn drains(pomona: &Pomona) -> Result<()> {
    let is_draining = async || Ok(pomona.api.get("/readyz").await.map_or(true, |(status, _)| status == 503));
    eventually("it drains", AT_ONCE, is_draining).await.map(drop)
}

#[tokio::test]
async fn a_signal_to_end_lets_running_turns_finish_and_takes_no_new_ones() -> Result<()> {
    for signal in [Signal::TERM, Signal::INT] {
        let pomona = scripted("tokens=200 pace_us=20000").start().await?;
        let engine = pomona.engine_pid().await?;
        let mut socket = Socket::connect(&pomona.api).await?;
        socket.start("running", &turn("go", 1, 1000)).await?;
        socket.until(|socket| socket.answers["running"].tokens > 5).await?;
        pomona.signal(signal)?;
        drains(&pomona).await?;
        // Refused by an answer or by a closed port.
        let late = pomona.api.chat(&turn("go", 2, 4)).await;
        ensure!(late.as_ref().map_or(true, |(status, _)| *status == 503), "{late:?}");
        socket.until(|socket| socket.answers["running"].is_over()).await?;
        let running = &socket.answers["running"];
        running.check_complete()?;
        ensure!(running.text == answer(1, 200), "{:?}", running.text);
        drop(socket);
        let ended = pomona.ended(AT_ONCE).await?;
        ensure!(ended.code == Some(0), "{ended:?}");
        system::wait_until_gone(engine, AT_ONCE).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_turn_that_outlives_the_grace_is_ended_and_told_why() -> Result<()> {
    let pomona = scripted("tokens=100000 pace_us=10000").set("shutdown.grace_ms", 500).start().await?;
    let mut socket = Socket::connect(&pomona.api).await?;
    socket.start("endless", &turn("go", 1, 100_000)).await?;
    socket.until(|socket| socket.answers["endless"].tokens > 5).await?;
    let signalled = Instant::now();
    pomona.signal(Signal::TERM)?;
    socket.until(|socket| socket.answers["endless"].is_over()).await?;
    socket.answers["endless"].check_failed("shutting_down")?;
    let ended = pomona.ended(AT_ONCE).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    ensure!(signalled.elapsed() >= Duration::from_millis(450), "no grace: {:?}", signalled.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() -> Result<()> {
    let pomona = scripted("tokens=100000 pace_us=10000").set("shutdown.grace_ms", 600_000).start().await?;
    let engine = pomona.engine_pid().await?;
    let mut socket = Socket::connect(&pomona.api).await?;
    socket.start("endless", &turn("go", 1, 100_000)).await?;
    socket.until(|socket| socket.answers["endless"].tokens > 5).await?;
    pomona.signal(Signal::TERM)?;
    drains(&pomona).await?;
    ensure!(system::is_alive(pomona.pid()), "it did not wait for the turn");
    pomona.signal(Signal::TERM)?;
    pomona.ended(AT_ONCE).await.context("after the second signal")?;
    system::wait_until_gone(engine, AT_ONCE).await?;
    Ok(())
}

#[tokio::test]
async fn an_engine_does_not_outlive_a_pomona_that_was_killed() -> Result<()> {
    for launch in [Launch::default(), scripted("tokens=4")] {
        let pomona = launch.start().await?;
        let engine = pomona.engine_pid().await?;
        ensure!(system::is_alive(engine));
        pomona.signal(Signal::KILL)?;
        pomona.ended(AT_ONCE).await?;
        system::wait_until_gone(engine, AT_ONCE).await.context("an orphan is left")?;
    }
    Ok(())
}

#[tokio::test]
async fn an_idle_pomona_ends_at_once() -> Result<()> {
    let pomona = Launch::default().start().await?;
    pomona.signal(Signal::TERM)?;
    let ended = pomona.ended(AT_ONCE).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    Ok(())
}
