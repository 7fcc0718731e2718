//! What a person does before a model is there and when it is to go: looks for it at the hub, looks at what a repository
//! offers, sees where it would fit, has it loaded there, and takes it off the disk.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pomona_tests::{Launch, Pomona};
use reqwest::Method;
use serde_json::{Value, json};

use crate::fake_hub::{FakeHub, Trick};
use crate::pull::hub;
use crate::support::eventually;

const LIMIT: Duration = Duration::from_secs(60);

async fn start(hub: &FakeHub, more: impl FnOnce(Launch) -> Launch) -> Result<Pomona> {
    let endpoint = format!("HF_ENDPOINT={}", hub.url());
    more(Launch::default()).through(&["env", &endpoint, "HF_TOKEN=hf_sesame", "NO_PROXY=*"]).start().await
}

async fn get(pomona: &Pomona, path: &str) -> Result<Value> {
    let (status, body) = pomona.api.get_json(path).await?;
    ensure!(status == 200, "{path}: {status} {body}");
    Ok(body)
}

async fn refused(pomona: &Pomona, path: &str, status: u16, code: &str) -> Result<Value> {
    let (got, body) = pomona.api.get_json(path).await?;
    ensure!(got == status && body["error"]["code"] == code, "{path}: {got} {body}");
    ensure!(!body.to_string().contains("sesame"), "{body}");
    Ok(body)
}

