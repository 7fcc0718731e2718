//! What the fleet serves and where: limits, models on demand, replicas after a death, machines that host nothing.

use std::time::Duration;

use anyhow::{Result, ensure};
use pomona_protocol::{NodeStatus, ReplicaState};
use pomona_tests::cluster::is_ready;
use pomona_tests::script::answer;
use pomona_tests::{Cluster, Socket};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{eventually, fleet, turn};

const SOON: Duration = Duration::from_secs(30);

async fn post(cluster: &Cluster, path: &str, body: Value) -> Result<(u16, Value)> {
    cluster.api().send(Method::POST, path, &body).await
}

/// Names of the nodes that have a ready replica of the model.
async fn hosts(cluster: &Cluster) -> Result<Vec<String>> {
    let serves = |member: &NodeStatus| {
        member
            .replicas
            .iter()
            .any(|replica| replica.model == "sprout" && replica.state == ReplicaState::Ready)
    };
    let alive = cluster.members().await?.into_iter().filter(|member| member.path.is_some() && serves(member));
    Ok(alive.map(|member| member.name).collect())
}

#[tokio::test]
async fn a_fleet_that_is_full_says_when_to_come_back() -> Result<()> {
    let cluster = fleet("tokens=400 pace=50")
        .set_at_gateways("routing.replica_turns_max", 1)
        .set_at_gateways("routing.queue_max", 1)
        .nodes(2)
        .start()
        .await?;
    let mut socket = Socket::connect(cluster.api()).await?;
    for seed in 0..3u64 {
        socket.start(&seed.to_string(), &turn("go", seed, 1000)).await?;
    }
    eventually("two run and one waits", SOON, async || {
        let running = cluster.members().await?.iter().filter(|member| member.turns == 1).count();
        Ok(running == 2 && cluster.api().status().await?.turns_queued == 1)
    })
    .await?;
    let (status, retry_after) = cluster.api().chat_head(&turn("go", 9, 1000)).await?;
    ensure!(status == 429, "{status}");
    ensure!(retry_after.is_some_and(|seconds| (1..=60).contains(&seconds)), "{retry_after:?}");
    socket.until_all_over().await?;
    for seed in 0..3u64 {
        let seen = &socket.answers[&seed.to_string()];
        seen.check_complete()?;
        ensure!(seen.text == answer(seed, 400), "seed {seed}");
    }
    ensure!(cluster.api().chat(&turn("tokens=4", 9, 1000)).await?.0 == 200);
    Ok(())
}

#[tokio::test]
async fn turns_are_spread_over_the_nodes() -> Result<()> {
    let cluster = fleet("tokens=400 pace=50 batch=4").nodes(3).start().await?;
    let mut socket = Socket::connect(cluster.api()).await?;
    for seed in 0..12u64 {
        socket.start(&seed.to_string(), &turn(&format!("go {seed}"), seed, 1000)).await?;
    }
    // A node that got more than its batch holds keeps some waiting until others are over, so nobody waits for first tokens.
    eventually("every node has turns", SOON, async || {
        let turns: Vec<u32> = cluster.members().await?.iter().map(|member| member.turns).collect();
        println!("turns by member: {turns:?}");
        Ok(turns.iter().filter(|&&turns| turns > 0).count() == 3)
    })
    .await?;
    socket.until_all_over().await?;
    ensure!(socket.answers.values().all(|answer| answer.check_complete().is_ok()));
    Ok(())
}

#[tokio::test]
async fn a_model_that_was_unloaded_is_loaded_again_when_a_turn_asks_for_it() -> Result<()> {
    let cluster = fleet("tokens=8").nodes(1).start().await?;
    let (code, body) = post(&cluster, "/admin/models/sprout/unload", json!({})).await?;
    ensure!(code == 202, "{code} {body}");
    eventually("it is unloaded", SOON, async || Ok(hosts(&cluster).await?.is_empty())).await?;
    let (status, body) = cluster.api().chat(&turn("go", 3, 100)).await?;
    ensure!(status == 200, "{status} {body}");
    ensure!(body["choices"][0]["message"]["content"] == answer(3, 8).as_str(), "{body}");
    ensure!(hosts(&cluster).await? == ["n1"]);
    Ok(())
}

