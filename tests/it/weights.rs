//! Weights between machines: a node that lacks a model takes it from those that have it, and then serves it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pomona_protocol::ReplicaState;
use pomona_tests::{Cluster, build};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{eventually, turn};

/// For a model of ten megabytes to travel, be hashed and be loaded on a busy machine.
const TRAVEL_LIMIT: Duration = Duration::from_secs(60);

/// Puts a copy of the built-in model into the models of this home, under another name.
pub(crate) fn give_model(home: &Path, name: &str) -> Result<()> {
    let folder = home.join("data/models").join(name);
    std::fs::create_dir_all(&folder)?;
    for entry in std::fs::read_dir(build::root().join("engine/sprout/model"))? {
        let entry = entry?;
        std::fs::copy(entry.path(), folder.join(entry.file_name()))?;
    }
    // Another content than the built-in one, so that the two are never taken for the same.
    let config = folder.join("config.json");
    let mut value: Value = serde_json::from_slice(&std::fs::read(&config)?)?;
    value["_name_or_path"] = json!(name);
    Ok(std::fs::write(config, value.to_string())?)
}

fn asked(model: &str) -> Value {
    let mut body = turn("Tell me a story about a fox.", 7, 24);
    body["model"] = json!(model);
    body["temperature"] = json!(0);
    body
}

async fn text(cluster: &Cluster, model: &str) -> Result<String> {
    let (status, body) = cluster.api().chat(&asked(model)).await?;
    ensure!(status == 200, "{status} {body}");
    body["choices"][0]["message"]["content"].as_str().map(str::to_owned).context("no text")
}

async fn serves(cluster: &Cluster, node: &str, model: &str) -> Result<bool> {
    let replicas = cluster.member(node).await?.replicas;
    Ok(replicas.iter().any(|replica| replica.model == model && replica.state == ReplicaState::Ready))
}

async fn load(cluster: &Cluster, model: &str, node: &str) -> Result<()> {
    let path = format!("/admin/models/{model}/load");
    let (status, body) = cluster.api().send(Method::POST, &path, &json!({ "node": node })).await?;
    ensure!(status == 202, "{status} {body}");
    eventually("it is served there", TRAVEL_LIMIT, async || serves(cluster, node, model).await).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_takes_a_model_from_its_neighbours_and_answers_the_same() -> Result<()> {
    let mut cluster = Cluster::builder().nodes(3).start().await?;
    for index in [0, 1] {
        give_model(cluster.nodes[index].home(), "quince")?;
        cluster.nodes[index].terminate(Duration::from_secs(15)).await?;
        cluster.nodes[index].start()?;
    }
    cluster.until_all_ready().await?;
    eventually("two nodes offer it", TRAVEL_LIMIT, async || {
        let members = cluster.members().await?;
        let offers = members.iter().flat_map(|member| &member.models);
        Ok(offers.filter(|offer| offer.model.0 == "quince" && !offer.digest.is_empty()).count() == 2)
    })
    .await?;
    load(&cluster, "quince", "n1").await?;
    let expected = text(&cluster, "quince").await?;
    load(&cluster, "quince", "n3").await?;
    let taken = cluster.nodes[2].home().join("data/models/quince/model.safetensors");
    let given = cluster.nodes[0].home().join("data/models/quince/model.safetensors");
    ensure!(std::fs::read(taken)? == std::fs::read(given)?, "the weights differ");
    cluster.nodes[0].kill()?;
    ensure!(text(&cluster, "quince").await? == expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_for_a_model_on_somebodys_disk_waits_until_it_is_loaded() -> Result<()> {
    let mut cluster = Cluster::builder().nodes(1).start().await?;
    give_model(cluster.nodes[0].home(), "medlar")?;
    cluster.nodes[0].terminate(Duration::from_secs(15)).await?;
    cluster.nodes[0].start()?;
    cluster.until_all_ready().await?;
    eventually("it is offered", TRAVEL_LIMIT, async || {
        let member = cluster.member("n1").await?;
        Ok(member.models.iter().any(|offer| offer.model.0 == "medlar"))
    })
    .await?;
    ensure!(!text(&cluster, "medlar").await?.is_empty());
    ensure!(serves(&cluster, "n1", "medlar").await?);
    Ok(())
}
