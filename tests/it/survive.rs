//! The machine that answers dies, stops, or is sent away in the middle of an answer, and nobody who reads it can tell.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pomona_protocol::NodeState;
use pomona_tests::script::answer;
use pomona_tests::system::{self, Signal};
use pomona_tests::{Answer, Cluster, Socket};
use serde_json::Value;

use crate::support::{fleet, full, telling_socket, turn};

/// Tokens of an answer during which the node dies after each one.
const TOKENS: u32 = 64;
/// Streams that run while something happens to a node.
const STREAMS: u64 = 8;

/// Tokens behind which the node is killed: all of them, or enough to see the edges.
fn kill_points() -> Vec<u32> {
    (0..TOKENS).filter(|k| full() || [0, 1, 2, 31, 62, 63].contains(k)).collect()
}

/// Starts a turn, finds its node, and kills that once `after` tokens were shown.
async fn killed_after(
    cluster: &mut Cluster,
    socket: &mut Socket,
    body: &Value,
    after: u32,
) -> Result<(Answer, usize)> {
    socket.start("turn", body).await?;
    let victim = tokio::select! {
        victim = cluster.busy() => victim?,
        // A turn that was faster than the question takes no harm.
        over = socket.until(|socket| socket.answers["turn"].is_over()) => over.map(|()| 0)?,
    };
    socket
        .until(|socket| {
            let seen = &socket.answers["turn"];
            seen.tokens >= after.into() || seen.is_over()
        })
        .await?;
    cluster.nodes[victim].kill()?;
    socket.until_all_over().await?;
    let answer = socket.answers.remove("turn").context("the turn was forgotten")?;
    Ok((answer, victim))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_after_any_token_costs_no_token() -> Result<()> {
    let mut cluster = fleet("tokens=64 pace=25").nodes(2).start().await?;
    let mut socket = telling_socket(&cluster).await?;
    let (mut met, mut shown) = (0, BTreeSet::new());
    for after in kill_points() {
        let seed = u64::from(after) + 1;
        let (seen, victim) = killed_after(&mut cluster, &mut socket, &turn("go", seed, 1000), after).await?;
        seen.check_complete().with_context(|| format!("killed after {after}"))?;
        ensure!(seen.text == answer(seed, TOKENS), "killed after {after}: {:?}", seen.text);
        ensure!(seen.tokens == u64::from(TOKENS), "killed after {after}: {} tokens", seen.tokens);
        met += usize::from(!seen.resumed.is_empty());
        shown.extend(seen.resumed.first().map(|news| news.shown));
        cluster.nodes[victim].start()?;
        cluster.until_all_ready().await?;
    }
    let kills = kill_points().len();
    println!("{kills} kills; turns moved behind {shown:?} tokens");
    // The node that dies behind the last tokens may take nothing with it.
    let wanted = kills * 9 / 10 - 1;
    ensure!(met >= wanted, "{met} kills met running turns, {wanted} were wanted");
    Ok(())
}

/// A long prompt, so that there is time to see who reads it; each is new to every prefix tree.
fn long_story(number: u32, temperature: f64) -> Value {
    let words = format!("Story number {number}. {}", "The orchard lay still in the morning. ".repeat(12));
    let mut body = turn(&words, number.into(), TOKENS);
    body["temperature"] = temperature.into();
    body["ignore_eos"] = true.into();
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_engine_continues_byte_for_byte_greedy_and_seeded() -> Result<()> {
    let mut cluster = Cluster::builder().set("engine.step_prefill_tokens_max", 16).nodes(2).start().await?;
    let mut socket = telling_socket(&cluster).await?;
    let (mut moved, mut kills) = (0, 0);
    for temperature in [0.0, 0.9] {
        for after in kill_points() {
            let body = long_story(kills, temperature);
            let (seen, victim) = killed_after(&mut cluster, &mut socket, &body, after).await?;
            seen.check_complete().with_context(|| format!("killed after {after}"))?;
            cluster.nodes[victim].start()?;
            cluster.until_all_ready().await?;
            let alone = socket.ask("alone", &body).await?;
            alone.check_complete()?;
            ensure!(seen.text == alone.text, "killed after {after}: {:?} is not {:?}", seen.text, alone.text);
            moved += usize::from(!seen.resumed.is_empty());
            kills += 1;
        }
    }
    println!("{kills} kills, {moved} turns moved");
    ensure!(moved > 0, "no kill met a running turn");
    Ok(())
}

/// Eight streams over three nodes; `disturb` gets the cluster and a node that is busy, once all streams run.
async fn check_streams(
    cluster: &mut Cluster,
    disturb: impl AsyncFnOnce(&mut Cluster, usize) -> Result<()>,
) -> Result<Vec<Answer>> {
    let mut socket = telling_socket(cluster).await?;
    for seed in 0..STREAMS {
        socket.start(&seed.to_string(), &turn("go", seed, 1000)).await?;
    }
    socket.until(|socket| socket.answers.values().all(|answer| answer.tokens > 5)).await?;
    let victim = cluster.busy().await?;
    let (disturbed, read) = tokio::join!(disturb(cluster, victim), socket.until_all_over());
    disturbed?;
    read?;
    for seed in 0..STREAMS {
        let seen = &socket.answers[&seed.to_string()];
        seen.check_complete().with_context(|| format!("seed {seed}"))?;
        ensure!(seen.text == answer(seed, 150), "seed {seed}: {:?}", seen.text);
    }
    let answers: Vec<Answer> = socket.answers.into_values().collect();
    let moved: Vec<_> = answers.iter().flat_map(|answer| &answer.resumed).map(|news| &news.cause).collect();
    let longest = answers.iter().filter_map(Answer::longest_gap).max();
    println!("{} turns moved ({moved:?}), longest silence {longest:?}", moved.len());
    ensure!(!moved.is_empty(), "nothing met a running turn");
    Ok(answers)
}

const STREAMED: &str = "tokens=150 pace=50";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_survive_kill_9_of_a_node() -> Result<()> {
    let mut cluster = fleet(STREAMED).nodes(3).start().await?;
    for _ in 0..if full() { 10 } else { 2 } {
        check_streams(&mut cluster, async |cluster, victim| {
            cluster.nodes[victim].kill()?;
            cluster.nodes[victim].start()
        })
        .await?;
        cluster.until_all_ready().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_survive_kill_9_of_an_engine_on_another_machine() -> Result<()> {
    let mut cluster = fleet(STREAMED).nodes(3).start().await?;
    for _ in 0..if full() { 10 } else { 2 } {
        check_streams(&mut cluster, async |cluster, victim| cluster.kill_engine(victim).await).await?;
        cluster.until_all_ready().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stood_still_and_wakes_up_adds_nothing() -> Result<()> {
    let mut cluster = fleet(STREAMED).nodes(3).start().await?;
    // Short enough to keep its link, and long enough to lose it.
    for still_ms in [1_500, 4_000] {
        check_streams(&mut cluster, async |cluster, victim| {
            cluster.nodes[victim].signal(Signal::STOP)?;
            tokio::time::sleep(Duration::from_millis(still_ms)).await;
            cluster.nodes[victim].signal(Signal::CONT)
        })
        .await?;
        cluster.until_all_ready().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_node_hands_its_turns_over_and_takes_no_new_ones() -> Result<()> {
    let mut cluster = fleet(STREAMED).nodes(3).start().await?;
    let answers = check_streams(&mut cluster, async |cluster, victim| {
        let name = cluster.nodes[victim].name.clone();
        cluster.drain(&name, true).await?;
        cluster.until(&name, "without turns", |member| member.turns == 0).await?;
        ensure!(cluster.member(&name).await?.state == NodeState::Draining);
        cluster.api().stream(&turn("tokens=20", 99, 100)).await?.check_complete()?;
        ensure!(cluster.member(&name).await?.turns == 0, "a new turn on a draining node");
        cluster.drain(&name, false).await?;
        cluster.until_ready(&name).await.map(|_| ())
    })
    .await?;
    let causes: Vec<_> = answers.iter().flat_map(|answer| &answer.resumed).map(|news| &news.cause).collect();
    ensure!(causes.iter().any(|cause| *cause == "node_draining"), "{causes:?}");
    // On a busy machine a node that is not heard of is left as well.
    let are_known = |cause: &&String| ["node_draining", "node_suspect"].contains(&cause.as_str());
    ensure!(causes.iter().all(are_known), "{causes:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_asked_to_end_hands_its_turns_over_first() -> Result<()> {
    let mut cluster = fleet(STREAMED).nodes(3).start().await?;
    check_streams(&mut cluster, async |cluster, victim| {
        let ended = cluster.nodes[victim].terminate(Duration::from_secs(15)).await?;
        ensure!(ended.code == Some(0), "{ended:?}");
        cluster.nodes[victim].start()
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_turn_whose_only_node_died_goes_on_when_it_is_back() -> Result<()> {
    let mut cluster = fleet("tokens=64 pace=40").set("turn.attempts_max", 100).nodes(1).start().await?;
    let mut socket = telling_socket(&cluster).await?;
    socket.start("turn", &turn("go", 7, 1000)).await?;
    socket.until(|socket| socket.answers["turn"].tokens > 10).await?;
    cluster.nodes[0].kill()?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.nodes[0].start()?;
    socket.until_all_over().await?;
    let seen = &socket.answers["turn"];
    seen.check_complete()?;
    ensure!(seen.text == answer(7, 64), "{:?}", seen.text);
    Ok(())
}

#[tokio::test]
async fn turns_leave_an_engine_that_had_stopped_before_they_came() -> Result<()> {
    // Nothing ends or replaces the engine here, so whoever waits for it waits for ever.
    let cluster = fleet("tokens=8").set("model.step_timeout_ms", 600_000).nodes(2).start().await?;
    let stopped = cluster.engine_pid(0).await?;
    system::signal(stopped, Signal::STOP)?;
    let mut socket = telling_socket(&cluster).await?;
    for seed in 0..8u64 {
        socket.start(&seed.to_string(), &turn(&format!("go {seed}"), seed, 100)).await?;
    }
    let over = tokio::time::timeout(Duration::from_secs(60), socket.until_all_over());
    over.await.context("a turn waits for the engine that stands")??;
    system::signal(stopped, Signal::CONT)?;
    for seed in 0..8u64 {
        let seen = &socket.answers[&seed.to_string()];
        seen.check_complete().with_context(|| format!("seed {seed}"))?;
        ensure!(seen.text == answer(seed, 8), "seed {seed}: {:?}", seen.text);
    }
    cluster.until_all_ready().await
}

#[tokio::test]
async fn only_clients_that_ask_are_told_that_a_turn_moved() -> Result<()> {
    let mut cluster = fleet(STREAMED).nodes(2).start().await?;
    let mut socket = Socket::connect(cluster.api()).await?;
    socket.start("quiet", &turn("tokens=600", 1, 1000)).await?;
    let telling = cluster.api().clone().telling_resumed();
    let quiet = cluster.api().clone();
    let body = turn("tokens=600", 2, 1000);
    let kill = async {
        tokio::time::sleep(Duration::from_millis(800)).await;
        // Whoever is busy: both, one after the other, so that every turn moves once.
        for index in 0..2 {
            cluster.nodes[index].kill()?;
            tokio::time::sleep(Duration::from_millis(200)).await;
            cluster.nodes[index].start()?;
            let name = cluster.nodes[index].name.clone();
            cluster.until_ready(&name).await?;
        }
        anyhow::Ok(())
    };
    let (told, untold, read, killed) =
        tokio::join!(telling.stream(&body), quiet.stream(&body), socket.until_all_over(), kill);
    read?;
    killed?;
    let (told, untold) = (told?, untold?);
    for seen in [&told, &untold] {
        seen.check_complete()?;
        ensure!(seen.text == answer(2, 600), "{:?}", seen.text);
    }
    ensure!(!told.resumed.is_empty() && told.resumed.iter().all(|news| !news.node.is_empty()), "{told:?}");
    ensure!(untold.resumed.is_empty(), "{untold:?}");
    let quiet = &socket.answers["quiet"];
    quiet.check_complete()?;
    ensure!(quiet.resumed.is_empty() && quiet.text == answer(1, 600), "{quiet:?}");
    Ok(())
}