#[tokio::test]
async fn a_model_can_be_loaded_and_unloaded_on_one_node_by_name() -> Result<()> {
    let cluster = fleet("tokens=8").nodes(2).start().await?;
    let on_one = json!({"node": "n1"});
    let (code, body) = post(&cluster, "/admin/models/sprout/unload", on_one.clone()).await?;
    ensure!(code == 202, "{code} {body}");
    eventually("n2 alone has it", SOON, async || Ok(hosts(&cluster).await? == ["n2"])).await?;
    let (code, body) = post(&cluster, "/admin/models/sprout/load", on_one).await?;
    ensure!(code == 202, "{code} {body}");
    eventually("both have it", SOON, async || Ok(hosts(&cluster).await?.len() == 2)).await?;
    let (code, body) = post(&cluster, "/admin/models/quince/load", json!({})).await?;
    ensure!((400..500).contains(&code) && body.to_string().contains("quince"), "{code} {body}");
    Ok(())
}

#[tokio::test]
async fn wanted_replicas_are_placed_again_after_a_death_and_the_others_stay() -> Result<()> {
    let mut cluster = fleet("tokens=8")
        .set_at_gateways("fleet.replicas", "sprout=2")
        .nodes(3)
        .start_gateways_and_join()
        .await?;
    // Each has it when it comes, until the gateway knows of all three.
    eventually("two of three have it", SOON, async || {
        let members = cluster.members().await?;
        let nodes = || members.iter().filter(|member| !member.is_here && member.version.is_some());
        let (ready, empty) = (
            nodes().filter(|node| is_ready(node)).count(),
            nodes().filter(|node| node.replicas.is_empty()).count(),
        );
        Ok((nodes().count(), ready, empty) == (3, 2, 1))
    })
    .await?;
    // Long enough for a third one to appear or one to move.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = hosts(&cluster).await?;
    ensure!(before.len() == 2, "{before:?}");
    let victim = cluster.position(&before[0])?;
    let pid_of_other = cluster.engine_pid(cluster.position(&before[1])?).await?;
    cluster.nodes[victim].kill()?;
    eventually("another one has it", SOON, async || {
        let now = hosts(&cluster).await?;
        Ok(now.len() == 2 && !now.contains(&before[0]))
    })
    .await?;
    let kept = cluster.engine_pid(cluster.position(&before[1])?).await?;
    ensure!(kept == pid_of_other, "the replica on {} was moved or restarted", before[1]);
    ensure!(cluster.api().chat(&turn("go", 3, 100)).await?.0 == 200);
    Ok(())
}

#[tokio::test]
async fn a_machine_that_is_a_client_hosts_nothing_and_says_so() -> Result<()> {
    let cluster =
        fleet("tokens=8").hosting_gateways().set_at_gateways("cluster.hosts", false).nodes(1).start().await?;
    let here = cluster.members().await?.into_iter().find(|member| member.is_here);
    ensure!(here.as_ref().is_none_or(|here| !here.hosts && here.replicas.is_empty()), "{here:?}");
    let (code, body) = post(&cluster, "/admin/models/sprout/load", json!({"node": "gw"})).await?;
    ensure!((400..500).contains(&code) && body["error"]["code"] == "not_a_host", "{code} {body}");
    let (status, body) = cluster.api().chat(&turn("go", 3, 100)).await?;
    ensure!(status == 200, "{status} {body}");
    Ok(())
}

#[tokio::test]
async fn a_gateway_without_nodes_refuses_turns_and_lives_on() -> Result<()> {
    let mut cluster = fleet("tokens=8").set("routing.queue_ms_max", 1000).start_gateways().await?;
    ensure!(cluster.api().get("/healthz").await?.0 == 200);
    ensure!(cluster.api().get("/readyz").await?.0 == 503);
    let (status, body) = cluster.api().chat(&turn("go", 3, 100)).await?;
    ensure!((400..600).contains(&status) && !body["error"]["code"].is_null(), "{status} {body}");
    cluster.add_node().await?;
    ensure!(cluster.api().chat(&turn("go", 3, 100)).await?.0 == 200);
    Ok(())
}

#[tokio::test]
async fn a_second_gateway_answers_with_the_same_nodes() -> Result<()> {
    let cluster = fleet("tokens=8").gateways(2).nodes(2).start().await?;
    let second = &cluster.gateways[1].api;
    eventually("the second gateway is ready", SOON, async || Ok(second.get("/readyz").await?.0 == 200))
        .await?;
    let (status, body) = second.chat(&turn("go", 3, 100)).await?;
    ensure!(status == 200, "{status} {body}");
    ensure!(body["choices"][0]["message"]["content"] == answer(3, 8).as_str(), "{body}");
    Ok(())
}