/// Downloads the built-in model under another name, and waits until it is offered.
async fn download(pomona: &Pomona, name: &str) -> Result<()> {
    let wanted = json!({ "repo": "garden/quince", "name": name });
    let (status, body) = pomona.api.post("/admin/downloads", &wanted).await?;
    ensure!(status == 202, "{status} {body}");
    eventually("it is offered", LIMIT, async || {
        let (status, _) = pomona.api.get_json(&format!("/admin/models/{name}/placement")).await?;
        Ok(status == 200)
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_found_looked_at_placed_loaded_and_removed() -> Result<()> {
    let hub = hub().await?;
    hub.find(
        &json!([{ "id": "garden/quince", "downloads": 7, "gated": false, "tags": ["llama"] }]).to_string(),
    );
    let pomona = start(&hub, |launch| launch).await?;
    let found = get(&pomona, "/admin/hub/models?q=quince&limit=5").await?;
    ensure!(found["hub"] == hub.url() && found["has_search"] == true, "{found}");
    ensure!(found["models"][0]["repo"] == "garden/quince" && found["models"][0]["downloads"] == 7, "{found}");
    let repo = get(&pomona, "/admin/hub/model?repo=garden/quince").await?;
    let choice = &repo["choices"][0];
    ensure!(repo["revision"] == "main" && repo["default"] == 0, "{repo}");
    ensure!(choice["model"] == "quince" && choice["file"].is_null() && choice["is_here"] == false, "{repo}");
    ensure!(repo["disk_bytes_free"].as_u64() > choice["bytes"].as_u64(), "{repo}");

    refused(&pomona, "/admin/models/quince/placement", 404, "model_not_found").await?;
    download(&pomona, "quince").await?;
    let repo = get(&pomona, "/admin/hub/model?repo=garden/quince@main").await?;
    ensure!(repo["choices"][0]["is_here"] == true, "{repo}");

    let placement = get(&pomona, "/admin/models/quince/placement").await?;
    let place = &placement["nodes"][0];
    ensure!(placement["best"] == place["node"] && place["fits"] == true, "{placement}");
    ensure!(place["has_weights"] == true && place["reason"].is_null(), "{placement}");
    let sum = placement["weight_bytes"].as_u64().context("weights")?
        + placement["kv_bytes"].as_u64().context("kv")?;
    ensure!(place["needs_bytes"] == sum && place["unloads"] == json!([]), "{placement}");

    let here = json!({ "node": place["node"] });
    let (status, body) = pomona.api.post("/admin/models/quince/load", &here).await?;
    ensure!(status == 202, "{status} {body}");
    eventually("it is there", LIMIT, async || {
        let placement = get(&pomona, "/admin/models/quince/placement").await?;
        Ok(placement["nodes"][0]["reason"] == "has_it" && placement["best"].is_null())
    })
    .await?;
    let remove = async || pomona.api.send(Method::DELETE, "/admin/models/quince", &json!({})).await;
    let (status, body) = remove().await?;
    ensure!(status == 409 && body["error"]["code"] == "model_loaded", "{status} {body}");
    let (status, body) = pomona.api.post("/admin/models/quince/unload", &json!({})).await?;
    ensure!(status == 202, "{status} {body}");
    eventually("it may go", LIMIT, async || Ok(remove().await?.0 == 204)).await?;
    ensure!(!pomona.home().join("data/models/quince").exists(), "its files are there");
    let (status, body) = remove().await?;
    ensure!(status == 404 && body["error"]["code"] == "model_not_found", "{status} {body}");
    let audit = get(&pomona, "/v3/audit").await?.to_string();
    ensure!(audit.contains("model.removed"), "{audit}");
    ensure!(!pomona.printed().contains("sesame"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_fails_is_said_so_and_a_mirror_has_no_search() -> Result<()> {
    let hub = hub().await?;
    let pomona = start(&hub, |launch| launch).await?;
    let found = get(&pomona, "/admin/hub/models?q=quince").await?;
    ensure!(found["has_search"] == false && found["models"] == json!([]), "{found}");
    for (path, param) in [
        ("/admin/hub/models", "q"),
        ("/admin/hub/models?q=%20", "q"),
        ("/admin/hub/models?q=a%0Ab", "q"),
        ("/admin/hub/models?q=a&limit=51", "limit"),
        ("/admin/hub/model", "repo"),
        ("/admin/hub/model?repo=a/b/c", "repo"),
    ] {
        let body = refused(&pomona, path, 400, "invalid_request").await?;
        ensure!(body["error"]["param"] == param, "{path}: {body}");
    }
    refused(&pomona, &format!("/admin/hub/models?q={}", "x".repeat(201)), 400, "invalid_request").await?;
    for (part, trick, status, code) in [
        ("/api/models?", Trick::Status(500, None), 502, "hub_unreachable"),
        ("/api/models?", Trick::Code(401, "Nobody"), 502, "hub_denied"),
        ("/api/models/", Trick::Code(403, "GatedRepo"), 502, "hub_denied"),
        ("/api/models/", Trick::Code(404, "RepoNotFound"), 404, "hub_model_not_found"),
        ("/api/models/", Trick::Status(418, None), 502, "hub_invalid"),
    ] {
        hub.play(part, trick, 1);
        let path = match part {
            "/api/models?" => "/admin/hub/models?q=a",
            _ => "/admin/hub/model?repo=a/b",
        };
        let body = refused(&pomona, path, status, code).await?;
        let message = body["error"]["message"].as_str().context("no message")?;
        ensure!(message.contains(&hub.url()), "{message}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_does_not_fit_where_it_is_wanted_is_refused_with_what_is_missing() -> Result<()> {
    let hub = hub().await?;
    let pomona = start(&hub, |launch| launch).await?;
    download(&pomona, "quince").await?;
    let placement = get(&pomona, "/admin/models/quince/placement").await?;
    let place = &placement["nodes"][0];
    let used = place["max_bytes"].as_u64().context("max")? - place["free_bytes"].as_u64().context("free")?;
    let needs = place["needs_bytes"].as_u64().context("needs")?;
    let home = tempfile::TempDir::new()?;
    copy(&pomona.home().join("data/models/quince"), &home.path().join("data/models/quince"))?;
    pomona.stop(LIMIT).await?;

    // The first model stays, and seven bytes are missing for another one.
    let memory = used + needs - 7;
    let pomona = start(&hub, |launch| launch.home(home.path()).set("fleet.memory_bytes", memory)).await?;
    eventually("it is offered", LIMIT, async || {
        Ok(pomona.api.get_json("/admin/models/quince/placement").await?.0 == 200)
    })
    .await?;
    let placement = get(&pomona, "/admin/models/quince/placement").await?;
    let place = &placement["nodes"][0];
    ensure!(
        place["reason"] == "memory" && place["lacks_bytes"] == 7 && place["fits"] == false,
        "{placement}"
    );
    ensure!(placement["best"].is_null(), "{placement}");
    let here = json!({ "node": place["name"] });
    let (status, body) = pomona.api.post("/admin/models/quince/load", &here).await?;
    let message = body["error"]["message"].as_str().context("no message")?;
    ensure!(status == 503 && message.contains("lacks 7 bytes"), "{status} {body}");
    Ok(())
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
