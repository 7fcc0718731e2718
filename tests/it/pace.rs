//! Small writes do not wait for each other: no delayed acknowledgement, no timer tick between frames.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pomona_tests::Socket;

use crate::support::{scripted, turn};

/// A stalled frame would cost 40 ms, the shortest delayed acknowledgement; 64 of them 2.5 s.
const LIMIT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn sixty_four_immediate_tokens_stream_without_a_stall() -> Result<()> {
    let pomona = scripted("tokens=64").start().await?;
    pomona.api.stream(&turn("warm up", 1, 100)).await?.check_complete()?;
    let started = Instant::now();
    let seen = pomona.api.stream(&turn("go", 1, 100)).await?;
    let took = started.elapsed();
    seen.check_complete()?;
    ensure!(took < LIMIT, "64 tokens took {took:?}");
    let mut socket = Socket::connect(&pomona.api).await?;
    let started = Instant::now();
    socket.start("go", &turn("go", 1, 100)).await?;
    socket.until(|socket| socket.answers["go"].is_over()).await?;
    ensure!(started.elapsed() < LIMIT, "64 tokens over the WebSocket took {:?}", started.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_token_is_shown_when_it_is_made_and_not_when_more_have_come() -> Result<()> {
    let pomona = scripted("tokens=10 pace_us=100000").start().await?;
    let started = Instant::now();
    let seen = pomona.api.stream(&turn("go", 1, 100)).await?;
    seen.check_complete()?;
    let first = seen.first_token.map(|at| at - started);
    ensure!(first.is_some_and(|first| first < Duration::from_millis(700)), "first token after {first:?}");
    ensure!(started.elapsed() > Duration::from_millis(850), "the engine was not paced");
    Ok(())
}
