//! How long a model stays in memory: idle ones go and come back when they are asked, pinned ones stay, and what was
//! used least recently makes room.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pomona_protocol::{NodeStatus, ReplicaState};
use pomona_tests::{Launch, Pomona};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{eventually, turn};
use crate::weights::give_model;

const LIMIT: Duration = Duration::from_secs(60);

async fn ask(pomona: &Pomona, model: &str) -> Result<()> {
    let mut body = turn("hello", 1, 4);
    body["model"] = json!(model);
    let (status, answer) = pomona.api.chat(&body).await?;
    ensure!(status == 200, "{status} {answer}");
    Ok(())
}

async fn here(pomona: &Pomona) -> Result<NodeStatus> {
    let (status, body) = pomona.api.get_json("/admin/nodes").await?;
    let node = body["nodes"].get(0).cloned().with_context(|| format!("{status} {body}"))?;
    Ok(serde_json::from_value(node)?)
}

/// Models that are loaded or will be, by name.
async fn loaded(pomona: &Pomona) -> Result<Vec<String>> {
    let replicas = here(pomona).await?.replicas;
    let mut models: Vec<String> = replicas
        .into_iter()
        .filter(|replica| replica.state != ReplicaState::Failed)
        .map(|replica| replica.model)
        .collect();
    models.sort();
    Ok(models)
}

async fn becomes(pomona: &Pomona, expected: &[&str]) -> Result<()> {
    eventually("the models that are loaded", LIMIT, async || Ok(loaded(pomona).await? == expected)).await?;
    Ok(())
}

async fn offered(pomona: &Pomona, model: &str) -> Result<()> {
    eventually("it is offered", LIMIT, async || {
        Ok(here(pomona).await?.models.iter().any(|offer| offer.model.0 == model))
    })
    .await?;
    Ok(())
}

fn home_with(models: &[&str]) -> Result<tempfile::TempDir> {
    let home = tempfile::TempDir::new()?;
    models.iter().try_for_each(|model| give_model(home.path(), model))?;
    Ok(home)
}

async fn start(home: &Path, more: impl FnOnce(Launch) -> Launch) -> Result<Pomona> {
    more(Launch::default().home(home)).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_model_goes_and_comes_back_when_it_is_asked_and_a_pinned_one_stays() -> Result<()> {
    let home = home_with(&["medlar", "quince"])?;
    let pomona = start(home.path(), |launch| launch.set("fleet.idle_unload_ms", 1_500)).await?;
    offered(&pomona, "medlar").await?;
    offered(&pomona, "quince").await?;
    let (status, body) = pomona.api.send(Method::POST, "/admin/models/quince/pin", &json!({})).await?;
    ensure!(status == 204, "{status} {body}");
    ask(&pomona, "quince").await?;
    ask(&pomona, "medlar").await?;
    becomes(&pomona, &["quince", "sprout"]).await?;
    ask(&pomona, "medlar").await?;
    becomes(&pomona, &["quince", "sprout"]).await?;
    let replicas = here(&pomona).await?.replicas;
    ensure!(replicas.iter().all(|replica| replica.is_pinned), "{replicas:?}");
    let (status, _) = pomona.api.send(Method::POST, "/admin/models/quince/unpin", &json!({})).await?;
    ensure!(status == 204);
    becomes(&pomona, &["sprout"]).await?;
    let (_, audit): (u16, Value) = pomona.api.get_json("/v3/audit").await?;
    let text = audit.to_string();
    ensure!(text.contains("model.pinned") && text.contains("model.unpinned"), "{audit}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_used_least_recently_makes_room_for_what_is_asked() -> Result<()> {
    let home = home_with(&["medlar", "quince", "sorb"])?;
    let pomona = start(home.path(), |launch| launch).await?;
    offered(&pomona, "sorb").await?;
    let node = here(&pomona).await?;
    let one = node.models.iter().map(|offer| offer.memory_bytes).max().context("no offer")?;
    pomona.stop(LIMIT).await?;
    // The first model, which stays, and two more.
    let memory = node.memory_bytes_used + 2 * one + one / 2;
    let pomona = start(home.path(), |launch| launch.set("fleet.memory_bytes", memory)).await?;
    for model in ["medlar", "quince", "sorb"] {
        offered(&pomona, model).await?;
    }
    ask(&pomona, "medlar").await?;
    ask(&pomona, "quince").await?;
    becomes(&pomona, &["medlar", "quince", "sprout"]).await?;
    ask(&pomona, "medlar").await?;
    // Reports with the new idle times come four times a second.
    eventually("quince is the idle one", LIMIT, async || {
        let replicas = here(&pomona).await?.replicas;
        let idle = |model: &str| {
            replicas.iter().find(|replica| replica.model == model).map(|replica| replica.idle_ms)
        };
        Ok(idle("quince") > idle("medlar"))
    })
    .await?;
    ask(&pomona, "sorb").await?;
    becomes(&pomona, &["medlar", "sorb", "sprout"]).await
}
