//! A client that goes away stops the work that it asked for, all the way down to the engine.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use pomona_tests::{Pomona, Socket};

use crate::support::{eventually, scripted, turn};

/// For what an engine says of itself to reach the metrics, on a busy machine.
const SOON: Duration = Duration::from_secs(20);
/// Longer than any test waits.
const ENDLESS: &str = "tokens=1000000 pace_us=5000";

async fn engine_works(pomona: &Pomona) -> Result<bool> {
    Ok(pomona.api.metric("pomona_engine_sequences").await? > 0.0)
}

async fn begins_to_work(pomona: &Pomona) -> Result<()> {
    eventually("the engine works", SOON, async || engine_works(pomona).await).await.map(drop)
}

/// Behind [`begins_to_work`], or what the engine said before its turn counts.
async fn becomes_idle(pomona: &Pomona) -> Result<()> {
    let is_idle = async || Ok(!engine_works(pomona).await? && pomona.api.status().await?.turns_active == 0);
    eventually("the engine is idle and no turn is active", SOON, is_idle).await.map(drop)
}

#[tokio::test]
async fn a_stream_that_is_closed_frees_its_engine() -> Result<()> {
    let pomona = scripted(ENDLESS).start().await?;
    let response = pomona.api.open_stream(&turn("go", 1, 1_000_000)).await?;
    let mut bytes = response.bytes_stream();
    bytes.next().await.context("no first byte")??;
    begins_to_work(&pomona).await?;
    drop(bytes);
    becomes_idle(&pomona).await
}

#[tokio::test]
async fn a_request_without_stream_that_is_given_up_frees_its_engine() -> Result<()> {
    let pomona = scripted(ENDLESS).start().await?;
    let body = turn("go", 1, 1_000_000);
    tokio::select! {
        answered = pomona.api.chat(&body) => bail!("an endless turn was answered: {answered:?}"),
        works = begins_to_work(&pomona) => works?,
    }
    becomes_idle(&pomona).await
}

#[tokio::test]
async fn a_websocket_that_goes_away_frees_all_of_its_turns() -> Result<()> {
    let pomona = scripted(ENDLESS).start().await?;
    let mut socket = Socket::connect(&pomona.api).await?;
    for id in ["a", "b", "c"] {
        socket.start(id, &turn("go", 1, 1_000_000)).await?;
    }
    socket.until(|socket| socket.answers.values().all(|answer| answer.tokens > 3)).await?;
    begins_to_work(&pomona).await?;
    drop(socket);
    becomes_idle(&pomona).await
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_up_nobody_else() -> Result<()> {
    let pomona = scripted("tokens=200000").start().await?;
    let unread = pomona.api.open_stream(&turn("go", 1, 1_000_000)).await?;
    begins_to_work(&pomona).await?;
    let other = pomona.api.stream(&turn("tokens=100", 2, 1000)).await?;
    other.check_complete()?;
    drop(unread);
    becomes_idle(&pomona).await
}
