//! Many turns over one WebSocket.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pomona_tests::Socket;
use pomona_tests::script::answer;
use serde_json::json;

use crate::support::{scripted, turn};

#[tokio::test]
async fn turns_over_one_socket_do_not_mix() -> Result<()> {
    let pomona = scripted("tokens=40 pace_us=1000").start().await?;
    let mut socket = Socket::connect(&pomona.api).await?;
    for seed in 0..20u64 {
        socket.start(&format!("turn-{seed}"), &turn("go", seed, 100)).await?;
    }
    socket.until_all_over().await?;
    for seed in 0..20u64 {
        let seen = &socket.answers[&format!("turn-{seed}")];
        seen.check_complete()?;
        ensure!(seen.text == answer(seed, 40), "turn {seed}: {:?}", seen.text);
    }
    ensure!(socket.others.is_empty(), "{:?}", socket.others);
    Ok(())
}

#[tokio::test]
async fn a_cancelled_turn_finishes_as_cancelled_and_only_once() -> Result<()> {
    let pomona = scripted("tokens=100000 pace_us=2000").start().await?;
    let mut socket = Socket::connect(&pomona.api).await?;
    socket.start("kept", &turn("tokens=300", 1, 1000)).await?;
    socket.start("dropped", &turn("go", 2, 100_000)).await?;
    socket.until(|socket| socket.answers["dropped"].tokens > 5).await?;
    socket.cancel("dropped").await?;
    socket.cancel("dropped").await?;
    socket.until_all_over().await?;
    let dropped = &socket.answers["dropped"];
    dropped.check_complete()?;
    ensure!(dropped.reason.as_deref() == Some("cancelled"), "{dropped:?}");
    ensure!(answer(2, 100_000).starts_with(&dropped.text));
    let kept = &socket.answers["kept"];
    kept.check_complete()?;
    ensure!(kept.text == answer(1, 300));
    Ok(())
}

#[tokio::test]
async fn garbage_is_answered_with_an_error_and_the_socket_lives_on() -> Result<()> {
    let pomona = scripted("tokens=8").start().await?;
    let mut socket = Socket::connect(&pomona.api).await?;
    let garbage = [
        "".to_owned(),
        "{".to_owned(),
        "[]".to_owned(),
        "42".to_owned(),
        json!({"type": "sing"}).to_string(),
        json!({"type": "start"}).to_string(),
        json!({"type": "start", "id": 7, "messages": []}).to_string(),
        json!({"type": "start", "id": "bad", "messages": "no list"}).to_string(),
        json!({"type": "cancel", "id": "nobody"}).to_string(),
        json!({"type": "cancel"}).to_string(),
    ];
    for message in &garbage {
        socket.send_text(message).await?;
    }
    let seen = socket.ask("good", &turn("go", 3, 100)).await.context("after garbage")?;
    seen.check_complete()?;
    ensure!(seen.text == answer(3, 8));
    ensure!(!socket.others.is_empty(), "garbage was not answered");
    for other in &socket.others {
        let told = other["error"]["message"].as_str().or(other["message"].as_str()).unwrap_or_default();
        ensure!(!told.is_empty(), "no message in {other}");
    }
    Ok(())
}

#[tokio::test]
async fn bytes_that_are_no_text_do_not_take_the_gateway_down() -> Result<()> {
    let pomona = scripted("tokens=8").start().await?;
    let mut socket = Socket::connect(&pomona.api).await?;
    let _ = socket.send_bytes(&[0xff; 64]).await;
    let _ = tokio::time::timeout(Duration::from_millis(300), socket.step()).await;
    let mut other = Socket::connect(&pomona.api).await?;
    other.ask("good", &turn("go", 3, 100)).await?.check_complete()
}

#[tokio::test]
async fn a_hundred_turns_at_once_are_all_answered() -> Result<()> {
    let pomona = scripted("tokens=50 pace_us=500").set("api.websocket_turns_max", 100).start().await?;
    let mut socket = Socket::connect(&pomona.api).await?;
    for seed in 0..100u64 {
        socket.start(&seed.to_string(), &turn("go", seed, 100)).await?;
    }
    socket.until_all_over().await?;
    for seed in 0..100u64 {
        let seen = &socket.answers[&seed.to_string()];
        seen.check_complete().with_context(|| format!("turn {seed}"))?;
        ensure!(seen.text == answer(seed, 50), "turn {seed}");
    }
    Ok(())
}

#[tokio::test]
async fn a_turn_past_the_limit_of_a_socket_is_refused_and_the_others_go_on() -> Result<()> {
    let pomona = scripted("tokens=400 pace_us=2000").set("api.websocket_turns_max", 2).start().await?;
    let mut socket = Socket::connect(&pomona.api).await?;
    for id in ["a", "b", "c"] {
        socket.start(id, &turn("go", 1, 1000)).await?;
    }
    let refused = |socket: &Socket| {
        let told = socket.others.iter().any(|other| other["id"] == "c" && !other["error"].is_null());
        told || socket.answers["c"].error.is_some()
    };
    socket.until(refused).await?;
    socket.answers.remove("c");
    socket.until_all_over().await?;
    for id in ["a", "b"] {
        socket.answers[id].check_complete()?;
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_key_opens_no_socket() -> Result<()> {
    let pomona = scripted("tokens=8").start().await?;
    let mut api = pomona.api.clone();
    api.key = "wrong".to_owned();
    let refused = Socket::connect(&api).await.err().context("a wrong key was accepted")?;
    ensure!(format!("{refused:#}").contains("401"), "{refused:#}");
    Ok(())
}
