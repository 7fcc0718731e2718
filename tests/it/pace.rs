//! Small writes do not wait for each other: no delayed acknowledgement, no timer tick between frames.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pomona_tests::Socket;

use crate::support::{scripted, turn};

/// A stalled frame would cost 40 ms, the shortest delayed acknowledgement; 64 of them 2.5 s, each time.
const LIMIT: Duration = Duration::from_secs(1);
/// A busy machine may be slow once; the quickest of these counts.
const TRIES: usize = 5;

#[tokio::test]
async fn sixty_four_immediate_tokens_stream_without_a_stall() -> Result<()> {
    let pomona = scripted("tokens=64").start().await?;
    pomona.api.stream(&turn("warm up", 1, 100)).await?.check_complete()?;
    let mut socket = Socket::connect(&pomona.api).await?;
    let (mut by_sse, mut by_socket) = (Duration::MAX, Duration::MAX);
    for number in 0..TRIES {
        let started = Instant::now();
        let seen = pomona.api.stream(&turn("go", 1, 100)).await?;
        by_sse = by_sse.min(started.elapsed());
        seen.check_complete()?;
        let (id, started) = (format!("go {number}"), Instant::now());
        socket.start(&id, &turn("go", 1, 100)).await?;
        socket.until(|socket| socket.answers[&id].is_over()).await?;
        by_socket = by_socket.min(started.elapsed());
    }
    ensure!(by_sse < LIMIT, "64 tokens took {by_sse:?}");
    ensure!(by_socket < LIMIT, "64 tokens over the WebSocket took {by_socket:?}");
    Ok(())
}

#[tokio::test]
async fn a_token_is_shown_when_it_is_made_and_not_when_more_have_come() -> Result<()> {
    let pomona = scripted("tokens=10 pace_us=100000").start().await?;
    let mut quickest = Duration::MAX;
    for _ in 0..TRIES {
        let started = Instant::now();
        let seen = pomona.api.stream(&turn("go", 1, 100)).await?;
        seen.check_complete()?;
        ensure!(started.elapsed() > Duration::from_millis(850), "the engine was not paced");
        quickest = quickest.min(seen.first_token.context("no token")? - started);
    }
    ensure!(quickest < Duration::from_millis(700), "first token after {quickest:?}");
    Ok(())
}
