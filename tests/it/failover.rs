//! The real engine dies or stands still in the middle of answers, and nobody who reads them can tell.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use pomona_tests::system::{self, Signal};
use pomona_tests::{Answer, Launch, Pomona, Socket};
use serde_json::Value;

use crate::support::{announced, eager, eventually, full, turn};

/// Streams that run at once.
const STREAMS: u64 = 8;
/// Of these, how many come as server-sent events; the others share one WebSocket.
const SSE_STREAMS: u64 = 2;
/// Tokens of each answer; long enough to be killed several times.
const TOKENS: u32 = 160;

/// Half of the turns take the likeliest token, half draw from their seed.
fn story(seed: u64) -> Value {
    let mut body = turn("Tell me a long story about an orchard.", seed, TOKENS);
    body["temperature"] = if seed.is_multiple_of(2) { 0.0.into() } else { 0.9.into() };
    body["ignore_eos"] = true.into();
    body
}

fn sturdy() -> Launch {
    eager(Launch::default()).set("turn.attempts_max", 100)
}

/// What each seed answers when nothing goes wrong.
async fn undisturbed(pomona: &Pomona) -> Result<Vec<String>> {
    let mut socket = Socket::connect(&pomona.api).await?;
    let mut texts = Vec::new();
    for seed in 0..STREAMS {
        let answer = socket.ask("alone", &story(seed)).await?;
        answer.check_complete()?;
        ensure!(
            answer.usage.as_ref().is_some_and(|usage| usage["completion_tokens"] == TOKENS),
            "{answer:?}"
        );
        texts.push(answer.text);
    }
    Ok(texts)
}

async fn all_at_once(pomona: &Pomona) -> Result<Vec<Answer>> {
    let sockets = async {
        let mut socket = Socket::connect(&pomona.api).await?;
        for seed in SSE_STREAMS..STREAMS {
            socket.start(&seed.to_string(), &story(seed)).await?;
        }
        socket.until_all_over().await?;
        anyhow::Ok(socket.answers)
    };
    let events =
        try_join_all((0..SSE_STREAMS).map(|seed| async move { pomona.api.stream(&story(seed)).await }));
    let (mut answers, (events, mut others)) = (Vec::new(), tokio::try_join!(events, sockets)?);
    answers.extend(events);
    for seed in SSE_STREAMS..STREAMS {
        answers.push(others.remove(&seed.to_string()).context("no answer")?);
    }
    Ok(answers)
}

fn check_all(answers: &[Answer], expected: &[String]) -> Result<()> {
    for (seed, (answer, expected)) in answers.iter().zip(expected).enumerate() {
        answer.check_complete().with_context(|| format!("seed {seed}"))?;
        ensure!(answer.text == *expected, "seed {seed}: {:?} is not {expected:?}", answer.text);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_survive_kill_9_of_the_engine_without_a_token_lost_or_repeated() -> Result<()> {
    let mut random = announced();
    let kills = if full() { 200 } else { 20 };
    let pomona = sturdy().start().await?;
    let expected = undisturbed(&pomona).await?;
    let kill = async {
        let mut last = None;
        for _ in 0..kills {
            let pid = pomona.engine_pid_besides(last).await?;
            tokio::time::sleep(Duration::from_millis(random.below(400))).await;
            system::signal(pid, Signal::KILL)?;
            last = Some(pid);
        }
        anyhow::Ok(())
    };
    let mut kill = std::pin::pin!(kill);
    let mut rounds = 0;
    loop {
        let round = all_at_once(&pomona);
        let mut round = std::pin::pin!(round);
        let (answers, killed) = tokio::select! {
            answers = &mut round => (answers?, false),
            killed = &mut kill => {
                killed?;
                (round.await?, true)
            }
        };
        check_all(&answers, &expected)?;
        rounds += 1;
        if killed {
            break;
        }
    }
    let retries = pomona.api.metric("pomona_turn_retries_total").await?;
    println!("{kills} kills over {rounds} rounds of {STREAMS} streams, {retries} turns moved");
    ensure!(retries > 0.0, "no kill met a running turn");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_stands_still_is_replaced_and_the_answers_go_on() -> Result<()> {
    let pomona = sturdy().set("model.step_timeout_ms", 2_000).start().await?;
    let expected = undisturbed(&pomona).await?;
    for _ in 0..if full() { 10 } else { 2 } {
        let pid = pomona.engine_pid().await?;
        let freeze = async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            system::signal(pid, Signal::STOP)
        };
        let (answers, frozen) = tokio::join!(all_at_once(&pomona), freeze);
        frozen?;
        check_all(&answers?, &expected)?;
        system::wait_until_gone(pid, Duration::from_secs(10))
            .await
            .context("the frozen engine was left behind")?;
        eventually("another engine is ready", Duration::from_secs(10), async || {
            Ok(pomona.engine_pid().await? != pid)
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_idle_engine_that_was_killed_is_back_before_the_next_turn() -> Result<()> {
    let pomona = sturdy().start().await?;
    let mut socket = Socket::connect(&pomona.api).await?;
    let before = socket.ask("before", &story(1)).await?;
    let pid = pomona.engine_pid().await?;
    system::signal(pid, Signal::KILL)?;
    let after = socket.ask("after", &story(1)).await?;
    after.check_complete()?;
    ensure!(after.text == before.text);
    let status = pomona.api.status().await?;
    ensure!(status.replicas.first().is_some_and(|replica| replica.restarts == 1), "{:?}", status.replicas);
    Ok(())
}
