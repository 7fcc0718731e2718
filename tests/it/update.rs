//! The whole fleet is updated, node by node, while it answers.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use pomona_tests::script::answer;
use pomona_tests::{Answer, Api, Cluster, Socket};

use crate::support::{fleet, full, turn};

/// Names another version of the binary, to have two side by side; without it the same one is started again.
const OTHER_BIN: &str = "POMONA_TEST_OTHER_BIN";
/// Streams at any time.
const STREAMS: u64 = 6;
const TOKENS: u32 = 100;

/// Drains, ends and starts one node after the other.
async fn update_all(cluster: &mut Cluster, other: Option<&PathBuf>) -> Result<()> {
    for index in 0..cluster.nodes.len() {
        let name = cluster.nodes[index].name.clone();
        cluster.drain(&name, true).await?;
        cluster.until(&name, "without turns", |member| member.turns == 0).await?;
        let ended = cluster.nodes[index].terminate(Duration::from_secs(20)).await?;
        ensure!(ended.code == Some(0), "{name}: {ended:?}");
        if let Some(program) = other {
            cluster.nodes[index].set_program(program);
        }
        cluster.nodes[index].start()?;
        // What is drained stays so until somebody says otherwise.
        cluster.until(&name, "linked again", |member| member.path.is_some()).await?;
        cluster.drain(&name, false).await?;
        cluster.until_ready(&name).await?;
    }
    Ok(())
}

/// Asks again and again until `over`.
async fn ask_on(api: &Api, seed: u64, over: &AtomicBool) -> Result<Vec<Answer>> {
    let mut socket = Socket::connect(api).await?;
    let mut answers = Vec::new();
    while !over.load(Ordering::Acquire) {
        let seen = socket.ask("turn", &turn("go", seed, 1000)).await?;
        seen.check_complete().with_context(|| format!("seed {seed}"))?;
        ensure!(seen.text == answer(seed, TOKENS), "seed {seed}: {:?}", seen.text);
        answers.push(seen);
    }
    Ok(answers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_of_every_node_drops_no_stream() -> Result<()> {
    let other = std::env::var_os(OTHER_BIN).map(PathBuf::from);
    println!("the other version: {other:?}");
    let mut cluster = fleet("tokens=100 pace=50").nodes(3).start().await?;
    let over = AtomicBool::new(false);
    let api = cluster.api().clone().telling_resumed();
    let rounds = if full() { 5 } else { 1 };
    let update = async {
        let mut updated = Ok(());
        for _ in 0..rounds {
            updated = update_all(&mut cluster, other.as_ref()).await;
            if updated.is_err() {
                break;
            }
        }
        over.store(true, Ordering::Release);
        updated
    };
    let ask = try_join_all((0..STREAMS).map(|seed| ask_on(&api, seed, &over)));
    let (updated, asked) = tokio::join!(update, ask);
    let answers: Vec<Answer> = asked?.into_iter().flatten().collect();
    updated?;
    let moved = answers.iter().filter(|answer| !answer.resumed.is_empty()).count();
    let longest = answers.iter().filter_map(Answer::longest_gap).max();
    println!("{} answers, {moved} moved, longest silence {longest:?}", answers.len());
    ensure!(moved > 0, "no turn had to move");
    Ok(())
}
