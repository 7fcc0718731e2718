//! Downloads that a gateway makes for the people of its page: one that is paused, goes on behind a restart and ends in
//! a model that answers; one that is taken back; and those that cannot be.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pomona_tests::{Launch, Pomona};
use reqwest::Method;
use serde_json::{Value, json};

use crate::fake_hub::{FakeHub, Trick};
use crate::pull::hub;
use crate::support::{eventually, turn};

const LIMIT: Duration = Duration::from_secs(60);

async fn start(home: &Path, hub: &FakeHub) -> Result<Pomona> {
    let endpoint = format!("HF_ENDPOINT={}", hub.url());
    Launch::up().home(home).through(&["env", &endpoint, "HF_TOKEN=hf_sesame", "NO_PROXY=*"]).start().await
}

async fn ask(pomona: &Pomona, body: Value) -> Result<(u16, Value)> {
    pomona.api.post("/admin/downloads", &body).await
}

/// The download with this id, as the list has it.
async fn listed(pomona: &Pomona, id: &str) -> Result<Option<Value>> {
    let (_, body) = pomona.api.get_json("/admin/downloads").await?;
    let downloads = body["downloads"].as_array().cloned().context("no list")?;
    Ok(downloads.into_iter().find(|download| download["id"] == id))
}

async fn until(pomona: &Pomona, id: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
    eventually(what, LIMIT, async || Ok(listed(pomona, id).await?.is_some_and(|download| holds(&download))))
        .await?;
    listed(pomona, id).await?.context("it is gone")
}

fn id(download: &Value) -> Result<String> {
    Ok(download["id"].as_str().with_context(|| format!("no id: {download}"))?.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_is_paused_and_goes_on_behind_a_restart() -> Result<()> {
    let hub = hub().await?;
    hub.play("model.safetensors", Trick::Slow(Duration::from_millis(60)), u32::MAX);
    let home = tempfile::TempDir::new()?;
    let pomona = start(home.path(), &hub).await?;
    let wanted = json!({ "repo": "garden/quince", "name": "quince" });
    let (status, download) = ask(&pomona, wanted.clone()).await?;
    ensure!(status == 202 && download["repo"] == "garden/quince", "{status} {download}");
    let id = id(&download)?;
    let (status, again) = ask(&pomona, wanted).await?;
    ensure!(status == 200 && again["id"] == id.as_str(), "{status} {again}");
    until(&pomona, &id, "bytes come", |download| download["bytes_done"].as_u64() > Some(0)).await?;
    let (status, paused) = pomona.api.post(&format!("/admin/downloads/{id}/pause"), &json!({})).await?;
    ensure!(status == 200 && paused["state"] == "paused", "{status} {paused}");
    pomona.stop(LIMIT).await?;

    hub.behave();
    let pomona = start(home.path(), &hub).await?;
    let kept = listed(&pomona, &id).await?.context("a restart forgot it")?;
    ensure!(kept["state"] == "paused" && kept["bytes_done"].as_u64() > Some(0), "{kept}");
    let (status, resumed) = pomona.api.post(&format!("/admin/downloads/{id}/resume"), &json!({})).await?;
    ensure!(status == 200, "{status} {resumed}");
    let done = until(&pomona, &id, "it is done", |download| download["state"] == "done").await?;
    ensure!(done["bytes_done"] == done["bytes_total"] && done["model"] == "quince", "{done}");
    let mut body = turn("hello", 1, 4);
    body["model"] = json!("quince");
    eventually("it answers", LIMIT, async || Ok(pomona.api.chat(&body).await?.0 == 200)).await?;
    let (status, over) = pomona.api.post(&format!("/admin/downloads/{id}/pause"), &json!({})).await?;
    ensure!(status == 409 && over["error"]["code"] == "download_ended", "{status} {over}");
    let (status, _) = pomona.api.send(Method::DELETE, &format!("/admin/downloads/{id}"), &json!({})).await?;
    ensure!(status == 204 && listed(&pomona, &id).await?.is_none(), "{status}");
    ensure!(home.path().join("data/models/quince").exists(), "the model went with its row");
    ensure!(!pomona.printed().contains("sesame"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_is_taken_back_leaves_nothing() -> Result<()> {
    let hub = hub().await?;
    hub.play("model.safetensors", Trick::Slow(Duration::from_millis(60)), u32::MAX);
    let home = tempfile::TempDir::new()?;
    let pomona = start(home.path(), &hub).await?;
    let (_, download) = ask(&pomona, json!({ "repo": "garden/quince" })).await?;
    let id = id(&download)?;
    until(&pomona, &id, "bytes come", |download| download["bytes_done"].as_u64() > Some(0)).await?;
    let (status, said) = pomona.api.send(Method::DELETE, "/admin/models/quince", &json!({})).await?;
    ensure!(status == 409 && said["error"]["code"] == "model_downloading", "{status} {said}");
    let (status, _) = pomona.api.send(Method::DELETE, &format!("/admin/downloads/{id}"), &json!({})).await?;
    ensure!(status == 204, "{status}");
    let partial = home.path().join("data/models/.partial");
    eventually("its files go", LIMIT, async || {
        Ok(std::fs::read_dir(&partial).map_or(true, |folder| folder.count() == 0))
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_downloaded_is_named() -> Result<()> {
    let hub = hub().await?;
    let home = tempfile::TempDir::new()?;
    let pomona = start(home.path(), &hub).await?;
    for (body, param) in [
        (json!({ "repo": "a/b/c" }), "repo"),
        (json!({ "repo": "a/b", "file": " " }), "file"),
        (json!({ "repo": "a/b", "name": "x".repeat(300) }), "name"),
    ] {
        let (status, said) = ask(&pomona, body.clone()).await?;
        ensure!(status == 400 && said["error"]["param"] == param, "{body}: {status} {said}");
    }
    let (status, download) = ask(&pomona, json!({ "repo": "garden/quince", "file": "*.nothing" })).await?;
    ensure!(status == 202, "{status} {download}");
    let id = id(&download)?;
    let failed = until(&pomona, &id, "it fails", |download| download["state"] == "failed").await?;
    ensure!(failed["error"]["code"] == "no_weights", "{failed}");
    let (status, said) = pomona.api.post("/admin/downloads/dl_00000000000000ff/pause", &json!({})).await?;
    ensure!(status == 404 && said["error"]["code"] == "download_not_found", "{status} {said}");
    let (status, _) = pomona.api.post("/admin/downloads/x/pause", &json!({})).await?;
    ensure!(status == 400, "{status}");
    Ok(())
}
