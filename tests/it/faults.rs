//! Engines that misbehave by script: each fault costs time, never a token.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pomona_tests::script::answer;
use pomona_tests::{Launch, Socket};
use tempfile::TempDir;

use crate::support::{FAILING_START, eventually, scripted, turn};

const SEED: u64 = 41;

/// One fault per process of this test, then none.
async fn answer_survives(fault: &str, change: impl FnOnce(Launch) -> Launch) -> Result<()> {
    let folder = TempDir::new()?;
    let state = folder.path().join("faults");
    let script = format!("tokens=24 pace_us=2000 state={} times=2 {fault}", state.display());
    let pomona = change(scripted(&script)).start().await?;
    let mut socket = Socket::connect(&pomona.api).await?;
    let seen = socket.ask("turn", &turn("go on", SEED, 100)).await?;
    seen.check_complete()?;
    ensure!(seen.text == answer(SEED, 24), "{:?} is not {:?}", seen.text, answer(SEED, 24));
    ensure!(seen.tokens == 24 && seen.reason.as_deref() == Some("stop"), "{seen:?}");
    let faults = std::fs::read_to_string(&state)?;
    ensure!(faults.trim() == "2", "{faults} faults happened, not 2");
    // The same over server-sent events, after the faults.
    let calm = pomona.api.stream(&turn("go on", SEED, 100)).await?;
    calm.check_complete()?;
    ensure!(calm.text == seen.text);
    Ok(())
}

#[tokio::test]
async fn an_answer_survives_an_engine_that_exits_in_the_middle() -> Result<()> {
    answer_survives("exit=7", |launch| launch).await
}

#[tokio::test]
async fn an_answer_survives_an_engine_that_exits_before_the_first_token() -> Result<()> {
    answer_survives("exit=0", |launch| launch).await
}

#[tokio::test]
async fn an_answer_survives_an_engine_that_hangs() -> Result<()> {
    answer_survives("hang=7", |launch| launch.set("model.step_timeout_ms", 400)).await
}

#[tokio::test]
async fn an_answer_survives_a_frame_that_does_not_decode() -> Result<()> {
    answer_survives("garbage=7", |launch| launch).await
}

#[tokio::test]
async fn an_answer_survives_a_frame_over_its_limit() -> Result<()> {
    answer_survives("oversize=7", |launch| launch).await
}

#[tokio::test]
async fn a_turn_that_always_loses_its_engine_fails_once_and_keeps_its_text() -> Result<()> {
    let pomona = scripted("tokens=24").set("turn.attempts_max", 3).start().await?;
    let mut socket = Socket::connect(&pomona.api).await?;
    let seen = socket.ask("doomed", &turn("exit=5", SEED, 100)).await?;
    seen.check_failed("attempts_exhausted")?;
    ensure!(seen.text == answer(SEED, 5), "{:?}", seen.text);
    let again = pomona.api.stream(&turn("exit=5", SEED, 100)).await?;
    again.check_failed("attempts_exhausted")?;
    ensure!(again.text == answer(SEED, 5), "{:?}", again.text);
    Ok(())
}

#[tokio::test]
async fn a_turn_that_shows_nothing_before_it_fails_is_a_503() -> Result<()> {
    let pomona = scripted("tokens=24").set("turn.attempts_max", 3).start().await?;
    let (status, body) = pomona.api.chat(&turn("exit=0", SEED, 100)).await?;
    ensure!(status == 503 && body["error"]["code"] == "attempts_exhausted", "{status} {body}");
    // A stream has begun with its place in the queue, so its failure comes inside of it.
    let seen = pomona.api.stream(&turn("exit=0", SEED, 100)).await?;
    seen.check_failed("attempts_exhausted")?;
    ensure!(seen.text.is_empty(), "{:?}", seen.text);
    Ok(())
}

#[tokio::test]
async fn an_engine_that_never_becomes_ready_is_given_up_and_turns_hear_why() -> Result<()> {
    let launch = scripted("never_ready=1").set("model.load_timeout_ms", 1000).set("restart.max_attempts", 1);
    let pomona = match launch.start_unready().await {
        Ok(pomona) => pomona,
        // Giving up the only model may also end the process, with a word on why.
        Err(error) => {
            let text = format!("{error:#}");
            ensure!(text.contains("69") && text.contains("sprout"), "{text}");
            return Ok(());
        }
    };
    let limit = Duration::from_secs(20);
    let given_up = eventually("turns are refused", limit, async || {
        let refused = pomona.api.chat(&turn("hello", SEED, 4)).await;
        Ok(refused.map_or(true, |(status, _)| status == 503))
    });
    given_up.await?;
    let ready = pomona.api.get("/readyz").await;
    ensure!(ready.map_or(true, |(status, _)| status == 503));
    Ok(())
}

#[tokio::test]
async fn an_engine_that_says_why_it_cannot_load_is_quoted() -> Result<()> {
    let launch = scripted("load_fails=orchard-is-empty").set("restart.max_attempts", 1);
    let ended = launch.run_to_end(FAILING_START).await?;
    ensure!(ended.code == Some(69), "{ended:?}");
    ensure!(ended.stderr.contains("orchard-is-empty"), "{ended:?}");
    Ok(())
}

#[tokio::test]
async fn a_slow_load_delays_the_first_turn_and_nothing_else() -> Result<()> {
    let started = Instant::now();
    let pomona = scripted("load_ms=5000 tokens=4").start_unready().await?;
    ensure!(pomona.api.get("/healthz").await?.0 == 200);
    ensure!(pomona.api.get("/readyz").await?.0 == 503);
    pomona.wait_until_ready(Duration::from_secs(60)).await?;
    ensure!(started.elapsed() >= Duration::from_secs(5));
    let (status, body) = pomona.api.chat(&turn("hello", SEED, 100)).await?;
    ensure!(status == 200 && body["choices"][0]["message"]["content"] == answer(SEED, 4).as_str(), "{body}");
    Ok(())
}
